//! Positions in a room's log: dense, from 1, in the order of their commits.

use crate::error::{Refusal, Result};

/// Without a bound from the client, a retry is looked for among this many of the newest messages.
pub const DEFAULT_SEARCH: u64 = 100;

/// No retry is looked for further back than this; the client pages for its own message instead.
pub const MAX_SEARCH: u64 = 1000;

const BAD_POSITION: Refusal =
    Refusal { status: 422, code: "bad_position", detail: "after_seq lies beyond the newest message." };
const POSITION_TOO_OLD: Refusal = Refusal {
    status: 409,
    code: "position_too_old",
    detail: "after_seq lies more than 1000 messages back: look for the message in the history, and send it again if it is absent.",
};

/// Checks a client's `after_seq` against the newest position.
pub fn check_search_bound(after_seq: u64, tail: u64) -> Result<()> {
    if after_seq > tail {
        return Err(BAD_POSITION.into());
    }
    if tail - after_seq > MAX_SEARCH {
        return Err(POSITION_TOO_OLD.into());
    }
    Ok(())
}

/// How many messages a member has not read. Posting counts as reading; what lies below `from_seq` never counts.
pub fn unread(tail: u64, read_seq: u64, from_seq: u64) -> u64 {
    tail.saturating_sub(read_seq.max(from_seq.saturating_sub(1)))
}

/// Which part of the log a reader asks for. Answers are newest first in every case.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Window {
    /// The newest, after skipping `offset` of them.
    Newest {
        /// How many to skip.
        offset: u64,
    },
    /// Those right below a position.
    Before(u64),
    /// Those right above a position.
    After(u64),
}

impl Window {
    /// Chooses by what the caller gave: at most one of the three, else there is no such window.
    pub fn choose(offset: Option<u64>, before: Option<u64>, after: Option<u64>) -> Option<Self> {
        match (offset, before, after) {
            (offset, None, None) => Some(Self::Newest { offset: offset.unwrap_or_default() }),
            (None, Some(before), None) => Some(Self::Before(before)),
            (None, None, Some(after)) => Some(Self::After(after)),
            _ => None,
        }
    }

    /// The positions `(first, last)` to read, both included, for a reader who sees from `from_seq` to `tail`.
    /// `None` where there is nothing to read.
    pub fn positions(self, limit: u64, from_seq: u64, tail: u64) -> Option<(u64, u64)> {
        let (first, last) = match self {
            Self::Newest { offset } => {
                let last = tail.saturating_sub(offset);
                ((last + 1).saturating_sub(limit), last)
            }
            Self::Before(seq) => {
                let last = seq.saturating_sub(1).min(tail);
                ((last + 1).saturating_sub(limit), last)
            }
            Self::After(seq) => {
                let first = seq.saturating_add(1).max(from_seq);
                (first, first.saturating_add(limit - 1).min(tail))
            }
        };
        let first = first.max(from_seq).max(1);
        (first <= last).then_some((first, last))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::Error;

    #[test]
    fn the_newest_page_ends_at_the_tail_and_older_ones_follow() {
        let newest = |offset| Window::Newest { offset }.positions(50, 1, 120);
        assert_eq!(newest(0), Some((71, 120)));
        assert_eq!(newest(50), Some((21, 70)));
        assert_eq!(newest(100), Some((1, 20)));
        assert_eq!(newest(120), None);
        assert_eq!(newest(u64::MAX), None);
        assert_eq!(Window::Newest { offset: 0 }.positions(50, 1, 0), None);
    }

    #[test]
    fn scrolling_goes_on_from_a_position_either_way() {
        assert_eq!(Window::Before(21).positions(50, 1, 120), Some((1, 20)));
        assert_eq!(Window::Before(1).positions(50, 1, 120), None);
        assert_eq!(Window::After(70).positions(20, 1, 120), Some((71, 90)));
        assert_eq!(Window::After(120).positions(20, 1, 120), None);
        assert_eq!(Window::After(u64::MAX).positions(20, 1, 120), None);
    }

    #[test]
    fn only_one_kind_of_window_at_a_time() {
        assert_eq!(Window::choose(Some(1), Some(2), None), None);
        assert_eq!(Window::choose(None, Some(2), Some(1)), None);
        assert_eq!(Window::choose(None, None, None), Some(Window::Newest { offset: 0 }));
    }

    #[test]
    fn a_search_bound_lies_within_the_last_thousand() {
        assert!(check_search_bound(0, 0).is_ok());
        assert!(check_search_bound(0, 1000).is_ok());
        assert!(matches!(check_search_bound(0, 1001), Err(Error::Refused(POSITION_TOO_OLD))));
        assert!(matches!(check_search_bound(8, 7), Err(Error::Refused(BAD_POSITION))));
    }

    #[test]
    fn unread_counts_from_the_read_position_or_the_join() {
        assert_eq!(unread(10, 4, 1), 6);
        assert_eq!(unread(10, 0, 8), 3);
        assert_eq!(unread(10, 12, 1), 0);
    }

    proptest! {
        #[test]
        fn no_window_shows_more_than_its_limit_or_anything_outside_the_readers_bounds(
            kind in 0..3u8, at in any::<u64>(), limit in 1..=100u64, from_seq in 1..500u64, tail in 0..1000u64,
        ) {
            let window = match kind { 0 => Window::Newest { offset: at }, 1 => Window::Before(at), _ => Window::After(at) };
            if let Some((first, last)) = window.positions(limit, from_seq, tail) {
                prop_assert!(first <= last && last - first < limit);
                prop_assert!(first >= from_seq && last <= tail);
            }
        }
    }
}
