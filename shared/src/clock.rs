//! The one source of wall-clock time, and the one form in which times are kept and shown.

use std::{fmt, str::FromStr, sync::Arc};

use chrono::{DateTime, Duration, SecondsFormat, SubsecRound, Utc};
use serde::{Deserialize, Serialize};

/// A moment in UTC, in whole milliseconds: `2026-01-31T09:15:00.000Z` in JSON and in the table.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(into = "String", try_from = "String")]
pub struct Timestamp(DateTime<Utc>);

impl Timestamp {
    /// The moment this many seconds after 1970; the epoch itself where that is no date.
    pub fn from_seconds(seconds: i64) -> Self {
        Self(DateTime::from_timestamp(seconds, 0).unwrap_or_default())
    }

    /// The moment this many milliseconds after 1970; `None` where that is no date, or the epoch itself, which stands for
    /// an absent time.
    pub fn from_milliseconds(milliseconds: i64) -> Option<Self> {
        DateTime::from_timestamp_millis(milliseconds).filter(|_| milliseconds > 0).map(Self)
    }

    /// Whole seconds since 1970, as DynamoDB's TTL and JWTs count them.
    pub fn seconds(self) -> i64 {
        self.0.timestamp()
    }

    /// Milliseconds since 1970; 0 for moments before it.
    pub fn milliseconds(self) -> u64 {
        u64::try_from(self.0.timestamp_millis()).unwrap_or_default()
    }

    /// The day in UTC, as in `2026-01-31`.
    pub fn day(self) -> String {
        self.0.format("%F").to_string()
    }

    /// This moment and a while more.
    #[must_use]
    pub fn plus(self, while_more: Duration) -> Self {
        Self(self.0 + while_more)
    }

    /// How long after `earlier` this is; negative if it is before.
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

impl FromStr for Timestamp {
    type Err = chrono::ParseError;

    fn from_str(text: &str) -> std::result::Result<Self, Self::Err> {
        Ok(DateTime::parse_from_rfc3339(text)?.to_utc().into())
    }
}

impl TryFrom<String> for Timestamp {
    type Error = chrono::ParseError;

    fn try_from(text: String) -> std::result::Result<Self, Self::Error> {
        text.parse()
    }
}

/// Tells the time. Tests hand in their own.
#[derive(Clone)]
pub struct Clock(Arc<dyn Fn() -> Timestamp + Send + Sync>);

impl Clock {
    /// The machine's clock.
    pub fn system() -> Self {
        #[expect(clippy::disallowed_methods, reason = "this is the clock")]
        Self::from_fn(|| Utc::now().into())
    }

    /// A clock that stands still.
    pub fn fixed(time: Timestamp) -> Self {
        Self::from_fn(move || time)
    }

    /// A clock that asks `now` each time.
    pub fn from_fn(now: impl Fn() -> Timestamp + Send + Sync + 'static) -> Self {
        Self(Arc::new(now))
    }

    /// The present moment.
    pub fn now(&self) -> Timestamp {
        (self.0)()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_read_and_write_as_rfc_3339_with_milliseconds_and_z() {
        let time: Timestamp = "2026-01-31T10:15:00.1239+01:00".parse().unwrap();
        assert_eq!(time.to_string(), "2026-01-31T09:15:00.123Z");
        assert_eq!(Timestamp::from_seconds(0).to_string(), "1970-01-01T00:00:00.000Z");
    }
}
