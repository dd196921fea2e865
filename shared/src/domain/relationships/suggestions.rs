//! Friend suggestions: the friends of a user's friends.

use std::{
    cmp::Reverse,
    collections::{BTreeMap, HashSet},
};

use crate::id::UserId;

/// The maximum number of suggested users.
pub const MAX_SUGGESTIONS: usize = 20;

/// The maximum number of a user's friends whose own friends are read, latest first. Recent friends lead to
/// new users, and one call cannot read the friends of thousands.
pub const MAX_FRIENDS_READ: usize = 100;

/// The maximum number of friends that are read per friend. With twice as many, the reads of one call would
/// cost more than all messages of a user in a day.
pub const MAX_FRIENDS_PER_FRIEND: usize = 500;

/// Ranks the users in `theirs`, the friend lists of the friends `mine` of `me`: most mutual friends first,
/// each with their number. `me` and the users in `mine` are excluded.
pub fn by_mutual_friends(
    me: UserId,
    mine: &[UserId],
    theirs: impl IntoIterator<Item = Vec<UserId>>,
) -> Vec<(UserId, u64)> {
    let known: HashSet<UserId> = mine.iter().copied().chain([me]).collect();
    let mut common: BTreeMap<UserId, u64> = BTreeMap::new();
    for user in theirs.into_iter().flatten().filter(|user| !known.contains(user)) {
        *common.entry(user).or_default() += 1;
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
    fn most_friends_in_common_come_first_and_existing_friends_are_excluded() {
        let user = |n: u128| UserId::from(Uuid::from_u128(n));
        let users = |all: &[u128]| all.iter().copied().map(user).collect::<Vec<_>>();
        let theirs = [users(&[1, 3, 7, 8]), users(&[1, 2, 8, 9]), users(&[1, 8])];
        let ranked = by_mutual_friends(user(1), &users(&[2, 3, 4]), theirs);
        assert_eq!(ranked, [(user(8), 3), (user(7), 1), (user(9), 1)]);
    }
}
