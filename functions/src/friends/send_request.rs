//! `POST /api/v1/friends/requests`: ask someone to be friends.

use shared::{
    App, BestEffort, Error,
    domain::friendship,
    id::RequestId,
    serve::{
        Fatal,
        http::{Body, Json, Me, Reply, serve},
    },
    wire::{
        friends::{FriendRequest, FriendRequestCreate},
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
    Body(ask): Body<FriendRequestCreate>,
) -> Reply<FriendRequest> {
    let profiles = app.store.profiles(&[me.id, ask.receiver_id]).await?;
    if !profiles.contains_key(&ask.receiver_id) {
        return Err(Error::NotFound);
    }
    let now = app.now();
    let rule = |pair: &_| friendship::request(pair, me.id, RequestId::at(now), now);
    let request = app.store.move_pair(me.id, ask.receiver_id, rule).await?;
    let request = FriendRequest::pending(&request, &profiles);
    let event = Event::FriendRequestReceived(request.clone());
    app.push.tell(&[ask.receiver_id], &event, now).await.can_fail("friend request push");
    Ok(Json(request))
}
