//! Access: which users a user may see, find, request and message. Blocks come first, then the other user's
//! settings.

use std::collections::{BTreeSet, HashMap};

use futures::future::try_join_all;
use tokio::sync::OnceCell;

use crate::{
    App,
    clock::Timestamp,
    domain::{
        relationships::{
            Pair, RelationshipAction,
            access::{Audience, Degree},
        },
        users::profile::Profile,
    },
    error::{Error, Refusal, Result},
    id::{RequestId, UserId},
    store::Store,
};

const REQUESTS_NOT_ALLOWED: Refusal = Refusal {
    status: 403,
    code: "requests_not_allowed",
    detail: "This person doesn't accept requests from you.",
};
const MESSAGES_NOT_ALLOWED: Refusal = Refusal {
    status: 403,
    code: "messages_not_allowed",
    detail: "Someone you named doesn't accept messages from you.",
};

/// Friends read per query while looking for a mutual friend. Most lists are shorter; one of 5,000 takes ten
/// reads.
const FRIENDS_PER_QUERY: usize = 500;

impl App {
    /// The profile of a user that `me` may see, and their relationship. [`Error::NotFound`] if the user does
    /// not exist, or either blocks the other.
    pub async fn visible_profile(&self, me: UserId, other: UserId) -> Result<(Profile, Pair)> {
        let (profile, pair) = futures::try_join!(self.store.profile(other), self.store.pair(me, other))?;
        let visible = profile.filter(|_| !pair.is_blocked());
        Ok((visible.ok_or(Error::NotFound)?, pair))
    }

    /// The profiles of both users, if `me` may send the other a friend request now. The rules of the pair
    /// come first, so that the answer for a user that `me` blocks does not reveal whether the user exists.
    pub async fn check_may_request(
        &self,
        me: UserId,
        other: UserId,
        now: Timestamp,
    ) -> Result<HashMap<UserId, Profile>> {
        let both = [me, other];
        let (profiles, pair) = futures::try_join!(self.store.profiles(&both), self.store.pair(me, other))?;
        pair.after(me, RelationshipAction::Request(RequestId::at(now)), now)?;
        let profile = profiles.get(&other).ok_or(Error::NotFound)?;
        let is_allowed = self.access(me).may_request(profile, &pair).await?;
        if is_allowed { Ok(profiles) } else { Err(REQUESTS_NOT_ALLOWED.into()) }
    }

    /// The profiles of some users, which may include `actor`, if `actor` may open a direct room with each of
    /// them and add each to a group. [`Error::NotFound`] if one does not exist or either blocks the other; a
    /// refusal if one does not accept messages.
    pub async fn check_may_message(
        &self,
        actor: UserId,
        users: &[UserId],
    ) -> Result<HashMap<UserId, Profile>> {
        let others: Vec<UserId> = users.iter().copied().filter(|user| *user != actor).collect();
        let (profiles, pairs) =
            futures::try_join!(self.store.profiles(users), self.store.pairs(actor, &others))?;
        let is_missing = |user: &UserId| !profiles.contains_key(user);
        if users.iter().any(is_missing) || pairs.values().any(Pair::is_blocked) {
            return Err(Error::NotFound);
        }
        let access = self.access(actor);
        let decisions = pairs.iter().filter_map(|(user, pair)| {
            let profile = profiles.get(user)?;
            Some(access.may_message(profile, pair))
        });
        if try_join_all(decisions).await?.contains(&false) {
            return Err(MESSAGES_NOT_ALLOWED.into());
        }
        Ok(profiles)
    }

    /// The access decisions of one call by `me`.
    pub fn access(&self, me: UserId) -> Access<'_> {
        Access { store: &self.store, me, friends: OnceCell::new() }
    }
}

/// The access decisions of one call. The caller's list of friends is read at most once, and only if a
/// decision needs it.
pub struct Access<'a> {
    store: &'a Store,
    me: UserId,
    friends: OnceCell<BTreeSet<UserId>>,
}

impl Access<'_> {
    /// The caller.
    pub fn me(&self) -> UserId {
        self.me
    }

    /// Whether the caller finds a user by a part of the username. Friends always find each other.
    pub async fn may_find(&self, profile: &Profile, pair: &Pair) -> Result<bool> {
        Ok(pair.are_friends() || self.allows(profile.settings.findable_by, pair).await?)
    }

    /// Whether the caller may send a user a friend request.
    pub async fn may_request(&self, profile: &Profile, pair: &Pair) -> Result<bool> {
        self.allows(profile.settings.requests_from, pair).await
    }

    /// Whether the caller may open a direct room with a user, or add the user to a group.
    pub async fn may_message(&self, profile: &Profile, pair: &Pair) -> Result<bool> {
        self.allows(profile.settings.messages_from, pair).await
    }

    /// Whether an audience of the other user of a pair includes the caller. Common friends are looked for
    /// only where they decide.
    async fn allows(&self, audience: Audience, pair: &Pair) -> Result<bool> {
        match audience.includes_without_lookup(pair.are_friends()) {
            Some(includes) => Ok(includes),
            None => Ok(audience.includes(self.degree(pair).await?)),
        }
    }

    /// The degree of the other user of a pair.
    pub async fn degree(&self, pair: &Pair) -> Result<Degree> {
        if pair.are_friends() {
            return Ok(Degree::Friend);
        }
        let has_mutual_friend = self.has_mutual_friend(pair.other(self.me)).await?;
        Ok(if has_mutual_friend { Degree::FriendOfFriend } else { Degree::Everyone })
    }

    /// Reads the other user's friends up to the first common one, within the range of the caller's friends.
    async fn has_mutual_friend(&self, other: UserId) -> Result<bool> {
        let mine = self.friends.get_or_try_init(|| self.read_friends()).await?;
        let (Some(first), Some(last)) = (mine.first(), mine.last()) else { return Ok(false) };
        let mut after = None;
        loop {
            let theirs = self.store.friends_between(other, (*first, *last), after, FRIENDS_PER_QUERY).await?;
            if theirs.iter().any(|friend| mine.contains(friend)) {
                return Ok(true);
            }
            if theirs.len() < FRIENDS_PER_QUERY {
                return Ok(false);
            }
            after = theirs.last().copied();
        }
    }

    async fn read_friends(&self) -> Result<BTreeSet<UserId>> {
        Ok(self.store.friend_ids(self.me).await?.into_iter().collect())
    }
}
