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
        rooms::new_room::{CountedAddition, Invitee},
        users::{
            profile::Profile,
            rate_limit::{Decision, RateLimitedAction},
        },
    },
    error::{Error, Refusal, Result},
    id::{RequestId, UserId},
    store::{Store, users::quotas::StoredQuotas},
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
const GROUPS_NOT_ALLOWED: Refusal = Refusal {
    status: 403,
    code: "groups_not_allowed",
    detail: "Someone you named can't be added to groups by you right now.",
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

    /// Some users, which may include `actor`, if `actor` may open a direct room with each of them.
    /// [`Error::NotFound`] if one does not exist or either blocks the other; a refusal if one does not accept
    /// messages.
    pub async fn check_may_message(
        &self,
        actor: UserId,
        users: &[UserId],
    ) -> Result<HashMap<UserId, Invitee>> {
        let (profiles, _) = self.reachable(actor, users).await?;
        Ok(profiles.into_iter().map(|(user, profile)| (user, Invitee::uncounted(profile))).collect())
    }

    /// Some users, which may include `actor`, if `actor` may add each of them to a group. As
    /// [`Self::check_may_message`], and a refusal if one does not accept groups from `actor`, or was added by
    /// users who are no friends too often. The refusal does not tell which.
    pub async fn check_may_add(&self, actor: UserId, users: &[UserId]) -> Result<HashMap<UserId, Invitee>> {
        let limit = self.config.rate_limits.of(RateLimitedAction::Additions);
        let counting: &[UserId] = if limit.is_some() { users } else { &[] };
        let ((profiles, pairs), quotas) =
            futures::try_join!(self.reachable(actor, users), self.store.quotas_of(counting))?;
        let access = self.access(actor);
        let others = || pairs.iter().filter_map(|(user, pair)| Some((profiles.get(user)?, pair)));
        let decisions = others().map(|(profile, pair)| access.may_add(profile, pair));
        if try_join_all(decisions).await?.contains(&false) {
            return Err(GROUPS_NOT_ALLOWED.into());
        }
        let mut counted = HashMap::new();
        let strangers = others().filter(|(_, pair)| !pair.are_friends()).map(|(profile, _)| profile.id);
        for (user, limit) in strangers.filter_map(|user| Some((user, limit?))) {
            let before = quotas.get(&user).and_then(StoredQuotas::additions);
            let Decision::Allowed { next: after } = limit.check(before, self.now()) else {
                return Err(GROUPS_NOT_ALLOWED.into());
            };
            counted.insert(user, CountedAddition { before, after });
        }
        let invitee = |(user, profile)| (user, Invitee { profile, counted: counted.get(&user).copied() });
        Ok(profiles.into_iter().map(invitee).collect())
    }

    /// The profiles of some users, which may include `actor`, and the relationships of `actor` with the
    /// others, if all exist and accept messages from `actor`.
    async fn reachable(
        &self,
        actor: UserId,
        users: &[UserId],
    ) -> Result<(HashMap<UserId, Profile>, HashMap<UserId, Pair>)> {
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
        Ok((profiles, pairs))
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

    /// Whether the caller may add a user to a group, if the caller may message the user.
    pub async fn may_add(&self, profile: &Profile, pair: &Pair) -> Result<bool> {
        self.allows(profile.settings.groups_from, pair).await
    }

    /// Whether the caller may open a direct room with a user.
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
