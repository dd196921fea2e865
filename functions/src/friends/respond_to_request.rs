//! `PUT /api/v1/friends/requests/{request_id}?action=accepted|rejected`: respond to a friend request.

use shared::{
    App,
    domain::users::rate_limit::RateLimitedAction,
    id::RequestId,
    serve::{
        Fatal,
        http::{Json, Me, Path, Query, Reply, serve},
    },
    wire::relationships::{RequestAnswer, RequestAnswered},
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
) -> Reply<RequestAnswered> {
    app.check_rate_limit(me.id, RateLimitedAction::Changes).await?;
    let friend = app.respond_to_request(me.id, request_id, answer.action).await?;
    Ok(Json(RequestAnswered { message: format!("Friend request {}", answer.action.as_str()), friend }))
}
