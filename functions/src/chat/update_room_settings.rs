//! `PATCH /api/v1/chat/rooms/{room_id}/settings`: update the caller's own settings of a room.

use shared::{
    App,
    domain::{rooms::settings::RoomSettingsChange, users::rate_limit::RateLimitedAction},
    id::RoomId,
    serve::{
        Fatal,
        http::{Body, Json, Me, Path, Reply, serve},
    },
    wire::rooms::RoomSettingsView,
};

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Fatal> {
    serve(update_room_settings).await
}

pub(crate) async fn update_room_settings(
    app: App,
    me: Me,
    Path(room): Path<RoomId>,
    Body(change): Body<RoomSettingsChange>,
) -> Reply<RoomSettingsView> {
    app.check_rate_limit(me.id, RateLimitedAction::Changes).await?;
    Ok(Json(app.change_room_settings(room, me.id, &change).await?))
}
