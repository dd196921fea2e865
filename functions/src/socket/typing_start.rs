//! `typing_start`: the person is writing something. The others in the room are told, and nothing is kept.

use shared::{
    App,
    domain::users::rate_limit::RateLimitedAction,
    serve::{
        Fatal,
        socket::{Answer, Caller, Data, serve},
    },
    wire::socket::Typing,
};

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Fatal> {
    serve(typing_start).await
}

pub(crate) async fn typing_start(app: App, caller: Caller, Data(typing): Data<Typing>) -> Answer {
    app.check_rate_limit(caller.id, RateLimitedAction::Frames).await?;
    app.typing(typing.room_id, caller.id, true).await?;
    Ok(None)
}
