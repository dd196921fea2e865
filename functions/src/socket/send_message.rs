//! `send_message`: send a message. The reply `message_sent` is sent with the pushes to the other members.

use shared::{
    App,
    push::Origin,
    serve::{
        Fatal,
        socket::{Caller, Data, SocketReply, serve},
    },
    wire::messages::MessageCreate,
};

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Fatal> {
    serve(send_message).await
}

pub(crate) async fn send_message(
    app: App,
    caller: Caller,
    origin: Origin,
    Data(message): Data<MessageCreate>,
) -> SocketReply {
    let sent = app.append(&message.from_sender(caller.id)).await?;
    app.deliver(&sent, Some(&origin)).await;
    Ok(None)
}
