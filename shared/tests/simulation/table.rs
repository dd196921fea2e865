//! DynamoDB on the embedded engine. Responses cover everything that DynamoDB permits: stale reads, short
//! pages and partial batches.

use std::time::Duration;

use serde_json::{Value, json};
use tokio::time::sleep;

use crate::{
    aws::{Commit, SimulatedAws},
    network::{self, Answer},
    old_images::OldImage,
};

impl SimulatedAws {
    /// All items of a partition.
    pub fn partition(&self, pk: &str) -> Vec<Value> {
        let query = json!({
            "TableName": network::TABLE,
            "KeyConditionExpression": "pk = :pk",
            "ExpressionAttributeValues": {":pk": {"S": pk}},
        });
        let (_, response) = network::perform(&self.engine, "Query", &query.to_string());
        let mut response: Value = serde_json::from_str(&response).unwrap();
        serde_json::from_value(response["Items"].take()).unwrap()
    }

    /// All items of the table.
    pub fn all_items(&self) -> Vec<Value> {
        let (mut items, mut scan) = (Vec::new(), json!({"TableName": network::TABLE}));
        loop {
            let (_, response) = network::perform(&self.engine, "Scan", &scan.to_string());
            let mut page: Value = serde_json::from_str(&response).unwrap();
            items.append(page["Items"].as_array_mut().unwrap());
            match page["LastEvaluatedKey"].take() {
                Value::Null => return items,
                last => scan["ExclusiveStartKey"] = last,
            }
        }
    }

    /// Deletes most expired items, as DynamoDB's TTL deletes them late.
    pub fn delete_expired(&self) {
        for item in self.all_items() {
            let expires = item["expires_at"]["N"].as_str().and_then(|at| at.parse::<u64>().ok());
            if expires.is_some_and(|at| at * 1000 < self.now()) && self.state().rng.u32(..10) > 0 {
                let key = json!({"pk": item["pk"], "sk": item["sk"]});
                let delete = json!({"TableName": network::TABLE, "Key": key});
                self.engine.delete_item(serde_json::from_value(delete).unwrap()).unwrap();
            }
        }
    }

    /// Executes a call after its latency and a random delay of less than `max_delay` milliseconds.
    pub async fn apply(&self, operation: &str, body: &str, max_delay: u64) -> Answer {
        let mut latency = self.state().latency();
        if max_delay > 0 {
            latency += Duration::from_millis(self.state().rng.u64(..max_delay));
        }
        sleep(latency).await;
        match operation {
            "Query" => self.query(body),
            "BatchGetItem" => self.batch_get(body).await,
            "GetItem" => self.get_item(body),
            _ => self.write(operation, body),
        }
    }

    fn write(&self, operation: &str, body: &str) -> Answer {
        let parsed: Value = serde_json::from_str(body).unwrap();
        let now = self.now();
        let keys = written_keys(operation, &parsed);
        let mut state = self.state();
        if state.fault_rates.stale > 0.0 {
            for key in &keys {
                let before = self.item(key);
                state.old_images.record(key, before, now);
            }
        }
        let response = network::perform(&self.engine, operation, body);
        if response.0 == 200 {
            for key in &keys {
                let (pk, sk) = (key["pk"]["S"].as_str().unwrap(), key["sk"]["S"].as_str().unwrap());
                if let (Some(room), Some(seq)) = (pk.strip_prefix("ROOM#"), sk.strip_prefix("MSG#")) {
                    let seq = seq.parse().unwrap();
                    let is_known = |commit: &Commit| commit.room == room && commit.seq == seq;
                    if !state.commits.iter().any(is_known) {
                        state.commits.push(Commit { room: room.to_owned(), seq, at: now });
                    }
                }
                if let (Some(room), Some(rev)) = (pk.strip_prefix("ROOM#"), sk.strip_prefix("CHANGE#")) {
                    let key = (room.to_owned(), rev.parse().unwrap());
                    state.revision_times.entry(key).or_insert(now);
                }
            }
        }
        response
    }

    /// The current version of an item.
    pub fn item(&self, key: &Value) -> Option<Value> {
        let get_item = json!({"TableName": network::TABLE, "Key": key, "ConsistentRead": true});
        let (_, response) = network::perform(&self.engine, "GetItem", &get_item.to_string());
        let mut response: Value = serde_json::from_str(&response).unwrap();
        Some(response["Item"].take()).filter(|item| !item.is_null())
    }

