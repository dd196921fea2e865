//! `PUT /api/v1/chat/rooms/{room_id}/participants/{user_id}`: add a participant, or set their role.

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
    Path(path): Path<ParticipantPath>,
    body: Option<Body<ParticipantPut>>,
) -> Reply<ChatRoom> {
    app.check_rate_limit(me.id, RateLimitedAction::Changes).await?;
    let role = body.and_then(|Body(body)| body.role);
    Ok(Json(app.put_participant(path.room_id, me.id, path.user_id, role).await?))
}
