//! What the clients sent, and what they were shown: the data that the checks use. Times are in milliseconds
//! since 1970.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Value, json};

use crate::{actions::UserAction, tokens::FrameRuns};

/// A message that a user sent.
#[derive(Clone, Debug)]
pub struct SentMessage {
    /// The sending device. The messages of one device to one room are in the order in which it sends them.
    pub device: usize,
    /// The user id of the sender.
    pub sender: String,
    /// The room id.
    pub room: String,
    /// The client message id.
    pub client_id: String,
    /// The text; `None` if the message is forwarded.
    pub content: Option<String>,
    /// Whether the message replies to another.
    pub is_reply: bool,
    /// When each attempt started.
    pub attempts: Vec<u64>,
    /// The message in each successful response.
    pub acknowledgements: Vec<Value>,
    /// The error code of the final failure, and its time.
    pub error: Option<(String, u64)>,
}

/// A connection, as its device observes it.
#[derive(Clone, Debug)]
pub struct ConnectionRecord {
    pub device: usize,
    /// When `hello` was accepted.
    pub connected_at: u64,
    /// When it closed.
    pub closed_at: Option<u64>,
    /// The room and position of each message that arrived on it.
    pub pushed: BTreeSet<(String, u64)>,
}

/// What was acknowledged so far: a request that starts now must return a state that is at least as new.
#[derive(Clone, Debug, Default)]
pub struct Acknowledged {
    /// The read and delivered positions of a user that another one was shown, by room, reader and user id.
    pub receipts: BTreeMap<(String, usize, String), (u64, u64)>,
    /// The highest acknowledged position of each room.
    pub tails: BTreeMap<String, u64>,
    /// The highest acknowledged revision of each message, by room and position.
    pub revs: BTreeMap<(String, u64), u64>,
}

/// Everything observed so far.
#[derive(Default)]
pub struct Observations {
    pub sent: Vec<SentMessage>,
    /// The number of attempts to send messages.
    pub attempts: u64,
    /// The immutable fields of each message, as first shown, by room and position.
    pub identities: BTreeMap<(String, u64), Value>,
    /// The mutable fields of each message, as first shown, by room, position and revision.
    pub states: BTreeMap<(String, u64, u64), Value>,
    /// The start of the latest request that returned a message, by user, room and position.
    pub shown: BTreeMap<(usize, String, u64), u64>,
    pub actions: Vec<UserAction>,
    pub connections: BTreeMap<String, ConnectionRecord>,
    /// The calls for each frame with a `ref`.
    pub frame_runs: BTreeMap<String, FrameRuns>,
    acknowledged: Acknowledged,
    /// Each violated property, with a description.
    pub violations: Vec<(&'static str, String)>,
}

/// The immutable fields of a message.
pub fn identity(message: &Value) -> Value {
    let fields =
        ["id", "chat_room_id", "seq", "sender_id", "sender_username", "client_message_id", "created_at"];
    fields.iter().map(|field| ((*field).to_owned(), message[field].clone())).collect()
}

/// The fields of a message at a revision that are the same for every reader.
pub fn state(message: &Value) -> Value {
    let fields =
        ["content", "message_type", "media_url", "payload", "is_deleted", "edited_at", "is_forwarded"];
    let mut state: serde_json::Map<String, Value> =
        fields.iter().map(|field| ((*field).to_owned(), message[field].clone())).collect();
    let counts = message["reactions"].as_array().into_iter().flatten();
    state.insert("reactions".into(), counts.map(|it| json!([it["emoji"], it["count"]])).collect());
    state.into()
}

/// A string in a response.
pub fn text(value: &Value) -> &str {
    value.as_str().unwrap_or_else(|| panic!("not a string: {value}"))
}

/// A number in a response.
pub fn number(value: &Value) -> u64 {
    value.as_u64().unwrap_or_else(|| panic!("not a number: {value}"))
}

impl Observations {
    /// What requests that start now must reflect.
    pub fn acknowledged(&self) -> Acknowledged {
        self.acknowledged.clone()
    }

    /// Records that a send was acknowledged.
    pub fn record_acknowledged_send(&mut self, message: &Value) {
        let tail = self.acknowledged.tails.entry(text(&message["chat_room_id"]).to_owned()).or_default();
        *tail = (*tail).max(number(&message["seq"]));
    }

    /// Records that a change of a message was acknowledged.
    pub fn record_acknowledged_change(&mut self, message: &Value) {
        let key = (text(&message["chat_room_id"]).to_owned(), number(&message["seq"]));
        let rev = self.acknowledged.revs.entry(key).or_default();
        *rev = (*rev).max(number(&message["rev"]));
    }

    /// Records the positions that a reader was shown of a member.
    pub fn record_receipts(&mut self, room: &str, reader: usize, user_id: &str, read: u64, delivered: u64) {
        let key = (room.to_owned(), reader, user_id.to_owned());
        let acknowledged = self.acknowledged.receipts.entry(key).or_default();
        *acknowledged = (acknowledged.0.max(read), acknowledged.1.max(delivered));
    }

    /// Records that a connection's `hello` was accepted.
    pub fn record_open(&mut self, connection: &str, device: usize, now: u64) {
        let record = ConnectionRecord { device, connected_at: now, closed_at: None, pushed: BTreeSet::new() };
        self.connections.insert(connection.to_owned(), record);
    }

    /// Records that a connection closed.
    pub fn record_closed(&mut self, connection: &str, now: u64) {
        if let Some(record) = self.connections.get_mut(connection) {
            record.closed_at.get_or_insert(now);
        }
    }

    /// Records that a message arrived on a connection.
    pub fn record_push(&mut self, connection: &str, message: &Value) {
        if let Some(record) = self.connections.get_mut(connection) {
            record.pushed.insert((text(&message["chat_room_id"]).to_owned(), number(&message["seq"])));
        }
    }
}
