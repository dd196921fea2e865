//! The deletion of accounts: idempotent steps, each one transaction. The marker in the profile's place comes
//! first; then relationships, rooms and devices are left, messages anonymized, and the account's private
//! items deleted.

mod anonymize;
mod direct_rooms;
pub mod pending;

use serde::Serialize;

use crate::{
    clock::Timestamp,
    domain::{
        accounts::{Account, AccountDeletion, DeletionTarget},
        users::{profile::Profile, username},
    },
    error::{Error, Result},
    id::{DeviceId, RoomId, UserId},
    store::{
        Store,
        db::{
            item::{self, Condition, Item, Query, Update, read},
            keys::{self, Key},
            transaction::{Attempt, Transaction, retrying},
        },
        users::profiles::search_keys,
    },
};

/// An entry of a user's lists.
#[derive(Clone, Debug)]
pub struct Related {
    entry: Key,
    /// The other user, if the entry names one.
    pub other: Option<UserId>,
}

/// What remains of an item of a deleted account.
#[derive(Serialize)]
pub(in crate::store) struct DeletedMarker {
    pub is_deleted: bool,
}

impl DeletedMarker {
    pub const DELETED: Self = Self { is_deleted: true };
}

/// Items per transaction that deletes private items: DynamoDB's limit of 100, less the condition.
const ITEMS_PER_TRANSACTION: usize = 99;

/// Why a deletion stops: the user has created a new account.
pub(in crate::store) fn account_recreated() -> Error {
    Error::Busy("the deleted account has been recreated".into())
}

impl Store {
    /// Replaces the profile by a marker and releases the username and email address, in one transaction. From
    /// then on the user is not found and receives nothing new.
    pub async fn begin_account_deletion(&self, user: UserId, now: Timestamp) -> Result<AccountDeletion> {
        retrying("the profile keeps changing", || async {
            let (profile, as_read) = match self.account_to_delete(user).await? {
                Some((Account::Active(profile), as_read)) => (profile, as_read),
                Some((Account::Deleted(deletion), _)) => return Ok(Attempt::Done(deletion)),
                None => return Err(Error::NotFound),
            };
            let deletion = AccountDeletion::beginning(user, now);
            let mut tx = self.transaction();
            tx.replace_if(keys::profile(user), &deletion, as_read)
                .delete(keys::username_claim(&username::fold(&profile.username)))
                .close_quotas(user)?
                .close_presence(user)?
                .begin_deletion(DeletionTarget::Account(user), now);
            if let Some(email) = &profile.email_claim {
                tx.delete(keys::email_claim(email));
            }
            for key in search_keys(&profile) {
                tx.delete(key);
            }
            Ok(tx.commit().await?.map(|()| deletion))
        })
        .await
    }

    /// Takes the exclusive right to complete a deletion; returns when it ends. `None` if another call has it,
    /// or has completed the deletion.
    pub async fn lease_account_deletion(
        &self,
        deletion: &AccountDeletion,
        now: Timestamp,
    ) -> Result<Option<Timestamp>> {
        let until = now.plus(AccountDeletion::LEASE);
        let is_free = "attribute_not_exists(leased_until) OR leased_until <= :now";
        let lease = Update::of(keys::profile(deletion.id), "SET leased_until = :until")
            .only_if(format!("deleted_at = :then AND is_pending = :pending AND ({is_free})"))
            .value(":until", until)?
            .value(":then", deletion.deleted_at)?
            .value(":pending", true)?
            .value(":now", now)?;
        Ok(self.table.update(lease).await?.map(|_| until))
    }

    /// Gives the right back, so that another call can continue at once.
    pub async fn release_account_deletion(&self, user: UserId, leased_until: Timestamp) -> Result<()> {
        let release = Update::of(keys::profile(user), "REMOVE leased_until").only_if("leased_until = :until");
        self.table.update(release.value(":until", leased_until)?).await.map(drop)
    }

    /// The account, with the condition that it is as it was read. A profile that cannot be read can be deleted
    /// all the same, with those claims that can be read.
    pub async fn account_to_delete(&self, user: UserId) -> Result<Option<(Account, Condition)>> {
        let Some(item) = self.table.get_item(keys::profile(user), true).await? else { return Ok(None) };
        let as_read = Condition::at_revision_of(&item);
        let account = match read(item.clone()) {
            Err(Error::Unreadable(_)) if !item.contains_key("deleted_at") => {
                let nothing = || Profile::unreadable(user);
                Account::Active(item::read_or_recover(item, nothing).unwrap_or_else(|recovered| recovered))
            }
            account => account?,
        };
        Ok(Some((account, as_read)))
    }

