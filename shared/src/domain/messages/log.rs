//! Positions in a room's log: from 1, without gaps, in commit order.

use crate::{
    domain::rooms::uncounted::Uncounted,
    error::{Refusal, Result},
};

/// The number of newest messages that are searched for a retry if the client gives no `after_seq`.
pub const DEFAULT_SEARCH: u64 = 100;

/// The maximum number of messages that are searched for a retry. Beyond it, the client searches the history.
pub const MAX_SEARCH: u64 = 1000;

const BAD_POSITION: Refusal = Refusal {
    status: 422,
    code: "bad_position",
    detail: "This message couldn't be sent. Refresh the chat and try again.",
};
const POSITION_TOO_OLD: Refusal = Refusal {
    status: 409,
    code: "position_too_old",
    detail: "This message may have been sent already. Check the chat before you send it again.",
};

/// Checks a client's `after_seq` against the newest position `tail`.
pub fn check_search_bound(after_seq: u64, tail: u64) -> Result<()> {
    if after_seq > tail {
        return Err(BAD_POSITION.into());
    }
    if tail - after_seq > MAX_SEARCH {
        return Err(POSITION_TOO_OLD.into());
    }
    Ok(())
}

/// The number of unread messages. A sender has read up to their own message. Messages below `from_seq`,
/// which the member does not see, system messages and deleted messages do not count.
pub fn unread(tail: u64, read_seq: u64, from_seq: u64, uncounted: &Uncounted) -> u64 {
    let read = read_seq.max(from_seq.saturating_sub(1));
    tail.saturating_sub(read).saturating_sub(uncounted.above(read))
}

/// The part of the log to read. Results are always newest first.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Window {
    /// The newest messages, without the `offset` newest ones.
    Newest {
        /// The number of messages to skip.
        offset: u64,
    },
    /// The messages directly below a position.
    Before(u64),
    /// The messages directly above a position.
    After(u64),
    /// The message at a position, and those directly below and above it.
    Around(u64),
}

impl Window {
    /// The window for the caller's `offset`, `before_seq`, `after_seq` and `around_seq`, at most one of them,
    /// else `None`. The default is the newest.
    pub fn choose(positions: [Option<u64>; 4]) -> Option<Self> {
        match positions {
            [offset, None, None, None] => Some(Self::Newest { offset: offset.unwrap_or_default() }),
            [None, Some(before), None, None] => Some(Self::Before(before)),
            [None, None, Some(after), None] => Some(Self::After(after)),
            [None, None, None, Some(seq)] => Some(Self::Around(seq)),
            _ => None,
        }
    }

    /// The part of the log that begins with the window's messages, at most `limit` of them, for a reader who
    /// sees it from `from_seq`. `None` if there is nothing to read. `tail` is the newest position; only an
    /// offset needs it.
    pub fn part(self, limit: u64, from_seq: u64, tail: u64) -> Option<Part> {
        let (first, last) = match self {
            Self::Newest { offset: 0 } => (from_seq, u64::MAX),
            Self::Newest { offset } => (from_seq, tail.saturating_sub(offset)),
            Self::Before(seq) => (from_seq, seq.saturating_sub(1)),
            Self::After(seq) => (seq.saturating_add(1).max(from_seq), u64::MAX),
            Self::Around(seq) => (seq.saturating_sub(limit / 2).max(from_seq), u64::MAX),
        };
        let (first, newest_first) = (first.max(1), !matches!(self, Self::After(_) | Self::Around(_)));
        (first <= last).then_some(Part { first, last, newest_first })
    }
}

