//! The table's raw item calls: the only place that talks to DynamoDB.
//!
//! Every call asks for its consumed capacity. The SDK retries what is retryable within a bound; what is left of
//! throttling or contention comes out as [`Error::Busy`].

use std::{collections::BTreeSet, time::Duration};

use aws_sdk_dynamodb::{
    Client,
    error::{ProvideErrorMetadata, SdkError},
    operation::{
        put_item::PutItemError, transact_write_items::TransactWriteItemsError, update_item::UpdateItemError,
    },
    types::{
        AttributeValue, DeleteRequest, KeysAndAttributes, ReturnConsumedCapacity::Total, ReturnValue,
        ReturnValuesOnConditionCheckFailure::AllOld, TransactWriteItem, WriteRequest,
        error::TransactionCanceledException,
    },
};
use futures::{StreamExt, TryStreamExt, stream};
use serde::de::DeserializeOwned;

use crate::{
    error::{Cause, Error, Result},
    store::db::{
        capacity::{has_read, has_written},
        item::{Item, Query, Update, attributes, non_empty, read},
        keys::Key,
    },
};

/// DynamoDB's limit of keys in one `BatchGetItem`.
pub const BATCH_KEYS: usize = 100;

/// DynamoDB's limit of items in one `BatchWriteItem`.
const BATCH_WRITES: usize = 25;

/// So many of them are under way at once.
const CONCURRENT_BATCHES: usize = 8;

/// How often unprocessed keys or a conflicting transaction are tried before giving up.
const MAX_TRIES: u32 = 6;

/// The bound of the wait before the second try; it doubles with each one more.
const FIRST_WAIT: Duration = Duration::from_millis(25);

/// How a conditional write ended.
#[derive(Debug)]
pub enum Put {
    /// It was written.
    Written,
    /// The condition failed; this is what is there.
    Taken(Item),
}

/// How a transaction ended.
#[derive(Debug, PartialEq, Eq)]
pub enum Transacted {
    /// All of it was written.
    Written,
    /// None of it was written: the conditions of these writes failed, by their places in the transaction.
    Refused(Vec<usize>),
}

/// The client and the table's name.
#[derive(Clone)]
pub struct Table {
    client: Client,
    name: String,
}

#[expect(clippy::disallowed_methods, reason = "this is the place for raw item calls")]
impl Table {
    /// A table by its name.
    pub fn new(client: Client, name: String) -> Self {
        Self { client, name }
    }

    /// The table's name, for writes of a transaction.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Reads one item.
    pub async fn get<T: DeserializeOwned>(&self, key: Key, consistent: bool) -> Result<Option<T>> {
        let call = self.client.get_item().table_name(&self.name).set_key(Some(attributes(key)));
        let call = call.consistent_read(consistent).return_consumed_capacity(Total);
        let answer = call.send().await.map_err(failed)?;
        has_read(&answer.consumed_capacity);
        answer.item.map(read).transpose()
    }

    /// Writes a new item, unless one is there already.
    pub async fn put_new(&self, item: Item) -> Result<Put> {
        let call = self.client.put_item().table_name(&self.name).set_item(Some(item));
        let call = call.condition_expression("attribute_not_exists(pk)");
        let call = call.return_values_on_condition_check_failure(AllOld).return_consumed_capacity(Total);
        let sent =
            through_conflicts(|| async { call.clone().send().await.map_err(SdkError::into_service_error) });
        match sent.await {
            Ok(answer) => {
                has_written(&answer.consumed_capacity);
                Ok(Put::Written)
            }
            Err(PutItemError::ConditionalCheckFailedException(taken)) => {
                Ok(Put::Taken(taken.item.unwrap_or_default()))
            }
            Err(error) => Err(refused(error)),
        }
    }

    /// Changes one item. Returns it as it is afterwards, or `None` if the condition failed.
    pub async fn update(&self, update: Update) -> Result<Option<Item>> {
        Ok(self.update_or_item(update).await?.ok())
    }

