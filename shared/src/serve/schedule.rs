//! Scheduled calls. Their only content is the time.

use std::time::Duration;

use lambda_runtime::{Diagnostic, LambdaEvent, service_fn};

use crate::{
    App, Error, Result,
    clock::{Clock, Timestamp},
    serve::{Endpoint, Fatal, events::ScheduledEvent, log_answered, measured},
};

/// The time before Lambda's deadline at which an endpoint is stopped, so that it can report that it is not
/// finished.
const SHUTDOWN_MARGIN: Duration = Duration::from_secs(5);

/// A scheduled call.
pub struct ScheduledCall;

/// Runs a scheduled endpoint until the process ends. The endpoint may be stopped at any await point when it
/// runs out of time, and continues in the next call.
pub async fn serve<A, E>(endpoint: E) -> Result<(), Fatal>
where
    A: 'static,
    E: Endpoint<ScheduledCall, A, Reply = ()>,
{
    super::log::init();
    let app = App::from_env().await?;
    lambda_runtime::run(service_fn(move |event: LambdaEvent<ScheduledEvent>| {
        let (app, endpoint) = (app.clone(), endpoint.clone());
        async move {
            let limit = time_limit(event.context.deadline, Clock::system().now().milliseconds());
            let call = answer(&app, &endpoint, &event.payload, &event.context.request_id);
            let outcome = tokio::time::timeout(limit, call).await;
            outcome.unwrap_or_else(|_| {
                tracing::warn!("out of time: the next call continues");
                Err(Failure(Error::Busy("out of time".into())))
            })
        }
    }))
    .await
}

/// How long a call may run that starts at `now`; both times are Unix milliseconds. `cargo lambda watch` gives a
/// deadline in 1970: a deadline in the past is none.
fn time_limit(deadline: u64, now: u64) -> Duration {
    let remaining = deadline.checked_sub(now).map_or(Duration::MAX, Duration::from_millis);
    remaining.saturating_sub(SHUTDOWN_MARGIN)
}

/// Handles a call.
pub async fn answer<A, E>(
    app: &App,
    endpoint: &E,
    event: &ScheduledEvent,
    request_id: &str,
) -> Result<(), Failure>
where
    E: Endpoint<ScheduledCall, A, Reply = ()>,
{
    let app = &app.at(event.time.and_then(|time| Timestamp::from_milliseconds(time.timestamp_millis())));
    let (outcome, measured) = measured(endpoint.run(app, &ScheduledCall)).await;
    log_answered!(outcome.as_ref().err(), measured, route = "schedule", request_id);
    outcome.map_err(Failure)
}

/// A failure that Lambda counts as an error of the function. The cause is in the log.
#[derive(Debug)]
pub struct Failure(Error);

impl From<Failure> for Diagnostic {
    fn from(Failure(error): Failure) -> Self {
        Self { error_type: "Failed".to_owned(), error_message: error.to_string() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_call_stops_before_a_deadline_in_the_future() {
        let now = 1_770_000_000_000;
        assert_eq!(time_limit(now + 60_000, now), Duration::from_secs(55));
        assert_eq!(time_limit(now + 4_000, now), Duration::ZERO);
        assert!(time_limit(600_000, now) > Duration::from_hours(24));
    }
}
