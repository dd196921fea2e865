//! `GET /api/v1/chat/rooms/{room_id}/messages/{message_id}`: get a message.

use shared::{
    App,
    serve::{
        Fatal,
        http::{Json, Path, Reader, Reply, serve},
    },
    wire::messages::{Message, MessagePath},
};

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Fatal> {
    serve(get_message).await
}

pub(crate) async fn get_message(app: App, me: Reader, Path(path): Path<MessagePath>) -> Reply<Message> {
    Ok(Json(app.store.message(path.room_id, me.id, path.message_id).await?.into()))
}
