//! Whatever is accepted can be read back, listed, synced and deleted: every field of every operation and frame is
//! driven with values that its schema allows, at their extremes. The fields come from the contracts, so a new
//! field is driven without a change here, or the test says that no value of it was accepted.

mod contract;
mod state;
mod values;

use std::collections::BTreeSet;

use serde_json::{Map, Value, json, value::RawValue};
use shared::{
    clock::Timestamp,
    domain::{messages::normalize_url, text},
    id::UserId,
};

use self::{
    contract::{Contract, Field, Operation, Place},
    state::State,
    values::values,
};
use crate::call::{Answer, Call};

/// The seed of the random texts.
const SEED: u64 = 20_260_131;

/// Fields that are used and not shown again.
const NOT_SHOWN: [&str; 6] = ["client_room_id", "cursor", "push_token", "query", "ref", "text"];

/// A body of unparsed values, because a parser changes some of them.
type Body = Map<String, Value>;

/// The JSON of a body in which the field at a path has this value.
fn with_value(body: &Body, path: &[String], value: &str) -> String {
    let (name, rest) = path.split_first().unwrap();
    let value = if rest.is_empty() { value.to_owned() } else { with_value(&Map::new(), rest, value) };
    let others = body.iter().filter(|(other, _)| *other != name);
    let members = others.map(|(name, value)| format!("{}:{value}", json!(name)));
    format!("{{{}}}", members.chain([format!("{}:{value}", json!(name))]).collect::<Vec<_>>().join(","))
}

/// The calls of one operation with a value for one of its fields.
struct Driver<'a> {
    state: &'a State,
    operation: &'a Operation,
    /// All path parameters to try, and those of the next call.
    paths: Vec<Vec<(String, String)>>,
    path: Vec<(String, String)>,
    failed: Vec<String>,
}

impl Driver<'_> {
    /// Makes a call; whether it is accepted. Waits for a rate limit.
    async fn call(&mut self, field: Option<&Field>, value: &str) -> Option<String> {
        let function = &*self.operation.function;
        loop {
            let Answer { status, text } =
                self.built(field, value).answer(&self.state.backend, self.state.ana, "ana").await;
            let frames = self.state.backend.frame_texts();
            let error = frames.iter().find(|(to, text)| to == "ana" && text.contains("\"type\":\"error\""));
            let is_limited = status == 429 || error.is_some_and(|(_, text)| text.contains("rate_limited"));
            if is_limited {
                self.state.backend.wait(60).await;
                continue;
            }
            let is_broken =
                error.is_some_and(|(_, text)| text.contains("\"internal\"") || text.contains("\"busy\""));
            if status >= 500 || is_broken {
                self.failed.push(format!(
                    "{function} {:?} {value}: {status} {text} {error:?}",
                    field.map(Field::name)
                ));
            }
            let is_accepted = (200..300).contains(&status) && error.is_none();
            let answers = frames.into_iter().filter(|(to, _)| to == "ana").map(|(_, text)| text);
            return is_accepted.then(|| answers.chain([text]).collect::<Vec<_>>().join("\n"));
        }
    }

    fn built(&self, field: Option<&Field>, value: &str) -> Call {
        let function = &*self.operation.function;
        let name = field.map_or("", Field::name);
        let mut call = Call::of(function);
        for (name, value) in &self.path {
            call = call.path(name, &**value);
        }
        if self.operation.function == "friends-respond-to-request" {
            call = call.query("action", "rejected");
        }
        let body = self.state.body(function, name);
        let body_text = match field {
            Some(field) if field.place == Place::Body => with_value(&body, &field.path, value),
            _ => Value::from(body).to_string(),
        };
        let has_body = self.operation.fields.iter().any(|field| field.place == Place::Body);
        let as_text = || serde_json::from_str::<String>(value).unwrap_or_else(|_| value.to_owned());
        match field.map(|field| field.place) {
            Some(Place::Path) => call = call.path(name, as_text()),
            Some(Place::Query) => call = call.query(name, as_text()),
            _ => {}
        }
        if !function.starts_with("socket-") {
            return if has_body { call.text(body_text) } else { call };
        }
        let kind = function.trim_start_matches("socket-").replace('-', "_");
        let more = match field {
            Some(field) if field.place == Place::Frame => format!(",{}:{value}", json!(name)),
            _ => String::new(),
        };
        call.frame(format!("{{\"type\":\"{kind}\",\"data\":{body_text}{more}}}"))
    }

    /// Makes a call with other path parameters: an earlier call may have consumed what these name.
    async fn call_elsewhere(&mut self, field: &Field, value: &str) -> Option<String> {
        let before = self.path.clone();
        for path in self.paths.clone() {
            self.path = path;
            if let Some(answer) = self.call(Some(field), value).await {
                return Some(answer);
            }
        }
        self.path = before;
        None
    }

    /// Sets path parameters with which the call is accepted.
    async fn find_path(&mut self, accepted: &mut BTreeSet<Driven>) {
        let fields: Vec<&Field> =
            self.operation.fields.iter().filter(|field| field.place == Place::Path).collect();
        let mut paths: Vec<Vec<(String, String)>> = vec![Vec::new()];
        for field in &fields {
            let mut ids = self.state.ids(field.name());
            ids.extend(self.state.texts(field.name()));
            let longer = |path: &Vec<_>| {
                let path = path.clone();
                ids.iter()
                    .map(move |id| [path.clone(), vec![(field.name().to_owned(), id.clone())]].concat())
                    .collect::<Vec<_>>()
            };
            paths = paths.iter().flat_map(longer).collect();
        }
        self.paths.clone_from(&paths);
        let mut found = None;
        for path in paths {
            self.path = path;
            if self.call(None, "").await.is_some() {
                accepted.extend(fields.iter().map(|field| driven(self.operation, field)));
                found.get_or_insert_with(|| self.path.clone());
                if self.operation.fields.iter().any(|field| field.place != Place::Path) {
                    break;
                }
            }
        }
        self.path = found.unwrap_or_default();
    }
}

