//! Whom a person may know: the friends of their friends.

use std::{
    cmp::Reverse,
    collections::{BTreeMap, HashSet},
};

use crate::id::UserId;

/// The most people that are suggested.
pub const MAX_SUGGESTIONS: usize = 20;

/// So many of a person's friends are asked for theirs, the latest first: whom one has met lately leads to new people,
/// and a list of thousands cannot be followed within a call.
pub const FRIENDS_ASKED: usize = 100;

/// So many friends of each of them are looked at: with twice as many, the reads of one call would cost more than all of a
/// person's chatting in a day.
pub const FRIENDS_SEEN: usize = 500;

/// The friends of `mine` who are neither `me` nor among `mine`, those with the most friends in common first, each with how
/// many these are.
pub fn by_common_friends(
    me: UserId,
    mine: &[UserId],
    theirs: impl IntoIterator<Item = Vec<UserId>>,
) -> Vec<(UserId, u64)> {
    let known: HashSet<UserId> = mine.iter().copied().chain([me]).collect();
    let mut common: BTreeMap<UserId, u64> = BTreeMap::new();
    for person in theirs.into_iter().flatten().filter(|person| !known.contains(person)) {
        *common.entry(person).or_default() += 1;
    }
    let mut ranked: Vec<(UserId, u64)> = common.into_iter().collect();
    ranked.sort_by_key(|(_, count)| Reverse(*count));
    ranked
}

#[cfg(test)]
mod tests {
    use uuid::Uuid;

    use super::*;

    #[test]
    fn friends_of_most_friends_come_first_and_nobody_whom_one_has_already() {
        let user = |n: u128| UserId::from(Uuid::from_u128(n));
        let users = |all: &[u128]| all.iter().copied().map(user).collect::<Vec<_>>();
        let theirs = [users(&[1, 3, 7, 8]), users(&[1, 2, 8, 9]), users(&[1, 8])];
        let ranked = by_common_friends(user(1), &users(&[2, 3, 4]), theirs);
        assert_eq!(ranked, [(user(8), 3), (user(7), 1), (user(9), 1)]);
    }
}
