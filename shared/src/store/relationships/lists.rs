//! The lists of a user: friends, requests and blocks. Each entry stands in for the state of a pair.

use std::collections::{HashMap, HashSet};

use serde::Serialize;

use crate::{
    domain::{
        page::{Page, PageRequest},
        relationships::{
            Pair, Request, State,
            lists::{Block, Friend, RequestDirection},
        },
        users::profile::{Profile, ShownProfile},
    },
    error::Result,
    id::{RequestId, UserId},
    store::{
        Store,
        db::{
            item::{self, Item, Query, read_each},
            keys::{self, Key},
        },
    },
};

impl Store {
    /// A pending request that `me` received.
    pub async fn received_request(&self, me: UserId, request: RequestId) -> Result<Option<Request>> {
        self.table.get(keys::request_in(me, request), true).await
    }

    /// A pending request that `me` sent.
    pub async fn sent_request(&self, me: UserId, request: RequestId) -> Result<Option<Request>> {
        self.table.get(keys::request_out(me, request), true).await
    }

    /// A user's pending requests, newest first.
    pub async fn requests(
        &self,
        me: UserId,
        direction: RequestDirection,
        page: PageRequest,
    ) -> Result<Page<Request>> {
        let range = match direction {
            RequestDirection::Received => keys::requests_in(me),
            RequestDirection::Sent => keys::requests_out(me),
        };
        self.page(Query::of(range.clone()).newest_first(), &range, page).await
    }

    /// The ids of a user's friends, in order.
    pub async fn friend_ids(&self, me: UserId) -> Result<Vec<UserId>> {
        let items = self.table.query(Query::of(keys::friends(me)).consistent()).await?;
        Ok(friend_ids(&items))
    }

    /// A user's friends with their profiles, which are eventually consistent, in the order of their ids.
    pub async fn friends(&self, me: UserId, page: PageRequest) -> Result<Page<(Friend, Profile)>> {
        let range = keys::friends(me);
        let friends: Page<Friend> = self.page(Query::of(range.clone()), &range, page).await?;
        self.with_profiles(friends).await
    }

    /// The mutual friends of two users with their profiles, in the order of their ids. Reads both lists, of
    /// at most 5,000 entries each.
    pub async fn mutual_friends(
        &self,
        me: UserId,
        other: UserId,
        page: PageRequest,
    ) -> Result<Page<(Friend, Profile)>> {
        let (mut common, theirs) = futures::try_join!(self.all_friends(me), self.all_friends(other))?;
        let theirs: HashSet<UserId> = theirs.into_iter().map(|friend| friend.user_id).collect();
        common.retain(|friend| theirs.contains(&friend.user_id));
        if let Some(cursor) = page.cursor {
            common.retain(|friend| friend.user_id.to_string() > cursor);
        }
        let has_more = page.limit.is_some_and(|limit| common.len() > limit);
        common.truncate(page.limit.unwrap_or(usize::MAX));
        let next = common.last().filter(|_| has_more).map(|last| last.user_id.to_string());
        self.with_profiles(Page { items: common, next }).await
    }

    async fn with_profiles(&self, friends: Page<Friend>) -> Result<Page<(Friend, Profile)>> {
        let ids: Vec<UserId> = friends.items.iter().map(|friend| friend.user_id).collect();
        let mut profiles = self.eventual().profiles(&ids).await?;
        let found = friends.items.into_iter().filter_map(|friend| {
            let profile = profiles.remove(&friend.user_id)?;
            Some((friend, profile))
        });
        Ok(Page { items: found.collect(), next: friends.next })
    }

