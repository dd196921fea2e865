//! What people's friends hear of who is online.

use crate::{
    clock::Timestamp,
    domain::{
        relationships::access::Degree,
        users::{presence::ShownPresence, settings::Settings},
    },
    error::{Error, Result},
    id::UserId,
    push::Push,
    wire::socket::Event,
};

/// How often somebody who comes, goes or hides meanwhile is told of again, in one call.
const MAX_TELLINGS: usize = 4;

impl Push {
    /// Tells a person's friends whether they are online, as far as they show that.
    pub async fn notify_status(&self, user: UserId, now: Timestamp) -> Result<()> {
        self.notify_presence(user, false, now).await
    }

    /// Tells a person's friends what they may see of it now that its settings have been chosen, be it less than before.
    pub async fn notify_presence_settings(&self, user: UserId, now: Timestamp) -> Result<()> {
        self.notify_presence(user, true, now).await
    }

    /// The person may come, go or choose other settings before everyone is told, and whoever tells of that may overtake this
    /// call. So it looks again afterwards, and tells what has changed: the last that is told is how it is.
    async fn notify_presence(&self, user: UserId, even_if_hidden: bool, now: Timestamp) -> Result<()> {
        let friends = self.store.friend_ids(user).await?;
        if friends.is_empty() {
            return Ok(());
        }
        let mut told = None;
        for _ in 0..MAX_TELLINGS {
            let (shown, settings) = self.shown_to_friends(user, now).await?;
            let is_hidden = !settings.online_shown_to.includes(Degree::Friend);
            if told == Some(shown) || (is_hidden && told.is_none() && !even_if_hidden) {
                break;
            }
            self.notify(&friends, &status(user, shown), now).await?;
            told = Some(shown);
        }
        Ok(())
    }

    async fn shown_to_friends(&self, user: UserId, now: Timestamp) -> Result<(ShownPresence, Settings)> {
        let only = [user];
        let (mut presences, mut profiles) =
            futures::try_join!(self.store.presences(&only, now), self.store.profiles(&only))?;
        let settings = profiles.remove(&user).ok_or(Error::NotFound)?.settings;
        let presence = presences.remove(&user).unwrap_or_default();
        Ok((presence.shown_to(Degree::Friend, &settings), settings))
    }
}

/// What friends hear of somebody: who does not show that they are online is offline to them.
fn status(user_id: UserId, shown: ShownPresence) -> Event {
    let ShownPresence { is_online, last_seen } = shown;
    Event::UserStatusChange { user_id, is_online: is_online.unwrap_or(false), last_seen }
}
