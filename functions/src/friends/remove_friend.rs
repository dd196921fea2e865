//! `DELETE /api/v1/friends/{user_id}`: end a friendship.

use shared::{
    App, Result,
    domain::{friendship::Action, pace::Paced},
    id::UserId,
    serve::{
        Fatal,
        http::{Json, Me, Path, serve},
    },
};

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Fatal> {
    serve(remove_friend).await
}

pub(crate) async fn remove_friend(app: App, me: Me, Path(user): Path<UserId>) -> Result<Option<Json<()>>> {
    app.pace(me.id, Paced::Changes).await?;
    app.befriend(me.id, user, Action::Unfriend).await?;
    Ok(None)
}
