//! What follows a change of somebody's profile: their other devices hear of it, and their rooms show it.

use futures::{StreamExt, TryStreamExt, stream};

use crate::{
    App, BestEffort, Error, Result,
    domain::profile::{Profile, ProfileChange},
    id::{RoomId, UserId},
    wire::{socket::Event, users::Me},
};

/// So many rooms follow at once.
const CONCURRENT_ROOMS: usize = 8;

impl App {
    /// Somebody's own profile. What a change of it left to do, because its call died, is done now.
    pub async fn own_profile(&self, user: UserId) -> Result<Profile> {
        let profile =
            self.store.profile(user).await?.ok_or_else(|| Error::internal("the caller has no profile"))?;
        self.follow(&profile).await?;
        Ok(profile)
    }

    /// Changes somebody's profile, and tells all who see it. The same call again does what one that died has left.
    pub async fn change_profile(&self, user: UserId, change: &ProfileChange) -> Result<Profile> {
        let profile = self.store.change_profile(user, change).await?;
        let event = Event::ProfileUpdated(Me::from(profile.clone()));
        self.push.tell(&[user], &event, self.now()).await.can_fail("telling one's own devices");
        self.follow(&profile).await?;
        Ok(profile)
    }

    /// Has all rooms of a person show them as their profile says, where some may not yet.
    pub(crate) async fn follow(&self, profile: &Profile) -> Result<()> {
        if !profile.rooms_lag {
            return Ok(());
        }
        let rooms = stream::iter(self.store.room_ids(profile.id).await?).map(Ok);
        rooms.try_for_each_concurrent(CONCURRENT_ROOMS, |room| self.show_in_room(room, profile.id)).await?;
        self.store.rooms_have_followed(profile).await
    }

    async fn show_in_room(&self, room: RoomId, user: UserId) -> Result<()> {
        let Some(room) = self.store.show_in_room(room, user, self.now()).await? else { return Ok(()) };
        if !room.room.is_closed {
            let event = Event::participants_updated(&room, &[user]);
            self.tell_room(&room, |_| Some(event.clone())).await.can_fail("telling of a new name");
        }
        Ok(())
    }
}
