//! What calls do to the table, and what they are answered: all that the table may answer, not only what it mostly does.

use std::time::Duration;

use serde_json::{Value, json};
use tokio::time::sleep;

use crate::{
    cloud::{Cloud, Commit},
    network::{self, Answer},
    stale::Image,
};

impl Cloud {
    /// Every item of a partition.
    pub fn partition(&self, pk: &str) -> Vec<Value> {
        let query = json!({
            "TableName": network::TABLE,
            "KeyConditionExpression": "pk = :pk",
            "ExpressionAttributeValues": {":pk": {"S": pk}},
        });
        let (_, answer) = network::perform(&self.engine, "Query", &query.to_string());
        let mut answer: Value = serde_json::from_str(&answer).unwrap();
        serde_json::from_value(answer["Items"].take()).unwrap()
    }

    /// The table collects what has expired; not all of it at once.
    pub fn collect_expired(&self) {
        let (_, answer) =
            network::perform(&self.engine, "Scan", &json!({"TableName": network::TABLE}).to_string());
        let answer: Value = serde_json::from_str(&answer).unwrap();
        for item in answer["Items"].as_array().into_iter().flatten() {
            let expires = item["expires_at"]["N"].as_str().and_then(|at| at.parse::<u64>().ok());
            if expires.is_some_and(|at| at * 1000 < self.now()) && self.state().rng.u32(..10) > 0 {
                let key = json!({"pk": item["pk"], "sk": item["sk"]});
                let delete = json!({"TableName": network::TABLE, "Key": key});
                self.engine.delete_item(serde_json::from_value(delete).unwrap()).unwrap();
            }
        }
    }

    /// What a call does once it is sent, and what it is answered; so many milliseconds later at the most.
    pub async fn effect(&self, operation: &str, body: &str, longest: u64) -> Answer {
        let mut latency = self.state().latency();
        if longest > 0 {
            latency += Duration::from_millis(self.state().rng.u64(..longest));
        }
        sleep(latency).await;
        match operation {
            "Query" => self.query(body),
            "BatchGetItem" => self.batch(body).await,
            "GetItem" => self.get(body),
            _ => self.write(operation, body),
        }
    }

    fn write(&self, operation: &str, body: &str) -> Answer {
        let parsed: Value = serde_json::from_str(body).unwrap();
        let now = self.now();
        let keys = written_keys(operation, &parsed);
        let mut state = self.state();
        if state.rates.stale > 0.0 {
            for key in &keys {
                let before = self.item(key);
                state.images.note(key, before, now);
            }
        }
        let answer = network::perform(&self.engine, operation, body);
        if answer.0 == 200 {
            for key in &keys {
                let (pk, sk) = (key["pk"]["S"].as_str().unwrap(), key["sk"]["S"].as_str().unwrap());
                if let (Some(room), Some(seq)) = (pk.strip_prefix("ROOM#"), sk.strip_prefix("MSG#")) {
                    let seq = seq.parse().unwrap();
                    let known = |commit: &Commit| commit.room == room && commit.seq == seq;
                    if !state.commits.iter().any(known) {
                        state.commits.push(Commit { room: room.to_owned(), seq, at: now });
                    }
                }
                if let (Some(room), Some(rev)) = (pk.strip_prefix("ROOM#"), sk.strip_prefix("CHANGE#")) {
                    let key = (room.to_owned(), rev.parse().unwrap());
                    state.revisions.entry(key).or_insert(now);
                }
            }
        }
        answer
    }

    /// One item as it is.
    fn item(&self, key: &Value) -> Option<Value> {
        let get = json!({"TableName": network::TABLE, "Key": key, "ConsistentRead": true});
        let (_, answer) = network::perform(&self.engine, "GetItem", &get.to_string());
        let mut answer: Value = serde_json::from_str(&answer).unwrap();
        Some(answer["Item"].take()).filter(|item| !item.is_null())
    }

    fn get(&self, body: &str) -> Answer {
        let answer = network::perform(&self.engine, "GetItem", body);
        let request: Value = serde_json::from_str(body).unwrap();
        let mut state = self.state();
        if request["ConsistentRead"] == true || !state.happens("stale", |rates| rates.stale) {
            return answer;
        }
        let age = state.rng.u64(..2000);
        let mut old: Value = serde_json::from_str(&answer.1).unwrap();
        match state.images.before(&request["Key"], self.now().saturating_sub(age)) {
            Image::Same => return answer,
            Image::Was(item) => old["Item"] = item,
            Image::Absent => drop(old.as_object_mut().unwrap().remove("Item")),
        }
        (200, old.to_string())
    }

    fn query(&self, body: &str) -> Answer {
        let mut request: Value = serde_json::from_str(body).unwrap();
        let mut state = self.state();
        if state.happens("short page", |rates| rates.short_page) {
            let most = request["Limit"].as_u64().unwrap_or(u64::MAX).min(4);
            request["Limit"] = state.rng.u64(1..=most).into();
        }
        let is_stale = request["ConsistentRead"] != true && state.happens("stale", |rates| rates.stale);
        let (status, answer) = network::perform(&self.engine, "Query", &request.to_string());
        if !is_stale {
            return (status, answer);
        }
        let since = self.now().saturating_sub(state.rng.u64(..2000));
        let mut answer: Value = serde_json::from_str(&answer).unwrap();
        if let Some(items) = answer["Items"].as_array_mut() {
            items.retain_mut(|item| {
                let key = json!({"pk": item["pk"], "sk": item["sk"]});
                match state.images.before(&key, since) {
                    Image::Was(old) => *item = old,
                    Image::Absent => return false,
                    Image::Same => {}
                }
                true
            });
        }
        (status, answer.to_string())
    }

    async fn batch(&self, body: &str) -> Answer {
        let request: Value = serde_json::from_str(body).unwrap();
        let wanted = &request["RequestItems"][network::TABLE];
        let (mut keys, consistent) =
            (wanted["Keys"].as_array().cloned().unwrap(), wanted["ConsistentRead"] == true);
        let (unprocessed, split, is_stale) = {
            let mut state = self.state();
            let left = keys.len() > 1 && state.happens("unprocessed keys", |rates| rates.unprocessed);
            let at = if left { state.rng.usize(1..keys.len()) } else { keys.len() };
            let unprocessed = keys.split_off(at);
            let split = keys.len() > 1 && state.happens("split batch", |rates| rates.split);
            let at = if split { state.rng.usize(1..keys.len()) } else { keys.len() };
            (unprocessed, at, !consistent && state.happens("stale", |rates| rates.stale))
        };
        let mut found = Vec::new();
        for (part, keys) in [&keys[..split], &keys[split..]].into_iter().enumerate() {
            if part > 0 && !keys.is_empty() {
                self.travel().await;
            }
            let since = is_stale.then(|| self.now().saturating_sub(self.state().rng.u64(..2000)));
            for key in keys {
                let old = since.map_or(Image::Same, |since| self.state().images.before(key, since));
                match old {
                    Image::Same => found.extend(self.item(key)),
                    Image::Was(item) => found.push(item),
                    Image::Absent => {}
                }
            }
        }
        let mut answer = json!({"Responses": {network::TABLE: found}, "UnprocessedKeys": {}});
        if !unprocessed.is_empty() {
            answer["UnprocessedKeys"][network::TABLE] =
                json!({"Keys": unprocessed, "ConsistentRead": consistent});
        }
        (200, answer.to_string())
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
