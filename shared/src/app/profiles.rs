//! Changes of profiles: devices and friends are notified, and the user's rooms are updated.

use futures::{StreamExt, TryStreamExt, stream};

use crate::{
    App, BestEffort, Error, Result,
    domain::{
        accounts::TOKEN_BEFORE_DELETION,
        rooms::Member,
        users::{
            profile::{Profile, ProfileChange, change_weight},
            quota::Quota,
            rate_limit::RateLimitedAction,
        },
    },
    id::{RoomId, UserId},
    wire::{socket::Event, users::Me},
};

/// Rooms updated concurrently.
const CONCURRENT_ROOMS: usize = 8;

impl App {
    /// Changes a user's profile within the rate limit, notifies the user's devices and friends, and updates
    /// the user's rooms. A repeated call completes what a failed one left undone.
    pub async fn change_profile(&self, user: UserId, change: &ProfileChange) -> Result<Profile> {
        let (profile, quotas) = futures::try_join!(self.store.profile(user), self.store.quotas(user))?;
        let after = profile.ok_or(TOKEN_BEFORE_DELETION)?.changed(change);
        let [rooms, friends] = [Quota::Rooms, Quota::Friends].map(|quota| quotas.count(quota));
        let weight = change_weight(&after, change, rooms, friends);
        self.check_weighted_rate_limit(user, RateLimitedAction::Profiles, weight).await?;
        let changed = self.store.change_profile(user, change).await;
        // The process may still have the profile of a deleted account in its cache.
        let profile = changed.map_err(|error| match error {
            Error::NotFound => TOKEN_BEFORE_DELETION,
            other => other,
        })?;
        let event = Event::ProfileUpdated(Me::from(profile.clone()));
        self.push.notify(&[user], &event, self.now()).await.can_fail("notifying the user's devices");
        if change.settings.concerns_presence() {
            let notified = self.push.notify_presence_settings(user, self.now()).await;
            notified.can_fail("notifying friends of presence settings");
        }
        self.update_rooms(&profile).await?;
        Ok(profile)
    }

    /// Updates the rooms that may still show an earlier state of a profile.
    pub(super) async fn update_rooms(&self, profile: &Profile) -> Result<()> {
        if !profile.rooms_outdated {
            return Ok(());
        }
        let rooms = stream::iter(self.store.room_ids(profile.id).await?).map(Ok);
        rooms
            .try_for_each_concurrent(CONCURRENT_ROOMS, |room| self.update_member_profile(profile.id, room))
            .await?;
        self.store.mark_rooms_updated(profile).await
    }

    async fn update_member_profile(&self, user: UserId, room: RoomId) -> Result<()> {
        let updated = match self.store.update_member_profile(room, user, self.now()).await {
            Err(error @ Error::Unreadable(_)) => {
                tracing::error!(%error, "a room keeps the earlier profile");
                return Ok(());
            }
            updated => updated?,
        };
        if let Some(room) = updated.filter(|room| !room.room.is_closed) {
            let event = |reader: &Member| Some(Event::participants_updated(&room, &[user], reader));
            self.notify_room(&room, event).await.can_fail("notifying a room of a changed profile");
        }
        Ok(())
    }
}