    /// The users that `me` blocks, in the order of their ids, with the profiles of those that `me` saw when
    /// blocking. Of a user who has blocked `me` since, the profile as of then.
    pub async fn blocks(&self, me: UserId, page: PageRequest) -> Result<Page<(Block, Option<ShownProfile>)>> {
        let range = keys::blocks(me);
        let blocks: Page<Block> = self.page(Query::of(range.clone()), &range, page).await?;
        let seen = blocks.items.iter().filter(|block| !block.is_unseen).map(|block| block.user_id);
        let seen: Vec<UserId> = seen.collect();
        let (profiles, pairs) = futures::try_join!(self.profiles(&seen), self.pairs(me, &seen))?;
        let blocks_back =
            |user: &UserId| pairs.get(user).is_some_and(|pair| pair.blocked_by(*user).is_some());
        let blocking: Vec<Key> =
            seen.iter().filter(|user| blocks_back(user)).map(|user| keys::block(*user, me)).collect();
        let blocking: Vec<Block> = read_each(self.table.batch_get(blocking, true).await?);
        let visible = profiles.into_values().filter(|profile| !blocks_back(&profile.id));
        let of_then = blocking.into_iter().filter_map(|block| block.own_profile);
        let shown = visible.map(ShownProfile::from).chain(of_then).map(|shown| (shown.id, shown));
        let mut shown: HashMap<UserId, ShownProfile> = shown.collect();
        Ok(blocks.map(|block| {
            let profile = shown.remove(&block.user_id);
            (block, profile)
        }))
    }

    /// The block of one user by another, if there is one.
    pub async fn block(&self, me: UserId, blocked: UserId) -> Result<Option<Block>> {
        self.table.get(keys::block(me, blocked), true).await
    }

    /// All friends of a user, in the order of their ids.
    pub async fn all_friends(&self, user: UserId) -> Result<Vec<Friend>> {
        let range = keys::friends(user);
        Ok(self.page(Query::of(range.clone()), &range, PageRequest::default()).await?.items)
    }

    /// The ids of the first `limit` friends of a user, in order. Eventually consistent.
    pub async fn first_friends(&self, user: UserId, limit: usize) -> Result<Vec<UserId>> {
        let items = self.table.query(Query::of(keys::friends(user)).limit(limit)).await?;
        Ok(friend_ids(&items))
    }

    /// The ids of at most `limit` friends of a user, in order: those from `first` to `last`, both included,
    /// and above `after`.
    pub async fn friends_between(
        &self,
        user: UserId,
        (first, last): (UserId, UserId),
        after: Option<UserId>,
        limit: usize,
    ) -> Result<Vec<UserId>> {
        let after = after.map(|friend| keys::friend(user, friend).sk);
        let range = Query::of(keys::friends_between(user, first, last)).consistent();
        let items = self.table.query(range.after(after).limit(limit)).await?;
        Ok(friend_ids(&items))
    }
}

/// The friends in the keys of entries.
fn friend_ids(items: &[Item]) -> Vec<UserId> {
    items.iter().filter_map(|item| keys::friend_of(item::sk(item))).collect()
}

/// The body of an entry.
#[derive(Serialize)]
#[serde(untagged)]
pub(in crate::store) enum Entry {
    Request(Request),
    Friend(Friend),
    Block(Block),
}

impl Entry {
    /// Adds the blocking user's profile to a block of a user who had blocked first.
    pub fn with_own_profile(&mut self, profile: Option<&ShownProfile>) {
        if let Self::Block(block) = self
            && block.is_unseen
        {
            block.own_profile = profile.cloned();
        }
    }
}

/// The entries of both users' lists that the state of a pair requires.
pub(in crate::store) fn entries(pair: &Pair) -> Vec<(Key, Entry)> {
    let sides = [(pair.low, pair.high), (pair.high, pair.low)];
    let mut entries = match &pair.state {
        State::Strangers | State::Rejected { .. } => Vec::new(),
        State::Pending(request) => vec![
            (keys::request_in(request.receiver_id, request.request_id), Entry::Request(request.clone())),
            (keys::request_out(request.sender_id, request.request_id), Entry::Request(request.clone())),
        ],
        State::Friends { since } => {
            let friend =
                |(me, user_id)| (keys::friend(me, user_id), Entry::Friend(Friend { user_id, since: *since }));
            sides.map(friend).into()
        }
    };
    for (me, user_id) in sides {
        if let Some(since) = pair.blocked_by(me) {
            // An entry is written once, with its block: a block of the other user existed before.
            let is_unseen = pair.blocked_by(user_id).is_some();
            let block = Block { user_id, since, is_unseen, own_profile: None };
            entries.push((keys::block(me, user_id), Entry::Block(block)));
        }
    }
    entries
}
