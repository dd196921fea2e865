//! `GET /api/v1/users/{user_id}`: get a user's profile, as far as the caller may see it.

use shared::{
    App,
    id::UserId,
    serve::{
        Fatal,
        http::{Json, Path, Reader, Reply, serve},
    },
    wire::users::ShownUser,
};

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Fatal> {
    serve(get).await
}

pub(crate) async fn get(app: App, me: Reader, Path(user): Path<UserId>) -> Reply<ShownUser> {
    let (profile, pair, presence) = app.visible_user(me.id, user).await?;
    Ok(Json(ShownUser::new(profile, &pair, me.id, presence)))
}
