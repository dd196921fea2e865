//! Accounts: how one begins at a person's first visit, and how it is deleted, in steps that may be repeated.

use futures::{StreamExt, TryStreamExt, stream};

use crate::{
    App, BestEffort, Error, Result,
    auth::Identity,
    domain::{
        accounts::{Account, AccountDeletion, TOKEN_BEFORE_DELETION, invalidates_token},
        relationships::RelationshipAction,
        rooms::Member,
        users::profile::Profile,
    },
    id::{RoomId, UserId},
    wire::socket::Event,
};

/// So many people and rooms are left at once.
const CONCURRENT_LEAVES: usize = 8;

/// Once all is left, it is looked at again, because somebody may have written at the same moment; so often at most.
const MAX_ROUNDS: usize = 4;

impl App {
    /// What is known of the bearer of a token. Who has deleted their account needs a newer one.
    pub(crate) async fn account(&self, identity: &Identity) -> Result<Option<Account>> {
        let account = self.store.account(identity.user_id).await?;
        let deleted_at = account.as_ref().and_then(Account::deleted_at);
        if deleted_at.is_some_and(|deleted_at| invalidates_token(deleted_at, identity.issued_at)) {
            return Err(TOKEN_BEFORE_DELETION);
        }
        Ok(account)
    }

    /// The profile of somebody who visits, made now if there is none. What calls that died have left to do, of a change of
    /// it or of the deletion of an account before it, is done first.
    pub async fn resume_account(&self, identity: &Identity) -> Result<Profile> {
        let (user, now) = (identity.user_id, self.now());
        let mut account = self.account(identity).await?;
        if let Some(Account::Deleted(departure)) = &account {
            self.complete_account_deletion(departure).await?;
            account = self.store.account(user).await?;
        }
        let profile = self.store.profile_after(account, user, &identity.profile, now).await?;
        self.remember(&profile);
        self.update_rooms(&profile).await?;
        Ok(profile)
    }

    /// Deletes an account. It is gone with the first step; the same call again does what is left of the others, and
    /// nothing once that is done.
    pub async fn delete_account(&self, identity: &Identity) -> Result<()> {
        let user = identity.user_id;
        let departure = match self.store.account(user).await? {
            None => return Ok(()),
            Some(Account::Deleted(departure)) => departure,
            Some(Account::Active(profile)) => {
                if profile.previous_deletion.is_some_and(|time| invalidates_token(time, identity.issued_at)) {
                    return Err(TOKEN_BEFORE_DELETION);
                }
                self.store.begin_account_deletion(user, self.now()).await?
            }
        };
        self.forget(user);
        self.complete_account_deletion(&departure).await
    }

    pub(crate) async fn complete_account_deletion(&self, departure: &AccountDeletion) -> Result<()> {
        let user = departure.id;
        if !departure.is_pending {
            return Ok(());
        }
        for _ in 0..MAX_ROUNDS {
            // Another call may have finished it, and they may be here again.
            if self.store.account(user).await? != Some(Account::Deleted(departure.clone())) {
                return Ok(());
            }
            self.close_connections(user).await?;
            let related_users = stream::iter(self.store.related_users(user).await?).map(Ok);
            let part = async |other| {
                self.update_relationship(user, other, RelationshipAction::DeleteAccount).await.map(drop)
            };
            related_users.try_for_each_concurrent(CONCURRENT_LEAVES, part).await?;
            let rooms = stream::iter(self.store.room_ids(user).await?).map(Ok);
            let leave = |room| self.leave_for_good(room, user);
            rooms.try_for_each_concurrent(CONCURRENT_LEAVES, leave).await?;
            for device in self.store.device_ids(user).await? {
                self.store.forget_device_of_deleted_account(user, device).await?;
            }
            if self.store.clear(user).await? {
                return self.store.finish_account_deletion(departure).await;
            }
        }
        Err(Error::Busy("others keep writing to somebody who is gone".into()))
    }

    /// Brings those of a direct room's people back into it who had deleted their account, and tells both.
    pub async fn rejoin_direct_room(&self, room_id: RoomId, actor: UserId, people: &[UserId]) -> Result<()> {
        let back = self.store.rejoin_direct_room(room_id, actor, people, self.now()).await?;
        let Some((room, back)) = back else { return Ok(()) };
        let event = |reader: &Member| {
            let is_back = back.contains(&reader.shown.user_id);
            (!is_back).then(|| Event::participants_updated(&room, &back, reader))
        };
        let told = self.notify_room(&room, event).await;
        told.can_fail("telling of somebody who is back");
        for user in back {
            self.notify_new_member(room_id, user).await.can_fail("telling somebody who is back");
        }
        Ok(())
    }

    /// Ends all connections of somebody who is gone, and forgets them.
    async fn close_connections(&self, user: UserId) -> Result<()> {
        let live = self.store.connections(&[user], self.now()).await?;
        let closed = live.iter().map(|connection| self.push.close(&connection.id));
        futures::future::try_join_all(closed).await?;
        self.store.forget_presence(user).await
    }

    /// Leaves a room, then takes the name out of it, then takes the room out of the list: so that what is still to be done
    /// can be found there, and nothing that begins after that is said under the name. What is on its way, the schedule finds.
    async fn leave_for_good(&self, room_id: RoomId, user: UserId) -> Result<()> {
        if let Some(left) = self.store.leave_for_good(room_id, user, self.now()).await? {
            self.notify_left(left, user).await;
        } else if let Some(room) = self.store.mark_member_deleted(room_id, user, self.now()).await?
            && !room.room.is_closed
        {
            let event = |reader: &Member| Some(Event::participants_updated(&room, &[user], reader));
            self.notify_room(&room, event).await.can_fail("telling of somebody who is gone");
        }
        self.store.anonymize(room_id, user, self.now()).await
    }
}
