//! Who may see and reach whom: profiles, blocks, and how near two people stand.

use std::collections::{HashMap, HashSet};

use futures::future::try_join_all;

use super::{Store, friendships::Friend};
use crate::{
    clock::Timestamp,
    domain::{
        friendship::{Action, Pair},
        privacy::{Circle, Closeness},
        profile::Profile,
    },
    error::{Error, Refusal, Result},
    id::{RequestId, UserId},
};

const REQUESTS_NOT_ALLOWED: Refusal = Refusal {
    status: 403,
    code: "requests_not_allowed",
    detail: "This person takes no friend requests from people who stand no nearer than you.",
};
const MESSAGES_NOT_ALLOWED: Refusal = Refusal {
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
        pair.after(me, Action::Ask(RequestId::at(now)), now)?;
        let circle = profiles.get(&other).ok_or(Error::NotFound)?.settings.requests_from;
        let is_let_in = self.is_let_in(circle, me, &pair).await?;
        if is_let_in { Ok(profiles) } else { Err(REQUESTS_NOT_ALLOWED.into()) }
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
        let asked = pairs.iter().filter_map(|(person, pair)| {
            Some(self.is_let_in(profiles.get(person)?.settings.messages_from, actor, pair))
        });
        if try_join_all(asked).await?.contains(&false) {
            return Err(MESSAGES_NOT_ALLOWED.into());
        }
        Ok(profiles)
    }

    /// Those of some people whom `me` may come across without knowing their names, and what they are to each other, in the
    /// order given. Friends always find each other.
    pub(super) async fn findable(&self, me: UserId, people: &[UserId]) -> Result<Vec<(Profile, Pair)>> {
        let (mut profiles, mut pairs) = futures::try_join!(self.profiles(people), self.pairs(me, people))?;
        let known = people.iter().filter_map(|person| profiles.remove(person).zip(pairs.remove(person)));
        let seen: Vec<(Profile, Pair)> = known.filter(|(_, pair)| !pair.is_blocked()).collect();
        let finds = seen.iter().map(async |(profile, pair)| {
            let is_let_in = self.is_let_in(profile.settings.findable_by, me, pair);
            Ok::<_, Error>(pair.are_friends() || is_let_in.await?)
        });
        let finds = try_join_all(finds).await?;
        Ok(seen.into_iter().zip(finds).filter(|(_, finds)| *finds).map(|(found, _)| found).collect())
    }

    /// Whether `me` is in a circle of the other one's of a pair. Friends in common are looked for only where it depends on
    /// them.
    pub async fn is_let_in(&self, circle: Circle, me: UserId, pair: &Pair) -> Result<bool> {
        let (least, most) = if pair.are_friends() {
            (Closeness::Friends, Closeness::Friends)
        } else {
            (Closeness::Strangers, Closeness::FriendsOfFriends)
        };
        if circle.includes(least) == circle.includes(most) {
            return Ok(circle.includes(least));
        }
        Ok(circle.includes(self.closeness(me, pair).await?))
    }

    /// How near `me` stands to the other one of a pair.
    pub async fn closeness(&self, me: UserId, pair: &Pair) -> Result<Closeness> {
        if pair.are_friends() {
            return Ok(Closeness::Friends);
        }
        let common = self.common_friends(me, pair.other(me)).await?;
        Ok(if common.is_empty() { Closeness::Strangers } else { Closeness::FriendsOfFriends })
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
