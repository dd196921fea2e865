//! `DELETE /api/v1/chat/rooms/{room_id}`: delete a group with all its messages.

use shared::{
    App, Result,
    domain::users::rate_limit::RateLimitedAction,
    id::RoomId,
    serve::{
        Fatal,
        http::{Json, Me, Path, serve},
    },
};

/// The changes that a call counts as: it deletes up to 2,000 items.
const WEIGHT: u32 = 10;

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Fatal> {
    serve(delete_room).await
}

pub(crate) async fn delete_room(app: App, me: Me, Path(room): Path<RoomId>) -> Result<Option<Json<()>>> {
    app.check_weighted_rate_limit(me.id, RateLimitedAction::Changes, WEIGHT).await?;
    app.delete_room(room, me.id).await?;
    Ok(None)
}
