//! `typing_start`: notify the other members that the user is typing. Nothing is stored.

use shared::{
    App,
    domain::users::rate_limit::RateLimitedAction,
    serve::{
        Fatal,
        socket::{Caller, Data, SocketReply, serve},
    },
    wire::socket::Typing,
};

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Fatal> {
    serve(typing_start).await
}

pub(crate) async fn typing_start(app: App, caller: Caller, Data(typing): Data<Typing>) -> SocketReply {
    app.check_rate_limit(caller.id, RateLimitedAction::Frames).await?;
    app.notify_typing(typing.room_id, caller.id, true).await?;
    Ok(None)
}