    /// Changes one item. Returns it as it is afterwards, or as the error what is there if the condition failed.
    pub async fn update_or_item(&self, update: Update) -> Result<Result<Item, Item>> {
        let call = self.client.update_item().table_name(&self.name).set_key(Some(attributes(update.key)));
        let call = call.update_expression(update.expression).set_condition_expression(update.condition);
        let call = call.set_expression_attribute_names(non_empty(update.names));
        let call = call.set_expression_attribute_values(non_empty(update.values));
        let call = call.return_values(ReturnValue::AllNew).return_values_on_condition_check_failure(AllOld);
        let call = call.return_consumed_capacity(Total);
        let sent =
            through_conflicts(|| async { call.clone().send().await.map_err(SdkError::into_service_error) });
        match sent.await {
            Ok(answer) => {
                has_written(&answer.consumed_capacity);
                Ok(Ok(answer.attributes.unwrap_or_default()))
            }
            Err(UpdateItemError::ConditionalCheckFailedException(taken)) => {
                Ok(Err(taken.item.unwrap_or_default()))
            }
            Err(error) => Err(refused(error)),
        }
    }

    /// Reads the items of a range in order, page after page until `limit` is reached or the range ends.
    pub async fn query(&self, query: Query) -> Result<Vec<Item>> {
        let mut items: Vec<Item> = Vec::new();
        let mut start = query.after.map(attributes);
        loop {
            let left = query.limit.map(|limit| limit - items.len());
            let call = self.client.query().table_name(&self.name).consistent_read(query.consistent);
            let call = call.key_condition_expression("pk = :pk AND sk BETWEEN :first AND :last");
            let call = call.expression_attribute_values(":pk", AttributeValue::S(query.range.pk.clone()));
            let call =
                call.expression_attribute_values(":first", AttributeValue::S(query.range.first.clone()));
            let call = call.expression_attribute_values(":last", AttributeValue::S(query.range.last.clone()));
            let call = call.scan_index_forward(!query.newest_first).set_exclusive_start_key(start.take());
            let call = call.set_limit(left.and_then(|left| i32::try_from(left).ok()));
            let page = call.return_consumed_capacity(Total).send().await.map_err(failed)?;
            has_read(&page.consumed_capacity);
            items.extend(page.items.unwrap_or_default());
            start = page.last_evaluated_key;
            if start.is_none() || query.limit.is_some_and(|limit| items.len() >= limit) {
                return Ok(items);
            }
        }
    }

    /// Reads items by their keys, in any order; those that do not exist are left out, and a key that is given twice
    /// is read once. Batches run concurrently; keys that DynamoDB leaves unprocessed are asked for again.
    pub async fn batch_get(
        &self,
        keys: impl IntoIterator<Item = Key>,
        consistent: bool,
    ) -> Result<Vec<Item>> {
        let keys: Vec<Key> = keys.into_iter().collect::<BTreeSet<Key>>().into_iter().collect();
        let batches = keys.chunks(BATCH_KEYS).map(|batch| self.get_batch(batch.to_vec(), consistent));
        Ok(futures::future::try_join_all(batches).await?.into_iter().flatten().collect())
    }

    async fn get_batch(&self, keys: Vec<Key>, consistent: bool) -> Result<Vec<Item>> {
        let wanted = KeysAndAttributes::builder().set_keys(Some(keys.into_iter().map(attributes).collect()));
        let mut wanted = wanted.consistent_read(consistent).build().map_err(Error::internal)?;
        let mut items = Vec::new();
        for attempt in 1.. {
            let call = self.client.batch_get_item().request_items(&self.name, wanted);
            let answer = call.return_consumed_capacity(Total).send().await.map_err(failed)?;
            has_read(answer.consumed_capacity.iter().flatten());
            items.extend(answer.responses.unwrap_or_default().remove(&self.name).unwrap_or_default());
            match answer.unprocessed_keys.unwrap_or_default().remove(&self.name) {
                Some(left) if !left.keys.is_empty() && attempt < MAX_TRIES => wanted = left,
                Some(left) if !left.keys.is_empty() => break,
                _ => return Ok(items),
            }
            wait_before_retry(attempt).await;
        }
        Err(Error::Busy(Cause::from("keys stay unprocessed")))
    }

