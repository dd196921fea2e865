//! Accounts: created on a user's first visit, and deleted in idempotent steps. A scheduled function completes
//! deletions whose call has failed, of accounts and of groups.

use chrono::Duration;
use futures::{StreamExt, TryStreamExt, stream};

use crate::{
    App, BestEffort, Error, Result,
    auth::Identity,
    domain::{
        accounts::{
            Account, AccountDeletion, DeletionProgress, DeletionTarget, TOKEN_BEFORE_DELETION,
            invalidates_token,
        },
        relationships::RelationshipAction,
        rooms::Member,
        users::profile::Profile,
    },
    id::{ConnectionId, RoomId, UserId},
    store::accounts::{Related, pending::OverdueDeletion},
    wire::socket::Event,
};

/// Relationships and rooms left concurrently.
const CONCURRENT_LEAVES: usize = 8;

/// The maximum number of rounds of a deletion. A new round is needed if another user wrote concurrently.
const MAX_ROUNDS: usize = 4;

/// The age at which the scheduled function completes a pending deletion: no call that was in flight when the
/// deletion began or ended takes that long.
const OVERDUE_AFTER: Duration = Duration::minutes(10);

/// Deletions completed concurrently: a slow one does not delay the others.
const CONCURRENT_DELETIONS: usize = 4;

impl App {
    /// Ensures that the user of a token has a profile, and that the token is newer than a deletion of the
    /// account.
    pub async fn ensure_profile(&self, identity: &Identity) -> Result<()> {
        let cached = self.cached_profile(identity.user_id);
        let is_valid = |deleted_at| !invalidates_token(deleted_at, identity.issued_at);
        if cached.is_some_and(|cached| cached.previous_deletion.is_none_or(is_valid)) {
            return Ok(());
        }
        let account = self.account(identity).await?;
        let (user, now) = (identity.user_id, self.now());
        let profile = self.store.profile_after(account, user, &identity.profile, now).await?;
        self.cache_profile(&profile);
        Ok(())
    }

    /// The account of a token's user. A deleted account requires a newer token.
    async fn account(&self, identity: &Identity) -> Result<Option<Account>> {
        let account = self.store.account(identity.user_id).await?;
        let deleted_at = account.as_ref().and_then(Account::deleted_at);
        if deleted_at.is_some_and(|deleted_at| invalidates_token(deleted_at, identity.issued_at)) {
            return Err(TOKEN_BEFORE_DELETION);
        }
        Ok(account)
    }

    /// The profile of a token's user, created if there is none. First completes what failed calls left
    /// undone: the deletion of the previous account, or the update of rooms after a change of the profile.
    pub async fn resume_account(&self, identity: &Identity) -> Result<Profile> {
        let (user, now) = (identity.user_id, self.now());
        let mut account = self.account(identity).await?;
        if let Some(Account::Deleted(deletion)) = &account {
            self.complete_account_deletion(deletion).await?;
            account = self.store.account(user).await?;
        }
        let profile = self.store.profile_after(account, user, &identity.profile, now).await?;
        self.cache_profile(&profile);
        self.update_rooms(&profile).await?;
        Ok(profile)
    }

    /// Deletes an account. The first step makes it inaccessible; a repeated call does what is left of the
    /// other steps, unless another call does, and nothing once they are done.
    pub async fn delete_account(&self, identity: &Identity) -> Result<DeletionProgress> {
        let user = identity.user_id;
        let account = self.store.account_to_delete(user).await?;
        let deletion = match account.map(|(account, _)| account) {
            None => return Ok(DeletionProgress::Complete),
            Some(Account::Deleted(deletion)) => deletion,
            Some(Account::Active(profile)) => {
                if profile.previous_deletion.is_some_and(|time| invalidates_token(time, identity.issued_at)) {
                    return Err(TOKEN_BEFORE_DELETION);
                }
                self.store.begin_account_deletion(user, self.now()).await?
            }
        };
        self.uncache_profile(user);
        self.complete_account_deletion(&deletion).await
    }

    /// Completes all overdue deletions. A failed one is logged and does not prevent the others; the first
    /// error is returned. May stop anywhere, and continues in the next call.
    pub async fn complete_deletions(&self) -> Result<()> {
        let overdue = self.store.overdue_deletions(self.now().plus(-OVERDUE_AFTER)).await?;
        let completed = stream::iter(overdue).map(async |deletion| {
            let key = deletion.key.clone();
            let completed = self.complete_overdue_deletion(deletion).await;
            completed.inspect_err(|error| tracing::error!(%error, %key, "a deletion cannot be completed"))
        });
        let completed: Vec<Result<()>> = completed.buffer_unordered(CONCURRENT_DELETIONS).collect().await;
        completed.into_iter().collect()
    }

    async fn complete_overdue_deletion(&self, deletion: OverdueDeletion) -> Result<()> {
        match deletion.of {
            // It cannot be read, which is logged, and names nothing that could be deleted.
            None => {}
            Some(DeletionTarget::Account(user)) => match self.store.account(user).await? {
                Some(Account::Deleted(deletion)) => {
                    if self.complete_account_deletion(&deletion).await? == DeletionProgress::InProgress {
                        return Ok(());
                    }
                }
                // A concurrent call has completed it.
                Some(Account::Active(_)) | None => {}
            },
            Some(DeletionTarget::Room(room)) => self.complete_room_deletion(room).await?,
            Some(DeletionTarget::SenderName { user, room, after_seq }) => {
                self.store.anonymize_late_messages(room, user, after_seq, self.now()).await?;
            }
        }
        self.store.complete_deletion(deletion).await
    }

