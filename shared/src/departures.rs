//! Accounts: how one begins at a person's first visit, and how it is deleted, in steps that may be repeated.

use futures::{StreamExt, TryStreamExt, stream};

use crate::{
    App, BestEffort, Error, Result,
    auth::Identity,
    domain::{
        departure::{Account, Departure, OUTLIVED, outlives},
        friendship::Action,
        profile::Profile,
        room::Member,
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
        if deleted_at.is_some_and(|deleted_at| outlives(deleted_at, identity.issued_at)) {
            return Err(OUTLIVED);
        }
        Ok(account)
    }

    /// The profile of somebody who visits, made now if there is none. What calls that died have left to do, of a change of
    /// it or of the deletion of an account before it, is done first.
    pub async fn arrive(&self, identity: &Identity) -> Result<Profile> {
        let (user, now) = (identity.user_id, self.now());
        let mut account = self.account(identity).await?;
        if let Some(Account::Gone(departure)) = &account {
            self.finish_departure(departure).await?;
            account = self.store.account(user).await?;
        }
        let profile = self.store.profile_after(account, user, &identity.newcomer, now).await?;
        self.remember(&profile);
        self.follow(&profile).await?;
        Ok(profile)
    }

    /// Deletes an account. It is gone with the first step; the same call again does what is left of the others, and
    /// nothing once that is done.
    pub async fn delete_account(&self, identity: &Identity) -> Result<()> {
        let user = identity.user_id;
        let departure = match self.store.account(user).await? {
            None => return Ok(()),
            Some(Account::Gone(departure)) => departure,
            Some(Account::Here(profile)) => {
                if profile.returned_after.is_some_and(|time| outlives(time, identity.issued_at)) {
                    return Err(OUTLIVED);
                }
                self.store.depart(user, self.now()).await?
            }
        };
        self.forget(user);
        self.finish_departure(&departure).await
    }

    pub(crate) async fn finish_departure(&self, departure: &Departure) -> Result<()> {
        let user = departure.id;
        if !departure.is_unfinished {
            return Ok(());
        }
        for _ in 0..MAX_ROUNDS {
            // Another call may have finished it, and they may be here again.
            if self.store.account(user).await? != Some(Account::Gone(departure.clone())) {
                return Ok(());
            }
            self.hang_up(user).await?;
            let ties = stream::iter(self.store.ties(user).await?).map(Ok);
            let part = async |other| self.befriend(user, other, Action::Part).await.map(drop);
            ties.try_for_each_concurrent(CONCURRENT_LEAVES, part).await?;
            let rooms = stream::iter(self.store.room_ids(user).await?).map(Ok);
            let leave = |room| self.leave_for_good(room, user);
            rooms.try_for_each_concurrent(CONCURRENT_LEAVES, leave).await?;
            for device in self.store.device_ids(user).await? {
                self.store.forget_device_of_gone(user, device).await?;
            }
            if self.store.clear(user).await? {
                return self.store.has_departed(departure).await;
            }
        }
        Err(Error::Busy("others keep writing to somebody who is gone".into()))
    }

    /// Brings those of a direct room's people back into it who had deleted their account, and tells both.
    pub async fn bring_back(&self, room_id: RoomId, actor: UserId, people: &[UserId]) -> Result<()> {
        let back = self.store.come_back(room_id, actor, people, self.now()).await?;
        let Some((room, back)) = back else { return Ok(()) };
        let event = |reader: &Member| {
            let is_back = back.contains(&reader.shown.user_id);
            (!is_back).then(|| Event::participants_updated(&room, &back, reader))
        };
        let told = self.tell_room(&room, event).await;
        told.can_fail("telling of somebody who is back");
        for user in back {
            self.tell_newcomer(room_id, user).await.can_fail("telling somebody who is back");
        }
        Ok(())
    }

    /// Ends all connections of somebody who is gone, and forgets them.
    async fn hang_up(&self, user: UserId) -> Result<()> {
        let live = self.store.connections(&[user], self.now()).await?;
        let closed = live.iter().map(|connection| self.push.close(&connection.id));
        futures::future::try_join_all(closed).await?;
        self.store.forget_presence(user).await
    }

    /// Leaves a room, then takes the name out of it, then takes the room out of the list: so that what is still to be done
    /// can be found there, and nothing that begins after that is said under the name. What is on its way, the schedule finds.
    async fn leave_for_good(&self, room_id: RoomId, user: UserId) -> Result<()> {
        if let Some(left) = self.store.leave_for_good(room_id, user, self.now()).await? {
            self.tell_of_leaver(left, user).await;
        } else if let Some(room) = self.store.retire(room_id, user, self.now()).await?
            && !room.room.is_closed
        {
            let event = |reader: &Member| Some(Event::participants_updated(&room, &[user], reader));
            self.tell_room(&room, event).await.can_fail("telling of somebody who is gone");
        }
        self.store.unsign(room_id, user, self.now()).await
    }
}
