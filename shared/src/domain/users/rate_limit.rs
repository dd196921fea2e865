//! Rate limits per user and action, by the generic cell rate algorithm (ITU-T I.371).
//!
//! The algorithm stores one time: the theoretical arrival time (TAT) of the next call if all calls were
//! evenly spaced. The TAT is ahead of the clock by the used part of the burst.

use chrono::Duration;

use crate::clock::Timestamp;

/// The kinds of actions that are rate limited, each separately.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum RateLimitedAction {
    /// Sending messages, over REST or the WebSocket.
    Messages,
    /// Sending friend requests.
    Requests,
    /// Searching users, and listing suggestions and mutual friends.
    Searches,
    /// Creating rooms.
    Rooms,
    /// WebSocket frames other than messages, and the REST calls with the same effect.
    Frames,
    /// Changing existing messages, rooms, relationships and devices.
    Changes,
    /// Changing the own profile and settings, by the number of rooms and friends that it concerns.
    Profiles,
    /// Being added to a group by a user who is no friend: counted on the user who is added.
    Additions,
    /// Deleting the account. The count outlives the account.
    Deletions,
    /// Reporting to the moderators.
    Reports,
    /// Reading, counted in read units of the table.
    Reads,
    /// Opening WebSocket connections.
    Connections,
    /// Sending frames that are refused: invalid ones, and those above another limit. Beyond this limit, the
    /// connection is closed.
    Refusals,
}

impl RateLimitedAction {
    /// All actions.
    pub const ALL: [Self; 13] = [
        Self::Messages,
        Self::Requests,
        Self::Searches,
        Self::Rooms,
        Self::Frames,
        Self::Changes,
        Self::Profiles,
        Self::Additions,
        Self::Deletions,
        Self::Reports,
        Self::Reads,
        Self::Connections,
        Self::Refusals,
    ];

    /// The name in the configuration and in the table.
    pub fn name(self) -> &'static str {
        match self {
            Self::Messages => "messages",
            Self::Requests => "requests",
            Self::Searches => "searches",
            Self::Rooms => "rooms",
            Self::Frames => "frames",
            Self::Changes => "changes",
            Self::Profiles => "profiles",
            Self::Additions => "additions",
            Self::Deletions => "deletions",
            Self::Reports => "reports",
            Self::Reads => "reads",
            Self::Connections => "connections",
            Self::Refusals => "refusals",
        }
    }
}

/// A limit: a burst of calls at once, and one more call after each interval.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RateLimit {
    burst: u32,
    interval: Duration,
    /// The number of calls that one call counts as.
    weight: u32,
}

/// The decision about a call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Decision {
    /// The call is allowed.
    Allowed {
        /// The new TAT, later than the previous one.
        next: Timestamp,
    },
    /// The call exceeds the limit.
    Limited {
        /// The call is allowed after this time.
        retry_after: Duration,
    },
}

/// The maximum difference between the clocks of the functions.
const MAX_CLOCK_SKEW: Duration = Duration::minutes(1);

impl RateLimit {
    /// A limit of `count` calls at once and `count` in each period of `seconds`. Both are at least 1.
    pub fn per(count: u32, seconds: u32) -> Self {
        let (burst, period) = (count.max(1), i64::from(seconds.max(1)) * 1000);
        // Rounded up to whole milliseconds: a period never has more than `count` calls.
        let interval = (period + i64::from(burst) - 1) / i64::from(burst);
        Self { burst, interval: Duration::milliseconds(interval), weight: 1 }
    }

    /// The limit for a call that counts as `weight` calls: from 1 to the whole burst.
    #[must_use]
    pub fn weighing(self, weight: u32) -> Self {
        Self { weight: weight.clamp(1, self.burst), ..self }
    }

    /// The number of calls in a burst.
    pub fn burst(self) -> u32 {
        self.burst
    }

    /// Decides about a call at `now`, given the stored TAT.
    pub fn check(self, stored: Option<Timestamp>, now: Timestamp) -> Decision {
        let (tat, latest) = (self.effective(stored, now).unwrap_or(now), self.latest_allowed(now));
        if tat <= latest {
            Decision::Allowed { next: tat.plus(self.advance()) }
        } else {
            Decision::Limited { retry_after: tat.since(latest) }
        }
    }

    /// The stored TAT, if it has an effect at `now`. A past TAT has none. Neither has one so far ahead that
    /// no clock within the maximum skew can have set it under this limit.
    pub fn effective(self, stored: Option<Timestamp>, now: Timestamp) -> Option<Timestamp> {
        stored.filter(|tat| *tat > now && *tat <= self.burst_end(now).plus(MAX_CLOCK_SKEW))
    }

    /// The latest TAT with which a call is allowed at `now`.
    pub fn latest_allowed(self, now: Timestamp) -> Timestamp {
        self.burst_end(now).plus(-self.advance())
    }

    /// The TAT after a full burst at `now`: from then on, calls up to `now` have no effect.
    pub fn burst_end(self, now: Timestamp) -> Timestamp {
        now.plus(self.interval * i32::try_from(self.burst).unwrap_or(i32::MAX))
    }

