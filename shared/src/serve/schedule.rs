//! Calls that a schedule makes. What they say is what time it is.

use std::time::Duration;

use aws_lambda_events::eventbridge::EventBridgeEvent;
use lambda_runtime::{Diagnostic, LambdaEvent, service_fn};

use crate::{
    App, Error, Result,
    clock::Clock,
    serve::{Endpoint, Fatal, log_answered, measured},
};

/// What a schedule sends.
pub type ScheduledEvent = EventBridgeEvent;

/// So long before Lambda would end the process, an endpoint stops, and says that it has not come to its end.
const LEFT_AT_THE_END: Duration = Duration::from_secs(5);

/// One call by a schedule.
pub struct ScheduledCall;

/// Runs an endpoint that a schedule calls, for as long as the process lives. It may be stopped anywhere when its time is over,
/// and goes on at the next call.
pub async fn serve<A, E>(endpoint: E) -> Result<(), Fatal>
where
    A: 'static,
    E: Endpoint<ScheduledCall, A, Reply = ()>,
{
    lambda_runtime::tracing::init_default_subscriber();
    let app = App::from_env().await?;
    lambda_runtime::run(service_fn(move |event: LambdaEvent<ScheduledEvent>| {
        let (app, endpoint) = (app.clone(), endpoint.clone());
        async move {
            let now = Clock::system().now().milliseconds();
            let left = Duration::from_millis(event.context.deadline.saturating_sub(now));
            let call = answer(&app, &endpoint, &event.payload, &event.context.request_id);
            let in_time = tokio::time::timeout(left.saturating_sub(LEFT_AT_THE_END), call).await;
            in_time.unwrap_or_else(|_| {
                tracing::warn!("out of time: goes on at the next call");
                Err(Failure(Error::Busy("out of time".into())))
            })
        }
    }))
    .await
}

/// Answers one call.
pub async fn answer<A, E>(
    app: &App,
    endpoint: &E,
    event: &ScheduledEvent,
    request_id: &str,
) -> Result<(), Failure>
where
    E: Endpoint<ScheduledCall, A, Reply = ()>,
{
    let app = &app.at(event.time.map(Into::into));
    let (outcome, measured) = measured(endpoint.run(app, &ScheduledCall)).await;
    log_answered!(outcome.as_ref().err(), measured, route = "schedule", request_id);
    outcome.map_err(Failure)
}

/// A failure as Lambda counts it. The log has its cause.
#[derive(Debug)]
pub struct Failure(Error);

impl From<Failure> for Diagnostic {
    fn from(Failure(error): Failure) -> Self {
        Self { error_type: "Failed".to_owned(), error_message: error.to_string() }
    }
}
