//! Pairs of people: the one place of truth of what two are to each other. Each step of a pair is one transaction with
//! both sides' lists and counts, and with the pair's direct room where it closes or opens.

pub mod access;
pub mod degrees;
pub mod lists;
pub mod suggestions;

use crate::{
    clock::Timestamp,
    domain::{
        relationships::{Pair, RelationshipAction, RelationshipChange, State},
        rooms::Room,
    },
    error::{Error, Result},
    id::{RoomId, UserId},
    store::{
        Store,
        accounts::is_back,
        db::{
            item::{self, read},
            keys,
            table::{Transacted, wait_before_retry},
        },
        number,
        relationships::lists::listed,
        users::quotas::{Given, Writes},
    },
};
use std::collections::HashMap;

use aws_sdk_dynamodb::types::{Put, TransactWriteItem};
use serde::{Deserialize, Serialize};

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

impl From<&Pair> for StoredPair {
    fn from(pair: &Pair) -> Self {
        let Pair { low, high, state, blocked_by_low, blocked_by_high, version } = pair.clone();
        Self { low, high, version, state, blocked_by_low, blocked_by_high }
    }
}

/// How often a pair that others keep moving is read again. Each time somebody else's step was taken, so two people
/// on a few devices never come near.
const MAX_TRIES: u32 = 16;

impl Store {
    /// What two people are to each other.
    pub async fn pair(&self, a: UserId, b: UserId) -> Result<Pair> {
        let strangers = Pair::strangers(a, b);
        let stored: Option<StoredPair> =
            self.table.get(keys::pair(strangers.low, strangers.high), true).await?;
        Ok(stored.map_or(strangers, Pair::from))
    }

    /// What one person is to each of some others, of whom nothing may be stored.
    pub async fn pairs(&self, me: UserId, others: &[UserId]) -> Result<HashMap<UserId, Pair>> {
        let strangers = others.iter().map(|other| (*other, Pair::strangers(me, *other)));
        let mut pairs: HashMap<UserId, Pair> = strangers.collect();
        let keys = pairs.values().map(|pair| keys::pair(pair.low, pair.high));
        for item in self.table.batch_get(keys, true).await? {
            let pair = Pair::from(read::<StoredPair>(item)?);
            pairs.insert(pair.other(me), pair);
        }
        Ok(pairs)
    }

    /// Lets `actor` do something to what is between them and another. If somebody else moved it since it was read, it is
    /// read again and the rule is asked again; [`Error::Busy`] if that never ends.
    pub async fn update_relationship(
        &self,
        actor: UserId,
        other: UserId,
        action: RelationshipAction,
        now: Timestamp,
    ) -> Result<RelationshipChange> {
        for attempt in 1..=MAX_TRIES {
            let (before, room) =
                futures::try_join!(self.pair(actor, other), self.room_at_stake(actor, other, action))?;
            let after = before.after(actor, action, now)?;
            let moved = RelationshipChange { before, after };
            if moved.before == moved.after {
                return Ok(moved);
            }
            let mut writes = self.step(&moved, actor, room, now)?;
            let last = writes.all.len();
            if action == RelationshipAction::DeleteAccount {
                writes.push(self.check_deleted(actor)?);
            }
            match self.table.transact(&writes.all).await {
                Ok(Transacted::Written) => return Ok(moved),
                Ok(Transacted::Refused(at)) if at.contains(&last) => return Err(is_back()),
                Ok(Transacted::Refused(at)) => self.check_gifts(&writes, &at, actor).await?,
                // Others whose counts this step moves are in the way for longer than one call tries.
                Err(Error::Busy(_)) => {}
                Err(error) => return Err(error),
            }
            wait_before_retry(attempt).await;
        }
        Err(Error::Busy("the pair is changed all the time".into()))
    }

    /// The direct room of two, if it exists and an action can close or open it.
    async fn room_at_stake(&self, a: UserId, b: UserId, action: RelationshipAction) -> Result<Option<Room>> {
        if !action.concerns_blocks() {
            return Ok(None);
        }
        self.table.get(keys::meta(RoomId::direct(a, b)), true).await
    }

    fn step(
        &self,
        moved: &RelationshipChange,
        actor: UserId,
        room: Option<Room>,
        now: Timestamp,
    ) -> Result<Writes> {
        let RelationshipChange { before, after } = moved;
        let (old, new) = (listed(before), listed(after));
        let keys = |entries: &[(keys::Key, _)], key: &keys::Key| entries.iter().any(|(kept, _)| kept == key);
        let is_given = |entry: &&(keys::Key, _)| !keys(&old, &entry.0);
        let mut writes = Writes::default();
        writes.push(self.put_pair(before, after)?);
        for who in [actor, before.other(actor)] {
            let changes = Pair::QUOTAS
                .map(|what| (what, after.contribution(what, who) - before.contribution(what, who)));
            let changes: Vec<_> = changes.into_iter().filter(|(_, change)| *change != 0).collect();
            let gets = new.iter().filter(is_given).any(|(key, _)| keys::user_of(&key.pk) == Some(who));
            let given = if gets { Given::Something } else { Given::Nothing };
            self.count(&mut writes, who, &changes, given)?;
        }
        for (key, _) in old.iter().filter(|(key, _)| !keys(&new, key)) {
            writes.push(self.delete(key.clone())?);
        }
        for (key, entry) in new.iter().filter(is_given) {
            writes.push(self.put(key.clone(), entry)?);
        }
        writes.extend(self.shut_or_open(moved, room, now)?);
        Ok(writes)
    }

    /// The direct room closes with the first block, and opens with the end of the last one. Where there is none, none may
    /// be made while its people are blocked: the making of it is under the condition of [`Store::check_unblocked`].
    fn shut_or_open(
        &self,
        moved: &RelationshipChange,
        room: Option<Room>,
        now: Timestamp,
    ) -> Result<Vec<TransactWriteItem>> {
        let is_closed = moved.after.is_blocked();
        if is_closed == moved.before.is_blocked() {
            return Ok(Vec::new());
        }
        match room {
            Some(room) => {
                let (members_version, rev) = (room.members_version + 1, room.rev + 1);
                let after = Room { members_version, rev, is_closed, ..room.clone() };
                self.revision(&room, &after, None, now)
            }
            None if is_closed => {
                let direct = RoomId::direct(moved.after.low, moved.after.high);
                Ok(vec![self.check(keys::meta(direct), "attribute_not_exists(pk)")?])
            }
            None => Ok(Vec::new()),
        }
    }

    /// A condition of a transaction: neither of the two blocks the other.
    pub(in crate::store) fn check_unblocked(&self, a: UserId, b: UserId) -> Result<TransactWriteItem> {
        let Pair { low, high, .. } = Pair::strangers(a, b);
        let nobody = "attribute_not_exists(blocked_by_low) AND attribute_not_exists(blocked_by_high)";
        self.check(keys::pair(low, high), nobody)
    }

    fn put_pair(&self, before: &Pair, after: &Pair) -> Result<TransactWriteItem> {
        let item = item::item(keys::pair(after.low, after.high), StoredPair::from(after))?;
        let put = Put::builder().table_name(self.table.name()).set_item(Some(item));
        let put = if before.version == 0 {
            put.condition_expression("attribute_not_exists(pk)")
        } else {
            put.condition_expression("#version = :version")
                .expression_attribute_names("#version", "version")
                .expression_attribute_values(":version", number(before.version))
        };
        Ok(TransactWriteItem::builder().put(put.build().map_err(Error::internal)?).build())
    }
}
