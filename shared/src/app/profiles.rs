//! What follows a change of somebody's profile: their devices and friends hear of it, and their rooms show it.

use futures::{StreamExt, TryStreamExt, stream};

use crate::{
    App, BestEffort, Error, Result,
    domain::{
        accounts::TOKEN_BEFORE_DELETION,
        rooms::Member,
        users::profile::{Profile, ProfileChange},
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
            Error::NotFound => TOKEN_BEFORE_DELETION,
            other => other,
        })?;
        let event = Event::ProfileUpdated(Me::from(profile.clone()));
        self.push.notify(&[user], &event, self.now()).await.can_fail("telling one's own devices");
        if change.settings.concerns_presence() {
            let told = self.push.notify_presence_settings(user, self.now()).await;
            told.can_fail("telling friends what is shown to them");
        }
        self.update_rooms(&profile).await?;
        Ok(profile)
    }

    /// Has all rooms of a person show them as their profile says, where some may not yet.
    pub(crate) async fn update_rooms(&self, profile: &Profile) -> Result<()> {
        if !profile.rooms_outdated {
            return Ok(());
        }
        let rooms = stream::iter(self.store.room_ids(profile.id).await?).map(Ok);
        rooms
            .try_for_each_concurrent(CONCURRENT_ROOMS, |room| self.update_member_profile(room, profile.id))
            .await?;
        self.store.mark_rooms_updated(profile).await
    }

    async fn update_member_profile(&self, room: RoomId, user: UserId) -> Result<()> {
        let Some(room) = self.store.update_member_profile(room, user, self.now()).await? else {
            return Ok(());
        };
        if !room.room.is_closed {
            let event = |reader: &Member| Some(Event::participants_updated(&room, &[user], reader));
            self.notify_room(&room, event).await.can_fail("telling of a new name");
        }
        Ok(())
    }
}
