//! The relationship of two users: one item per pair is the source of truth. Each change is one transaction
//! with both users' lists and quotas, and with the direct room where it closes or opens.

mod lists;

use std::collections::HashMap;

use serde::{Deserialize, Serialize};

use crate::{
    clock::Timestamp,
    domain::{
        relationships::{Pair, RelationshipAction, RelationshipChange, State},
        rooms::Room,
        users::profile::ShownProfile,
    },
    error::Result,
    id::{RoomId, UserId},
    store::{
        Store,
        accounts::account_recreated,
        db::{
            item::{self, Condition, number, readable},
            keys::{self, Key},
            transaction::{Attempt, Transaction, retrying},
        },
        relationships::lists::{Entry, entries},
        users::quotas::QuotaChange,
    },
};

/// A pair as stored.
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

impl Store {
    /// The relationship of two users.
    pub async fn pair(&self, a: UserId, b: UserId) -> Result<Pair> {
        let strangers = Pair::strangers(a, b);
        let stored: Option<StoredPair> =
            self.table.get(keys::pair(strangers.low, strangers.high), true).await?;
        Ok(stored.map_or(strangers, Pair::from))
    }

    /// The relationships of one user with others. One that cannot be read denies all access, as a block does.
    pub async fn pairs(&self, me: UserId, others: &[UserId]) -> Result<HashMap<UserId, Pair>> {
        let strangers = others.iter().map(|other| (*other, Pair::strangers(me, *other)));
        let mut pairs: HashMap<UserId, Pair> = strangers.collect();
        let keys = pairs.values().map(|pair| keys::pair(pair.low, pair.high));
        for item in self.table.batch_get(keys, true).await? {
            let Some((low, high)) = item::key(&item).and_then(|key| keys::pair_of(&key.pk)) else { continue };
            let unknown = Some(Timestamp::from_seconds(0));
            let pair = match readable(item::read::<StoredPair>(item)) {
                Some(stored) => Pair::from(stored),
                None => {
                    Pair { blocked_by_low: unknown, blocked_by_high: unknown, ..Pair::strangers(low, high) }
                }
            };
            pairs.insert(pair.other(me), pair);
        }
        Ok(pairs)
    }

    /// Applies an action of `actor` to the relationship with another user. After an intervening change it is
    /// read again, and the rule decides again.
    pub async fn update_relationship(
        &self,
        actor: UserId,
        other: UserId,
        action: RelationshipAction,
        now: Timestamp,
    ) -> Result<RelationshipChange> {
        retrying("the relationship keeps changing", || async {
            let (before, room) =
                futures::try_join!(self.pair(actor, other), self.affected_room(actor, other, action))?;
            let after = before.after(actor, action, now)?;
            let change = RelationshipChange { before, after };
            if change.before == change.after {
                return Ok(Attempt::Done(change));
            }
            let blocks_back = action == RelationshipAction::Block && change.before.is_blocked();
            let own_profile = if blocks_back { self.profile(actor).await? } else { None };
            let own_profile = own_profile.map(ShownProfile::from);
            let mut tx = self.transaction();
            tx.update_pair(&change, actor, own_profile.as_ref())?;
            tx.close_or_open(&change, room, now);
            if action == RelationshipAction::DeleteAccount {
                tx.check_deleted(actor).or_refuse(account_recreated());
            }
            Ok(tx.commit().await?.map(|()| change))
        })
        .await
    }

    /// The direct room of two users, if it exists and the action can close or open it.
    async fn affected_room(&self, a: UserId, b: UserId, action: RelationshipAction) -> Result<Option<Room>> {
        if !action.concerns_blocks() {
            return Ok(None);
        }
        self.table.get(keys::meta(RoomId::direct(a, b)), true).await
    }
}

impl<R> Transaction<'_, R> {
    /// Replaces the pair, and updates both users' quotas and lists. `own_profile` is the actor's, if the
    /// action blocks a user who has blocked the actor.
    fn update_pair(
        &mut self,
        change: &RelationshipChange,
        actor: UserId,
        own_profile: Option<&ShownProfile>,
    ) -> Result<()> {
        let RelationshipChange { before, after } = change;
        let (old, mut new) = (entries(before), entries(after));
        for (_, entry) in &mut new {
            entry.with_own_profile(own_profile);
        }
        let contains = |entries: &[(Key, Entry)], key: &Key| entries.iter().any(|(listed, _)| listed == key);
        let is_added = |entry: &&(Key, Entry)| !contains(&old, &entry.0);
        self.put_pair(before, after);
        for user in [actor, before.other(actor)] {
            let quota = Pair::QUOTAS.into_iter().fold(QuotaChange::of(user, actor), |change, quota| {
                change.add(quota, after.contribution(quota, user) - before.contribution(quota, user))
            });
            let receives = new.iter().filter(is_added).any(|(key, _)| keys::user_of(&key.pk) == Some(user));
            self.quota(if receives { quota.require_active() } else { quota })?;
        }
        for (key, _) in old.iter().filter(|(key, _)| !contains(&new, key)) {
            self.delete(key.clone());
        }
        for (key, entry) in new.iter().filter(is_added) {
            self.put(key.clone(), entry);
        }
        Ok(())
    }

    fn put_pair(&mut self, before: &Pair, after: &Pair) {
        let key = keys::pair(after.low, after.high);
        let as_read = if before.version == 0 {
            Condition::not_exists()
        } else {
            let at_version = Condition::of("#version = :version").name("#version", "version");
            at_version.attribute(":version", number(before.version))
        };
        self.replace_if(key, StoredPair::from(after), as_read);
    }

    /// Closes the direct room with the first block, and opens it with the end of the last one. A room that
    /// does not exist cannot be created while its users are blocked: its creation checks
    /// [`Transaction::check_unblocked`].
    fn close_or_open(&mut self, change: &RelationshipChange, room: Option<Room>, now: Timestamp) {
        let is_closed = change.after.is_blocked();
        if is_closed == change.before.is_blocked() {
            return;
        }
        match room {
            Some(room) => {
                let (members_version, rev) = (room.members_version + 1, room.rev + 1);
                let after = Room { members_version, rev, is_closed, ..room.clone() };
                self.revision(&room, &after, None, now);
            }
            None if is_closed => {
                let direct = RoomId::direct(change.after.low, change.after.high);
                self.check(keys::meta(direct), Condition::not_exists());
            }
            None => {}
        }
    }

    /// Neither of two users blocks the other.
    pub(in crate::store) fn check_unblocked(&mut self, a: UserId, b: UserId) -> &mut Self {
        let Pair { low, high, .. } = Pair::strangers(a, b);
        let unblocked = "attribute_not_exists(blocked_by_low) AND attribute_not_exists(blocked_by_high)";
        self.check(keys::pair(low, high), Condition::of(unblocked))
    }
}
