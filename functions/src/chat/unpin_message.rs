//! `DELETE /api/v1/chat/rooms/{room_id}/messages/{message_id}/pin`: unpin a message.

use shared::{
    App,
    domain::{messages::action::MessageAction, users::rate_limit::RateLimitedAction},
    serve::{
        Fatal,
        http::{Json, Me, Path, Reply, serve},
    },
    wire::{messages::MessagePath, rooms::ChatRoom},
};

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Fatal> {
    serve(unpin_message).await
}

pub(crate) async fn unpin_message(app: App, me: Me, Path(message): Path<MessagePath>) -> Reply<ChatRoom> {
    app.check_rate_limit(me.id, RateLimitedAction::Changes).await?;
    app.change_message(&message, me.id, &MessageAction::Unpin).await?;
    Ok(Json(app.store.room_with_all_members(me.id, message.room_id).await?.into()))
}