/// An operation, and a field of it.
type Driven = (String, Place, Vec<String>);

fn driven(operation: &Operation, field: &Field) -> Driven {
    (operation.function.clone(), field.place, field.path.clone())
}

/// What a user may read, as text. Fails on an error of the server, and where a list fails.
async fn reads(state: &State, user: UserId, name: &str, failed: &mut Vec<String>) -> String {
    let mut texts = Vec::new();
    let sync = |seq: u64| {
        let rooms = [&state.group, &state.direct].map(|room| (room.clone(), json!({"seq": seq, "rev": 0})));
        json!({"rooms": Map::from_iter(rooms)})
    };
    let lists = [
        "chat-list-rooms",
        "friends-list",
        "friends-list-requests",
        "friends-list-blocks",
        "friends-list-suggestions",
        "devices-list",
        "users-get-me",
    ];
    let search = |query: &str| Call::of("friends-search-users").query("query", query);
    let mut calls: Vec<(bool, Call)> = lists.map(|list| (true, Call::of(list))).into();
    calls.extend([search("an"), search("be"), Call::of("chat-sync").body(sync(0))].map(|call| (true, call)));
    for room in [&state.group, &state.direct] {
        let in_room = |function: &str| Call::of(function).path("room_id", &**room);
        calls.extend(
            ["chat-list-messages", "chat-list-pins", "chat-get-room"].map(|read| (false, in_room(read))),
        );
    }
    let other = if user == state.ana { state.ben } else { state.ana };
    calls.push((false, Call::of("users-get").path("user_id", other.to_string())));
    for (is_list, call) in calls {
        let described = format!("{call:?}");
        let Answer { status, text } = call.answer(&state.backend, user, name).await;
        if status >= 500 || is_list && status >= 300 {
            failed.push(format!("{name} {described}: {status} {text}"));
        }
        texts.push(text);
    }
    texts.join("\n")
}

/// Whether a text, a URL, a time or a payload is in what was read.
fn is_shown(field: &Field, value: &str, read: &str) -> bool {
    let quoted = |text: &str| read.contains(&json!(text).to_string());
    if field.name() == "payload" {
        let value: Box<RawValue> = serde_json::from_str(value).unwrap();
        let parsed = shared::domain::messages::Payload::parse(value.get()).unwrap();
        return read.contains(parsed.json());
    }
    let mended = value.replace("\\ud83d\"", "\\ufffd\"");
    let Ok(text) = serde_json::from_str::<String>(&mended) else { return read.contains(value) };
    let (time, clean) = (text.parse::<Timestamp>().map(|time| time.to_string()), text::clean(&text));
    let stored =
        [&*text, &*clean, clean.trim(), &text::tidy(&clean), &normalize_url(&text)].map(str::to_owned);
    text::is_blank(&text)
        || read.contains(&mended)
        || stored.iter().any(|text| quoted(text))
        || time.is_ok_and(|time| quoted(&time))
}

