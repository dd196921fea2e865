//! The clock of all timeouts, which tests can advance, and the wall clock for timestamps.

use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use tokio::sync::watch;

/// The clock of every timeout, back-off and schedule of the stack.
///
/// It runs in real time. [`Clock::advance`] moves it forward immediately and wakes every waiter whose time
/// has come. Timestamps in events come from the wall clock and do not move with it.
#[derive(Clone, Debug)]
pub struct Clock {
    origin: Instant,
    offset: Arc<watch::Sender<Duration>>,
}

/// A point in time on a [`Clock`]: the time since that clock was created.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct ClockTime(Duration);

impl ClockTime {
    /// This time plus `time`.
    #[must_use]
    pub fn after(self, time: Duration) -> Self {
        Self(self.0.saturating_add(time))
    }

    /// The time from `earlier` to this time; zero if `earlier` is later.
    #[must_use]
    pub fn since(self, earlier: Self) -> Duration {
        self.0.saturating_sub(earlier.0)
    }
}

impl Default for Clock {
    fn default() -> Self {
        Self { origin: current_instant(), offset: Arc::new(watch::Sender::new(Duration::ZERO)) }
    }
}

impl Clock {
    /// Moves the clock and all of its clones forward.
    pub fn advance(&self, by: Duration) {
        self.offset.send_modify(|offset| *offset = offset.saturating_add(by));
    }

    /// The current time on this clock.
    pub fn now(&self) -> ClockTime {
        ClockTime(
            current_instant().saturating_duration_since(self.origin).saturating_add(*self.offset.borrow()),
        )
    }

    /// Returns once the clock has reached `deadline`.
    pub async fn sleep_until(&self, deadline: ClockTime) {
        let mut offset = self.offset.subscribe();
        loop {
            offset.mark_unchanged();
            let remaining = deadline.since(self.now());
            if remaining.is_zero() {
                return;
            }
            tokio::select! {
                () = tokio::time::sleep(remaining) => {}
                // `self` owns the sender, so only a change of the offset completes this.
                _ = offset.changed() => {}
            }
        }
    }

    /// Returns once `time` has passed on this clock.
    pub async fn sleep(&self, time: Duration) {
        self.sleep_until(self.now().after(time)).await;
    }

    /// The output of `work`, or `None` if `limit` passes first.
    pub async fn within<F: Future>(&self, limit: Duration, work: F) -> Option<F::Output> {
        tokio::select! {
            biased;
            output = work => Some(output),
            () = self.sleep(limit) => None,
        }
    }
}

#[expect(clippy::disallowed_methods, reason = "only this module reads the time")]
fn current_instant() -> Instant {
    Instant::now()
}

/// The wall-clock time in milliseconds since 1970, for timestamps in events.
#[expect(clippy::disallowed_methods, reason = "only this module reads the time")]
pub fn epoch_millis() -> i64 {
    let elapsed = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    i64::try_from(elapsed.as_millis()).unwrap_or(i64::MAX)
}

/// A timestamp in the format of `requestContext`, for example `12/Mar/2020:19:03:58 +0000`.
pub fn request_time(epoch_millis: i64) -> String {
    format_utc(epoch_millis, "%d/%b/%Y:%H:%M:%S +0000")
}

/// The local time of day in the format of the log, for example `20:03:58.390`.
pub fn time_of_day(epoch_millis: i64) -> String {
    let time = chrono::DateTime::from_timestamp_millis(epoch_millis).unwrap_or_default();
    time.with_timezone(&chrono::Local).format("%H:%M:%S%.3f").to_string()
}

/// A timestamp in ISO 8601 with milliseconds, the format of the connection management API.
pub fn iso8601_millis(epoch_millis: i64) -> String {
    format_utc(epoch_millis, "%Y-%m-%dT%H:%M:%S%.3fZ")
}

/// A timestamp in ISO 8601 with seconds, the format of EventBridge, for example `2020-03-04T19:03:58Z`.
pub fn iso8601_seconds(epoch_millis: i64) -> String {
    format_utc(epoch_millis, "%Y-%m-%dT%H:%M:%SZ")
}

fn format_utc(epoch_millis: i64, format: &str) -> String {
    chrono::DateTime::from_timestamp_millis(epoch_millis).unwrap_or_default().format(format).to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    const HOUR: Duration = Duration::from_hours(1);

    #[tokio::test]
    async fn advancing_the_clock_wakes_only_the_sleepers_whose_time_has_come() {
        let clock = Clock::default();
        let short = tokio::spawn({
            let clock = clock.clone();
            async move { clock.sleep(HOUR).await }
        });
        let long = tokio::spawn({
            let clock = clock.clone();
            async move { clock.sleep(3 * HOUR).await }
        });
        tokio::task::yield_now().await;
        clock.advance(HOUR);
        short.await.unwrap();
        assert!(!long.is_finished());
        clock.advance(2 * HOUR);
        long.await.unwrap();
    }

    #[tokio::test]
    async fn work_returns_its_output_within_the_limit_and_none_after_it() {
        let clock = Clock::default();
        assert_eq!(clock.within(HOUR, async { 7 }).await, Some(7));
        let waiting = tokio::spawn({
            let clock = clock.clone();
            async move { clock.within(HOUR, std::future::pending::<()>()).await }
        });
        tokio::task::yield_now().await;
        clock.advance(HOUR);
        assert_eq!(waiting.await.unwrap(), None);
    }

    #[test]
    fn timestamps_have_the_formats_of_aws() {
        assert_eq!(request_time(1_583_348_638_390), "04/Mar/2020:19:03:58 +0000");
        assert_eq!(iso8601_millis(1_583_348_638_390), "2020-03-04T19:03:58.390Z");
        assert_eq!(iso8601_seconds(1_583_348_638_390), "2020-03-04T19:03:58Z");
    }
}
