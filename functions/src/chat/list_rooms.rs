//! `GET /api/v1/chat/rooms`: the caller's rooms, newest activity first.

use shared::{
    App,
    serve::{
        Fatal,
        http::{JsonPage, Me, PageReply, Query, serve},
    },
    wire::chat::{ChatRoom, RoomList},
};

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Fatal> {
    serve(list_rooms).await
}

async fn list_rooms(app: App, me: Me, Query(list): Query<RoomList>) -> PageReply<ChatRoom> {
    let rooms = app.store.my_rooms(me.id, list.page).await?;
    Ok(JsonPage(rooms.map(ChatRoom::from)))
}
