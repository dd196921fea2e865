//! Who of the people that somebody is shown is online.

use std::collections::HashMap;

use crate::{
    App, Result,
    domain::{
        page::Page,
        relationships::{Pair, access::Degree, lists::Friend},
        users::{
            presence::{Presence, ShownPresence},
            profile::Profile,
        },
    },
    id::UserId,
    wire::{relationships::ListedFriend, rooms::ChatRoom},
};

impl App {
    /// What `me` may know of some people's presence; of oneself, all. One round trip.
    pub async fn presences(
        &self,
        me: UserId,
        people: impl IntoIterator<Item = UserId>,
    ) -> Result<HashMap<UserId, ShownPresence>> {
        let people: Vec<UserId> = people.into_iter().collect();
        if people.is_empty() {
            return Ok(HashMap::new());
        }
        let others: Vec<UserId> = people.iter().copied().filter(|person| *person != me).collect();
        let (present, pairs, profiles) = futures::try_join!(
            self.store.presences(&people, self.now()),
            self.store.pairs(me, &others),
            self.store.profiles(&others),
        )?;
        let presence = |user: UserId| present.get(&user).copied().unwrap_or_default();
        let shown = profiles.iter().filter_map(|(user, profile)| {
            Some((*user, presence(*user).shown_in_pair(pairs.get(user)?, &profile.settings)))
        });
        Ok(shown.chain([(me, presence(me).shown_to_self())]).collect())
    }

    /// Somebody whom `me` may see, what they are to each other, and what `me` may know of their presence. Who does not exist,
    /// and who blocks `me` or is blocked by them, is [`Error::NotFound`](crate::Error::NotFound). One round trip.
    pub async fn see(&self, me: UserId, other: UserId) -> Result<(Profile, Pair, ShownPresence)> {
        let (seen, now) = ([other], self.now());
        let ((profile, pair), present) =
            futures::try_join!(self.store.can_see(me, other), self.store.presences(&seen, now))?;
        let presence = present.get(&other).copied().unwrap_or_default();
        let shown = if me == other {
            presence.shown_to_self()
        } else {
            presence.shown_in_pair(&pair, &profile.settings)
        };
        Ok((profile, pair, shown))
    }

    /// Adds to rooms who of their people is online, as `me` may know it.
    pub async fn show_presence<'a>(
        &self,
        me: UserId,
        rooms: impl IntoIterator<Item = &'a mut ChatRoom>,
    ) -> Result<()> {
        let rooms: Vec<&mut ChatRoom> = rooms.into_iter().collect();
        let presences = self.presences(me, rooms.iter().flat_map(|room| room.member_ids())).await?;
        for room in rooms {
            room.show_presence(&presences);
        }
        Ok(())
    }

    /// Friends of the caller's, and who of them is online. What they show to friends, their profiles say.
    pub async fn listed(&self, friends: Page<(Friend, Profile)>) -> Result<Page<ListedFriend>> {
        let ids: Vec<UserId> = friends.items.iter().map(|(friend, _)| friend.user_id).collect();
        let present: HashMap<UserId, Presence> = self.store.presences(&ids, self.now()).await?;
        Ok(friends.map(|(friend, profile)| {
            let presence = present.get(&friend.user_id).copied().unwrap_or_default();
            let shown = presence.shown_to(Degree::Friend, &profile.settings);
            ListedFriend::new(&friend, profile, shown)
        }))
    }
}
