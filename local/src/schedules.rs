//! EventBridge on one machine: calls functions again and again.

use std::sync::Arc;

use serde_json::json;

use crate::clock::{Clock, epoch_millis, whole_seconds};
use crate::lambda::Functions;
use crate::template::{ACCOUNT_ID, REGION, Schedule};

/// Calls each function whenever its time has come, for as long as the stack has it.
pub fn run(schedules: Vec<Schedule>, functions: &Arc<Functions>, clock: &Clock) {
    for schedule in schedules {
        let (functions, clock) = (Arc::clone(functions), clock.clone());
        tokio::spawn(async move {
            while functions.unless_ending(clock.sleep(schedule.every)).await.is_some() {
                let event = event(&schedule.rule, epoch_millis()).to_string();
                // A failure is logged by the call, and is tried again the next time.
                functions.invoke(&schedule.function, event.into()).await.ok();
            }
        });
    }
}

/// What a rule sends: <https://docs.aws.amazon.com/eventbridge/latest/userguide/eb-events-structure.html>
fn event(rule: &str, now: i64) -> serde_json::Value {
    json!({
        "version": "0",
        "id": uuid::Uuid::new_v4(),
        "detail-type": "Scheduled Event",
        "source": "aws.events",
        "account": ACCOUNT_ID,
        "time": whole_seconds(now),
        "region": REGION,
        "resources": [format!("arn:aws:events:{REGION}:{ACCOUNT_ID}:rule/{rule}")],
        "detail": {}
    })
}
