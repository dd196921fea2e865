//! What people's friends hear of who is online.

use super::Push;
use crate::{
    clock::Timestamp,
    domain::{
        presence::Presence,
        privacy::{Closeness, Settings},
    },
    error::{Error, Result},
    id::UserId,
    wire::socket::Event,
};

/// How often somebody who comes and goes meanwhile is told of again, in one call.
const MAX_TELLINGS: usize = 4;

impl Push {
    /// Tells a person's friends whether they are online, as far as they show that.
    ///
    /// They may come or go again before everyone is told, and whoever tells of that may overtake this call. So it looks again
    /// afterwards, and tells what has changed: the last that is told is how it is.
    pub async fn tell_status(&self, user: UserId, now: Timestamp) -> Result<()> {
        let only = [user];
        let (mut profiles, friends) =
            futures::try_join!(self.store.profiles(&only), self.store.friend_ids(user))?;
        let settings = &profiles.remove(&user).ok_or(Error::NotFound)?.settings;
        if friends.is_empty() || !settings.online_shown_to.includes(Closeness::Friends) {
            return Ok(());
        }
        let mut told = None;
        for _ in 0..MAX_TELLINGS {
            let present = self.presence(user, now).await?;
            if told == Some(present.is_online) {
                break;
            }
            self.tell(&friends, &status(user, present, settings), now).await?;
            told = Some(present.is_online);
        }
        Ok(())
    }

    /// Tells a person's friends what a change of their settings lets them see of it, or does not any more.
    pub async fn tell_settings(
        &self,
        user: UserId,
        before: &Settings,
        after: &Settings,
        now: Timestamp,
    ) -> Result<()> {
        let shown = |settings: &Settings| {
            let circles = [settings.online_shown_to, settings.last_seen_shown_to];
            circles.map(|circle| circle.includes(Closeness::Friends))
        };
        if shown(before) == shown(after) {
            return Ok(());
        }
        let (present, friends) = futures::try_join!(self.presence(user, now), self.store.friend_ids(user))?;
        self.tell(&friends, &status(user, present, after), now).await
    }

    async fn presence(&self, user: UserId, now: Timestamp) -> Result<Presence> {
        Ok(self.store.presences(&[user], now).await?.remove(&user).unwrap_or_default())
    }
}

/// What friends hear of somebody: who does not show that they are online is offline to them.
fn status(user_id: UserId, present: Presence, settings: &Settings) -> Event {
    let shown = present.shown_to(Closeness::Friends, settings);
    Event::UserStatusChange {
        user_id,
        is_online: shown.is_online.unwrap_or(false),
        last_seen: shown.last_seen,
    }
}
