//! `$default`: frames of an unknown type, and frames that are not JSON.

use shared::{
    App, Error,
    domain::users::rate_limit::RateLimitedAction,
    error::Refusal,
    serve::{
        Fatal,
        socket::{AnyFrame, Caller, SocketReply, serve},
    },
};

const UNKNOWN_TYPE: Refusal =
    Refusal { status: 400, code: "unknown_type", detail: "There is no such frame type." };

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Fatal> {
    serve(unknown).await
}

pub(crate) async fn unknown(app: App, caller: Caller, _: AnyFrame) -> SocketReply {
    app.check_rate_limit(caller.id, RateLimitedAction::Frames).await?;
    Err(Error::from(UNKNOWN_TYPE))
}
