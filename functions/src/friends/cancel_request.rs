//! `DELETE /api/v1/friends/requests/{request_id}`: cancel a friend request.

use shared::{
    App, Error, Result,
    domain::{relationships::RelationshipAction, users::rate_limit::RateLimitedAction},
    id::RequestId,
    serve::{
        Fatal,
        http::{Json, Me, Path, serve},
    },
};

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Fatal> {
    serve(cancel_request).await
}

pub(crate) async fn cancel_request(
    app: App,
    me: Me,
    Path(request_id): Path<RequestId>,
) -> Result<Option<Json<()>>> {
    app.check_rate_limit(me.id, RateLimitedAction::Changes).await?;
    let request = app.store.sent_request(me.id, request_id).await?.ok_or(Error::NotFound)?;
    app.update_relationship(me.id, request.receiver_id, RelationshipAction::Cancel(request_id)).await?;
    Ok(None)
}
