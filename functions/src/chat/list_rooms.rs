//! `GET /api/v1/chat/rooms`: list the caller's rooms, newest activity first.

use shared::{
    App,
    domain::page::PageRequest,
    serve::{
        Fatal,
        http::{JsonPage, PageReply, Query, Reader, serve},
    },
    wire::rooms::ChatRoom,
};

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Fatal> {
    serve(list_rooms).await
}

pub(crate) async fn list_rooms(app: App, me: Reader, Query(page): Query<PageRequest>) -> PageReply<ChatRoom> {
    let mut rooms = app.store.my_rooms(me.id, page).await?.map(ChatRoom::from);
    app.show_presence(me.id, rooms.items.iter_mut().filter(|room| room.is_direct())).await?;
    Ok(JsonPage(rooms))
}
