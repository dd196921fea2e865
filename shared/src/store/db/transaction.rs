//! Transactions: writes and conditions that DynamoDB applies together or not at all, each with the refusal
//! that its failed condition means; and the loop that repeats a transaction after an intervening write.

use aws_sdk_dynamodb::types::{ConditionCheck, Delete, Put, TransactWriteItem, Update as UpdateItem};
use serde::Serialize;

use crate::{
    error::{Error, Result},
    id::UserId,
    store::{
        Store,
        db::{
            item::{Condition, Update, attributes, item, non_empty},
            keys::Key,
            table::{MAX_CALL_ATTEMPTS, Transacted, wait_before_retry},
        },
        users::quotas::QuotaChange,
    },
};

/// The maximum number of attempts. An attempt fails after an intervening write, a conflict or throttling. Of
/// concurrent writers one succeeds each time, so a handful of them always succeed.
const MAX_ATTEMPTS: u32 = 16;

/// How often an attempt sends a transaction that changes quotas while it conflicts. Transactions about other
/// users change the same quota item, and what was read of the own items is current all the same.
const QUOTA_SENDS: u32 = 3;

/// The result of one attempt.
#[derive(Debug)]
pub(in crate::store) enum Attempt<T, S = ()> {
    /// The operation is complete.
    Done(T),
    /// Another write intervened: read again, decide again. Contains the state for the next attempt.
    Again(S),
}

impl<T, S> Attempt<T, S> {
    /// The same attempt with another result.
    pub fn map<U>(self, f: impl FnOnce(T) -> U) -> Attempt<U, S> {
        match self {
            Self::Done(result) => Attempt::Done(f(result)),
            Self::Again(state) => Attempt::Again(state),
        }
    }
}

/// Repeats `attempt` until it is done, with full jitter in between. Each attempt reads, decides and commits.
/// [`Error::Busy`] with the reason `busy` after [`MAX_ATTEMPTS`].
pub(in crate::store) async fn retrying<T, Running>(
    busy: &'static str,
    attempt: impl Fn() -> Running,
) -> Result<T>
where
    Running: Future<Output = Result<Attempt<T>>>,
{
    retrying_with(busy, (), |()| attempt()).await
}

/// As [`retrying`], for attempts that pass state to the next one.
pub(in crate::store) async fn retrying_with<T, S, Running>(
    busy: &'static str,
    mut state: S,
    attempt: impl Fn(S) -> Running,
) -> Result<T>
where
    Running: Future<Output = Result<Attempt<T, S>>>,
{
    for attempts in 1..=MAX_ATTEMPTS {
        match attempt(state).await? {
            Attempt::Done(result) => return Ok(result),
            Attempt::Again(next) => state = next,
        }
        if attempts < MAX_ATTEMPTS {
            wait_before_retry(attempts).await;
        }
    }
    Err(Error::Busy(busy.into()))
}

/// The result of a transaction whose refusals are of type `R`.
#[derive(Debug)]
pub(in crate::store) enum CommitOutcome<R> {
    /// All writes were applied.
    Committed,
    /// No write was applied: an item is not as it was read, or a concurrent transaction conflicts.
    Stale,
    /// No write was applied: the refusals of all failed conditions, in the order of the writes. At least one.
    Refused(Vec<R>),
}

/// What a failed condition means.
enum OnFailure<R> {
    /// The item is not as it was read.
    Stale,
    /// The operation is refused.
    Refuse(R),
    /// The account is deleted, its quota is exhausted, or its profile changed.
    Quota(QuotaChange),
}

/// A transaction under construction: at most 100 writes and conditions, each of another item.
///
/// A failed condition means that the item is not as it was read, unless [`or_refuse`](Self::or_refuse) says
/// otherwise.
pub(in crate::store) struct Transaction<'a, R = Error> {
    store: &'a Store,
    writes: Vec<TransactWriteItem>,
    on_failure: Vec<OnFailure<R>>,
    /// The users whose quotas the transaction changes.
    quotas_of: Vec<UserId>,
    /// The first error of the construction, reported by the commit.
    error: Option<Error>,
}

impl Store {
    /// An empty transaction.
    pub(in crate::store) fn transaction<R>(&self) -> Transaction<'_, R> {
        Transaction {
            store: self,
            writes: Vec::new(),
            on_failure: Vec::new(),
            quotas_of: Vec::new(),
            error: None,
        }
    }
}

