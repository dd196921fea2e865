//! What follows a change of somebody's profile: their devices and friends hear of it, and their rooms show it.

use futures::{StreamExt, TryStreamExt, stream};

use crate::{
    App, BestEffort, Error, Result,
    domain::{
        departure::OUTLIVED,
        profile::{Profile, ProfileChange},
        room::Member,
    },
    id::{RoomId, UserId},
    wire::{socket::Event, users::Me},
};

/// So many rooms follow at once.
const CONCURRENT_ROOMS: usize = 8;

impl App {
    /// Changes somebody's profile, and tells all who see it. The same call again does what one that died has left.
    pub async fn change_profile(&self, user: UserId, change: &ProfileChange) -> Result<Profile> {
        let changed = self.store.change_profile(user, change).await;
        // A process remembers people for a while, also those who are gone.
        let profile = changed.map_err(|error| match error {
            Error::NotFound => OUTLIVED,
            other => other,
        })?;
        let event = Event::ProfileUpdated(Me::from(profile.clone()));
        self.push.tell(&[user], &event, self.now()).await.can_fail("telling one's own devices");
        if change.settings.concerns_presence() {
            let told = self.push.tell_settings(user, self.now()).await;
            told.can_fail("telling friends what is shown to them");
        }
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
            let event = |reader: &Member| Some(Event::participants_updated(&room, &[user], reader));
            self.tell_room(&room, event).await.can_fail("telling of a new name");
        }
        Ok(())
    }
}
