//! The source of wall-clock time, and the timestamp format of the API and the table.

use std::{fmt, str::FromStr, sync::Arc};

use chrono::{DateTime, Datelike, Duration, SecondsFormat, SubsecRound, Utc};
use serde::{Deserialize, Serialize};

/// Smaller epochs are seconds: as seconds, the year 5138; as milliseconds, 1973.
const MAX_EPOCH_SECONDS: i64 = 100_000_000_000;

/// A UTC time in whole milliseconds: `2026-01-31T09:15:00.000Z` in JSON and in the table.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(into = "String", try_from = "String")]
pub struct Timestamp(DateTime<Utc>);

impl Timestamp {
    /// Creates a time from Unix seconds. Out-of-range values become the Unix epoch.
    pub fn from_seconds(seconds: i64) -> Self {
        Self(DateTime::from_timestamp(seconds, 0).unwrap_or_default())
    }

    /// Creates a time from Unix milliseconds. `None` if the value is out of range, negative or 0: events have
    /// 0 for an absent time.
    pub fn from_milliseconds(milliseconds: i64) -> Option<Self> {
        DateTime::from_timestamp_millis(milliseconds).filter(|_| milliseconds > 0).map(Self)
    }

    /// Creates a time from the epoch of an event: milliseconds from API Gateway, seconds from `cargo lambda
    /// watch`. `None` as in `from_milliseconds`.
    pub fn from_epoch(epoch: i64) -> Option<Self> {
        Self::from_milliseconds(if epoch < MAX_EPOCH_SECONDS { epoch.saturating_mul(1000) } else { epoch })
    }

    /// Unix seconds, as in DynamoDB's TTL and in JWTs.
    pub fn seconds(self) -> i64 {
        self.0.timestamp()
    }

    /// Unix milliseconds; 0 for times before 1970.
    pub fn milliseconds(self) -> u64 {
        u64::try_from(self.0.timestamp_millis()).unwrap_or_default()
    }

    /// The date in UTC, such as `2026-01-31`.
    pub fn day(self) -> String {
        self.0.format("%F").to_string()
    }

    /// Adds a duration, which may be negative.
    #[must_use]
    pub fn plus(self, duration: Duration) -> Self {
        Self(self.0 + duration)
    }

    /// The time since `earlier`; negative if this time is before it.
    pub fn since(self, earlier: Self) -> Duration {
        self.0 - earlier.0
    }
}

impl From<DateTime<Utc>> for Timestamp {
    fn from(time: DateTime<Utc>) -> Self {
        Self(time.trunc_subsecs(3))
    }
}

impl fmt::Display for Timestamp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0.to_rfc3339_opts(SecondsFormat::Millis, true))
    }
}

impl From<Timestamp> for String {
    fn from(time: Timestamp) -> Self {
        time.to_string()
    }
}

/// The text is not a time of the years 0 to 9999 in UTC, as RFC 3339 writes it.
#[derive(Debug, thiserror::Error)]
#[error("not an RFC 3339 time")]
pub struct NotATime;

impl FromStr for Timestamp {
    type Err = NotATime;

    /// RFC 3339 has four digits for the year. An offset can move a time beyond them, and such a time could be written but
    /// not be read again.
    fn from_str(text: &str) -> std::result::Result<Self, NotATime> {
        let time = DateTime::parse_from_rfc3339(text).map_err(|_| NotATime)?.to_utc();
        if (0..=9999).contains(&time.year()) { Ok(time.into()) } else { Err(NotATime) }
    }
}

impl TryFrom<String> for Timestamp {
    type Error = NotATime;

    fn try_from(text: String) -> std::result::Result<Self, NotATime> {
        text.parse()
    }
}

/// A replaceable clock. Tests use their own.
#[derive(Clone)]
pub struct Clock(Arc<dyn Fn() -> Timestamp + Send + Sync>);

impl Clock {
    /// The system clock.
    pub fn system() -> Self {
        #[expect(clippy::disallowed_methods, reason = "this is the clock")]
        Self::from_fn(|| Utc::now().into())
    }

    /// A clock that always returns the same time.
    pub fn fixed(time: Timestamp) -> Self {
        Self::from_fn(move || time)
    }

    /// A clock that calls `now` for each time.
    pub fn from_fn(now: impl Fn() -> Timestamp + Send + Sync + 'static) -> Self {
        Self(Arc::new(now))
    }

    /// The current time.
    pub fn now(&self) -> Timestamp {
        (self.0)()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn timestamps_parse_rfc_3339_and_format_as_utc_with_milliseconds() {
        let time: Timestamp = "2026-01-31T10:15:00.1239+01:00".parse().unwrap();
        assert_eq!(time.to_string(), "2026-01-31T09:15:00.123Z");
        assert_eq!(Timestamp::from_seconds(0).to_string(), "1970-01-01T00:00:00.000Z");
    }

    #[test]
    fn epochs_are_milliseconds_or_seconds() {
        let time = Timestamp::from_seconds(1_770_000_000);
        assert_eq!(Timestamp::from_epoch(1_770_000_000_000), Some(time));
        assert_eq!(Timestamp::from_epoch(1_770_000_000), Some(time));
        for absent in [0, -1, i64::MIN, i64::MAX] {
            assert_eq!(Timestamp::from_epoch(absent), None, "{absent}");
        }
    }

    #[test]
    fn every_time_that_can_be_read_can_be_read_again() {
        for text in [
            "0000-01-01T00:00:00Z",
            "9999-12-31T23:59:59.999Z",
            "9999-12-31T23:59:59+05:00",
            "2026-06-30T23:59:60Z",
            "2026-01-31T09:15:00.9999Z",
        ] {
            let time: Timestamp = text.parse().unwrap();
            assert_eq!(time.to_string().parse::<Timestamp>().unwrap(), time, "{text}");
        }
        for text in ["9999-12-31T23:59:59-05:00", "0000-01-01T00:00:00+00:01", "10000-01-01T00:00:00Z", ""] {
            assert!(text.parse::<Timestamp>().is_err(), "{text}");
        }
    }
}
