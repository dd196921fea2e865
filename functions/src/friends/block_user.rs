//! `PUT /api/v1/friends/blocks/{user_id}`: block a user. Succeeds even if the user does not exist.

use shared::{
    App, Result,
    domain::{relationships::RelationshipAction, users::rate_limit::RateLimitedAction},
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
    app.check_rate_limit(me.id, RateLimitedAction::Changes).await?;
    app.update_relationship(me.id, user, RelationshipAction::Block).await?;
    Ok(None)
}
