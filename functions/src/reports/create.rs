//! `POST /api/v1/reports`: report a user or a message to the moderators.

use shared::{
    App,
    domain::{reports::NewReport, users::rate_limit::RateLimitedAction},
    serve::{
        Fatal,
        http::{Body, Json, Me, Reply, serve},
    },
    wire::reports::Reported,
};

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Fatal> {
    serve(create).await
}

pub(crate) async fn create(app: App, me: Me, Body(report): Body<NewReport>) -> Reply<Reported> {
    app.check_rate_limit(me.id, RateLimitedAction::Reports).await?;
    Ok(Json(app.report(me.id, report).await?.into()))
}
