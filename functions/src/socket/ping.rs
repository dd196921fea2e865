//! `ping`: reply with `pong`. Keeps the connection from the idle timeout.

use shared::{
    App,
    domain::users::rate_limit::RateLimitedAction,
    serve::{
        Fatal,
        socket::{Caller, Data, SocketReply, serve},
    },
    wire::socket::{Event, Ping},
};

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Fatal> {
    serve(ping).await
}

pub(crate) async fn ping(app: App, caller: Caller, Data(ping): Data<Ping>) -> SocketReply {
    app.check_rate_limit(caller.id, RateLimitedAction::Frames).await?;
    Ok(Some(Event::Pong { timestamp: ping.timestamp }))
}