    /// The time that a call adds to the TAT.
    pub fn advance(self) -> Duration {
        self.interval * i32::try_from(self.weight).unwrap_or(i32::MAX)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const START: i64 = 1_770_000_000;

    fn at(milliseconds: u32) -> Timestamp {
        Timestamp::from_seconds(START).plus(Duration::milliseconds(milliseconds.into()))
    }

    /// The indexes of the calls that are allowed, for calls at `moments`.
    fn allowed(limit: RateLimit, moments: &[u32]) -> Vec<usize> {
        let mut tat = None;
        let allows = |(index, moment): (usize, &u32)| match limit.check(tat, at(*moment)) {
            Decision::Allowed { next } => {
                tat = Some(next);
                Some(index)
            }
            Decision::Limited { .. } => None,
        };
        moments.iter().enumerate().filter_map(allows).collect()
    }

    #[test]
    fn a_burst_is_allowed_at_once_and_then_one_call_per_interval() {
        let limit = RateLimit::per(3, 60);
        assert_eq!(allowed(limit, &[0, 0, 0, 0, 19_999, 20_000, 20_000, 40_000]), [0, 1, 2, 5, 7]);
        assert_eq!(allowed(limit, &[0, 0, 0, 60_000, 60_000, 60_000, 60_000]), [0, 1, 2, 3, 4, 5]);
    }

    #[test]
    fn a_limited_call_gets_the_time_until_it_is_allowed() {
        let limit = RateLimit::per(1, 60);
        let Decision::Allowed { next } = limit.check(None, at(0)) else {
            panic!("the first call is allowed")
        };
        let retry_after = Duration::milliseconds(47_500);
        assert_eq!(limit.check(Some(next), at(12_500)), Decision::Limited { retry_after });
    }

    #[test]
    fn a_past_or_impossible_tat_has_no_effect() {
        let limit = RateLimit::per(2, 60);
        let first = limit.check(None, at(0));
        for tat in [at(0).plus(-Duration::days(1)), at(0), at(0).plus(Duration::days(30))] {
            assert_eq!(limit.check(Some(tat), at(0)), first, "{tat}");
        }
        // Set by a clock that is half a minute ahead.
        assert!(matches!(limit.check(Some(at(90_000)), at(0)), Decision::Limited { .. }));
    }

    #[test]
    fn an_indivisible_period_never_allows_more_calls_than_the_limit() {
        let limit = RateLimit::per(7, 60);
        assert_eq!(limit.advance(), Duration::milliseconds(8572));
        assert_eq!(RateLimit::per(0, 0), RateLimit::per(1, 1));
        assert_eq!(RateLimit::per(u32::MAX, 1).advance(), Duration::milliseconds(1));
    }

    #[test]
    fn a_call_counts_as_its_weight() {
        let limit = RateLimit::per(10, 10);
        let mut tat = None;
        let mut check = |weight, now| match limit.weighing(weight).check(tat, at(now)) {
            Decision::Allowed { next } => {
                tat = Some(next);
                None
            }
            Decision::Limited { retry_after } => Some(retry_after.num_milliseconds()),
        };
        assert_eq!(check(7, 0), None);
        assert_eq!(check(4, 0), Some(1000));
        assert_eq!(check(3, 0), None);
        assert_eq!(check(1, 0), Some(1000));
        // A weight above the burst is the whole burst: the call is allowed once nothing else counts.
        assert_eq!(check(u32::MAX, 9000), Some(1000));
        assert_eq!(check(u32::MAX, 10_000), None);
        assert_eq!(check(0, 19_000), None);
    }

    proptest! {
        #[test]
        fn no_window_has_more_calls_than_the_burst_and_one_per_interval(
            count in 1_u32..20,
            seconds in 1_u32..60,
            gaps in prop::collection::vec(prop_oneof![Just(0_u32), 0_u32..200, 0_u32..20_000], 1..200),
        ) {
            let limit = RateLimit::per(count, seconds);
            let mut moments = gaps;
            for index in 1..moments.len() {
                moments[index] += moments[index - 1];
            }
            let allowed: Vec<u32> = allowed(limit, &moments).into_iter().map(|index| moments[index]).collect();
            let interval = u32::try_from(limit.advance().num_milliseconds()).unwrap();
            for (index, first) in allowed.iter().enumerate() {
                for (more, last) in allowed[index..].iter().enumerate() {
                    prop_assert!(u32::try_from(more + 1).unwrap() <= count + (last - first) / interval);
                }
            }
        }

        #[test]
        fn a_limited_call_is_allowed_after_retry_after_and_not_before(
            count in 1_u32..20,
            seconds in 1_u32..60,
            used in 1_u32..40,
            pause in 0_u32..70_000,
        ) {
            let limit = RateLimit::per(count, seconds);
            let mut tat = None;
            for _ in 0..used {
                if let Decision::Allowed { next } = limit.check(tat, at(0)) {
                    prop_assert!(tat.is_none_or(|tat| tat < next), "the TAT moves forward only");
                    tat = Some(next);
                }
            }
            let now = at(pause);
            if let Decision::Limited { retry_after } = limit.check(tat, now) {
                let then = now.plus(retry_after);
                let is_allowed = |now| matches!(limit.check(tat, now), Decision::Allowed { .. });
                prop_assert!(is_allowed(then));
                prop_assert!(!is_allowed(then.plus(-Duration::milliseconds(1))));
                prop_assert!(retry_after <= limit.advance());
            }
        }
    }
}
