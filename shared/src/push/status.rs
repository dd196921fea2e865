//! Notifies friends of a user's presence.

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

/// The maximum number of notifications in one call, if the presence changes meanwhile.
const MAX_NOTIFICATIONS: usize = 4;

impl Push {
    /// Notifies a user's friends whether the user is online, if the user shows it.
    pub async fn notify_status(&self, user: UserId, now: Timestamp) -> Result<()> {
        self.notify_presence(user, false, now).await
    }

    /// Notifies a user's friends of the presence that they see after a change of the user's settings, even if
    /// it is hidden now.
    pub async fn notify_presence_settings(&self, user: UserId, now: Timestamp) -> Result<()> {
        self.notify_presence(user, true, now).await
    }

    /// A concurrent change may be notified before this call has notified all friends. So this reads the state
    /// again afterwards and sends it if it differs: the last event is current.
    async fn notify_presence(&self, user: UserId, even_if_hidden: bool, now: Timestamp) -> Result<()> {
        let friends = self.store.friend_ids(user).await?;
        if friends.is_empty() {
            return Ok(());
        }
        let mut sent = None;
        for _ in 0..MAX_NOTIFICATIONS {
            let (shown, settings) = self.shown_to_friends(user, now).await?;
            let is_hidden = !settings.online_shown_to.includes(Degree::Friend);
            if sent == Some(shown) || (is_hidden && sent.is_none() && !even_if_hidden) {
                break;
            }
            self.notify(&friends, &status(user, shown), now).await?;
            sent = Some(shown);
        }
        Ok(())
    }

    async fn shown_to_friends(&self, user: UserId, now: Timestamp) -> Result<(ShownPresence, Settings)> {
        let users = [user];
        let (mut presences, mut profiles) =
            futures::try_join!(self.store.presences(&users, now), self.store.profiles(&users))?;
        let settings = profiles.remove(&user).ok_or(Error::NotFound)?.settings;
        let presence = presences.remove(&user).unwrap_or_default();
        Ok((presence.shown_to(Degree::Friend, &settings), settings))
    }
}

/// The event for friends. A user who hides their presence is offline for them.
fn status(user_id: UserId, shown: ShownPresence) -> Event {
    let ShownPresence { is_online, last_seen } = shown;
    Event::UserStatusChange { user_id, is_online: is_online.unwrap_or(false), last_seen }
}
