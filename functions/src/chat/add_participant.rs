//! `PUT /api/v1/chat/rooms/{room_id}/participants/{user_id}`: bring somebody into a group.

use shared::{
    App,
    domain::pace::Paced,
    serve::{
        Fatal,
        http::{Json, Me, Path, Reply, serve},
    },
    wire::rooms::{ChatRoom, ParticipantPath},
};

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Fatal> {
    serve(add_participant).await
}

pub(crate) async fn add_participant(app: App, me: Me, Path(at): Path<ParticipantPath>) -> Reply<ChatRoom> {
    app.pace(me.id, Paced::Changes).await?;
    Ok(Json(app.add_participant(at.room_id, me.id, at.user_id).await?))
}
