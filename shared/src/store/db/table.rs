//! Calls to DynamoDB: the only module that makes them.
//!
//! Every call requests its consumed capacity. The SDK retries what is retryable within a bound; throttling
//! and contention beyond that are [`Error::Busy`].

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
        capacity::{admit_read, record_read, record_write},
        item::{Item, Query, Update, attributes, non_empty, read},
        keys::Key,
    },
};

/// DynamoDB's limit of keys in one `BatchGetItem`.
pub const BATCH_KEYS: usize = 100;

/// DynamoDB's limit of items in one `BatchWriteItem`.
const BATCH_WRITES: usize = 25;

/// `BatchWriteItem` calls in flight concurrently.
const CONCURRENT_BATCHES: usize = 8;

/// The maximum number of attempts for unprocessed keys or a conflicting transaction.
pub(super) const MAX_CALL_ATTEMPTS: u32 = 6;

/// The maximum delay before the second attempt; it doubles with each further one.
const FIRST_WAIT: Duration = Duration::from_millis(25);

/// The result of a conditional put.
#[derive(Debug)]
pub enum Put {
    /// The item was written.
    Written,
    /// The condition failed. The existing item.
    Taken(Item),
}

/// The result of a transaction.
#[derive(Debug, PartialEq, Eq)]
pub enum Transacted {
    /// All writes were applied.
    Written,
    /// No write was applied. The indexes of the writes whose conditions failed; none after a conflict or
    /// throttling.
    Cancelled(Vec<usize>),
}

/// A table: the client and the table's name.
#[derive(Clone)]
pub struct Table {
    client: Client,
    name: String,
    is_eventual: bool,
}

#[expect(clippy::disallowed_methods, reason = "this module makes the calls")]
impl Table {
    /// The table of this name.
    pub fn new(client: Client, name: String) -> Self {
        Self { client, name, is_eventual: false }
    }

    /// The same table, all of whose reads are eventually consistent.
    #[must_use]
    pub fn eventual(&self) -> Self {
        Self { is_eventual: true, ..self.clone() }
    }

    /// The table's name, for writes of a transaction.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Reads one item.
    pub async fn get<T: DeserializeOwned>(&self, key: Key, consistent: bool) -> Result<Option<T>> {
        self.get_item(key, consistent).await?.map(read).transpose()
    }

    /// Reads one item, which may be unreadable.
    pub async fn get_item(&self, key: Key, consistent: bool) -> Result<Option<Item>> {
        let consistent = consistent && !self.is_eventual;
        admit_read(least_units(1, consistent)).await?;
        let call = self.client.get_item().table_name(&self.name).set_key(Some(attributes(key)));
        let call = call.consistent_read(consistent).return_consumed_capacity(Total);
        let answer = call.send().await.map_err(sdk_error)?;
        record_read(&answer.consumed_capacity);
        Ok(answer.item)
    }

    /// Creates an item, unless it exists.
    pub async fn put_new(&self, item: Item) -> Result<Put> {
        let call = self.client.put_item().table_name(&self.name).set_item(Some(item));
        let call = call.condition_expression("attribute_not_exists(pk)");
        let call = call.return_values_on_condition_check_failure(AllOld).return_consumed_capacity(Total);
        let sent =
            retry_conflicts(|| async { call.clone().send().await.map_err(SdkError::into_service_error) });
        match sent.await {
            Ok(answer) => {
                record_write(&answer.consumed_capacity);
                Ok(Put::Written)
            }
            Err(PutItemError::ConditionalCheckFailedException(taken)) => {
                Ok(Put::Taken(taken.item.unwrap_or_default()))
            }
            Err(error) => Err(service_error(error)),
        }
    }

    /// Updates an item. Returns the updated item, or `None` if the condition failed.
    pub async fn update(&self, update: Update) -> Result<Option<Item>> {
        Ok(self.update_or_item(update).await?.ok())
    }

    /// Updates an item. Returns the updated item, or as the error the existing item if the condition failed.
    pub async fn update_or_item(&self, update: Update) -> Result<Result<Item, Item>> {
        let call = self.client.update_item().table_name(&self.name).set_key(Some(attributes(update.key)));
        let call = call.update_expression(update.expression).set_condition_expression(update.condition);
        let call = call.set_expression_attribute_names(non_empty(update.names));
        let call = call.set_expression_attribute_values(non_empty(update.values));
        let call = call.return_values(ReturnValue::AllNew).return_values_on_condition_check_failure(AllOld);
        let call = call.return_consumed_capacity(Total);
        let sent =
            retry_conflicts(|| async { call.clone().send().await.map_err(SdkError::into_service_error) });
        match sent.await {
            Ok(answer) => {
                record_write(&answer.consumed_capacity);
                Ok(Ok(answer.attributes.unwrap_or_default()))
            }
            Err(UpdateItemError::ConditionalCheckFailedException(taken)) => {
                Ok(Err(taken.item.unwrap_or_default()))
            }
            Err(error) => Err(service_error(error)),
        }
    }

