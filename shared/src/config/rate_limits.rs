//! The rate limits per user, such as `messages=60/60s,requests=20/3600s,searches=off`.

use std::{collections::BTreeMap, str::FromStr};

use crate::{
    domain::users::rate_limit::{RateLimit, RateLimitedAction},
    error::Error,
};

/// The limits by action. An action without an entry is not limited.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RateLimits(BTreeMap<RateLimitedAction, RateLimit>);

/// The maximum period, in seconds: 30 days.
const MAX_PERIOD: u32 = 30 * 24 * 3600;

/// The maximum count. A larger one has intervals that are shorter than the differences between clocks.
const MAX_COUNT: u32 = 1_000_000;

/// The value for no limit.
const OFF: &str = "off";

impl RateLimits {
    /// The limit of an action; `None` if it is not limited.
    pub fn of(&self, action: RateLimitedAction) -> Option<RateLimit> {
        self.0.get(&action).copied()
    }
}

impl Default for RateLimits {
    fn default() -> Self {
        Self(RateLimitedAction::ALL.into_iter().map(|action| (action, default_limit(action))).collect())
    }
}

/// The default limit: far above human use, far below what a program can do.
fn default_limit(action: RateLimitedAction) -> RateLimit {
    match action {
        RateLimitedAction::Messages | RateLimitedAction::Changes => RateLimit::per(60, 60),
        RateLimitedAction::Searches | RateLimitedAction::Connections => RateLimit::per(30, 60),
        RateLimitedAction::Frames => RateLimit::per(120, 60),
        // Per room that shows the profile. A user in more rooms can change it once per hour.
        RateLimitedAction::Profiles => RateLimit::per(600, 3600),
        RateLimitedAction::Additions => RateLimit::per(20, 24 * 3600),
        RateLimitedAction::Deletions => RateLimit::per(10, 3600),
        // The fiftieth one closes the connection.
        RateLimitedAction::Refusals => RateLimit::per(49, 60),
        RateLimitedAction::Requests | RateLimitedAction::Rooms | RateLimitedAction::Reports => {
            RateLimit::per(20, 3600)
        }
        RateLimitedAction::Reads => RateLimit::per(60_000, 3600),
    }
}

impl FromStr for RateLimits {
    type Err = Error;

    /// Actions that are not named have their default limits. `off` alone disables all limits.
    fn from_str(text: &str) -> Result<Self, Error> {
        if text.trim() == OFF {
            return Ok(Self(BTreeMap::new()));
        }
        let (mut limits, mut seen) = (Self::default(), Vec::new());
        for entry in text.split(',').map(str::trim) {
            let (action, limit) = parse_entry(entry).ok_or_else(|| {
                let form = "`name=count/seconds`, such as `messages=60/60s`, or `name=off`";
                Error::internal(format!("RATE_LIMITS: `{entry}` must have the form {form}"))
            })?;
            if seen.contains(&action) {
                return Err(Error::internal(format!("RATE_LIMITS: {} is listed twice", action.name())));
            }
            seen.push(action);
            match limit {
                Some(limit) => drop(limits.0.insert(action, limit)),
                None => drop(limits.0.remove(&action)),
            }
        }
        Ok(limits)
    }
}

fn parse_entry(entry: &str) -> Option<(RateLimitedAction, Option<RateLimit>)> {
    let (name, limit) = entry.split_once('=')?;
    let action = RateLimitedAction::ALL.into_iter().find(|action| action.name() == name)?;
    if limit == OFF {
        return Some((action, None));
    }
    let (count, seconds) = limit.strip_suffix('s')?.split_once('/')?;
    let (count, seconds) = (parse_number(count, MAX_COUNT)?, parse_number(seconds, MAX_PERIOD)?);
    Some((action, Some(RateLimit::per(count, seconds))))
}

/// Parses a number from 1 to `max`, in ASCII digits without a sign.
fn parse_number(text: &str, max: u32) -> Option<u32> {
    let is_digits = text.bytes().all(|byte| byte.is_ascii_digit());
    text.parse().ok().filter(|number| is_digits && (1..=max).contains(number))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{clock::Timestamp, domain::users::rate_limit::Decision};

    #[test]
    fn two_devices_that_follow_the_client_protocol_are_never_limited() {
        let document = include_str!("../../../docs/client-protocol.md").replace("\n  ", " ");
        assert!(document.contains("at most one of each kind per three seconds and room"));
        assert!(document.contains("Send `typing_start` when the user types, and again every three seconds"));
        let limit = default_limit(RateLimitedAction::Frames);
        let mut stored = None;
        for second in (0..3600).step_by(3) {
            let now = Timestamp::from_seconds(1_770_000_000 + second);
            // On each device a delivered and a read receipt, and a typing indicator.
            for _ in 0..2 * 3 {
                let Decision::Allowed { next } = limit.check(stored, now) else { panic!("{second} s") };
                stored = Some(next);
            }
        }
    }

    #[test]
    fn actions_that_are_not_named_have_their_default_limits() {
        let limits: RateLimits = "messages=5/10s, searches=off".parse().unwrap();
        assert_eq!(limits.of(RateLimitedAction::Messages), Some(RateLimit::per(5, 10)));
        assert_eq!(limits.of(RateLimitedAction::Searches), None);
        assert_eq!(limits.of(RateLimitedAction::Rooms), Some(RateLimit::per(20, 3600)));
        let off: RateLimits = "off".parse().unwrap();
        assert!(RateLimitedAction::ALL.into_iter().all(|action| off.of(action).is_none()));
    }

    #[test]
    fn invalid_limits_are_rejected_with_the_name_of_the_variable() {
        for text in [
            "messages",
            "messages=60",
            "messages=60/60",
            "messages=60/60m",
            "messages=0/60s",
            "messages=60/0s",
            "messages=-1/60s",
            "messages=+1/60s",
            "messages=1.5/60s",
            "messages=60/60s,",
            "messages=60/2592001s",
            "messages=1000001/60s",
            "Messages=60/60s",
            "messages = 60/60s",
            "letters=60/60s",
            "messages=60/60s,messages=off",
            "off,messages=60/60s",
        ] {
            let error = text.parse::<RateLimits>().unwrap_err().to_string();
            assert!(error.contains("RATE_LIMITS"), "{text}: {error}");
        }
    }
}
