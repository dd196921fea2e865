//! Pairs of people, and the requests and friends that each side lists. The pair is the one place of truth.

use std::collections::HashMap;

use aws_sdk_dynamodb::types::{AttributeValue, Put, TransactWriteItem};
use serde::{Deserialize, Serialize};

use super::{
    Page, PageOf, Store,
    item::{self, Query, read},
    keys::{self, Key},
    table::Transacted,
};
use crate::{
    clock::Timestamp,
    domain::friendship::{Pair, Request, State},
    domain::profile::Profile,
    error::{Error, Result},
    id::{RequestId, UserId},
};

/// A pair as the table has it.
#[derive(Serialize, Deserialize)]
struct StoredPair {
    low: UserId,
    high: UserId,
    version: u64,
    #[serde(flatten)]
    state: State,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    blocked_by_low: Option<Timestamp>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    blocked_by_high: Option<Timestamp>,
}

impl From<StoredPair> for Pair {
    fn from(stored: StoredPair) -> Self {
        let StoredPair { low, high, version, state, blocked_by_low, blocked_by_high } = stored;
        Self { low, high, state, blocked_by_low, blocked_by_high, version }
    }
}

/// A friend, as one side has it.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Friend {
    /// Who.
    pub user_id: UserId,
    /// Since when.
    pub since: Timestamp,
}

/// Which of a person's pending requests.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Direction {
    /// Those that wait for this person's answer.
    Received,
    /// Those that this person waits for.
    Sent,
}

/// How often a pair that others keep moving is read again. Each time somebody else's step was taken, so two people
/// on a few devices never come near.
const MAX_MOVES: u32 = 16;

impl Store {
    async fn pair(&self, a: UserId, b: UserId) -> Result<Pair> {
        let strangers = Pair::strangers(a, b);
        let stored: Option<StoredPair> =
            self.table.get(keys::pair(strangers.low, strangers.high), true).await?;
        Ok(stored.map_or(strangers, Pair::from))
    }

    /// What one person is to each of some others. Those of whom nothing is stored are left out.
    pub async fn pairs(&self, me: UserId, others: &[UserId]) -> Result<HashMap<UserId, Pair>> {
        let pairs = others.iter().map(|other| Pair::strangers(me, *other));
        let keys = pairs.map(|pair| keys::pair(pair.low, pair.high));
        let items = self.table.batch_get(keys, false).await?;
        let pairs = items.into_iter().map(|item| read::<StoredPair>(item).map(Pair::from));
        pairs.map(|pair| pair.map(|pair| (pair.other(me), pair))).collect()
    }

    /// Moves a pair on by a rule, together with both sides' lists, in one transaction. If somebody else moved it
    /// since it was read, it is read again and the rule is asked again; [`Error::Busy`] if that never ends.
    pub async fn move_pair<T>(
        &self,
        a: UserId,
        b: UserId,
        rule: impl Fn(&Pair) -> Result<(Pair, T)>,
    ) -> Result<T> {
        for _ in 0..MAX_MOVES {
            let before = self.pair(a, b).await?;
            let (after, outcome) = rule(&before)?;
            if self.save_pair(&before, &after).await? == Transacted::Written {
                return Ok(outcome);
            }
        }
        Err(Error::Busy("the pair is changed all the time".into()))
    }

    async fn save_pair(&self, before: &Pair, after: &Pair) -> Result<Transacted> {
        let mut writes = vec![self.put_pair(before, after)?];
        let (old, new) = (listed(before), listed(after));
        let gone = old.into_iter().filter(|(key, _)| new.iter().all(|(kept, _)| kept != key));
        for (key, _) in gone {
            writes.push(self.delete(key)?);
        }
        for (key, entry) in new {
            writes.push(self.put(key, entry)?);
        }
        self.table.transact(writes).await
    }

    fn put_pair(&self, before: &Pair, after: &Pair) -> Result<TransactWriteItem> {
        let stored = StoredPair {
            low: after.low,
            high: after.high,
            version: after.version,
            state: after.state.clone(),
            blocked_by_low: after.blocked_by_low,
            blocked_by_high: after.blocked_by_high,
        };
        let item = item::item(keys::pair(after.low, after.high), stored)?;
        let put = Put::builder().table_name(self.table.name()).set_item(Some(item));
        let put = if before.version == 0 {
            put.condition_expression("attribute_not_exists(pk)")
        } else {
            let version = AttributeValue::N(before.version.to_string());
            put.condition_expression("#version = :version")
                .expression_attribute_names("#version", "version")
                .expression_attribute_values(":version", version)
        };
        Ok(TransactWriteItem::builder().put(put.build().map_err(Error::internal)?).build())
    }

    /// A pending request that `me` received.
    pub async fn received_request(&self, me: UserId, request: RequestId) -> Result<Option<Request>> {
        self.table.get(keys::request_in(me, request), true).await
    }

    /// A person's pending requests, newest first.
    pub async fn requests(&self, me: UserId, direction: Direction, page: PageOf) -> Result<Page<Request>> {
        let range = match direction {
            Direction::Received => keys::requests_in(me),
            Direction::Sent => keys::requests_out(me),
        };
        self.page(Query::of(range.clone()).newest_first(), &range, page).await
    }

    /// A person's friends and their profiles, in the order of their ids.
    pub async fn friends(&self, me: UserId, page: PageOf) -> Result<Page<(Friend, Profile)>> {
        let range = keys::friends(me);
        let friends: Page<Friend> = self.page(Query::of(range.clone()), &range, page).await?;
        let ids: Vec<UserId> = friends.items.iter().map(|friend| friend.user_id).collect();
        let mut profiles = self.profiles(&ids).await?;
        let known = friends.items.into_iter().filter_map(|friend| {
            let profile = profiles.remove(&friend.user_id)?;
            Some((friend, profile))
        });
        Ok(Page { items: known.collect(), next: friends.next })
    }
}

/// An item of a side's list.
#[derive(Serialize)]
#[serde(untagged)]
enum Entry {
    Request(Request),
    Friend(Friend),
}

/// The items that both sides' lists hold while a pair is in its state.
fn listed(pair: &Pair) -> Vec<(Key, Entry)> {
    match &pair.state {
        State::Strangers | State::Rejected { .. } => Vec::new(),
        State::Pending(request) => vec![
            (keys::request_in(request.receiver_id, request.request_id), Entry::Request(request.clone())),
            (keys::request_out(request.sender_id, request.request_id), Entry::Request(request.clone())),
        ],
        State::Friends { since } => {
            let friend = |user_id| Entry::Friend(Friend { user_id, since: *since });
            vec![
                (keys::friend(pair.low, pair.high), friend(pair.high)),
                (keys::friend(pair.high, pair.low), friend(pair.low)),
            ]
        }
    }
}
