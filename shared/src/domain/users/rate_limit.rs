//! How often a person may do what: the generic cell rate algorithm (ITU-T I.371), which remembers one time of each person
//! and kind of deed.
//!
//! That time, the theoretical arrival time, is when the last admitted call would have come if all had come evenly spaced.
//! It runs ahead of the clock by what was used of the burst.

use chrono::Duration;

use crate::clock::Timestamp;

/// What is paced.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum RateLimitedAction {
    /// Messages that are sent, over REST or the socket.
    Messages,
    /// Requests to be friends.
    Requests,
    /// Searches for people.
    Searches,
    /// Rooms that are made or opened.
    Rooms,
    /// Frames of the socket but those that send messages, and what REST has for them.
    Frames,
    /// What is done to messages, rooms, friends and profiles that are there.
    Changes,
    /// Reports to the moderators.
    Reports,
}

impl RateLimitedAction {
    /// All of them.
    pub const ALL: [Self; 7] = [
        Self::Messages,
        Self::Requests,
        Self::Searches,
        Self::Rooms,
        Self::Frames,
        Self::Changes,
        Self::Reports,
    ];

    /// Its name in the configuration and in the table.
    pub fn name(self) -> &'static str {
        match self {
            Self::Messages => "messages",
            Self::Requests => "requests",
            Self::Searches => "searches",
            Self::Rooms => "rooms",
            Self::Frames => "frames",
            Self::Changes => "changes",
            Self::Reports => "reports",
        }
    }
}

/// So many at once, and then one more after each interval.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RateLimit {
    burst: u32,
    interval: Duration,
}

/// What becomes of a call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// It may be, and this is the theoretical arrival time from now on.
    Admitted {
        /// Later than it was.
        next: Timestamp,
    },
    /// It comes too early.
    Refused {
        /// After this while it may be.
        retry_after: Duration,
    },
}

/// The clocks of those who decide differ by less.
const CLOCKS_DIFFER: Duration = Duration::minutes(1);

impl RateLimit {
    /// `count` at once, and `count` in each period of so many seconds from then on; at least one in one second.
    pub fn per(count: u32, seconds: u32) -> Self {
        let (burst, period) = (count.max(1), i64::from(seconds.max(1)) * 1000);
        // Whole milliseconds, upwards: never more than `count` in a period.
        let interval = (period + i64::from(burst) - 1) / i64::from(burst);
        Self { burst, interval: Duration::milliseconds(interval) }
    }

    /// What becomes of a call that comes now; `held` is the theoretical arrival time as it was noted last.
    pub fn judge(self, held: Option<Timestamp>, now: Timestamp) -> Verdict {
        let (held, latest) = (self.counting(held, now).unwrap_or(now), self.latest(now));
        if held <= latest {
            Verdict::Admitted { next: held.plus(self.interval) }
        } else {
            Verdict::Refused { retry_after: held.since(latest) }
        }
    }

    /// The held time, if it counts: one that is over does not, nor does one so far ahead that these clocks and this limit
    /// cannot have set it.
    pub fn counting(self, held: Option<Timestamp>, now: Timestamp) -> Option<Timestamp> {
        held.filter(|held| *held > now && *held <= self.over(now).plus(CLOCKS_DIFFER))
    }

    /// The latest theoretical arrival time with which a call is still admitted now.
    pub fn latest(self, now: Timestamp) -> Timestamp {
        self.over(now).plus(-self.interval)
    }

    /// When nothing counts any more of what was admitted up to now.
    pub fn over(self, now: Timestamp) -> Timestamp {
        now.plus(self.interval * i32::try_from(self.burst).unwrap_or(i32::MAX))
    }

