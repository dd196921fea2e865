//! `PUT /api/v1/friends/blocks/{user_id}`: shut somebody out, whether or not there is anybody.

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
    serve(block_user).await
}

pub(crate) async fn block_user(app: App, me: Me, Path(user): Path<UserId>) -> Result<Option<Json<()>>> {
    app.pace(me.id, Paced::Changes).await?;
    app.befriend(me.id, user, Action::Block).await?;
    Ok(None)
}