    /// All entries of the user's lists of friends, requests and blocks.
    pub async fn related_users(&self, user: UserId) -> Result<Vec<Related>> {
        let all = |range| self.table.query(Query::of(range).consistent());
        let (friends, received, sent, blocks) = futures::try_join!(
            all(keys::friends(user)),
            all(keys::requests_in(user)),
            all(keys::requests_out(user)),
            all(keys::blocks(user)),
        )?;
        let related = |item: &Item, other| Some(Related { entry: item::key(item)?, other });
        let friends = friends.iter().filter_map(|item| related(item, keys::friend_of(item::sk(item))));
        let received = received.iter().filter_map(|item| related(item, item::attribute(item, "sender_id")));
        let sent = sent.iter().filter_map(|item| related(item, item::attribute(item, "receiver_id")));
        let blocks = blocks.iter().filter_map(|item| related(item, keys::blocked_of(item::sk(item))));
        Ok(friends.chain(received).chain(sent).chain(blocks).collect())
    }

    /// Deletes an entry of a deleted account whose relationship cannot be read, and its counterpart.
    pub async fn delete_related(&self, user: UserId, related: &Related) -> Result<()> {
        let mut tx = self.transaction();
        tx.delete(related.entry.clone()).check_deleted(user).or_refuse(account_recreated());
        if let Some(counterpart) =
            related.other.and_then(|other| keys::counterpart(&related.entry, user, other))
        {
            tx.delete(counterpart);
        }
        tx.commit_through_conflicts().await.map(drop)
    }

    /// Deletes the membership of a deleted account in a room whose own item cannot be read.
    pub async fn delete_membership(&self, room: RoomId, user: UserId) -> Result<()> {
        let mut tx = self.transaction();
        tx.delete(keys::member(room, user)).check_deleted(user).or_refuse(account_recreated());
        tx.commit_through_conflicts().await.map(drop)
    }

    /// The ids of a user's devices.
    pub async fn device_ids(&self, user: UserId) -> Result<Vec<DeviceId>> {
        let items = self.table.query(Query::of(keys::devices(user)).consistent()).await?;
        Ok(items.iter().filter_map(|item| keys::device_of(item::sk(item))).collect())
    }

    /// Deletes the items that concern only the deleted account. `false`, and nothing is deleted, if an item
    /// remains that has a counterpart elsewhere.
    pub async fn delete_private_items(&self, user: UserId) -> Result<bool> {
        let items = self.table.query(Query::of(keys::user_items(user)).consistent()).await?;
        let is_shared =
            |item: &Item| keys::COUNTERPART_PREFIXES.iter().any(|prefix| item::sk(item).starts_with(prefix));
        if items.iter().any(is_shared) {
            return Ok(false);
        }
        let is_private =
            |key: &keys::Key| !keys::OUTLIVING_PREFIXES.iter().any(|prefix| key.sk.starts_with(prefix));
        let private: Vec<keys::Key> = items.iter().filter_map(item::key).filter(is_private).collect();
        for keys in private.chunks(ITEMS_PER_TRANSACTION) {
            let mut tx = self.transaction();
            for key in keys {
                tx.delete(key.clone());
            }
            tx.check_deleted(user);
            tx.commit_through_conflicts().await?;
        }
        Ok(true)
    }

    /// Completes an account deletion, unless the user has created a new account since.
    pub async fn finish_account_deletion(&self, deletion: &AccountDeletion) -> Result<()> {
        let finish = Update::of(keys::profile(deletion.id), "REMOVE is_pending, leased_until");
        let finish = finish.only_if("deleted_at = :then").value(":then", deletion.deleted_at)?;
        let mut tx = self.transaction();
        tx.update(finish)
            .put(keys::quotas(deletion.id), DeletedMarker::DELETED)
            .end_deletion(DeletionTarget::Account(deletion.id));
        tx.commit_through_conflicts().await.map(drop)
    }
}

impl<R> Transaction<'_, R> {
    /// The profile of a recreated account, in the place of the marker of the deleted one.
    pub(in crate::store) fn put_recreated_profile(&mut self, profile: &Profile) -> &mut Self {
        let is_complete = Condition::of("attribute_exists(deleted_at) AND attribute_not_exists(is_pending)");
        self.replace_if(keys::profile(profile.id), profile, is_complete)
    }

    /// The account is deleted: a recreated account must keep what it has.
    pub(in crate::store) fn check_deleted(&mut self, user: UserId) -> &mut Self {
        self.check(keys::profile(user), Condition::of("attribute_exists(deleted_at)"))
    }
}
