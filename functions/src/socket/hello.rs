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
    let came_online = app.push.mark_online(&connection, caller.token_expires).await?;
    let event = Event::ConnectionEstablished { user_id: caller.id, server_time: now };
    let answer = Frame { event: &event, reference: origin.reference.as_ref() };
    app.push.answer(connection, &answer, now).await?;
    if came_online {
        app.push.notify_status(caller.id, now).await.can_fail("online notification");
    }
    Ok(None)
}
