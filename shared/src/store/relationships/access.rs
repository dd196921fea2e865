//! Who may see, find and reach whom: profiles, blocks, and who lets in whom.

use std::collections::{HashMap, HashSet};

use futures::future::try_join_all;

use crate::{
    clock::Timestamp,
    domain::{
        relationships::{Pair, RelationshipAction, lists::Friend},
        users::profile::Profile,
    },
    error::{Error, Refusal, Result},
    id::{RequestId, UserId},
    store::{Store, relationships::degrees::Degrees},
};

const REQUESTS_NOT_ACCEPTED: Refusal = Refusal {
    status: 403,
    code: "requests_not_allowed",
    detail: "This person takes no friend requests from people who stand no nearer than you.",
};
const MESSAGES_NOT_ACCEPTED: Refusal = Refusal {
    status: 403,
    code: "messages_not_allowed",
    detail: "Somebody you named takes no messages from people who stand no nearer than you.",
};

impl Store {
    /// Somebody whom `me` may see, and what they are to each other. Who does not exist, and who blocks `me` or is blocked
    /// by them, is [`Error::NotFound`].
    pub async fn can_see(&self, me: UserId, other: UserId) -> Result<(Profile, Pair)> {
        let (profile, pair) = futures::try_join!(self.profile(other), self.pair(me, other))?;
        let seen = profile.filter(|_| !pair.is_blocked());
        Ok((seen.ok_or(Error::NotFound)?, pair))
    }

    /// The profiles of `me` and of somebody who exists, if `me` may ask them to be friends now. What is between the two comes
    /// first, so that whom `me` blocks answers alike whether or not they exist.
    pub async fn may_ask(
        &self,
        me: UserId,
        other: UserId,
        now: Timestamp,
    ) -> Result<HashMap<UserId, Profile>> {
        let both = [me, other];
        let (profiles, pair) = futures::try_join!(self.profiles(&both), self.pair(me, other))?;
        pair.after(me, RelationshipAction::Request(RequestId::at(now)), now)?;
        let circle = profiles.get(&other).ok_or(Error::NotFound)?.settings.requests_from;
        let allows = self.nearness(me).allows(circle, &pair).await?;
        if allows { Ok(profiles) } else { Err(REQUESTS_NOT_ACCEPTED.into()) }
    }

    /// The profiles of some people, `actor` maybe among them, if `actor` may open a direct room with each of them and
    /// bring each into a group. If one does not exist or is blocked either way, [`Error::NotFound`]; if one does not want
    /// it, a refusal.
    pub async fn reachable(&self, actor: UserId, people: &[UserId]) -> Result<HashMap<UserId, Profile>> {
        let others: Vec<UserId> = people.iter().copied().filter(|person| *person != actor).collect();
        let (profiles, pairs) = futures::try_join!(self.profiles(people), self.pairs(actor, &others))?;
        let is_missing = |person: &UserId| !profiles.contains_key(person);
        if people.iter().any(is_missing) || pairs.values().any(Pair::is_blocked) {
            return Err(Error::NotFound);
        }
        let nearness = self.nearness(actor);
        let asked = pairs.iter().filter_map(|(person, pair)| {
            Some(nearness.allows(profiles.get(person)?.settings.messages_from, pair))
        });
        if try_join_all(asked).await?.contains(&false) {
            return Err(MESSAGES_NOT_ACCEPTED.into());
        }
        Ok(profiles)
    }

    /// Those of some people whom one person may come across without knowing their names, and what they are to each other, in
    /// the order given. Friends always find each other. Of those whom friends in common decide on, only so many as there are
    /// `looks` left are looked at; the others are not found.
    pub(in crate::store) async fn findable(
        &self,
        nearness: &Degrees<'_>,
        people: &[UserId],
        looks: &mut usize,
    ) -> Result<Vec<(Profile, Pair)>> {
        let mut found = self.unblocked(nearness.me(), people).await?;
        found.retain(|(profile, pair)| {
            let needs_look =
                profile.settings.findable_by.includes_without_lookup(pair.are_friends()).is_none();
            let is_in_reach = !needs_look || *looks > 0;
            *looks -= usize::from(needs_look && is_in_reach);
            is_in_reach
        });
        let finds = found.iter().map(async |(profile, pair)| {
            let allows = nearness.allows(profile.settings.findable_by, pair);
            Ok::<_, Error>(pair.are_friends() || allows.await?)
        });
        let finds = try_join_all(finds).await?;
        Ok(found.into_iter().zip(finds).filter(|(_, finds)| *finds).map(|(found, _)| found).collect())
    }

    /// Those of some people who exist and are not blocked either way, and what they are to `me`, in the order given.
    pub(in crate::store) async fn unblocked(
        &self,
        me: UserId,
        people: &[UserId],
    ) -> Result<Vec<(Profile, Pair)>> {
        let (mut profiles, mut pairs) = futures::try_join!(self.profiles(people), self.pairs(me, people))?;
        let known = people.iter().filter_map(|person| profiles.remove(person).zip(pairs.remove(person)));
        Ok(known.filter(|(_, pair)| !pair.is_blocked()).collect())
    }

    /// The friends of `me` who are friends of another one too, in the order of their ids. Reads both lists whole, of at
    /// most 5,000 each.
    pub async fn common_friends(&self, me: UserId, other: UserId) -> Result<Vec<Friend>> {
        let (mut mine, theirs) = futures::try_join!(self.all_friends(me), self.all_friends(other))?;
        let theirs: HashSet<UserId> = theirs.into_iter().map(|friend| friend.user_id).collect();
        mine.retain(|friend| theirs.contains(&friend.user_id));
        Ok(mine)
    }
}
