//! `PUT /api/v1/chat/rooms/{room_id}/read`: mark messages of a room as read, by default all of them.

use shared::{
    App,
    domain::{
        receipts::{ReceiptKind, ReceiptTarget},
        users::rate_limit::RateLimitedAction,
    },
    id::RoomId,
    serve::{
        Fatal,
        http::{Body, Json, Me, Path, Reply, serve},
    },
    wire::relationships::Done,
};

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Fatal> {
    serve(mark_read).await
}

pub(crate) async fn mark_read(
    app: App,
    me: Me,
    Path(room_id): Path<RoomId>,
    target: Option<Body<ReceiptTarget>>,
) -> Reply<Done> {
    app.check_rate_limit(me.id, RateLimitedAction::Frames).await?;
    let target = target.map_or(ReceiptTarget::Newest, |Body(target)| target);
    app.advance_receipt(ReceiptKind::Read, room_id, me.id, &target).await?;
    Ok(Json(Done { message: "Messages marked as read".to_owned() }))
}
