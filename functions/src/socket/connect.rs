//! `$connect`: register the connection. It accepts pushes only after this function has returned.

use shared::{
    App,
    domain::users::rate_limit::RateLimitedAction,
    serve::{
        Fatal,
        socket::{Caller, ConnectIdentity, SocketReply, serve},
    },
};

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Fatal> {
    serve(connect).await
}

pub(crate) async fn connect(
    app: App,
    caller: Caller,
    ConnectIdentity(identity): ConnectIdentity,
) -> SocketReply {
    app.check_rate_limit(caller.id, RateLimitedAction::Connections).await?;
    app.ensure_profile(&identity).await?;
    app.push.register_connection(&caller.connection, caller.token_expires).await?;
    Ok(None)
}
