//! `$disconnect`: forget the connection. Best effort of the gateway: what it misses, expiry and 410s find.

use shared::{
    App,
    serve::{
        Fatal,
        socket::{Answer, Ended, serve},
    },
};

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Fatal> {
    serve(disconnect).await
}

pub(crate) async fn disconnect(app: App, Ended(connection): Ended) -> Answer {
    app.store.disconnected(connection.user_id, &connection.id, app.now()).await?;
    Ok(None)
}
