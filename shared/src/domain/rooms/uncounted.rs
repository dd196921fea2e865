//! The messages of a room that do not count as unread.

use serde::{Deserialize, Serialize};

/// The maximum number of runs of positions. More would enlarge the room's item, which every change of the
/// room writes.
const MAX_RUNS: usize = 32;

/// The positions of system messages and deleted messages, as runs of consecutive ones, oldest first.
///
/// Only the newest runs are kept. There is a counted message between two runs, so a count of up to 32 is
/// exact, and a larger one may contain messages that do not count.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Uncounted(Vec<(u64, u64)>);

impl Uncounted {
    /// Adds the position of a message.
    pub fn insert(&mut self, seq: u64) {
        let after = self.0.partition_point(|(first, _)| *first <= seq);
        if after.checked_sub(1).is_some_and(|before| self.0[before].1 >= seq) {
            return;
        }
        self.0.insert(after, (seq, seq));
        self.0.dedup_by(|next, run| {
            let is_adjacent = run.1 + 1 == next.0;
            if is_adjacent {
                run.1 = next.1;
            }
            is_adjacent
        });
        if self.0.len() > MAX_RUNS {
            self.0.remove(0);
        }
    }

    /// The number of positions above `seq`.
    pub fn above(&self, seq: u64) -> u64 {
        self.0.iter().map(|(first, last)| (last + 1).saturating_sub((*first).max(seq + 1))).sum()
    }

    /// Whether there is no position.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use proptest::prelude::*;

    use super::*;

    fn of(positions: &[u64]) -> Uncounted {
        let mut uncounted = Uncounted::default();
        for seq in positions {
            uncounted.insert(*seq);
        }
        uncounted
    }

    #[test]
    fn consecutive_positions_are_one_run() {
        assert_eq!(of(&[3, 1, 2, 5, 2]), Uncounted(vec![(1, 3), (5, 5)]));
        assert_eq!(of(&[1, 3, 2]), Uncounted(vec![(1, 3)]));
    }

    #[test]
    fn only_the_newest_runs_are_kept() {
        let positions: Vec<u64> = (1..=40).map(|n| 2 * n).collect();
        let uncounted = of(&positions);
        assert_eq!(uncounted.0.len(), MAX_RUNS);
        assert_eq!((uncounted.above(0), uncounted.above(60)), (32, 10));
    }

    proptest! {
        #[test]
        fn the_count_is_exact_up_to_the_maximum(positions in prop::collection::vec(1..60u64, 0..60), read in 0..60u64) {
            let uncounted = of(&positions);
            let distinct: BTreeSet<u64> = positions.into_iter().collect();
            let exact = distinct.iter().filter(|seq| **seq > read).count() as u64;
            prop_assert_eq!(uncounted.above(read), exact);
        }
    }
}
