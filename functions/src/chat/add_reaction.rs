//! `PUT /api/v1/chat/rooms/{room_id}/messages/{message_id}/reactions/{emoji}`: add a reaction.

use shared::{
    App,
    domain::{messages::action::MessageAction, users::rate_limit::RateLimitedAction},
    serve::{
        Fatal,
        http::{Json, Me, Path, Reply, serve},
    },
    wire::messages::{Message, ReactionPath},
};

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Fatal> {
    serve(add_reaction).await
}

pub(crate) async fn add_reaction(app: App, me: Me, Path(path): Path<ReactionPath>) -> Reply<Message> {
    app.check_rate_limit(me.id, RateLimitedAction::Changes).await?;
    Ok(Json(app.change_message(&path.message, me.id, &MessageAction::React(path.emoji)).await?.into()))
}
