//! How many of each thing a person has: one item a person, moved by the very transactions that give or take one. It also
//! says whether they are gone, so that nothing new comes to somebody who is deleting their account.

use aws_sdk_dynamodb::types::TransactWriteItem;

use super::{Store, item::Update, keys};
use crate::{
    domain::{
        counted::Counted,
        departure::{Account, OUTLIVED},
    },
    error::{Error, Result},
    id::UserId,
};

/// The condition that somebody has not deleted their account.
const IS_HERE: &str = "attribute_not_exists(is_gone)";

/// The writes of one transaction, and which of them give something to somebody.
#[derive(Default)]
pub(super) struct Writes {
    pub all: Vec<TransactWriteItem>,
    gifts: Vec<Gift>,
}

/// A write that somebody's counts can refuse.
struct Gift {
    at: usize,
    to: UserId,
    /// What may be too many; only that they are here is needed without.
    counted: Option<Counted>,
}

impl Store {
    /// Adds to a transaction that somebody has more or fewer of some things; `is_given` if any of it is new to them, which
    /// they have to be here for.
    pub(super) fn count(
        &self,
        writes: &mut Writes,
        to: UserId,
        changes: &[(Counted, i64)],
        is_given: bool,
    ) -> Result<()> {
        let at = writes.all.len();
        if changes.is_empty() {
            if is_given {
                writes.gifts.push(Gift { at, to, counted: None });
                writes.all.push(self.check(keys::counts(to), IS_HERE)?);
            }
            return Ok(());
        }
        let terms: Vec<String> = (0..changes.len()).map(|n| format!("#n{n} :n{n}")).collect();
        let mut update = Update::of(keys::counts(to), format!("ADD {}", terms.join(", ")));
        let (mut condition, mut counted) = (IS_HERE.to_owned(), None);
        for (n, (what, change)) in changes.iter().enumerate() {
            update = update.name(format!("#n{n}"), attribute(*what)).value(&format!(":n{n}"), change)?;
            if *change > 0 {
                // No step gives two things to one person.
                counted = Some(*what);
                condition = format!("{IS_HERE} AND (attribute_not_exists(#n{n}) OR #n{n} < :limit)");
                update = update.value(":limit", what.limit())?;
            }
        }
        if is_given {
            writes.gifts.push(Gift { at, to, counted });
            update = update.only_if(condition);
        }
        writes.all.push(self.update(update)?);
        Ok(())
    }

    /// What it means that the writes at these places of a transaction of `actor`'s were refused: an error if somebody cannot
    /// have what it gives them.
    pub(super) async fn check_gifts(&self, writes: &Writes, refused: &[usize], actor: UserId) -> Result<()> {
        let Some(gift) = writes.gifts.iter().find(|gift| refused.contains(&gift.at)) else { return Ok(()) };
        let is_own = gift.to == actor;
        Err(match (self.account(gift.to).await?, gift.counted) {
            (Some(Account::Gone(_)), _) if is_own => OUTLIVED,
            (Some(Account::Gone(_)), _) => Error::NotFound,
            (_, Some(counted)) => counted.refusal(is_own).into(),
            // They were gone, and are back.
            (_, None) => Error::Busy("somebody has just come back".into()),
        })
    }

    /// A write of a transaction: nothing new comes to somebody any more.
    pub(super) fn close_counts(&self, user: UserId) -> Result<TransactWriteItem> {
        self.update(Update::of(keys::counts(user), "SET is_gone = :gone").value(":gone", true)?)
    }
}

/// Where a person's counts keep something.
fn attribute(counted: Counted) -> &'static str {
    match counted {
        Counted::RequestsSent => "requests_sent",
        Counted::Friends => "friends",
        Counted::Blocks => "blocks",
        Counted::Devices => "devices",
        Counted::Rooms => "rooms",
    }
}

impl Writes {
    pub fn push(&mut self, write: TransactWriteItem) {
        self.all.push(write);
    }

    pub fn extend(&mut self, writes: impl IntoIterator<Item = TransactWriteItem>) {
        self.all.extend(writes);
    }
}
