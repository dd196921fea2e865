//! `POST /api/v1/friends/requests`: send a friend request.

use shared::{
    App, BestEffort, Error,
    domain::{relationships::RelationshipAction, users::rate_limit::RateLimitedAction},
    id::RequestId,
    serve::{
        Fatal,
        http::{Body, Json, Me, Reply, serve},
    },
    wire::{
        relationships::{FriendRequest, FriendRequestCreate},
        socket::Event,
    },
};

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Fatal> {
    serve(send_request).await
}

pub(crate) async fn send_request(
    app: App,
    me: Me,
    Body(body): Body<FriendRequestCreate>,
) -> Reply<FriendRequest> {
    app.check_rate_limit(me.id, RateLimitedAction::Requests).await?;
    let now = app.now();
    let profiles = app.store.may_ask(me.id, body.receiver_id, now).await?;
    let pair = app
        .update_relationship(me.id, body.receiver_id, RelationshipAction::Request(RequestId::at(now)))
        .await?;
    let request = pair.request().ok_or(Error::NotFound)?;
    let request = FriendRequest::pending(request, &profiles);
    let event = Event::FriendRequestReceived(request.clone());
    app.push.notify(&[body.receiver_id], &event, now).await.can_fail("friend request notification");
    Ok(Json(request))
}
