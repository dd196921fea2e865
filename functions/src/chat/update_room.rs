//! `PATCH /api/v1/chat/rooms/{room_id}`: call a group otherwise, or change its picture, description or what newcomers see.

use shared::{
    App,
    domain::{details::Details, pace::Paced},
    id::RoomId,
    serve::{
        Fatal,
        http::{Body, Json, Me, Path, Reply, serve},
    },
    wire::rooms::ChatRoom,
};

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Fatal> {
    serve(update_room).await
}

pub(crate) async fn update_room(
    app: App,
    me: Me,
    Path(room): Path<RoomId>,
    Body(details): Body<Details>,
) -> Reply<ChatRoom> {
    app.pace(me.id, Paced::Changes).await?;
    Ok(Json(app.update_room(room, me.id, details).await?))
}
