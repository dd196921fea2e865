//! Discovery: search by username or email address, and suggestions of friends of friends.

use std::{
    cmp::Reverse,
    collections::{HashMap, HashSet},
};

use futures::{StreamExt, TryStreamExt, future::try_join_all, stream};

use crate::{
    App,
    app::access::Access,
    domain::{
        page::{Page, PageRequest},
        relationships::{
            Pair, RelationshipStatus,
            access::Degree,
            suggestions::{MAX_FRIENDS_PER_FRIEND, MAX_FRIENDS_READ, MAX_SUGGESTIONS, by_mutual_friends},
        },
        users::{profile::Profile, username::SearchQuery},
    },
    error::{Error, Result},
    id::UserId,
    wire::relationships::ListedFriend,
};

/// The maximum number of index pages that a search reads. One user may appear in several entries of the
/// index.
const MAX_SEARCH_PAGES: usize = 5;

/// The maximum number of users per search for whom mutual friends are looked for, each of which may read a
/// list of 5,000: twice the number of results.
const MAX_SEARCH_LOOKUPS: usize = 40;

/// Lists of friends read concurrently.
const CONCURRENT_LISTS: usize = 16;

/// The maximum number of candidates whose profiles are read.
const MAX_CANDIDATES: usize = 5 * MAX_SUGGESTIONS;

impl App {
    /// The users that `caller` finds by `query`, with their relationships: the user with that email address,
    /// or those whose username contains it, in the order of the index. Never the caller.
    pub async fn search_users(
        &self,
        query: &SearchQuery,
        caller: UserId,
        limit: usize,
    ) -> Result<Vec<(Profile, Pair)>> {
        match query {
            SearchQuery::Name(part) => self.search_by_name(part, caller, limit).await,
            SearchQuery::Email(address) => {
                Ok(self.user_with_email(address, caller).await?.into_iter().collect())
            }
        }
    }

    /// The user with an email address, if the user allows it.
    async fn user_with_email(&self, address: &str, caller: UserId) -> Result<Option<(Profile, Pair)>> {
        let Some(owner) = self.store.user_of_email(address).await?.filter(|owner| *owner != caller) else {
            return Ok(None);
        };
        match self.visible_profile(caller, owner).await {
            Err(Error::NotFound) => Ok(None),
            owner => Ok(Some(owner?).filter(|(owner, _)| owner.settings.findable_by_email)),
        }
    }

    /// Reads matching usernames page by page until enough users may be found.
    async fn search_by_name(
        &self,
        query: &str,
        caller: UserId,
        limit: usize,
    ) -> Result<Vec<(Profile, Pair)>> {
        let (mut seen, mut found, mut after) = (HashSet::from([caller]), Vec::new(), None);
        let (access, mut lookups) = (self.access(caller), MAX_SEARCH_LOOKUPS);
        for _ in 0..MAX_SEARCH_PAGES {
            let (mut matching, next) = self.store.users_by_name(query, after).await?;
            matching.retain(|user| seen.insert(*user));
            for some in matching.chunks(limit) {
                found.extend(self.findable(&access, some, &mut lookups).await?);
                if found.len() >= limit {
                    found.truncate(limit);
                    return Ok(found);
                }
            }
            if next.is_none() {
                break;
            }
            after = next;
        }
        Ok(found)
    }

    /// Those of some users that the caller may find, with their relationships, in the given order. Looks for
    /// common friends at most `lookups` times; users beyond that are not found.
    async fn findable(
        &self,
        access: &Access<'_>,
        users: &[UserId],
        lookups: &mut usize,
    ) -> Result<Vec<(Profile, Pair)>> {
        let mut candidates = self.unblocked_profiles(access.me(), users).await?;
        candidates.retain(|(profile, pair)| {
            let needs_lookup =
                profile.settings.findable_by.includes_without_lookup(pair.are_friends()).is_none();
            let is_within_bound = !needs_lookup || *lookups > 0;
            *lookups -= usize::from(needs_lookup && is_within_bound);
            is_within_bound
        });
        let decisions = candidates.iter().map(|(profile, pair)| access.may_find(profile, pair));
        let decisions = try_join_all(decisions).await?;
        let found = candidates.into_iter().zip(decisions).filter(|(_, may_find)| *may_find);
        Ok(found.map(|(found, _)| found).collect())
    }

    /// Those of some users who exist, without a block in either direction, and their relationships, in the
    /// given order.
    async fn unblocked_profiles(&self, me: UserId, users: &[UserId]) -> Result<Vec<(Profile, Pair)>> {
        let (mut profiles, mut pairs) =
            futures::try_join!(self.store.profiles(users), self.store.pairs(me, users))?;
        let existing = users.iter().filter_map(|user| profiles.remove(user).zip(pairs.remove(user)));
        Ok(existing.filter(|(_, pair)| !pair.is_blocked()).collect())
    }

    /// The mutual friends of two users, if `me` may see the other user. None if the other user's settings
    /// hide them from the search of `me`: the list would tell of the other user's friends.
    pub async fn mutual_friends(
        &self,
        me: UserId,
        other: UserId,
        page: PageRequest,
    ) -> Result<Page<ListedFriend>> {
        let (profile, pair) = self.visible_profile(me, other).await?;
        // A user with a mutual friend is at least a friend of a friend.
        let is_findable = profile.settings.findable_by.includes(Degree::FriendOfFriend);
        if me != other && !pair.are_friends() && !is_findable {
            return Ok(Page { items: Vec::new(), next: None });
        }
        self.with_presence(self.store.mutual_friends(me, other, page).await?).await
    }

    /// Friends of the user's latest friends with their number of mutual friends, the highest first. Users
    /// with a pending request or a block in either direction, and users who are not findable, are excluded.
    pub async fn suggestions(&self, me: UserId) -> Result<Vec<(Profile, Pair, u64)>> {
        let mut mine = self.store.all_friends(me).await?;
        mine.sort_by_key(|friend| Reverse(friend.since));
        let mine: Vec<UserId> = mine.into_iter().map(|friend| friend.user_id).collect();
        let asked: Vec<UserId> = mine.iter().copied().take(MAX_FRIENDS_READ).collect();
        let lists =
            stream::iter(asked).map(|friend| self.store.first_friends(friend, MAX_FRIENDS_PER_FRIEND));
        let theirs: Vec<Vec<UserId>> = lists.buffered(CONCURRENT_LISTS).try_collect().await?;
        let ranked = by_mutual_friends(me, &mine, theirs);
        let candidates: Vec<UserId> = ranked.iter().take(MAX_CANDIDATES).map(|(user, _)| *user).collect();
        let counts: HashMap<UserId, u64> = ranked.into_iter().collect();
        let mut suggested = Vec::new();
        for some in candidates.chunks(MAX_SUGGESTIONS) {
            let found = self.unblocked_profiles(me, some).await?;
            let new = found.into_iter().filter(|(profile, pair)| {
                // The lists that the candidates come from prove the degree.
                let is_findable = profile.settings.findable_by.includes(Degree::FriendOfFriend);
                is_findable && pair.relationship_status(me) == RelationshipStatus::None
            });
            suggested.extend(new.filter_map(|(profile, pair)| {
                let count = *counts.get(&profile.id)?;
                Some((profile, pair, count))
            }));
            if suggested.len() >= MAX_SUGGESTIONS {
                break;
            }
        }
        suggested.truncate(MAX_SUGGESTIONS);
        Ok(suggested)
    }
}
