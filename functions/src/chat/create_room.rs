//! `POST /api/v1/chat/rooms`: create a group, or open the direct room of two users.

use shared::{
    App,
    domain::rooms::new_room::NewRoom,
    serve::{
        Fatal,
        http::{Body, Json, Me, Reply, serve},
    },
    wire::rooms::{ChatRoom, RoomCreate},
};

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Fatal> {
    serve(create_room).await
}

pub(crate) async fn create_room(app: App, me: Me, Body(room): Body<RoomCreate>) -> Reply<ChatRoom> {
    let new = NewRoom::new(me.id, &room.participant_ids, room.is_group, room.name.as_deref(), app.now())?;
    Ok(Json(app.create_room(new.with_client_id(room.client_room_id)).await?))
}
