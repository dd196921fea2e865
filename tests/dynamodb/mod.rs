//! What `DynamoDB` refuses, by its documented limits. Tests check each request before the embedded engine gets
//! it: a request that only the engine accepts would fail at the first deployment.
//! <https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/Constraints.html>

mod expressions;
mod values;

use std::collections::BTreeSet;

use serde_json::Value;

pub use values::size;

/// `Err` describes the violation.
pub type Checked = Result<(), String>;

/// The key attributes of the table.
const KEYS: [&str; 2] = ["pk", "sk"];
/// The longest partition key and sort key, in bytes.
const MAX_KEY_BYTES: [usize; 2] = [2048, 1024];
const MAX_ITEM_BYTES: usize = 400 * 1024;
const MAX_BATCH_KEYS: usize = 100;
const MAX_BATCH_WRITES: usize = 25;
const MAX_BATCH_BYTES: usize = 16 * 1024 * 1024;
const MAX_TRANSACTION_ACTIONS: usize = 100;
const MAX_TRANSACTION_BYTES: usize = 4 * 1024 * 1024;
const MAX_TOKEN_BYTES: usize = 36;

/// Checks a request before it is executed. `operation` is a name such as `GetItem`.
pub fn check_request(operation: &str, request: &Value) -> Checked {
    let checked = match operation {
        "GetItem" | "DeleteItem" | "UpdateItem" => {
            check_key(&request["Key"]).and_then(|()| expressions::check(request))
        }
        "PutItem" => check_item(&request["Item"]).and_then(|()| expressions::check(request)),
        "Query" | "Scan" => check_page(operation, request),
        "BatchGetItem" => check_batch_get(request),
        "BatchWriteItem" => check_batch_write(request),
        "TransactWriteItems" => check_transaction(request),
        _ => Err("the tests have no rules for this operation".to_owned()),
    };
    checked.map_err(|violation| format!("DynamoDB would refuse {operation}: {violation}"))
}

/// Checks the engine's answer: no request may be refused as invalid.
pub fn check_answer(operation: &str, answer: &Value) -> Checked {
    let kind = answer["__type"].as_str().unwrap_or_default();
    let kind = kind.rsplit('#').next().unwrap_or_default();
    let mut reasons = answer["CancellationReasons"].as_array().into_iter().flatten();
    let is_invalid = ["ValidationException", "SerializationException", "ResourceNotFoundException"]
        .contains(&kind)
        || reasons.any(|reason| reason["Code"] == "ValidationError");
    if is_invalid { Err(format!("the engine refuses {operation}: {answer}")) } else { Ok(()) }
}

fn check_page(operation: &str, request: &Value) -> Checked {
    if operation == "Query" && request.get("KeyConditionExpression").is_none() {
        return Err("no KeyConditionExpression".to_owned());
    }
    if request.get("Limit").is_some_and(|limit| limit.as_u64().is_none_or(|limit| limit == 0)) {
        return Err(format!("Limit is {}", request["Limit"]));
    }
    request.get("ExclusiveStartKey").map_or(Ok(()), check_key)?;
    expressions::check(request)
}

fn check_batch_get(request: &Value) -> Checked {
    let mut keys = DistinctKeys::default();
    for (table, wanted) in values::object(&request["RequestItems"])? {
        for key in wanted["Keys"].as_array().into_iter().flatten() {
            check_key(key)?;
            keys.add(table, key)?;
        }
        expressions::check(wanted)?;
    }
    keys.check_count(MAX_BATCH_KEYS)
}

fn check_batch_write(request: &Value) -> Checked {
    let mut keys = DistinctKeys::default();
    let mut bytes = 0;
    for (table, writes) in values::object(&request["RequestItems"])? {
        for write in writes.as_array().into_iter().flatten() {
            let (kind, write) = values::typed(write)?;
            match kind {
                "PutRequest" => check_item(&write["Item"])?,
                _ => check_key(&write["Key"])?,
            }
            let item = if kind == "PutRequest" { &write["Item"] } else { &write["Key"] };
            keys.add(table, item)?;
            bytes += size(item);
        }
    }
    if bytes > MAX_BATCH_BYTES {
        return Err(format!("the batch has {bytes} bytes, and may have {MAX_BATCH_BYTES}"));
    }
    keys.check_count(MAX_BATCH_WRITES)
}

fn check_transaction(request: &Value) -> Checked {
    let mut keys = DistinctKeys::default();
    let mut bytes = 0;
    for action in request["TransactItems"].as_array().into_iter().flatten() {
        let (kind, action) = values::typed(action)?;
        let required = match kind {
            "Put" => "Item",
            "Update" => "UpdateExpression",
            "ConditionCheck" => "ConditionExpression",
            _ => "Key",
        };
        if action.get(required).is_none() {
            return Err(format!("{kind} has no {required}"));
        }
        let item = if kind == "Put" { &action["Item"] } else { &action["Key"] };
        if kind == "Put" { check_item(item) } else { check_key(item) }?;
        expressions::check(action)?;
        keys.add(action["TableName"].as_str().unwrap_or_default(), item)?;
        bytes += size(item) + size(&action["ExpressionAttributeValues"]);
    }
    if request["ClientRequestToken"].as_str().is_some_and(|token| token.len() > MAX_TOKEN_BYTES) {
        return Err(format!("ClientRequestToken has more than {MAX_TOKEN_BYTES} bytes"));
    }
    if bytes > MAX_TRANSACTION_BYTES {
        return Err(format!("the transaction has {bytes} bytes, and may have {MAX_TRANSACTION_BYTES}"));
    }
    keys.check_count(MAX_TRANSACTION_ACTIONS)
}

fn check_item(item: &Value) -> Checked {
    for key in KEYS {
        check_key_value(key, &item[key])?;
    }
    values::check_attributes(item, 0)?;
    match size(item) {
        0..=MAX_ITEM_BYTES => Ok(()),
        bytes => Err(format!("the item has {bytes} bytes, and may have {MAX_ITEM_BYTES}")),
    }
}

fn check_key(key: &Value) -> Checked {
    if values::object(key)?.len() != KEYS.len() {
        return Err(format!("{key} is not a key of the table"));
    }
    KEYS.iter().try_for_each(|name| check_key_value(name, &key[name]))
}

/// Checks the value of a key attribute.
fn check_key_value(name: &str, value: &Value) -> Checked {
    let index = KEYS.iter().position(|key| *key == name).ok_or_else(|| format!("{name:?} is not a key"))?;
    let (kind, content) = values::typed(value).map_err(|violation| format!("{name}: {violation}"))?;
    let bytes = content.as_str().unwrap_or_default().len();
    if kind != "S" || bytes == 0 || bytes > MAX_KEY_BYTES[index] {
        return Err(format!(
            "the key {name} is {kind} of {bytes} bytes, not text of 1 to {}",
            MAX_KEY_BYTES[index]
        ));
    }
    Ok(())
}

/// The keys of a batch or a transaction.
#[derive(Default)]
struct DistinctKeys(BTreeSet<String>);

impl DistinctKeys {
    fn add(&mut self, table: &str, item: &Value) -> Checked {
        let key = format!("{table} {} {}", item["pk"], item["sk"]);
        if self.0.insert(key.clone()) { Ok(()) } else { Err(format!("the key {key} occurs twice")) }
    }

    fn check_count(&self, max: usize) -> Checked {
        match self.0.len() {
            0 => Err("it has no keys".to_owned()),
            count if count > max => Err(format!("{count} keys or actions, and at most {max} are allowed")),
            _ => Ok(()),
        }
    }
}