    /// Reads the items of a range in order, page by page, up to the limit or the end of the range.
    pub async fn query(&self, query: Query) -> Result<Vec<Item>> {
        let consistent = query.consistent && !self.is_eventual;
        let mut items: Vec<Item> = Vec::new();
        let mut start = query.after.map(attributes);
        loop {
            admit_read(least_units(1, consistent)).await?;
            let remaining = query.limit.map(|limit| limit - items.len());
            let call = self.client.query().table_name(&self.name).consistent_read(consistent);
            let call = call.key_condition_expression("pk = :pk AND sk BETWEEN :first AND :last");
            let call = call.expression_attribute_values(":pk", AttributeValue::S(query.range.pk.clone()));
            let call =
                call.expression_attribute_values(":first", AttributeValue::S(query.range.first.clone()));
            let call = call.expression_attribute_values(":last", AttributeValue::S(query.range.last.clone()));
            let call = call.scan_index_forward(!query.newest_first).set_exclusive_start_key(start.take());
            let call = call.set_limit(remaining.and_then(|limit| i32::try_from(limit).ok()));
            let page = call.return_consumed_capacity(Total).send().await.map_err(sdk_error)?;
            record_read(&page.consumed_capacity);
            items.extend(page.items.unwrap_or_default());
            start = page.last_evaluated_key;
            if start.is_none() || query.limit.is_some_and(|limit| items.len() >= limit) {
                return Ok(items);
            }
        }
    }

    /// Reads those of some items that exist, in any order. Duplicate keys are read once. Batches run
    /// concurrently, and unprocessed keys are retried.
    pub async fn batch_get(
        &self,
        keys: impl IntoIterator<Item = Key>,
        consistent: bool,
    ) -> Result<Vec<Item>> {
        let keys: Vec<Key> = keys.into_iter().collect::<BTreeSet<Key>>().into_iter().collect();
        let consistent = consistent && !self.is_eventual;
        admit_read(least_units(keys.len(), consistent)).await?;
        let batches = keys.chunks(BATCH_KEYS).map(|batch| self.get_batch(batch.to_vec(), consistent));
        Ok(futures::future::try_join_all(batches).await?.into_iter().flatten().collect())
    }

    async fn get_batch(&self, keys: Vec<Key>, consistent: bool) -> Result<Vec<Item>> {
        let wanted = KeysAndAttributes::builder().set_keys(Some(keys.into_iter().map(attributes).collect()));
        let mut wanted = wanted.consistent_read(consistent).build().map_err(Error::internal)?;
        let mut items = Vec::new();
        for attempt in 1.. {
            let call = self.client.batch_get_item().request_items(&self.name, wanted);
            let answer = call.return_consumed_capacity(Total).send().await.map_err(sdk_error)?;
            record_read(answer.consumed_capacity.iter().flatten());
            items.extend(answer.responses.unwrap_or_default().remove(&self.name).unwrap_or_default());
            match answer.unprocessed_keys.unwrap_or_default().remove(&self.name) {
                Some(left) if !left.keys.is_empty() && attempt < MAX_CALL_ATTEMPTS => wanted = left,
                Some(left) if !left.keys.is_empty() => break,
                _ => return Ok(items),
            }
            wait_before_retry(attempt).await;
        }
        Err(Error::Busy(Cause::from("keys stay unprocessed")))
    }

