//! `PUT /api/v1/chat/rooms/{room_id}/read`: mark all messages of a room as read.

use shared::{
    App,
    domain::receipts::ReceiptKind,
    domain::users::rate_limit::RateLimitedAction,
    id::RoomId,
    serve::{
        Fatal,
        http::{Json, Me, Path, Reply, serve},
    },
    wire::relationships::Done,
};

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Fatal> {
    serve(mark_read).await
}

pub(crate) async fn mark_read(app: App, me: Me, Path(room_id): Path<RoomId>) -> Reply<Done> {
    app.check_rate_limit(me.id, RateLimitedAction::Frames).await?;
    app.advance_receipt(ReceiptKind::Read, room_id, me.id, None).await?;
    Ok(Json(Done { message: "Messages marked as read".to_owned() }))
}
