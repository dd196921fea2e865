//! `GET /api/v1/chat/rooms/{room_id}/pins`: list the pinned messages of a room, newest pin first.

use shared::{
    App,
    id::RoomId,
    serve::{
        Fatal,
        http::{Json, Path, Reader, Reply, serve},
    },
    wire::messages::Message,
};

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Fatal> {
    serve(list_pins).await
}

pub(crate) async fn list_pins(app: App, me: Reader, Path(room): Path<RoomId>) -> Reply<Vec<Message>> {
    let pins = app.store.pins(room, me.id).await?;
    Ok(Json(pins.into_iter().map(Message::from).collect()))
}