    /// Deletes items, whether or not they exist. Few batches run concurrently, because the items may be in
    /// one partition; unprocessed deletions are retried.
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
        for attempt in 1..=MAX_CALL_ATTEMPTS {
            let call = self.client.batch_write_item().request_items(&self.name, left);
            let answer = call.return_consumed_capacity(Total).send().await.map_err(sdk_error)?;
            record_write(answer.consumed_capacity.iter().flatten());
            left = answer.unprocessed_items.unwrap_or_default().remove(&self.name).unwrap_or_default();
            if left.is_empty() {
                return Ok(());
            }
            wait_before_retry(attempt).await;
        }
        Err(Error::Busy(Cause::from("items stay unprocessed")))
    }

    /// Sends a transaction, at most `attempts` times while it conflicts with other writes or is throttled.
    /// Failed conditions are not retried.
    pub async fn transact(&self, writes: &[TransactWriteItem], attempts: u32) -> Result<Transacted> {
        for attempt in 1.. {
            let error = match self.send_transaction(writes).await {
                Ok(()) => return Ok(Transacted::Written),
                Err(error) => error,
            };
            let failed = match &error {
                TransactWriteItemsError::TransactionCanceledException(cancelled) => {
                    let is_expected = |code| code == CONDITION_FAILED || RETRYABLE.contains(&code);
                    if !reasons(cancelled).filter(|code| *code != "None").all(is_expected) {
                        return Err(Error::internal(error));
                    }
                    failed_conditions(cancelled)
                }
                error if error.code().is_some_and(|code| RETRYABLE.contains(&code)) => Vec::new(),
                _ => return Err(Error::internal(error)),
            };
            if !failed.is_empty() || attempt >= attempts {
                return Ok(Transacted::Cancelled(failed));
            }
            wait_before_retry(attempt).await;
        }
        Ok(Transacted::Cancelled(Vec::new()))
    }

    async fn send_transaction(&self, writes: &[TransactWriteItem]) -> Result<(), TransactWriteItemsError> {
        let call = self.client.transact_write_items().set_transact_items(Some(writes.to_vec()));
        // The SDK's tokens come from a generator that is seeded by the process's clock: two processes that
        // start together may generate the same one, and DynamoDB would take the second transaction for a
        // retry of the first.
        let call =
            call.client_request_token(uuid::Uuid::new_v4().to_string()).return_consumed_capacity(Total);
        let answer = call.send().await.map_err(SdkError::into_service_error)?;
        record_write(answer.consumed_capacity.iter().flatten());
        Ok(())
    }
}

/// The least read units that reading some keys consumes, existing or not.
fn least_units(keys: usize, consistent: bool) -> f64 {
    let units = f64::from(u32::try_from(keys).unwrap_or(u32::MAX));
    if consistent { units } else { units / 2.0 }
}

/// An error that may be a conflict.
trait Conflicting {
    /// Whether a concurrent write caused the error, so that a retry may succeed. The SDK does not retry
    /// these.
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

/// The reason code of each write of a cancelled transaction, in order; `None` for a write that did not fail.
fn reasons(cancelled: &TransactionCanceledException) -> impl Iterator<Item = &str> {
    cancelled.cancellation_reasons().iter().map(|reason| reason.code().unwrap_or("None"))
}

/// The indexes of the writes of a cancelled transaction whose conditions failed.
fn failed_conditions(cancelled: &TransactionCanceledException) -> Vec<usize> {
    let failed = |(index, code)| (code == CONDITION_FAILED).then_some(index);
    reasons(cancelled).enumerate().filter_map(failed).collect()
}

/// Retries a call while it conflicts with other writes, within a bound.
async fn retry_conflicts<T, E, Sent>(call: impl Fn() -> Sent) -> Result<T, E>
where
    Sent: Future<Output = Result<T, E>>,
    E: Conflicting,
{
    for attempt in 1..MAX_CALL_ATTEMPTS {
        match call().await {
            Err(error) if error.is_conflict() => wait_before_retry(attempt).await,
            outcome => return outcome,
        }
    }
    call().await
}

/// The reason code of a failed condition.
const CONDITION_FAILED: &str = "ConditionalCheckFailed";

/// Reasons and error codes after which a retry may succeed.
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

/// Exponential back-off with full jitter, up to a bound, so that concurrent callers do not collide again.
pub(in crate::store) async fn wait_before_retry(attempt: u32) {
    let bound = FIRST_WAIT * 2_u32.pow(attempt.clamp(1, MAX_CALL_ATTEMPTS) - 1);
    tokio::time::sleep(bound.mul_f64(fastrand::f64())).await;
}

fn sdk_error<E>(error: SdkError<E>) -> Error
where
    E: ProvideErrorMetadata + std::error::Error + Send + Sync + 'static,
    SdkError<E>: std::error::Error + Send + Sync + 'static,
{
    match error {
        SdkError::ServiceError(service) => service_error(service.into_err()),
        other => Error::internal(other),
    }
}

fn service_error<E: ProvideErrorMetadata + std::error::Error + Send + Sync + 'static>(error: E) -> Error {
    match error.code() {
        Some(code) if RETRYABLE.contains(&code) => Error::Busy(error.into()),
        _ => Error::internal(error),
    }
}