    /// How long one call weighs.
    pub fn interval(self) -> Duration {
        self.interval
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

    /// Which of the calls at these moments are admitted, by their places.
    fn admitted(limit: RateLimit, moments: &[u32]) -> Vec<usize> {
        let mut held = None;
        let admits = |(place, moment): (usize, &u32)| match limit.judge(held, at(*moment)) {
            Verdict::Admitted { next } => {
                held = Some(next);
                Some(place)
            }
            Verdict::Refused { .. } => None,
        };
        moments.iter().enumerate().filter_map(admits).collect()
    }

    #[test]
    fn a_burst_is_admitted_at_once_and_then_one_after_each_interval() {
        let limit = RateLimit::per(3, 60);
        assert_eq!(admitted(limit, &[0, 0, 0, 0, 19_999, 20_000, 20_000, 40_000]), [0, 1, 2, 5, 7]);
        assert_eq!(admitted(limit, &[0, 0, 0, 60_000, 60_000, 60_000, 60_000]), [0, 1, 2, 3, 4, 5]);
    }

    #[test]
    fn who_is_refused_learns_when_to_come_back() {
        let limit = RateLimit::per(1, 60);
        let Verdict::Admitted { next } = limit.judge(None, at(0)) else { panic!("the first is admitted") };
        let retry_after = Duration::milliseconds(47_500);
        assert_eq!(limit.judge(Some(next), at(12_500)), Verdict::Refused { retry_after });
    }

    #[test]
    fn a_time_that_is_over_or_impossible_counts_for_nothing() {
        let limit = RateLimit::per(2, 60);
        let fresh = limit.judge(None, at(0));
        for held in [at(0).plus(-Duration::days(1)), at(0), at(0).plus(Duration::days(30))] {
            assert_eq!(limit.judge(Some(held), at(0)), fresh, "{held}");
        }
        // Set by a clock that is half a minute ahead.
        assert!(matches!(limit.judge(Some(at(90_000)), at(0)), Verdict::Refused { .. }));
    }

    #[test]
    fn a_period_that_cannot_be_divided_never_admits_more() {
        let limit = RateLimit::per(7, 60);
        assert_eq!(limit.interval(), Duration::milliseconds(8572));
        assert_eq!(RateLimit::per(0, 0), RateLimit::per(1, 1));
        assert_eq!(RateLimit::per(u32::MAX, 1).interval(), Duration::milliseconds(1));
    }

    proptest! {
        #[test]
        fn no_window_holds_more_than_the_burst_and_one_for_each_interval(
            count in 1_u32..20,
            seconds in 1_u32..60,
            gaps in prop::collection::vec(prop_oneof![Just(0_u32), 0_u32..200, 0_u32..20_000], 1..200),
        ) {
            let limit = RateLimit::per(count, seconds);
            let mut moments = gaps;
            for place in 1..moments.len() {
                moments[place] += moments[place - 1];
            }
            let admitted: Vec<u32> = admitted(limit, &moments).into_iter().map(|place| moments[place]).collect();
            let interval = u32::try_from(limit.interval().num_milliseconds()).unwrap();
            for (place, first) in admitted.iter().enumerate() {
                for (more, last) in admitted[place..].iter().enumerate() {
                    prop_assert!(u32::try_from(more + 1).unwrap() <= count + (last - first) / interval);
                }
            }
        }

        #[test]
        fn a_refused_call_is_admitted_after_the_while_that_it_was_told_and_not_before(
            count in 1_u32..20,
            seconds in 1_u32..60,
            used in 1_u32..40,
            pause in 0_u32..70_000,
        ) {
            let limit = RateLimit::per(count, seconds);
            let mut held = None;
            for _ in 0..used {
                if let Verdict::Admitted { next } = limit.judge(held, at(0)) {
                    prop_assert!(held.is_none_or(|held| held < next), "only forward");
                    held = Some(next);
                }
            }
            let now = at(pause);
            if let Verdict::Refused { retry_after } = limit.judge(held, now) {
                let then = now.plus(retry_after);
                let is_admitted = |now| matches!(limit.judge(held, now), Verdict::Admitted { .. });
                prop_assert!(is_admitted(then));
                prop_assert!(!is_admitted(then.plus(-Duration::milliseconds(1))));
                prop_assert!(retry_after <= limit.interval());
            }
        }
    }
}
