//! Friends of friends.

use std::{cmp::Reverse, collections::HashMap};

use futures::{StreamExt, TryStreamExt, stream};

use crate::{
    domain::{
        relationships::{
            RelationshipStatus,
            access::Degree,
            suggestions::{MAX_FRIENDS_PER_FRIEND, MAX_FRIENDS_READ, MAX_SUGGESTIONS, by_common_friends},
        },
        users::profile::Profile,
    },
    error::Result,
    id::UserId,
    store::Store,
};

/// So many lists of friends are read at once.
const CONCURRENT_LISTS: usize = 16;

/// The most people whose profiles are looked at.
const MAX_CANDIDATES: usize = 5 * MAX_SUGGESTIONS;

impl Store {
    /// People whom `me` may know, with the number of friends in common, the most first: friends of the latest friends,
    /// unless one has asked the other already, one blocks the other, or they are not to be found so. That they are friends
    /// of friends, the lists that they come from say.
    pub async fn suggestions(&self, me: UserId) -> Result<Vec<(Profile, u64)>> {
        let mut mine = self.all_friends(me).await?;
        mine.sort_by_key(|friend| Reverse(friend.since));
        let mine: Vec<UserId> = mine.into_iter().map(|friend| friend.user_id).collect();
        let asked: Vec<UserId> = mine.iter().copied().take(MAX_FRIENDS_READ).collect();
        let lists = stream::iter(asked).map(|friend| self.some_friends(friend, MAX_FRIENDS_PER_FRIEND));
        let theirs: Vec<Vec<UserId>> = lists.buffered(CONCURRENT_LISTS).try_collect().await?;
        let ranked = by_common_friends(me, &mine, theirs);
        let candidates: Vec<UserId> = ranked.iter().take(MAX_CANDIDATES).map(|(person, _)| *person).collect();
        let counts: HashMap<UserId, u64> = ranked.into_iter().collect();
        let mut suggested = Vec::new();
        for some in candidates.chunks(MAX_SUGGESTIONS) {
            let found = self.unblocked(me, some).await?;
            let news = found.into_iter().filter(|(person, pair)| {
                let is_findable = person.settings.findable_by.includes(Degree::FriendOfFriend);
                is_findable && pair.relationship_status(me) == RelationshipStatus::None
            });
            suggested.extend(news.filter_map(|(person, _)| {
                let count = *counts.get(&person.id)?;
                Some((person, count))
            }));
            if suggested.len() >= MAX_SUGGESTIONS {
                break;
            }
        }
        suggested.truncate(MAX_SUGGESTIONS);
        Ok(suggested)
    }
}
