//! Presence: which users are online, as far as a reader may know.

use std::collections::HashMap;

use crate::{
    App, BestEffort, Result,
    domain::{
        page::Page,
        relationships::{Pair, access::Degree, lists::Friend},
        users::{
            presence::{Connection, Presence, ShownPresence},
            profile::Profile,
        },
    },
    id::UserId,
    wire::{relationships::ListedFriend, rooms::ChatRoom},
};

impl App {
    /// Removes a connection that has ended, and notifies friends if it was the last one.
    pub async fn end_connection(&self, connection: Connection) -> Result<()> {
        let (user, now) = (connection.user_id, self.now());
        if let Some(offline) = self.store.remove_ended_connections(user, &[connection.id], now).await? {
            Box::pin(self.push.notify_presence(offline, now)).await.can_fail("offline notification");
        }
        Ok(())
    }

    /// Whether a connection is registered. One that is not was removed as closed, and receives no pushes.
    pub async fn is_registered(&self, connection: &Connection) -> Result<bool> {
        let live = self.store.connections(&[connection.user_id], self.now()).await?;
        Ok(live.iter().any(|live| live.id == connection.id))
    }

    /// The presence of some users as `me` may know it; that of `me` is complete. One round trip, eventually
    /// consistent.
    pub async fn presences(
        &self,
        me: UserId,
        users: impl IntoIterator<Item = UserId>,
    ) -> Result<HashMap<UserId, ShownPresence>> {
        let users: Vec<UserId> = users.into_iter().collect();
        if users.is_empty() {
            return Ok(HashMap::new());
        }
        let others: Vec<UserId> = users.iter().copied().filter(|user| *user != me).collect();
        let store = self.store.eventual();
        let (presences, pairs, profiles) = futures::try_join!(
            store.presences(&users, self.now()),
            store.pairs(me, &others),
            store.profiles(&others),
        )?;
        let presence = |user: UserId| presences.get(&user).copied().unwrap_or_default();
        let shown = profiles.iter().filter_map(|(user, profile)| {
            Some((*user, presence(*user).shown_in_pair(pairs.get(user)?, &profile.settings)))
        });
        Ok(shown.chain([(me, presence(me).shown_to_self())]).collect())
    }

    /// A user that `me` may see, with their relationship and the user's presence as `me` may know it.
    /// [`Error::NotFound`](crate::Error::NotFound) if the user does not exist, or either blocks the other.
    /// One round trip.
    pub async fn visible_user(&self, me: UserId, other: UserId) -> Result<(Profile, Pair, ShownPresence)> {
        let (users, now) = ([other], self.now());
        let ((profile, pair), presences) =
            futures::try_join!(self.visible_profile(me, other), self.store.presences(&users, now))?;
        let presence = presences.get(&other).copied().unwrap_or_default();
        let shown = if me == other {
            presence.shown_to_self()
        } else {
            presence.shown_in_pair(&pair, &profile.settings)
        };
        Ok((profile, pair, shown))
    }

    /// Adds the presence of the participants to rooms, as `me` may know it.
    pub async fn show_presence<'a>(
        &self,
        me: UserId,
        rooms: impl IntoIterator<Item = &'a mut ChatRoom>,
    ) -> Result<()> {
        let rooms: Vec<&mut ChatRoom> = rooms.into_iter().collect();
        let presences = self.presences(me, rooms.iter().flat_map(|room| room.participant_ids())).await?;
        for room in rooms {
            room.show_presence(&presences);
        }
        Ok(())
    }

    /// Adds the presence to a page of the caller's friends, as they show it to friends.
    pub async fn with_presence(&self, friends: Page<(Friend, Profile)>) -> Result<Page<ListedFriend>> {
        let ids: Vec<UserId> = friends.items.iter().map(|(friend, _)| friend.user_id).collect();
        let presences: HashMap<UserId, Presence> = self.store.eventual().presences(&ids, self.now()).await?;
        Ok(friends.map(|(friend, profile)| {
            let presence = presences.get(&friend.user_id).copied().unwrap_or_default();
            let shown = presence.shown_to(Degree::Friend, &profile.settings);
            ListedFriend::new(&friend, profile, shown)
        }))
    }
}
