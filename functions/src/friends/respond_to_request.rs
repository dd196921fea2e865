//! `PUT /api/v1/friends/requests/{request_id}?action=accepted|rejected`: respond to a friend request.

use shared::{
    App, Error,
    domain::{relationships::RelationshipAction, users::rate_limit::RateLimitedAction},
    id::RequestId,
    serve::{
        Fatal,
        http::{Json, Me, Path, Query, Reply, serve},
    },
    wire::relationships::{Done, RequestAnswer},
};

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Fatal> {
    serve(respond_to_request).await
}

pub(crate) async fn respond_to_request(
    app: App,
    me: Me,
    Path(request_id): Path<RequestId>,
    Query(answer): Query<RequestAnswer>,
) -> Reply<Done> {
    app.check_rate_limit(me.id, RateLimitedAction::Changes).await?;
    let request = app.store.received_request(me.id, request_id).await?.ok_or(Error::NotFound)?;
    let action = RelationshipAction::Respond(request_id, answer.action);
    app.update_relationship(me.id, request.sender_id, action).await?;
    Ok(Json(Done { message: format!("Friend request {}", answer.action.as_str()) }))
}
