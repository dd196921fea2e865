//! `message_read`: mark messages as read up to a position or a message, or all of them, and notify the room.

use shared::{
    App,
    domain::receipts::ReceiptKind,
    domain::users::rate_limit::RateLimitedAction,
    serve::{
        Fatal,
        socket::{Caller, Data, SocketReply, serve},
    },
    wire::socket::MessageRead,
};

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Fatal> {
    serve(message_read).await
}

pub(crate) async fn message_read(app: App, caller: Caller, Data(read): Data<MessageRead>) -> SocketReply {
    app.check_rate_limit(caller.id, RateLimitedAction::Frames).await?;
    app.advance_receipt(ReceiptKind::Read, read.room_id, caller.id, &read.target).await?;
    Ok(None)
}
