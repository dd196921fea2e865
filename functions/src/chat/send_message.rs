//! `POST /api/v1/chat/messages`: send a message.

use shared::{
    App,
    serve::{
        Fatal,
        http::{Body, Json, Me, Reply, serve},
    },
    wire::messages::{Message, MessageCreate},
};

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Fatal> {
    serve(send_message).await
}

pub(crate) async fn send_message(app: App, me: Me, Body(message): Body<MessageCreate>) -> Reply<Message> {
    let sent = app.append(&message.from_sender(me.id)).await?;
    let room = app.deliver(&sent, None).await;
    Ok(Json(sent.seen_by_sender(&room)?.into()))
}
