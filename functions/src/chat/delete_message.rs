//! `DELETE /api/v1/chat/rooms/{room_id}/messages/{message_id}`: delete a message, except its position.

use shared::{
    App,
    domain::{messages::action::MessageAction, users::rate_limit::RateLimitedAction},
    serve::{
        Fatal,
        http::{Json, Me, Path, Reply, serve},
    },
    wire::messages::{Message, MessagePath},
};

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Fatal> {
    serve(delete_message).await
}

pub(crate) async fn delete_message(app: App, me: Me, Path(message): Path<MessagePath>) -> Reply<Message> {
    app.check_rate_limit(me.id, RateLimitedAction::Changes).await?;
    Ok(Json(app.change_message(&message, me.id, &MessageAction::Delete).await?.into()))
}
