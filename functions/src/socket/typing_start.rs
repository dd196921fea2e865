//! `typing_start`: the person is writing something. The others in the room are told, and nothing is kept.

use shared::{
    App,
    domain::pace::Paced,
    serve::{
        Fatal,
        socket::{Answer, Caller, Data, serve},
    },
    wire::socket::Typing,
};

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Fatal> {
    serve(typing_start).await
}

pub(crate) async fn typing_start(app: App, caller: Caller, Data(typing): Data<Typing>) -> Answer {
    app.pace(caller.id, Paced::Frames).await?;
    app.typing(typing.room_id, caller.id, true).await?;
    Ok(None)
}
