//! Rate limits that users reach. A client waits as long as the response requires, and sends again.

use std::time::Duration;

use shared::domain::users::rate_limit::RateLimitedAction;

use crate::{
    gateway::HttpResponse,
    plan::{FaultLevel, Plan},
    simulation::Simulation,
    stored_rooms::attribute,
};

/// A limit: a burst of `count`, and as many in each period.
#[derive(Clone, Copy, Debug)]
pub struct Limit {
    pub count: u32,
    pub seconds: u32,
}

/// The read units that a user may consume for each message.
const READ_UNITS: u32 = 40;

/// The value of `RATE_LIMITS`. Without a limit, no schedule reaches any.
pub fn configuration(plan: &Plan) -> String {
    let high = Limit { count: 100_000, seconds: 60 };
    let low = plan.limit.unwrap_or(high);
    let doubled = Limit { count: low.count * 2, ..low };
    // So low a budget is charged before each read. If many calls fail, hardly any sync would complete; a sync that
    // reads more than the budget never does.
    let is_sufficient = plan.fault_level != FaultLevel::Severe && !plan.has_large_backlog;
    let charged = plan.limit.filter(|_| is_sufficient);
    let read_units = charged.map_or(high, |low| Limit { count: low.count * READ_UNITS, ..low });
    let limits = RateLimitedAction::ALL.map(|action| {
        let Limit { count, seconds } = match action {
            RateLimitedAction::Messages
            | RateLimitedAction::Changes
            | RateLimitedAction::Requests
            | RateLimitedAction::Rooms
            | RateLimitedAction::Profiles
            | RateLimitedAction::Additions
            | RateLimitedAction::Deletions => low,
            RateLimitedAction::Frames | RateLimitedAction::Connections => doubled,
            RateLimitedAction::Reads => read_units,
            RateLimitedAction::Searches | RateLimitedAction::Reports | RateLimitedAction::Refusals => high,
        };
        format!("{}={count}/{seconds}s", action.name())
    });
    limits.join(",")
}

/// The time to wait before a limited request is sent again.
pub fn delay(retry_after: Option<u64>) -> Duration {
    Duration::from_secs(retry_after.unwrap_or(1))
}

impl Simulation {
    /// A response is 429 only if the user may have reached a limit, and says when to try again.
    pub fn check_limited(&self, route: &str, response: &HttpResponse) {
        let HttpResponse { status, body, retry_after, .. } = response;
        if *status != 429 {
            return;
        }
        let is_complete = retry_after.is_some_and(|seconds| seconds > 0) && body["code"] == "rate_limited";
        if self.plan.limit.is_none() || !is_complete {
            let detail = format!("{route} returns 429 {body}, to be retried after {retry_after:?}");
            self.report_violation("rate limits", detail);
        }
    }

    /// No user has sent more messages in any time than the limit permits. The limit counted each one between
    /// its first attempt and its commit.
    pub fn check_rate_limits(&self) {
        let Some(limit) = self.plan.limit else { return };
        let interval = u64::from(limit.seconds) * 1000 / u64::from(limit.count);
        let mut violations = Vec::new();
        let observed = self.observed.borrow();
        for user in &self.users {
            let own = observed.sent.iter().filter(|sent| sent.sender == user.id);
            let counted: Vec<(u64, u64)> =
                own.filter_map(|sent| Some((*sent.attempts.first()?, self.sent_at(sent)?))).collect();
            for (from, _) in &counted {
                for (_, to) in counted.iter().filter(|(_, to)| to >= from) {
                    let within = counted.iter().filter(|(first, last)| first >= from && last <= to).count();
                    let permitted = u64::from(limit.count) + (to - from) / interval + 1;
                    if within as u64 > permitted {
                        let detail = format!(
                            "{} sent {within} messages from {from} to {to}, not {permitted}, with {limit:?}",
                            user.name
                        );
                        violations.push(("rate limits", detail));
                    }
                }
            }
        }
        drop(observed);
        self.report_violations(violations);
    }

    /// The commit time of a sent message.
    fn sent_at(&self, sent: &crate::observations::SentMessage) -> Option<u64> {
        let items = self.aws.partition(&format!("ROOM#{}", sent.room));
        let item = items.iter().find(|item| {
            attribute(item, "sender_id") == sent.sender
                && attribute(item, "client_message_id") == sent.client_id
        })?;
        let seq = item["seq"]["N"].as_str()?.parse().ok()?;
        Some(self.committed_at(&sent.room, seq))
    }
}