impl<R> Transaction<'_, R> {
    /// Creates an item; none may exist.
    pub fn put_new(&mut self, key: Key, body: impl Serialize) -> &mut Self {
        self.put_if(key, body, Some(Condition::not_exists()))
    }

    /// Writes an item, whatever exists.
    pub fn put(&mut self, key: Key, body: impl Serialize) -> &mut Self {
        self.put_if(key, body, None)
    }

    /// Replaces an item that is at the revision `rev`.
    pub fn replace(&mut self, key: Key, body: impl Serialize, rev: u64) -> &mut Self {
        self.put_if(key, body, Some(Condition::at_revision(rev)))
    }

    /// Replaces an item under a condition.
    pub fn replace_if(&mut self, key: Key, body: impl Serialize, condition: Condition) -> &mut Self {
        self.put_if(key, body, Some(condition))
    }

    fn put_if(&mut self, key: Key, body: impl Serialize, condition: Option<Condition>) -> &mut Self {
        let table = self.store.table.name();
        let write = item(key, body).and_then(|item| {
            let put = Put::builder().table_name(table).set_item(Some(item));
            let (expression, names, values) = Condition::parts(condition);
            let put = put.set_condition_expression(expression).set_expression_attribute_names(names);
            let put = put.set_expression_attribute_values(values).build().map_err(Error::internal)?;
            Ok(TransactWriteItem::builder().put(put).build())
        });
        self.add(write)
    }

    /// Updates an item.
    pub fn update(&mut self, update: Update) -> &mut Self {
        let table = self.store.table.name();
        let change = UpdateItem::builder().table_name(table).set_key(Some(attributes(update.key)));
        let change = change.update_expression(update.expression);
        let change = change.set_condition_expression(update.condition);
        let change = change.set_expression_attribute_names(non_empty(update.names));
        let change = change.set_expression_attribute_values(non_empty(update.values));
        let change = change.build().map_err(Error::internal);
        self.add(change.map(|change| TransactWriteItem::builder().update(change).build()))
    }

    /// Deletes an item, whether or not it exists.
    pub fn delete(&mut self, key: Key) -> &mut Self {
        self.delete_under(key, None)
    }

    /// Deletes an item under a condition.
    pub fn delete_if(&mut self, key: Key, condition: Condition) -> &mut Self {
        self.delete_under(key, Some(condition))
    }

    fn delete_under(&mut self, key: Key, condition: Option<Condition>) -> &mut Self {
        let delete = Delete::builder().table_name(self.store.table.name()).set_key(Some(attributes(key)));
        let (expression, names, values) = Condition::parts(condition);
        let delete = delete.set_condition_expression(expression).set_expression_attribute_names(names);
        let delete = delete.set_expression_attribute_values(values).build().map_err(Error::internal);
        self.add(delete.map(|delete| TransactWriteItem::builder().delete(delete).build()))
    }

    /// A condition on an item that the transaction does not write.
    pub fn check(&mut self, key: Key, condition: Condition) -> &mut Self {
        let check =
            ConditionCheck::builder().table_name(self.store.table.name()).set_key(Some(attributes(key)));
        let (expression, names, values) = Condition::parts(Some(condition));
        let check = check.set_condition_expression(expression).set_expression_attribute_names(names);
        let check = check.set_expression_attribute_values(values).build().map_err(Error::internal);
        self.add(check.map(|check| TransactWriteItem::builder().condition_check(check).build()))
    }

    /// The refusal that a failed condition of the last write means.
    pub fn or_refuse(&mut self, refusal: impl Into<R>) -> &mut Self {
        self.fail_with(OnFailure::Refuse(refusal.into()))
    }

    /// A failed condition of the last write is one of the quota.
    pub(in crate::store) fn or_refuse_quota(&mut self, change: QuotaChange) -> &mut Self {
        self.fail_with(OnFailure::Quota(change))
    }

    fn fail_with(&mut self, meaning: OnFailure<R>) -> &mut Self {
        debug_assert!(
            self.writes.last().is_none_or(has_condition),
            "a write without a condition cannot fail"
        );
        if let Some(last) = self.on_failure.last_mut() {
            *last = meaning;
        }
        self
    }

    fn add(&mut self, write: Result<TransactWriteItem>) -> &mut Self {
        match write {
            Ok(write) => {
                self.writes.push(write);
                self.on_failure.push(OnFailure::Stale);
            }
            Err(error) => self.error = self.error.take().or(Some(error)),
        }
        self
    }

    /// Sends the transaction. A conflict with a concurrent transaction is [`CommitOutcome::Stale`].
    pub async fn try_commit(mut self) -> Result<CommitOutcome<R>> {
        self.check_built()?;
        let changes_quotas = self.on_failure.iter().any(|meaning| matches!(meaning, OnFailure::Quota(_)));
        let sends = if changes_quotas { QUOTA_SENDS } else { 1 };
        let transacted = self.transact(sends).await?;
        self.outcome(transacted).await
    }

    /// Sends the transaction until it does not conflict with a concurrent transaction. [`Error::Busy`] after
    /// [`MAX_CALL_ATTEMPTS`].
    pub async fn try_commit_through_conflicts(mut self) -> Result<CommitOutcome<R>> {
        self.check_built()?;
        match self.transact(MAX_CALL_ATTEMPTS).await? {
            Transacted::Cancelled(failed) if failed.is_empty() => {
                Err(Error::Busy("conflicting transactions or throttling".into()))
            }
            transacted => self.outcome(transacted).await,
        }
    }

    /// Sends the transaction. One that fails because of a quota that is not a number is sent again without it.
    async fn transact(&self, sends: u32) -> Result<Transacted> {
        match self.store.table.transact(&self.writes, sends).await {
            Err(error) if !self.quotas_of.is_empty() => {
                if !self.store.remove_unreadable_quotas(&self.quotas_of).await? {
                    return Err(error);
                }
                self.store.table.transact(&self.writes, sends).await
            }
            transacted => transacted,
        }
    }

    /// Remembers that the transaction changes a user's quotas.
    pub(in crate::store) fn changes_quotas_of(&mut self, user: UserId) {
        self.quotas_of.push(user);
    }

    fn check_built(&mut self) -> Result<()> {
        self.error.take().map_or(Ok(()), Err)
    }

    /// What the result means: stale as soon as one of the failed conditions says so, since the others were
    /// decided by what was read then.
    async fn outcome(self, transacted: Transacted) -> Result<CommitOutcome<R>> {
        let failed = match transacted {
            Transacted::Written => return Ok(CommitOutcome::Committed),
            Transacted::Cancelled(failed) => failed,
        };
        let mut refusals = Vec::new();
        let mut quotas = Vec::new();
        for (index, meaning) in self.on_failure.into_iter().enumerate() {
            match meaning {
                _ if !failed.contains(&index) => {}
                OnFailure::Stale => return Ok(CommitOutcome::Stale),
                OnFailure::Refuse(refusal) => refusals.push(refusal),
                OnFailure::Quota(change) => quotas.push(change),
            }
        }
        if let (true, Some(change)) = (refusals.is_empty(), quotas.into_iter().next()) {
            self.store.check_quota_failure(&change).await?;
        }
        Ok(if refusals.is_empty() { CommitOutcome::Stale } else { CommitOutcome::Refused(refusals) })
    }
}

impl Transaction<'_, Error> {
    /// Ends an attempt: sends the transaction. A refusal is an error.
    pub async fn commit(self) -> Result<Attempt<()>> {
        attempt(self.try_commit().await?)
    }

    /// Sends the transaction until it does not conflict with a concurrent one. For transactions that need no
    /// new read after a conflict. A refusal is an error.
    pub async fn commit_through_conflicts(self) -> Result<Attempt<()>> {
        attempt(self.try_commit_through_conflicts().await?)
    }
}

fn attempt(outcome: CommitOutcome<Error>) -> Result<Attempt<()>> {
    match outcome {
        CommitOutcome::Committed => Ok(Attempt::Done(())),
        CommitOutcome::Stale => Ok(Attempt::Again(())),
        CommitOutcome::Refused(refusals) => refusals.into_iter().next().map_or(Ok(Attempt::Again(())), Err),
    }
}

fn has_condition(write: &TransactWriteItem) -> bool {
    write.condition_check().is_some()
        || write.put().is_some_and(|put| put.condition_expression().is_some())
        || write.update().is_some_and(|update| update.condition_expression().is_some())
        || write.delete().is_some_and(|delete| delete.condition_expression().is_some())
}