    /// Removes items by their keys, those too that are not there. Batches run a few at a time, since the items may be of
    /// one partition; what DynamoDB leaves unprocessed is asked for again.
    pub async fn delete_all(&self, keys: Vec<Key>) -> Result<()> {
        let batches: Vec<Vec<Key>> = keys.chunks(BATCH_WRITES).map(<[Key]>::to_vec).collect();
        let deletions = batches.into_iter().map(|batch| self.delete_batch(batch));
        stream::iter(deletions).buffer_unordered(CONCURRENT_BATCHES).try_collect().await
    }

    async fn delete_batch(&self, keys: Vec<Key>) -> Result<()> {
        let delete = |key| {
            let delete = DeleteRequest::builder().set_key(Some(attributes(key))).build();
            Ok(WriteRequest::builder().delete_request(delete.map_err(Error::internal)?).build())
        };
        let mut left: Vec<WriteRequest> = keys.into_iter().map(delete).collect::<Result<_>>()?;
        for attempt in 1..=MAX_TRIES {
            let call = self.client.batch_write_item().request_items(&self.name, left);
            let answer = call.return_consumed_capacity(Total).send().await.map_err(failed)?;
            has_written(answer.consumed_capacity.iter().flatten());
            left = answer.unprocessed_items.unwrap_or_default().remove(&self.name).unwrap_or_default();
            if left.is_empty() {
                return Ok(());
            }
            wait_before_retry(attempt).await;
        }
        Err(Error::Busy(Cause::from("items stay unprocessed")))
    }

    /// Writes all or nothing, once. Where another write was in the way, no condition need have failed.
    pub async fn transact_once(&self, writes: &[TransactWriteItem]) -> Result<Transacted> {
        match self.send_transaction(writes).await {
            Ok(()) => Ok(Transacted::Written),
            Err(TransactWriteItemsError::TransactionCanceledException(cancelled)) => {
                let is_lost = |code| code == "ConditionalCheckFailed" || RETRYABLE.contains(&code);
                if reasons(&cancelled).filter(|code| *code != "None").all(is_lost) {
                    Ok(Transacted::Refused(failed_conditions(&cancelled)))
                } else {
                    Err(Error::internal(cancelled))
                }
            }
            Err(error) if error.is_conflict() => Ok(Transacted::Refused(Vec::new())),
            Err(error) => Err(refused(error)),
        }
    }

    /// Writes all or nothing. Conflicts with other transactions are tried again; failed conditions are the answer.
    pub async fn transact(&self, writes: &[TransactWriteItem]) -> Result<Transacted> {
        match through_conflicts(|| self.send_transaction(writes)).await {
            Ok(()) => Ok(Transacted::Written),
            Err(TransactWriteItemsError::TransactionCanceledException(cancelled)) => {
                let refused = failed_conditions(&cancelled);
                match (refused.is_empty(), cancelled.is_conflict()) {
                    (false, _) => Ok(Transacted::Refused(refused)),
                    (true, true) => Err(Error::Busy(cancelled.into())),
                    (true, false) => Err(Error::internal(cancelled)),
                }
            }
            Err(error) => Err(refused(error)),
        }
    }

