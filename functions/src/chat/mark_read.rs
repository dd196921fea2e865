//! `PUT /api/v1/chat/rooms/{room_id}/read`: the caller has read everything in a room.

use shared::{
    App,
    domain::pace::Paced,
    id::RoomId,
    receipts::Progress,
    serve::{
        Fatal,
        http::{Json, Me, Path, Reply, serve},
    },
    wire::friends::Done,
};

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Fatal> {
    serve(mark_read).await
}

pub(crate) async fn mark_read(app: App, me: Me, Path(room_id): Path<RoomId>) -> Reply<Done> {
    app.pace(me.id, Paced::Frames).await?;
    app.progress(Progress::Read, room_id, me.id, None).await?;
    Ok(Json(Done { message: "Messages marked as read".to_owned() }))
}
