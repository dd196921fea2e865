//! The emulated EventBridge: invokes functions on their schedules.

use std::sync::Arc;

use serde_json::json;

use crate::clock::{Clock, epoch_millis, iso8601_seconds};
use crate::lambda::Functions;
use crate::template::{ACCOUNT_ID, REGION, Schedule};

/// Invokes each scheduled function at its interval until the functions stop.
pub fn run(schedules: Vec<Schedule>, functions: &Arc<Functions>, clock: &Clock) {
    for schedule in schedules {
        let (functions, clock) = (Arc::clone(functions), clock.clone());
        tokio::spawn(async move {
            while functions.unless_stopping(clock.sleep(schedule.interval)).await.is_some() {
                let event = event(&schedule.rule, epoch_millis()).to_string();
                // The invocation logs a failure; the next interval retries.
                functions.invoke(&schedule.function, event.into()).await.ok();
            }
        });
    }
}

/// The event that a scheduled rule sends:
/// <https://docs.aws.amazon.com/eventbridge/latest/userguide/eb-events-structure.html>
fn event(rule: &str, now: i64) -> serde_json::Value {
    json!({
        "version": "0",
        "id": uuid::Uuid::new_v4(),
        "detail-type": "Scheduled Event",
        "source": "aws.events",
        "account": ACCOUNT_ID,
        "time": iso8601_seconds(now),
        "region": REGION,
        "resources": [format!("arn:aws:events:{REGION}:{ACCOUNT_ID}:rule/{rule}")],
        "detail": {}
    })
}
