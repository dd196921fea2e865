//! The requests, friends and blocks that each side of a pair lists.

use crate::{
    domain::{
        page::{Page, PageRequest},
        relationships::{
            Pair, Request, State,
            lists::{Block, Friend, RequestDirection},
        },
        users::profile::Profile,
    },
    error::Result,
    id::{RequestId, UserId},
    store::{
        Store,
        db::{
            item::{Query, read},
            keys::{self, Key},
        },
    },
};
use serde::Serialize;

impl Store {
    /// A pending request that `me` received.
    pub async fn received_request(&self, me: UserId, request: RequestId) -> Result<Option<Request>> {
        self.table.get(keys::request_in(me, request), true).await
    }

    /// A pending request that `me` sent.
    pub async fn sent_request(&self, me: UserId, request: RequestId) -> Result<Option<Request>> {
        self.table.get(keys::request_out(me, request), true).await
    }

    /// A person's pending requests, newest first.
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

    /// Who a person's friends are, in the order of their ids.
    pub async fn friend_ids(&self, me: UserId) -> Result<Vec<UserId>> {
        let friends = self.table.query(Query::of(keys::friends(me)).consistent()).await?.into_iter();
        friends.map(|item| Ok(read::<Friend>(item)?.user_id)).collect()
    }

    /// A person's friends and their profiles, in the order of their ids.
    pub async fn friends(&self, me: UserId, page: PageRequest) -> Result<Page<(Friend, Profile)>> {
        let range = keys::friends(me);
        let friends: Page<Friend> = self.page(Query::of(range.clone()), &range, page).await?;
        self.with_profiles(friends).await
    }

    /// The friends of `me` who are somebody's friends too, and their profiles, in the order of their ids.
    pub async fn mutual_friends(
        &self,
        me: UserId,
        other: UserId,
        page: PageRequest,
    ) -> Result<Page<(Friend, Profile)>> {
        let mut common = self.common_friends(me, other).await?;
        if let Some(cursor) = page.cursor {
            common.retain(|friend| friend.user_id.to_string() > cursor);
        }
        let more = page.limit.is_some_and(|limit| common.len() > limit);
        common.truncate(page.limit.unwrap_or(usize::MAX));
        let next = common.last().filter(|_| more).map(|last| last.user_id.to_string());
        self.with_profiles(Page { items: common, next }).await
    }

    async fn with_profiles(&self, friends: Page<Friend>) -> Result<Page<(Friend, Profile)>> {
        let ids: Vec<UserId> = friends.items.iter().map(|friend| friend.user_id).collect();
        let mut profiles = self.profiles(&ids).await?;
        let known = friends.items.into_iter().filter_map(|friend| {
            let profile = profiles.remove(&friend.user_id)?;
            Some((friend, profile))
        });
        Ok(Page { items: known.collect(), next: friends.next })
    }

    /// Whom a person blocks, in the order of their ids, with the profiles of those whom the person saw when they did.
    pub async fn blocks(&self, me: UserId, page: PageRequest) -> Result<Page<(Block, Option<Profile>)>> {
        let range = keys::blocks(me);
        let blocks: Page<Block> = self.page(Query::of(range.clone()), &range, page).await?;
        let seen = blocks.items.iter().filter(|block| !block.is_unseen).map(|block| block.user_id);
        let mut profiles = self.profiles(&seen.collect::<Vec<_>>()).await?;
        Ok(blocks.map(|block| {
            let profile = profiles.remove(&block.user_id);
            (block, profile)
        }))
    }

    /// Everyone with whom a person is friends, in the order of their ids.
    pub(in crate::store) async fn all_friends(&self, user: UserId) -> Result<Vec<Friend>> {
        let range = keys::friends(user);
        Ok(self.page(Query::of(range.clone()), &range, PageRequest::default()).await?.items)
    }

    /// Some of those with whom a person is friends, in the order of their ids.
    pub(in crate::store) async fn some_friends(&self, user: UserId, limit: usize) -> Result<Vec<UserId>> {
        let items = self.table.query(Query::of(keys::friends(user)).limit(limit)).await?;
        items.into_iter().map(|item| Ok(read::<Friend>(item)?.user_id)).collect()
    }
}

/// An item of a side's list.
#[derive(Serialize)]
#[serde(untagged)]
pub(in crate::store) enum Entry {
    Request(Request),
    Friend(Friend),
    Block(Block),
}

/// The items that both sides' lists hold while a pair is as it is.
pub(in crate::store) fn listed(pair: &Pair) -> Vec<(Key, Entry)> {
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
            // An entry is written once, when its block is made: whatever stands beside it was there before.
            let is_unseen = pair.blocked_by(user_id).is_some();
            entries.push((keys::block(me, user_id), Entry::Block(Block { user_id, since, is_unseen })));
        }
    }
    entries
}
