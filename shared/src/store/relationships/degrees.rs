//! How near others stand to one person, which costs reads of whole lists of friends.

use std::collections::BTreeSet;

use tokio::sync::OnceCell;

use crate::{
    domain::relationships::{
        Pair,
        access::{Audience, Degree},
        lists::Friend,
    },
    error::Result,
    id::UserId,
    store::{
        Store,
        db::{
            item::{Query, read, sk},
            keys,
        },
    },
};

/// So many of somebody's friends are read at a time: most lists are shorter, and one of 5,000 takes ten reads.
const FRIENDS_READ: usize = 500;

/// How near others stand to one person, for as long as one call lasts: that person's own friends are read once at the most,
/// and only if something depends on them.
pub struct Degrees<'a> {
    store: &'a Store,
    me: UserId,
    friends: OnceCell<BTreeSet<UserId>>,
}

impl Store {
    /// How near others stand to `me`.
    pub fn nearness(&self, me: UserId) -> Degrees<'_> {
        Degrees { store: self, me, friends: OnceCell::new() }
    }
}

impl Degrees<'_> {
    /// To whom.
    pub fn me(&self) -> UserId {
        self.me
    }

    /// Whether the person is in a circle of the other one's of a pair. Friends in common are looked for only where it depends
    /// on them.
    pub async fn allows(&self, circle: Audience, pair: &Pair) -> Result<bool> {
        match circle.includes_without_lookup(pair.are_friends()) {
            Some(includes) => Ok(includes),
            None => Ok(circle.includes(self.of(pair).await?)),
        }
    }

    /// How near the other one of a pair stands.
    pub async fn of(&self, pair: &Pair) -> Result<Degree> {
        if pair.are_friends() {
            return Ok(Degree::Friend);
        }
        let is_near = self.has_common_friend(pair.other(self.me)).await?;
        Ok(if is_near { Degree::FriendOfFriend } else { Degree::Everyone })
    }

    /// Reads of the other one's friends as far as it has to: up to the first one in common, and none outside of where such a
    /// one can stand.
    async fn has_common_friend(&self, other: UserId) -> Result<bool> {
        let mine = self.friends.get_or_try_init(|| self.read_friends()).await?;
        let (Some(first), Some(last)) = (mine.first(), mine.last()) else { return Ok(false) };
        let theirs = Query::of(keys::friends_between(other, *first, *last)).consistent().limit(FRIENDS_READ);
        let mut after = None;
        loop {
            let some = self.store.table.query(theirs.clone().after(after)).await?;
            after = some.last().map(|friend| sk(friend).to_owned());
            let is_all = some.len() < FRIENDS_READ;
            for friend in some {
                if mine.contains(&read::<Friend>(friend)?.user_id) {
                    return Ok(true);
                }
            }
            if is_all {
                return Ok(false);
            }
        }
    }

    async fn read_friends(&self) -> Result<BTreeSet<UserId>> {
        Ok(self.store.friend_ids(self.me).await?.into_iter().collect())
    }
}
