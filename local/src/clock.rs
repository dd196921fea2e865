//! Time: the clock that every limit of the stack waits on, which tests can turn, and the wall clock for time stamps.

use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use tokio::sync::watch;

/// The clock behind every limit: idle and connection life, integration and function timeouts, back-off.
///
/// It runs with real time. [`Clock::advance`] moves it forward at once, and everything whose limit has passed by then
/// wakes up. Time stamps in events do not move with it: what a call does is dated truly, whatever limit is brought about.
#[derive(Clone, Debug)]
pub struct Clock {
    origin: Instant,
    turned: Arc<watch::Sender<Duration>>,
}

/// A point on a [`Clock`]: the time since that clock was made.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Moment(Duration);

impl Moment {
    /// The moment this much later.
    #[must_use]
    pub fn after(self, time: Duration) -> Self {
        Self(self.0.saturating_add(time))
    }

    /// How long after `earlier` this is; zero if it is not.
    #[must_use]
    pub fn since(self, earlier: Self) -> Duration {
        self.0.saturating_sub(earlier.0)
    }
}

impl Default for Clock {
    fn default() -> Self {
        Self { origin: instant(), turned: Arc::new(watch::Sender::new(Duration::ZERO)) }
    }
}

impl Clock {
    /// Moves the clock forward for everyone who holds a clone of it.
    pub fn advance(&self, by: Duration) {
        self.turned.send_modify(|turned| *turned = turned.saturating_add(by));
    }

    /// The present moment.
    pub fn now(&self) -> Moment {
        Moment(instant().saturating_duration_since(self.origin).saturating_add(*self.turned.borrow()))
    }

    /// Returns once `moment` has come, by waiting or by being turned.
    pub async fn sleep_until(&self, moment: Moment) {
        let mut turned = self.turned.subscribe();
        loop {
            turned.mark_unchanged();
            let left = moment.since(self.now());
            if left.is_zero() {
                return;
            }
            tokio::select! {
                () = tokio::time::sleep(left) => {}
                // The sender lives in `self`, so this only ever ends by a turn of the clock.
                _ = turned.changed() => {}
            }
        }
    }

    /// Returns once `time` has passed on this clock.
    pub async fn sleep(&self, time: Duration) {
        self.sleep_until(self.now().after(time)).await;
    }

    /// The output of `work`, or `None` if `limit` passed first.
    pub async fn within<F: Future>(&self, limit: Duration, work: F) -> Option<F::Output> {
        tokio::select! {
            biased;
            output = work => Some(output),
            () = self.sleep(limit) => None,
        }
    }
}

#[expect(clippy::disallowed_methods, reason = "this module is where the stack reads the time")]
fn instant() -> Instant {
    Instant::now()
}

/// Milliseconds since 1970 by the machine's clock, for the time stamps in events.
#[expect(clippy::disallowed_methods, reason = "this module is where the stack reads the time")]
pub fn epoch_millis() -> i64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    i64::try_from(since.as_millis()).unwrap_or(i64::MAX)
}

/// A time stamp as API Gateway writes it in `requestContext`, for example `12/Mar/2020:19:03:58 +0000`.
pub fn request_time(epoch_millis: i64) -> String {
    format_utc(epoch_millis, "%d/%b/%Y:%H:%M:%S +0000")
}

/// The time of day here, as the log shows it, for example `20:03:58.390`.
pub fn time_of_day(epoch_millis: i64) -> String {
    let time = chrono::DateTime::from_timestamp_millis(epoch_millis).unwrap_or_default();
    time.with_timezone(&chrono::Local).format("%H:%M:%S%.3f").to_string()
}

/// A time stamp in ISO 8601, as the connection management API answers it.
pub fn iso8601(epoch_millis: i64) -> String {
    format_utc(epoch_millis, "%Y-%m-%dT%H:%M:%S%.3fZ")
}

/// A time stamp as EventBridge writes it, for example `2020-03-04T19:03:58Z`.
pub fn whole_seconds(epoch_millis: i64) -> String {
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
    async fn turning_the_clock_wakes_those_whose_time_has_come_and_nobody_else() {
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
    async fn work_that_finishes_in_time_keeps_its_output() {
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
    fn time_stamps_look_as_aws_writes_them() {
        assert_eq!(request_time(1_583_348_638_390), "04/Mar/2020:19:03:58 +0000");
        assert_eq!(iso8601(1_583_348_638_390), "2020-03-04T19:03:58.390Z");
        assert_eq!(whole_seconds(1_583_348_638_390), "2020-03-04T19:03:58Z");
    }
}
