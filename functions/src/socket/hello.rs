//! `hello`: make sure that the connection is known, and say so; then friends hear that its person is online, if they were not.

use shared::{
    App, BestEffort,
    domain::users::{presence::Connection, rate_limit::RateLimitedAction},
    push::Origin,
    serve::{
        Fatal,
        socket::{Answer, Caller, Data, serve},
    },
    wire::socket::{Event, Frame, Hello},
};

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Fatal> {
    serve(hello).await
}

pub(crate) async fn hello(app: App, caller: Caller, origin: Origin, Data(hello): Data<Hello>) -> Answer {
    app.check_rate_limit(caller.id, RateLimitedAction::Frames).await?;
    let now = app.now();
    let device_id = hello.device_id.or(caller.connection.device_id);
    let connection = Connection { device_id, ..caller.connection };
    let is_news = app.push.mark_online(&connection, caller.token_expires).await?;
    let event = Event::ConnectionEstablished { user_id: caller.id, server_time: now };
    let answer = Frame { event: &event, reference: origin.reference.as_ref() };
    app.push.answer(connection, &answer, now).await?;
    if is_news {
        app.push.notify_status(caller.id, now).await.can_fail("telling who came online");
    }
    Ok(None)
}
