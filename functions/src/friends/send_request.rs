//! `POST /api/v1/friends/requests`: send a friend request.

use shared::{
    App,
    domain::users::rate_limit::RateLimitedAction,
    serve::{
        Fatal,
        http::{Body, Json, Me, Reply, serve},
    },
    wire::relationships::{FriendRequest, FriendRequestCreate},
};

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Fatal> {
    serve(send_request).await
}

pub(crate) async fn send_request(
    app: App,
    me: Me,
    Body(request): Body<FriendRequestCreate>,
) -> Reply<FriendRequest> {
    app.check_rate_limit(me.id, RateLimitedAction::Requests).await?;
    Ok(Json(app.send_friend_request(me.id, request.receiver_id).await?))
}
