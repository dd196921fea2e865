//! `PUT /api/v1/chat/rooms/{room_id}/participants/{user_id}`: bring somebody into a group, or give them another role.

use shared::{
    App,
    domain::users::rate_limit::RateLimitedAction,
    serve::{
        Fatal,
        http::{Body, Json, Me, Path, Reply, serve},
    },
    wire::rooms::{ChatRoom, ParticipantPath, ParticipantPut},
};

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Fatal> {
    serve(add_participant).await
}

pub(crate) async fn add_participant(
    app: App,
    me: Me,
    Path(at): Path<ParticipantPath>,
    wish: Option<Body<ParticipantPut>>,
) -> Reply<ChatRoom> {
    app.check_rate_limit(me.id, RateLimitedAction::Changes).await?;
    let role = wish.and_then(|Body(wish)| wish.role);
    Ok(Json(app.put_participant(at.room_id, me.id, at.user_id, role).await?))
}
