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
    store::users::presence::Connections,
    wire::socket::Event,
};

/// The maximum number of notifications in one call, if the presence changes meanwhile.
const MAX_NOTIFICATIONS: usize = 4;

impl Push {
    /// Notifies a user's friends that the user came online or went offline, if they do not know. If they were
    /// just notified of another change, waits until the next notification is allowed.
    pub async fn notify_presence(&self, connections: Connections, now: Timestamp) -> Result<()> {
        let user = connections.user_id;
        match connections.next_notification(now) {
            None => return Ok(()),
            Some(at) if at > now && self.store.friend_ids(user).await?.is_empty() => return Ok(()),
            Some(_) => {}
        }
        let claimed = self.store.claim_notification(connections, now, true).await?;
        let Some((at, connections)) = claimed else { return Ok(()) };
        if at > now {
            tokio::time::sleep(at.since(now).to_std().unwrap_or_default()).await;
            self.store.end_wait(connections, at).await?;
        }
        Box::pin(self.notify_friends(user, Resend::OfSettings, at)).await
    }

    /// Notifies a user's friends as [`Self::notify_presence`] does, but never waits: the `$disconnect` that
    /// follows does.
    pub async fn notify_presence_now(&self, connections: Connections, now: Timestamp) -> Result<()> {
        let user = connections.user_id;
        match self.store.claim_notification(connections, now, false).await? {
            Some(_) => Box::pin(self.notify_friends(user, Resend::OfSettings, now)).await,
            None => Ok(()),
        }
    }

    /// Notifies a user's friends of the presence that they see after a change of the user's settings, even if
    /// it is hidden now.
    pub async fn notify_presence_settings(&self, user: UserId, now: Timestamp) -> Result<()> {
        self.notify_friends(user, Resend::OfAnyChange, now).await
    }

    /// A concurrent change may be notified before this call has notified all friends. So this reads the state
    /// again afterwards and sends it if it differs: the last event is current.
    async fn notify_friends(&self, user: UserId, resend: Resend, now: Timestamp) -> Result<()> {
        let friends = self.store.friend_ids(user).await?;
        if friends.is_empty() {
            return Ok(());
        }
        let mut sent = None;
        for _ in 0..MAX_NOTIFICATIONS {
            let (shown, settings) = self.shown_to_friends(user, now).await?;
            let audiences = [settings.online_shown_to, settings.last_seen_shown_to];
            let is_hidden = !settings.online_shown_to.includes(Degree::Friend);
            let is_sent = match (sent, resend) {
                (None, Resend::OfSettings) => is_hidden,
                (None, Resend::OfAnyChange) => false,
                (Some((_, sent)), Resend::OfSettings) => sent == audiences,
                (Some(sent), Resend::OfAnyChange) => sent == (shown, audiences),
            };
            if is_sent {
                break;
            }
            self.notify(&friends, &status(user, shown), now).await?;
            sent = Some((shown, audiences));
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

/// The concurrent changes that a notification of friends sends as well.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Resend {
    /// Changes of the settings. Changes of presence have their own notification.
    OfSettings,
    /// All changes.
    OfAnyChange,
}

/// The event for friends. A user who hides their presence is offline for them.
fn status(user_id: UserId, shown: ShownPresence) -> Event {
    let ShownPresence { is_online, last_seen } = shown;
    Event::UserStatusChange { user_id, is_online: is_online.unwrap_or(false), last_seen }
}
