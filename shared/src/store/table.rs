//! The table's raw item calls: the only place that talks to DynamoDB.
//!
//! Every call asks for its consumed capacity. The SDK retries what is retryable within a bound; what is left of
//! throttling or contention comes out as [`Error::Busy`].

use std::{
    collections::{BTreeSet, HashMap},
    time::Duration,
};

use aws_sdk_dynamodb::{
    Client,
    error::{ProvideErrorMetadata, SdkError},
    operation::{
        put_item::PutItemError, transact_write_items::TransactWriteItemsError, update_item::UpdateItemError,
    },
    types::{
        AttributeValue, KeysAndAttributes, ReturnConsumedCapacity::Total, ReturnValue,
        ReturnValuesOnConditionCheckFailure::AllOld, TransactWriteItem,
    },
};
use serde::{Serialize, de::DeserializeOwned};

use super::{
    capacity::{has_read, has_written},
    keys::{Key, Range},
};
use crate::error::{Cause, Error, Result};

/// One item as DynamoDB has it.
pub type Item = HashMap<String, AttributeValue>;

/// DynamoDB's limit of keys in one `BatchGetItem`.
pub const BATCH_KEYS: usize = 100;

/// How often unprocessed keys or a conflicting transaction are tried before giving up.
const MAX_TRIES: u32 = 6;

