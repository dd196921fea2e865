//! `GET /api/v1/chat/rooms/{room_id}/messages`: list messages, newest first.

use shared::{
    App,
    id::RoomId,
    serve::{
        Fatal,
        http::{Json, Path, Query, Reader, Reply, serve},
    },
    wire::messages::{History, Message},
};

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Fatal> {
    serve(list_messages).await
}

pub(crate) async fn list_messages(
    app: App,
    me: Reader,
    Path(room): Path<RoomId>,
    Query(history): Query<History>,
) -> Reply<Vec<Message>> {
    let messages = app.store.history(room, me.id, history.window, history.limit).await?;
    Ok(Json(messages.into_iter().map(Message::from).collect()))
}
