//! `ping`: keeps the connection from idling, and says that we are here.

use shared::{
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

pub(crate) async fn ping(_: Caller, Data(ping): Data<Ping>) -> Answer {
    Ok(Some(Event::Pong { timestamp: ping.timestamp }))
}
