//! `GET /api/v1/chat/rooms/{room_id}`: get a room with all its participants.

use shared::{
    App,
    id::RoomId,
    serve::{
        Fatal,
        http::{Json, Path, Reader, Reply, serve},
    },
    wire::rooms::ChatRoom,
};

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Fatal> {
    serve(get_room).await
}

pub(crate) async fn get_room(app: App, me: Reader, Path(room): Path<RoomId>) -> Reply<ChatRoom> {
    let mut room = ChatRoom::from(app.store.room_with_all_members(me.id, room).await?);
    app.show_presence(me.id, [&mut room]).await?;
    Ok(Json(room))
}