    fn get_item(&self, body: &str) -> Answer {
        let response = network::perform(&self.engine, "GetItem", body);
        let request: Value = serde_json::from_str(body).unwrap();
        let mut state = self.state();
        if request["ConsistentRead"] == true || !state.happens("stale read", |rates| rates.stale) {
            return response;
        }
        let age = state.rng.u64(..2000);
        let mut old: Value = serde_json::from_str(&response.1).unwrap();
        match state.old_images.image_at(&request["Key"], self.now().saturating_sub(age)) {
            OldImage::Unchanged => return response,
            OldImage::Item(item) => old["Item"] = item,
            OldImage::Absent => drop(old.as_object_mut().unwrap().remove("Item")),
        }
        (200, old.to_string())
    }

    fn query(&self, body: &str) -> Answer {
        let mut request: Value = serde_json::from_str(body).unwrap();
        let mut state = self.state();
        if state.happens("short page", |rates| rates.short_page) {
            let max_limit = request["Limit"].as_u64().unwrap_or(u64::MAX).min(4);
            request["Limit"] = state.rng.u64(1..=max_limit).into();
        }
        let is_stale = request["ConsistentRead"] != true && state.happens("stale read", |rates| rates.stale);
        let (status, response) = network::perform(&self.engine, "Query", &request.to_string());
        if !is_stale {
            return (status, response);
        }
        let read_at = self.now().saturating_sub(state.rng.u64(..2000));
        let mut response: Value = serde_json::from_str(&response).unwrap();
        if let Some(items) = response["Items"].as_array_mut() {
            items.retain_mut(|item| {
                let key = json!({"pk": item["pk"], "sk": item["sk"]});
                match state.old_images.image_at(&key, read_at) {
                    OldImage::Item(old) => *item = old,
                    OldImage::Absent => return false,
                    OldImage::Unchanged => {}
                }
                true
            });
        }
        (status, response.to_string())
    }

    async fn batch_get(&self, body: &str) -> Answer {
        let request: Value = serde_json::from_str(body).unwrap();
        let requested = &request["RequestItems"][network::TABLE];
        let (mut keys, consistent) =
            (requested["Keys"].as_array().cloned().unwrap(), requested["ConsistentRead"] == true);
        let (unprocessed, split, is_stale) = {
            let mut state = self.state();
            let is_partial =
                keys.len() > 1 && state.happens("unprocessed keys", |rates| rates.unprocessed_keys);
            let at = if is_partial { state.rng.usize(1..keys.len()) } else { keys.len() };
            let unprocessed = keys.split_off(at);
            let is_split = keys.len() > 1 && state.happens("split batch", |rates| rates.split_batch);
            let split = if is_split { state.rng.usize(1..keys.len()) } else { keys.len() };
            (unprocessed, split, !consistent && state.happens("stale read", |rates| rates.stale))
        };
        let mut found = Vec::new();
        for (part, keys) in [&keys[..split], &keys[split..]].into_iter().enumerate() {
            if part > 0 && !keys.is_empty() {
                self.network_delay().await;
            }
            let read_at = is_stale.then(|| self.now().saturating_sub(self.state().rng.u64(..2000)));
            for key in keys {
                let old = read_at.map_or(OldImage::Unchanged, |at| self.state().old_images.image_at(key, at));
                match old {
                    OldImage::Unchanged => found.extend(self.item(key)),
                    OldImage::Item(item) => found.push(item),
                    OldImage::Absent => {}
                }
            }
        }
        let mut response = json!({"Responses": {network::TABLE: found}, "UnprocessedKeys": {}});
        if !unprocessed.is_empty() {
            response["UnprocessedKeys"][network::TABLE] =
                json!({"Keys": unprocessed, "ConsistentRead": consistent});
        }
        (200, response.to_string())
    }
}

/// The keys that a write may change.
fn written_keys(operation: &str, body: &Value) -> Vec<Value> {
    let key = |item: &Value| json!({"pk": item["pk"], "sk": item["sk"]});
    match operation {
        "PutItem" => vec![key(&body["Item"])],
        "TransactWriteItems" => {
            let writes = body["TransactItems"].as_array().into_iter().flatten();
            let keys = writes.filter_map(|write| {
                let (kind, write) = write.as_object()?.iter().next()?;
                match kind.as_str() {
                    "Put" => Some(key(&write["Item"])),
                    "Update" | "Delete" => Some(key(&write["Key"])),
                    _ => None,
                }
            });
            keys.collect()
        }
        "BatchWriteItem" => {
            let writes = body["RequestItems"][network::TABLE].as_array().into_iter().flatten();
            writes.map(|write| key(&write["DeleteRequest"]["Key"])).collect()
        }
        _ => vec![key(&body["Key"])],
    }
}