/// The wait before the second try; it doubles with each one more, and is jittered.
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
        match call.send().await.map_err(SdkError::into_service_error) {
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
        let call = self.client.update_item().table_name(&self.name).set_key(Some(attributes(update.key)));
        let call = call.update_expression(update.expression).set_condition_expression(update.condition);
        let call = call.set_expression_attribute_names(non_empty(update.names));
        let call = call.set_expression_attribute_values(non_empty(update.values));
        let call = call.return_values(ReturnValue::AllNew).return_consumed_capacity(Total);
        match call.send().await.map_err(SdkError::into_service_error) {
            Ok(answer) => {
                has_written(&answer.consumed_capacity);
                Ok(Some(answer.attributes.unwrap_or_default()))
            }
            Err(UpdateItemError::ConditionalCheckFailedException(_)) => Ok(None),
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
        for attempt in 1..=MAX_TRIES {
            let call = self.client.batch_get_item().request_items(&self.name, wanted);
            let answer = call.return_consumed_capacity(Total).send().await.map_err(failed)?;
            has_read(answer.consumed_capacity.iter().flatten());
            items.extend(answer.responses.unwrap_or_default().remove(&self.name).unwrap_or_default());
            match answer.unprocessed_keys.unwrap_or_default().remove(&self.name) {
                Some(left) if !left.keys.is_empty() => wanted = left,
                _ => return Ok(items),
            }
            wait_before_retry(attempt).await;
        }
        Err(Error::Busy(Cause::from("keys stay unprocessed")))
    }

    /// Writes all or nothing. Conflicts with other transactions are tried again; failed conditions are the answer.
    pub async fn transact(&self, writes: Vec<TransactWriteItem>) -> Result<Transacted> {
        for attempt in 1..=MAX_TRIES {
            let call = self.client.transact_write_items().set_transact_items(Some(writes.clone()));
            match call.return_consumed_capacity(Total).send().await.map_err(SdkError::into_service_error) {
                Ok(answer) => {
                    has_written(answer.consumed_capacity.iter().flatten());
                    return Ok(Transacted::Written);
                }
                Err(TransactWriteItemsError::TransactionCanceledException(cancelled)) => {
                    let reasons = cancelled.cancellation_reasons.as_deref().unwrap_or_default();
                    let codes: Vec<&str> =
                        reasons.iter().map(|reason| reason.code().unwrap_or_default()).collect();
                    let failed =
                        |(at, code): (usize, &&str)| (*code == "ConditionalCheckFailed").then_some(at);
                    let refused: Vec<usize> = codes.iter().enumerate().filter_map(failed).collect();
                    if !refused.is_empty() {
                        return Ok(Transacted::Refused(refused));
                    }
                    if codes.iter().any(|code| !RETRYABLE.contains(code) && *code != "None") {
                        return Err(Error::internal(cancelled));
                    }
                }
                Err(error) => return Err(refused(error)),
            }
            wait_before_retry(attempt).await;
        }
        Err(Error::Busy(Cause::from("transactions keep conflicting")))
    }
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

/// Full jitter: anything up to the bound, so that those who collided do not collide again together.
async fn wait_before_retry(attempt: u32) {
    let bound = FIRST_WAIT * 2_u32.pow(attempt - 1);
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

/// A range to read.
#[derive(Clone, Debug)]
pub struct Query {
    range: Range,
    after: Option<Key>,
    limit: Option<usize>,
    newest_first: bool,
    consistent: bool,
}

impl Query {
    /// The whole range, in ascending order.
    pub fn of(range: Range) -> Self {
        Self { range, after: None, limit: None, newest_first: false, consistent: false }
    }

    /// Goes on after the item that a page ended with.
    #[must_use]
    pub fn after(self, sk: Option<String>) -> Self {
        let pk = &self.range.pk;
        Self { after: sk.map(|sk| Key { pk: pk.clone(), sk }), ..self }
    }

    /// At most so many items, at least one.
    #[must_use]
    pub fn limit(self, limit: usize) -> Self {
        Self { limit: Some(limit.max(1)), ..self }
    }

    /// In descending order.
    #[must_use]
    pub fn newest_first(self) -> Self {
        Self { newest_first: true, ..self }
    }

    /// Sees every write that was acknowledged before.
    #[must_use]
    pub fn consistent(self) -> Self {
        Self { consistent: true, ..self }
    }
}

/// One conditional change of one item.
#[derive(Clone, Debug)]
pub struct Update {
    key: Key,
    expression: String,
    condition: Option<String>,
    names: HashMap<String, String>,
    values: HashMap<String, AttributeValue>,
}

impl Update {
    /// A change in DynamoDB's expression language.
    pub fn of(key: Key, expression: impl Into<String>) -> Self {
        let (names, values) = (HashMap::new(), HashMap::new());
        Self { key, expression: expression.into(), condition: None, names, values }
    }

    /// Only if this holds.
    #[must_use]
    pub fn only_if(mut self, condition: impl Into<String>) -> Self {
        self.condition = Some(condition.into());
        self
    }

    /// What `#name` stands for.
    #[must_use]
    pub fn name(mut self, placeholder: impl Into<String>, name: impl Into<String>) -> Self {
        self.names.insert(placeholder.into(), name.into());
        self
    }

    /// What `:value` stands for.
    pub fn value(mut self, placeholder: &str, value: impl Serialize) -> Result<Self> {
        let value = serde_dynamo::to_attribute_value(value).map_err(Error::internal)?;
        self.values.insert(placeholder.to_owned(), value);
        Ok(self)
    }
}

/// The key's two attributes.
pub fn attributes(key: Key) -> Item {
    HashMap::from([("pk".into(), AttributeValue::S(key.pk)), ("sk".into(), AttributeValue::S(key.sk))])
}

/// An item with its key.
pub fn item(key: Key, body: impl Serialize) -> Result<Item> {
    let mut item: Item = serde_dynamo::to_item(body).map_err(Error::internal)?;
    item.extend(attributes(key));
    Ok(item)
}

/// What an item says; its key and anything unknown are left out.
pub fn read<T: DeserializeOwned>(item: Item) -> Result<T> {
    serde_dynamo::from_item(item).map_err(Error::internal)
}

/// A sort key, of an item that has one.
pub fn sk(item: &Item) -> &str {
    item.get("sk").and_then(|sk| sk.as_s().ok()).map_or("", String::as_str)
}

/// An item's key.
pub fn key(item: &Item) -> Option<Key> {
    let text = |name: &str| item.get(name)?.as_s().ok().cloned();
    Some(Key { pk: text("pk")?, sk: text("sk")? })
}

fn non_empty<T>(map: HashMap<String, T>) -> Option<HashMap<String, T>> {
    (!map.is_empty()).then_some(map)
}
