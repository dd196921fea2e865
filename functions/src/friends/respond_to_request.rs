//! `PUT /api/v1/friends/requests/{request_id}?action=accepted|rejected`: answer a request.

use shared::{
    App, BestEffort, Error,
    domain::friendship,
    id::RequestId,
    serve::{
        Fatal,
        http::{Json, Me, Path, Query, Reply, serve},
    },
    wire::{
        friends::{Done, RequestAnswer},
        socket::Event,
    },
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
    let request = app.store.received_request(me.id, request_id).await?.ok_or(Error::NotFound)?;
    let now = app.now();
    let rule = |pair: &_| {
        let next = friendship::respond(pair, me.id, request_id, answer.action, now)?;
        Ok((next, ()))
    };
    app.store.move_pair(me.id, request.sender_id, rule).await?;
    let action = answer.action.as_str();
    let event = Event::FriendRequestResponded { request_id, user_id: me.id, action };
    app.push.tell(&[request.sender_id], &event, now).await.can_fail("request answer push");
    Ok(Json(Done { message: format!("Friend request {action}") }))
}
