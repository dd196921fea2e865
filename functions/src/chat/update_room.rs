//! `PATCH /api/v1/chat/rooms/{room_id}`: update a group's name, avatar, description or history visibility.

use shared::{
    App,
    domain::{rooms::patch::GroupPatch, users::rate_limit::RateLimitedAction},
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
    Body(patch): Body<GroupPatch>,
) -> Reply<ChatRoom> {
    app.check_rate_limit(me.id, RateLimitedAction::Changes).await?;
    Ok(Json(app.update_room(room, me.id, patch).await?))
}
