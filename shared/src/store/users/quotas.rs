//! How many of each thing a person has: one item a person, moved by the very transactions that give or take one. It also
//! says whether they are gone, so that nothing new comes to somebody who is deleting their account; and at which revision
//! their profile is, so that no room begins to show them as they were before.

use aws_sdk_dynamodb::types::TransactWriteItem;

use crate::{
    domain::{
        accounts::{Account, TOKEN_BEFORE_DELETION},
        users::quota::Quota,
    },
    error::{Error, Result},
    id::UserId,
    store::{
        Store,
        db::{item::Update, keys},
    },
};

/// The condition that somebody has not deleted their account.
const IS_ACTIVE: &str = "attribute_not_exists(is_deleted)";

/// The condition that somebody's profile is at a revision. It begins at the first one, which is not noted.
const IS_PROFILE_REV: &str = "(attribute_not_exists(profile_rev) OR profile_rev = :profile_rev)";

/// What a transaction gives somebody.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(in crate::store) enum Given {
    /// Nothing: it only takes.
    Nothing,
    /// Something new, which they have to be here for.
    Something,
    /// A place in a room, which shows them as their profile is at this revision.
    Place(u64),
}

/// The writes of one transaction, and which of them give something to somebody.
#[derive(Default)]
pub(in crate::store) struct Writes {
    pub all: Vec<TransactWriteItem>,
    gifts: Vec<Gift>,
}

/// A write that somebody's counts can refuse.
struct Gift {
    at: usize,
    to: UserId,
    given: Given,
    /// What may be too many.
    counted: Option<Quota>,
}

impl Store {
    /// Adds to a transaction that somebody has more or fewer of some things, under the conditions of what it gives them.
    pub(in crate::store) fn count(
        &self,
        writes: &mut Writes,
        to: UserId,
        changes: &[(Quota, i64)],
        given: Given,
    ) -> Result<()> {
        let at = writes.all.len();
        if changes.is_empty() {
            if given == Given::Something {
                writes.gifts.push(Gift { at, to, given, counted: None });
                writes.all.push(self.check(keys::quotas(to), IS_ACTIVE)?);
            }
            return Ok(());
        }
        let terms: Vec<String> = (0..changes.len()).map(|n| format!("#n{n} :n{n}")).collect();
        let mut update = Update::of(keys::quotas(to), format!("ADD {}", terms.join(", ")));
        let (mut conditions, mut counted) = (vec![IS_ACTIVE.to_owned()], None);
        if let Given::Place(profile_rev) = given {
            conditions.push(IS_PROFILE_REV.to_owned());
            update = update.value(":profile_rev", profile_rev)?;
        }
        for (n, (what, change)) in changes.iter().enumerate() {
            update = update.name(format!("#n{n}"), attribute(*what)).value(&format!(":n{n}"), change)?;
            if *change > 0 {
                // No step gives two things to one person.
                counted = Some(*what);
                conditions.push(format!("(attribute_not_exists(#n{n}) OR #n{n} < :limit)"));
                update = update.value(":limit", what.limit())?;
            }
        }
        if given != Given::Nothing {
            writes.gifts.push(Gift { at, to, given, counted });
            update = update.only_if(conditions.join(" AND "));
        }
        writes.all.push(self.update(update)?);
        Ok(())
    }

    /// What it means that the writes at these places of a transaction of `actor`'s were refused: an error if that is only because
    /// somebody cannot have what it gives them. Otherwise something else has changed, and is to be read again.
    pub(in crate::store) async fn check_gifts(
        &self,
        writes: &Writes,
        refused: &[usize],
        actor: UserId,
    ) -> Result<()> {
        let gift = writes.gifts.iter().find(|gift| refused.contains(&gift.at));
        let Some(gift) = gift.filter(|_| writes.are_gifts(refused)) else { return Ok(()) };
        let is_own = gift.to == actor;
        match (self.account(gift.to).await?, gift.counted) {
            (Some(Account::Deleted(_)), _) if is_own => Err(TOKEN_BEFORE_DELETION),
            (Some(Account::Deleted(_)), _) => Err(Error::NotFound),
            (Some(Account::Active(profile)), _) if gift.given.is_as_before(profile.rev) => Ok(()),
            (_, Some(counted)) => Err(counted.refusal(is_own).into()),
            // They were gone, and are back.
            (_, None) => Ok(()),
        }
    }

    /// A write of a transaction: nothing new comes to somebody any more.
    pub(in crate::store) fn close_quotas(&self, user: UserId) -> Result<TransactWriteItem> {
        self.update(Update::of(keys::quotas(user), "SET is_deleted = :gone").value(":gone", true)?)
    }

    /// A write of a transaction: somebody's profile is at another revision.
    pub(in crate::store) fn note_profile(&self, user: UserId, rev: u64) -> Result<TransactWriteItem> {
        self.update(Update::of(keys::quotas(user), "SET profile_rev = :rev").value(":rev", rev)?)
    }
}

/// Where a person's counts keep something.
fn attribute(counted: Quota) -> &'static str {
    match counted {
        Quota::RequestsSent => "requests_sent",
        Quota::Friends => "friends",
        Quota::Blocks => "blocks",
        Quota::Devices => "devices",
        Quota::Rooms => "rooms",
    }
}

impl Given {
    /// Whether it shows somebody as they were before this revision of their profile.
    fn is_as_before(self, rev: u64) -> bool {
        matches!(self, Self::Place(shown) if shown != rev)
    }
}

impl Writes {
    pub fn push(&mut self, write: TransactWriteItem) {
        self.all.push(write);
    }

    /// Whether the writes at these places all give something to somebody.
    pub fn are_gifts(&self, places: &[usize]) -> bool {
        places.iter().all(|at| self.gifts.iter().any(|gift| gift.at == *at))
    }

    pub fn extend(&mut self, writes: impl IntoIterator<Item = TransactWriteItem>) {
        self.all.extend(writes);
    }
}
