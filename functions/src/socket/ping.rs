//! `ping`: keeps the connection from idling, and says that we are here.

use shared::{
    App,
    domain::pace::Paced,
    serve::{
        Fatal,
        socket::{Answer, Caller, Data, serve},
    },
    wire::socket::{Event, Ping},
};

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Fatal> {
    serve(ping).await
}

pub(crate) async fn ping(app: App, caller: Caller, Data(ping): Data<Ping>) -> Answer {
    app.pace(caller.id, Paced::Frames).await?;
    Ok(Some(Event::Pong { timestamp: ping.timestamp }))
}
