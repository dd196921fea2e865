//! `hello`: confirm the connection, and notify friends if the user came online.

use shared::{
    App, BestEffort,
    domain::users::{presence::Connection, rate_limit::RateLimitedAction},
    push::Origin,
    serve::{
        Fatal,
        socket::{Caller, Data, SocketReply, serve},
    },
    wire::socket::{Event, Frame, Hello},
};

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Fatal> {
    serve(hello).await
}

pub(crate) async fn hello(app: App, caller: Caller, origin: Origin, Data(hello): Data<Hello>) -> SocketReply {
    app.check_rate_limit(caller.id, RateLimitedAction::Frames).await?;
    let now = app.now();
    let device_id = hello.device_id.or(caller.connection.device_id);
    let connection = Connection { device_id, ..caller.connection };
    let Some(connections) = app.store.confirm_connection(&connection).await? else {
        app.push.close(&connection.id).await?;
        return Ok(None);
    };
    let event = Event::ConnectionEstablished { user_id: caller.id, server_time: now };
    let answer = Frame { event: &event, reference: origin.reference.as_ref() };
    if app.push.answer(&connection, &answer, now).await? {
        app.push.notify_presence(connections, now).await.can_fail("online notification");
    } else {
        // `$disconnect` may have been called before the connection was confirmed.
        app.end_connection(connection).await?;
    }
    Ok(None)
}