    async fn send_transaction(&self, writes: &[TransactWriteItem]) -> Result<(), TransactWriteItemsError> {
        let call = self.client.transact_write_items().set_transact_items(Some(writes.to_vec()));
        // The SDK draws its tokens from a generator seeded by the process's clock: two processes that start together may
        // draw the same one, and the table would take the second's transaction for a repetition of the first's.
        let call =
            call.client_request_token(uuid::Uuid::new_v4().to_string()).return_consumed_capacity(Total);
        let answer = call.send().await.map_err(SdkError::into_service_error)?;
        has_written(answer.consumed_capacity.iter().flatten());
        Ok(())
    }
}

/// An error that says whether another write was in the way.
trait Conflicting {
    /// Whether the same call may well succeed right away. The SDK does not repeat such calls.
    fn is_conflict(&self) -> bool;
}

impl Conflicting for PutItemError {
    fn is_conflict(&self) -> bool {
        matches!(self, Self::TransactionConflictException(_))
    }
}

impl Conflicting for UpdateItemError {
    fn is_conflict(&self) -> bool {
        matches!(self, Self::TransactionConflictException(_))
    }
}

impl Conflicting for TransactWriteItemsError {
    fn is_conflict(&self) -> bool {
        match self {
            Self::TransactionCanceledException(cancelled) => cancelled.is_conflict(),
            Self::TransactionInProgressException(_) => true,
            _ => false,
        }
    }
}

impl Conflicting for TransactionCanceledException {
    fn is_conflict(&self) -> bool {
        let mut codes = reasons(self).filter(|code| *code != "None").peekable();
        codes.peek().is_some() && codes.all(|code| RETRYABLE.contains(&code))
    }
}

/// Why each write of a cancelled transaction failed, in their order; `None` for those that did not.
fn reasons(cancelled: &TransactionCanceledException) -> impl Iterator<Item = &str> {
    cancelled.cancellation_reasons().iter().map(|reason| reason.code().unwrap_or("None"))
}

/// The places of the writes of a cancelled transaction whose conditions failed.
fn failed_conditions(cancelled: &TransactionCanceledException) -> Vec<usize> {
    let failed = |(at, code)| (code == "ConditionalCheckFailed").then_some(at);
    reasons(cancelled).enumerate().filter_map(failed).collect()
}

/// Makes a call again while other writes are in its way, within a bound.
async fn through_conflicts<T, E, Sent>(call: impl Fn() -> Sent) -> Result<T, E>
where
    Sent: Future<Output = Result<T, E>>,
    E: Conflicting,
{
    for attempt in 1..MAX_TRIES {
        match call().await {
            Err(error) if error.is_conflict() => wait_before_retry(attempt).await,
            outcome => return outcome,
        }
    }
    call().await
}

/// Reasons and codes after which the same call may well succeed a little later.
const RETRYABLE: [&str; 8] = [
    "TransactionConflict",
    "TransactionConflictException",
    "TransactionInProgressException",
    "ThrottlingError",
    "ThrottlingException",
    "ProvisionedThroughputExceeded",
    "ProvisionedThroughputExceededException",
    "RequestLimitExceeded",
];

/// Waits before one try more, the longer the more there were, up to a bound. Full jitter: anything up to the bound, so
/// that those who collided do not collide again together.
pub(in crate::store) async fn wait_before_retry(attempt: u32) {
    let bound = FIRST_WAIT * 2_u32.pow(attempt.clamp(1, MAX_TRIES) - 1);
    tokio::time::sleep(bound.mul_f64(fastrand::f64())).await;
}

fn failed<E>(error: SdkError<E>) -> Error
where
    E: ProvideErrorMetadata + std::error::Error + Send + Sync + 'static,
    SdkError<E>: std::error::Error + Send + Sync + 'static,
{
    match error {
        SdkError::ServiceError(service) => refused(service.into_err()),
        other => Error::internal(other),
    }
}

fn refused<E: ProvideErrorMetadata + std::error::Error + Send + Sync + 'static>(error: E) -> Error {
    match error.code() {
        Some(code) if RETRYABLE.contains(&code) => Error::Busy(error.into()),
        _ => Error::internal(error),
    }
}