/// Renames, leaves and deletes, after which only markers remain.
async fn end(state: &State, failed: &mut Vec<String>) {
    let rename = Call::of("users-update-me").body(json!({"username": "renamed", "display_name": "R."}));
    let leave = Call::of("chat-remove-participant").path("room_id", &*state.group);
    let calls = [
        (state.ana, "ana", rename, &[200][..]),
        (state.ben, "ben", leave.path("user_id", state.ben.to_string()), &[204, 404]),
        (state.ana, "ana", Call::of("users-delete-me"), &[204]),
    ];
    for (user, name, call, expected) in calls {
        let described = format!("{call:?}");
        let Answer { status, text } = call.answer(&state.backend, user, name).await;
        if !expected.contains(&status) {
            failed.push(format!("{described}: {status} {text}"));
        }
    }
    state.backend.wait(3600).await;
    Call::of("maintenance-complete-deletions").send(&state.backend, state.ana, "ana").await;
    let mut keys = crate::raw::user_keys(&state.backend, state.ana);
    keys.retain(|key| !key.starts_with("RATE#"));
    if keys != ["PRESENCE", "PROFILE", "QUOTAS"] {
        failed.push(format!("{keys:?} remain"));
    }
    reads(state, state.ben, "ben", failed).await;
}

/// Drives all fields of an operation, then everything else that reads or removes what was accepted.
async fn drive(contract: &Contract, operation: &Operation, accepted: &mut BTreeSet<Driven>) -> Vec<String> {
    let state = State::new().await;
    let mut driver =
        Driver { state: &state, operation, paths: Vec::new(), path: Vec::new(), failed: Vec::new() };
    driver.find_path(accepted).await;
    let is_shown_later = |field: &Field| {
        let is_text = field.schema["type"].to_string().contains("\"string\"") || field.name() == "payload";
        let is_stored = field.place == Place::Body && !NOT_SHOWN.contains(&field.name());
        is_text && is_stored && state.ids(field.name()).is_empty() && operation.function != "reports-create"
    };
    for field in operation.fields.iter().filter(|field| field.place != Place::Path) {
        for value in values(contract, field, &state) {
            let mut answer = driver.call(Some(field), &value).await;
            if answer.is_none() && !accepted.contains(&driven(operation, field)) {
                answer = driver.call_elsewhere(field, &value).await;
            }
            let Some(answer) = answer else { continue };
            if value != "null" {
                accepted.insert(driven(operation, field));
            }
            if is_shown_later(field) && value != "null" {
                let read = reads(&state, state.ana, "ana", &mut driver.failed).await;
                if !is_shown(field, &value, &(answer + &read)) {
                    driver.failed.push(format!(
                        "{} {} is not shown: {value}",
                        operation.function,
                        field.name()
                    ));
                }
            }
        }
    }
    let mut failed = driver.failed;
    if operation.function != "users-delete-me" {
        reads(&state, state.ana, "ana", &mut failed).await;
        end(&state, &mut failed).await;
    }
    reads(&state, state.ben, "ben", &mut failed).await;
    failed.into_iter().map(|failure| format!("{}: {failure}", operation.function)).collect()
}

#[tokio::test(start_paused = true)]
async fn every_accepted_value_of_every_field_can_be_read_back_and_deleted() {
    fastrand::seed(SEED);
    let contract = Contract::read();
    let operations = contract.operations();
    let (mut accepted, mut failed) = (BTreeSet::new(), Vec::new());
    for operation in &operations {
        failed.extend(drive(&contract, operation, &mut accepted).await);
    }
    let fields = operations
        .iter()
        .flat_map(|operation| operation.fields.iter().map(move |field| driven(operation, field)));
    let fields: BTreeSet<Driven> = fields.collect();
    assert!(
        operations.len() > 45 && fields.len() > 90,
        "{} operations, {} fields",
        operations.len(),
        fields.len()
    );
    let not_driven: Vec<&Driven> = fields.difference(&accepted).collect();
    assert!(failed.is_empty(), "seed {SEED}: {}\n{}", failed.len(), failed.join("\n"));
    assert!(not_driven.is_empty(), "seed {SEED}: no value of these fields was accepted: {not_driven:?}");
}
