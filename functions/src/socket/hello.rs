//! `hello`: make sure that the connection is known, and say so.

use shared::{
    App,
    domain::pace::Paced,
    serve::{
        Fatal,
        socket::{Answer, Caller, serve},
    },
    wire::socket::Event,
};

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Fatal> {
    serve(hello).await
}

pub(crate) async fn hello(app: App, caller: Caller) -> Answer {
    app.pace(caller.id, Paced::Frames).await?;
    app.push.admit(&caller.connection, caller.token_expires).await?;
    Ok(Some(Event::ConnectionEstablished { user_id: caller.id, server_time: app.now() }))
}
