//! `$disconnect`: remove the connection, and notify friends if it was the last one. API Gateway calls this on
//! a best-effort basis; expiry and responses with status 410 remove the connections that it misses.

use shared::{
    App, BestEffort,
    serve::{
        Fatal,
        socket::{EndedConnection, SocketReply, serve},
    },
};

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Fatal> {
    serve(disconnect).await
}

pub(crate) async fn disconnect(app: App, EndedConnection(connection): EndedConnection) -> SocketReply {
    let (user, now) = (connection.user_id, app.now());
    if app.store.remove_ended_connections(user, &[connection.id], now).await? {
        app.push.notify_status(user, now).await.can_fail("offline notification");
    }
    Ok(None)
}
