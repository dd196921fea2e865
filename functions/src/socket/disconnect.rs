//! `$disconnect`: remove the connection, and notify friends if it was the last one. API Gateway calls this on
//! a best-effort basis; expiry and responses with status 410 remove the connections that it misses.

use shared::{
    App,
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
    app.end_connection(connection).await?;
    Ok(None)
}
