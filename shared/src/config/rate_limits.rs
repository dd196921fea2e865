//! How often a person may do what, as the deployer says it: `messages=60/60s,requests=20/3600s,searches=off`.

use std::{collections::BTreeMap, str::FromStr};

use crate::{
    domain::users::rate_limit::{RateLimit, RateLimitedAction},
    error::Error,
};

/// A limit for each kind of deed, or none.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RateLimits(BTreeMap<RateLimitedAction, RateLimit>);

/// The longest period, in seconds: 30 days.
const MAX_PERIOD: u32 = 30 * 24 * 3600;

/// The largest burst. Beyond it the intervals would be so short that the clocks differ by more.
const MAX_COUNT: u32 = 1_000_000;

/// What stands for no limit.
const OFF: &str = "off";

impl RateLimits {
    /// The limit of one kind of deed.
    pub fn of(&self, what: RateLimitedAction) -> Option<RateLimit> {
        self.0.get(&what).copied()
    }
}

impl Default for RateLimits {
    fn default() -> Self {
        Self(RateLimitedAction::ALL.into_iter().map(|what| (what, usual(what))).collect())
    }
}

/// The limit of who says nothing else: far above what a person does, far below what a program could.
fn usual(what: RateLimitedAction) -> RateLimit {
    match what {
        RateLimitedAction::Messages | RateLimitedAction::Changes => RateLimit::per(60, 60),
        RateLimitedAction::Searches => RateLimit::per(30, 60),
        RateLimitedAction::Frames => RateLimit::per(120, 60),
        RateLimitedAction::Requests | RateLimitedAction::Rooms | RateLimitedAction::Reports => {
            RateLimit::per(20, 3600)
        }
    }
}

impl FromStr for RateLimits {
    type Err = Error;

    /// Names that are not there have their usual limits; `off` alone is none at all.
    fn from_str(text: &str) -> Result<Self, Error> {
        if text.trim() == OFF {
            return Ok(Self(BTreeMap::new()));
        }
        let (mut limits, mut seen) = (Self::default(), Vec::new());
        for part in text.split(',').map(str::trim) {
            let (what, limit) = read(part).ok_or_else(|| {
                let form = "`name=count/seconds`, such as `messages=60/60s`, or `name=off`";
                Error::internal(format!("RATE_LIMITS: `{part}` is not of the form {form}"))
            })?;
            if seen.contains(&what) {
                return Err(Error::internal(format!("RATE_LIMITS: {} is there twice", what.name())));
            }
            seen.push(what);
            match limit {
                Some(limit) => drop(limits.0.insert(what, limit)),
                None => drop(limits.0.remove(&what)),
            }
        }
        Ok(limits)
    }
}

fn read(part: &str) -> Option<(RateLimitedAction, Option<RateLimit>)> {
    let (name, limit) = part.split_once('=')?;
    let what = RateLimitedAction::ALL.into_iter().find(|what| what.name() == name)?;
    if limit == OFF {
        return Some((what, None));
    }
    let (count, seconds) = limit.strip_suffix('s')?.split_once('/')?;
    let (count, seconds) = (whole(count, MAX_COUNT)?, whole(seconds, MAX_PERIOD)?);
    Some((what, Some(RateLimit::per(count, seconds))))
}

/// A whole number from 1 to `most`, in digits and nothing else.
fn whole(text: &str, most: u32) -> Option<u32> {
    let is_plain = text.bytes().all(|byte| byte.is_ascii_digit());
    text.parse().ok().filter(|number| is_plain && (1..=most).contains(number))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_not_named_has_its_usual_limit() {
        let limits: RateLimits = "messages=5/10s, searches=off".parse().unwrap();
        assert_eq!(limits.of(RateLimitedAction::Messages), Some(RateLimit::per(5, 10)));
        assert_eq!(limits.of(RateLimitedAction::Searches), None);
        assert_eq!(limits.of(RateLimitedAction::Rooms), Some(RateLimit::per(20, 3600)));
        let off: RateLimits = "off".parse().unwrap();
        assert!(RateLimitedAction::ALL.into_iter().all(|what| off.of(what).is_none()));
    }

    #[test]
    fn what_cannot_be_a_limit_is_refused_in_words_that_say_where() {
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
