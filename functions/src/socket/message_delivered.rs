//! `message_delivered`: mark messages as delivered to this device up to a position or a message, and notify the room.

use shared::{
    App,
    domain::receipts::ReceiptKind,
    domain::users::rate_limit::RateLimitedAction,
    serve::{
        Fatal,
        socket::{Caller, Data, SocketReply, serve},
    },
    wire::socket::MessageDelivered,
};

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Fatal> {
    serve(message_delivered).await
}

pub(crate) async fn message_delivered(
    app: App,
    caller: Caller,
    Data(delivered): Data<MessageDelivered>,
) -> SocketReply {
    app.check_rate_limit(caller.id, RateLimitedAction::Frames).await?;
    app.advance_receipt(ReceiptKind::Delivered, delivered.room_id, caller.id, &delivered.target).await?;
    Ok(None)
}