/// A part of the log: the positions `first` to `last`, both included, of which a page reads the first ones.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Part {
    /// The first position.
    pub first: u64,
    /// The last position; it may be above the newest one.
    pub last: u64,
    /// Whether a page begins with the newest message, not with the oldest.
    pub newest_first: bool,
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::Error;

    /// The positions of a page of the window, for a reader who sees `from_seq` to `tail`.
    fn page(window: Window, limit: u64, from_seq: u64, tail: u64) -> Option<(u64, u64)> {
        let Part { first, last, newest_first } = window.part(limit, from_seq, tail)?;
        let last = last.min(tail);
        let (first, last) = if newest_first {
            (first.max((last + 1).saturating_sub(limit)), last)
        } else {
            (first, last.min(first.saturating_add(limit - 1)))
        };
        (first <= last).then_some((first, last))
    }

    #[test]
    fn the_newest_page_ends_at_the_tail_and_offsets_give_older_pages() {
        let newest = |offset| page(Window::Newest { offset }, 50, 1, 120);
        assert_eq!(newest(0), Some((71, 120)));
        assert_eq!(newest(50), Some((21, 70)));
        assert_eq!(newest(100), Some((1, 20)));
        assert_eq!(newest(120), None);
        assert_eq!(newest(u64::MAX), None);
        assert_eq!(page(Window::Newest { offset: 0 }, 50, 1, 0), None);
    }

    #[test]
    fn a_page_continues_from_a_position_in_either_direction() {
        assert_eq!(page(Window::Before(21), 50, 1, 120), Some((1, 20)));
        assert_eq!(page(Window::Before(1), 50, 1, 120), None);
        assert_eq!(page(Window::Before(u64::MAX), 50, 1, 120), Some((71, 120)));
        assert_eq!(page(Window::After(70), 20, 1, 120), Some((71, 90)));
        assert_eq!(page(Window::After(120), 20, 1, 120), None);
        assert_eq!(page(Window::After(u64::MAX), 20, 1, 120), None);
        assert_eq!(page(Window::After(3), 20, 100, 120), Some((100, 119)));
    }

    #[test]
    fn a_window_has_at_most_one_parameter() {
        for two in [[0, 1], [0, 2], [0, 3], [1, 2], [1, 3], [2, 3]] {
            let positions = [0, 1, 2, 3].map(|n| two.contains(&n).then_some(1));
            assert_eq!(Window::choose(positions), None);
        }
        assert_eq!(Window::choose([None; 4]), Some(Window::Newest { offset: 0 }));
    }

    #[test]
    fn a_window_around_a_position_begins_half_a_page_below_it() {
        assert_eq!(page(Window::Around(60), 21, 1, 120), Some((50, 70)));
        assert_eq!(page(Window::Around(60), 20, 1, 120), Some((50, 69)));
        assert_eq!(page(Window::Around(60), 1, 1, 120), Some((60, 60)));
        assert_eq!(page(Window::Around(3), 20, 1, 120), Some((1, 20)), "at the beginning, more above");
        assert_eq!(page(Window::Around(119), 20, 1, 120), Some((109, 120)));
        assert_eq!(page(Window::Around(0), 20, 1, 120), Some((1, 20)));
        assert_eq!(page(Window::Around(60), 20, 58, 120), Some((58, 77)));
        assert_eq!(page(Window::Around(60), 20, 100, 120), Some((100, 119)));
        assert_eq!(page(Window::Around(131), 20, 1, 120), None);
        assert_eq!(page(Window::Around(u64::MAX), 20, 1, 120), None);
    }

    #[test]
    fn after_seq_is_within_the_newest_1000_messages() {
        assert!(check_search_bound(0, 0).is_ok());
        assert!(check_search_bound(0, 1000).is_ok());
        assert!(matches!(check_search_bound(0, 1001), Err(Error::Refused(POSITION_TOO_OLD))));
        assert!(matches!(check_search_bound(8, 7), Err(Error::Refused(BAD_POSITION))));
    }

    #[test]
    fn unread_messages_count_from_the_read_position_or_the_first_visible_one() {
        let mut uncounted = Uncounted::default();
        assert_eq!(unread(10, 4, 1, &uncounted), 6);
        assert_eq!(unread(10, 0, 8, &uncounted), 3);
        assert_eq!(unread(10, 12, 1, &uncounted), 0);
        for seq in [3, 5, 10] {
            uncounted.insert(seq);
        }
        assert_eq!(unread(10, 4, 1, &uncounted), 4);
        assert_eq!(unread(10, 0, 8, &uncounted), 2);
        assert_eq!(unread(10, 9, 1, &uncounted), 0);
    }

    proptest! {
        #[test]
        fn no_window_exceeds_its_limit_or_the_visible_positions(
            kind in 0..4usize, at in any::<u64>(), limit in 1..=100u64, from_seq in 1..500u64, tail in 0..1000u64,
        ) {
            let mut positions = [None; 4];
            positions[kind] = Some(at);
            let window = Window::choose(positions).unwrap();
            if let Some((first, last)) = page(window, limit, from_seq, tail) {
                prop_assert!(first <= last && last - first < limit);
                prop_assert!(first >= from_seq && last <= tail);
            }
        }
    }
}
