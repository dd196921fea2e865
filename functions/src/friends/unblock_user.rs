//! `DELETE /api/v1/friends/blocks/{user_id}`: let somebody in again.

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
    serve(unblock_user).await
}

pub(crate) async fn unblock_user(app: App, me: Me, Path(user): Path<UserId>) -> Result<Option<Json<()>>> {
    app.pace(me.id, Paced::Changes).await?;
    app.befriend(me.id, user, Action::Unblock).await?;
    Ok(None)
}