    async fn complete_room_deletion(&self, room: RoomId) -> Result<()> {
        while let Some(closed) = self.store.deleted_group(room).await? {
            if self.store.delete_room_items(&closed, self.now()).await? {
                break;
            }
        }
        Ok(())
    }

    /// Completes a deletion, unless another call is about to. After a failure, the next call continues at once.
    async fn complete_account_deletion(&self, deletion: &AccountDeletion) -> Result<DeletionProgress> {
        if !deletion.is_pending {
            return Ok(DeletionProgress::Complete);
        }
        let Some(leased_until) = self.store.lease_account_deletion(deletion, self.now()).await? else {
            return Ok(DeletionProgress::InProgress);
        };
        let completed = self.delete_remaining_data(deletion).await;
        if completed.is_err() {
            let released = self.store.release_account_deletion(deletion.id, leased_until).await;
            released.can_fail("releasing an account deletion");
        }
        completed.map(|()| DeletionProgress::Complete)
    }

    async fn delete_remaining_data(&self, deletion: &AccountDeletion) -> Result<()> {
        let user = deletion.id;
        let mut opening = Vec::new();
        for _ in 0..MAX_ROUNDS {
            // A call whose lease has expired may have completed it, and the account may have been recreated.
            if !deletion.is_still_pending(self.store.account(user).await?.as_ref()) {
                return Ok(());
            }
            opening.extend(self.close_connections(user).await?);
            let related = stream::iter(self.store.related_users(user).await?).map(Ok);
            let end = |related| self.end_relationship(user, related);
            related.try_for_each_concurrent(CONCURRENT_LEAVES, end).await?;
            let rooms = stream::iter(self.store.room_ids(user).await?).map(Ok);
            let leave = |room| self.leave_deleted_account(room, user);
            rooms.try_for_each_concurrent(CONCURRENT_LEAVES, leave).await?;
            let former = stream::iter(self.store.former_room_ids(user).await?).map(Ok);
            let anonymize = |room| self.store.anonymize_former_room(room, user, self.now());
            former.try_for_each_concurrent(CONCURRENT_LEAVES, anonymize).await?;
            for device in self.store.device_ids(user).await? {
                self.store.delete_device_of_deleted_account(user, device).await?;
            }
            if self.store.delete_private_items(user).await? {
                self.push.close_all(&opening).await;
                return self.store.finish_account_deletion(deletion).await;
            }
        }
        Err(Error::Busy("other users keep writing to a deleted account".into()))
    }

    /// Ends the relationship of a deleted account with another user. If it cannot be read, the entries of both
    /// users' lists are deleted.
    async fn end_relationship(&self, user: UserId, related: Related) -> Result<()> {
        if let Some(other) = related.other {
            match self.update_relationship(user, other, RelationshipAction::DeleteAccount).await {
                Err(error @ Error::Unreadable(_)) => {
                    tracing::error!(%error, "a relationship is left as it is");
                }
                ended => return ended.map(drop),
            }
        }
        self.store.delete_related(user, &related).await
    }

    /// Closes and removes all connections of a deleted account. Returns those that the gateway may still be
    /// opening: they cannot be closed yet.
    async fn close_connections(&self, user: UserId) -> Result<Vec<ConnectionId>> {
        let (live, now) = (self.store.connections(&[user], self.now()).await?, self.now());
        let closed = live.iter().map(|connection| self.push.close(&connection.id));
        let was_open = futures::future::try_join_all(closed).await?;
        self.store.clear_presence(user).await?;
        let opening = live
            .into_iter()
            .zip(was_open)
            .filter(|(connection, was_open)| !was_open && connection.may_be_opening(now));
        Ok(opening.map(|(connection, _)| connection.id).collect())
    }

    /// Leaves a room, then anonymizes its messages, then removes the room from the account's list. So a
    /// repeated call finds what is left to do, and no new message carries the name; the scheduled function
    /// handles messages in flight.
    async fn leave_deleted_account(&self, room_id: RoomId, user: UserId) -> Result<()> {
        let left = match self.store.leave_deleted_account(room_id, user, self.now()).await {
            Err(error @ Error::Unreadable(_)) => {
                tracing::error!(%error, "a room is left without a revision");
                self.store.delete_membership(room_id, user).await?;
                return self.store.anonymize(room_id, user, self.now()).await;
            }
            left => left?,
        };
        if let Some(left) = left {
            self.notify_left(left, user).await;
        } else if let Some(room) = self.store.mark_member_deleted(room_id, user, self.now()).await?
            && !room.room.is_closed
        {
            let event = |reader: &Member| Some(Event::participants_updated(&room, &[user], reader));
            self.notify_room(&room, event).await.can_fail("notifying a room of a deleted account");
        }
        self.store.anonymize(room_id, user, self.now()).await
    }
}
