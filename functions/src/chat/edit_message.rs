//! `PATCH /api/v1/chat/rooms/{room_id}/messages/{message_id}`: edit a message.

use shared::{
    App,
    domain::{messages::action::MessageAction, users::rate_limit::RateLimitedAction},
    serve::{
        Fatal,
        http::{Body, Json, Me, Path, Reply, serve},
    },
    wire::messages::{Message, MessageEdit, MessagePath},
};

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Fatal> {
    serve(edit_message).await
}

pub(crate) async fn edit_message(
    app: App,
    me: Me,
    Path(message): Path<MessagePath>,
    Body(edit): Body<MessageEdit>,
) -> Reply<Message> {
    app.check_rate_limit(me.id, RateLimitedAction::Changes).await?;
    Ok(Json(app.change_message(&message, me.id, &MessageAction::Edit(edit.content)).await?.into()))
}
