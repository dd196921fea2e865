//! What was sent, answered, shown and pushed: all that the rules are checked against.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Value, json};

use crate::deeds::Deed;

/// A message that somebody sent.
#[derive(Clone, Debug)]
pub struct Sent {
    /// From which device. A device's sends into a room stand here in their order.
    pub device: usize,
    /// By whom.
    pub sender: String,
    /// Where.
    pub room: String,
    /// The client's name for it.
    pub client_id: String,
    /// What it says, unless it was taken over from another.
    pub content: Option<String>,
    /// Whether it answers another message.
    pub is_answer: bool,
    /// When each of its tries began.
    pub tries: Vec<u64>,
    /// What its tries were answered.
    pub answers: Vec<Value>,
    /// Why it will never be in the log, and when that was answered.
    pub refused: Option<(String, u64)>,
}

/// A connection, as its device knows it.
#[derive(Clone, Debug)]
pub struct Live {
    /// Whose.
    pub device: usize,
    /// When `hello` was answered.
    pub since: u64,
    /// When it ended.
    pub until: Option<u64>,
    /// The messages that came on it.
    pub pushed: BTreeSet<(String, u64)>,
}

/// The least that an answer to a call may show, if the call starts now.
#[derive(Clone, Debug, Default)]
pub struct Floor {
    /// Read and reached positions, by room and person.
    pub positions: BTreeMap<(String, String), (u64, u64)>,
    /// The newest acknowledged position of each room.
    pub tails: BTreeMap<String, u64>,
    /// The revision of the newest acknowledged change of each message, by room and position.
    pub changes: BTreeMap<(String, u64), u64>,
}

/// All that was seen so far.
#[derive(Default)]
pub struct Ledger {
    pub sent: Vec<Sent>,
    /// How often sends were tried.
    pub tries: u64,
    /// What never changes of a message, by room and position, as it was first seen.
    pub identities: BTreeMap<(String, u64), Value>,
    /// Each message as it stood at a revision, by room, position and revision.
    pub states: BTreeMap<(String, u64, u64), Value>,
    /// Who was shown which message, by person, room and position, and when that was first asked for.
    pub shown: BTreeMap<(usize, String, u64), u64>,
    pub deeds: Vec<Deed>,
    pub lives: BTreeMap<String, Live>,
    floor: Floor,
    /// What did not hold.
    pub broken: Vec<(&'static str, String)>,
}

/// What never changes of a message.
pub fn identity(message: &Value) -> Value {
    let fields =
        ["id", "chat_room_id", "seq", "sender_id", "sender_username", "client_message_id", "created_at"];
    fields.iter().map(|field| ((*field).to_owned(), message[field].clone())).collect()
}

/// What everyone is shown alike of a message as it stands at a revision.
pub fn state(message: &Value) -> Value {
    let fields = ["content", "message_type", "is_deleted", "edited_at", "is_forwarded"];
    let mut state: serde_json::Map<String, Value> =
        fields.iter().map(|field| ((*field).to_owned(), message[field].clone())).collect();
    let counts = message["reactions"].as_array().into_iter().flatten();
    state.insert("reactions".into(), counts.map(|it| json!([it["emoji"], it["count"]])).collect());
    state.into()
}

/// A text of an answer.
pub fn text(value: &Value) -> &str {
    value.as_str().unwrap_or_else(|| panic!("no text: {value}"))
}

/// A number of an answer.
pub fn number(value: &Value) -> u64 {
    value.as_u64().unwrap_or_else(|| panic!("no number: {value}"))
}

impl Ledger {
    /// What calls that start now must show at least.
    pub fn floor(&self) -> Floor {
        self.floor.clone()
    }

    /// A sender was told that this is in the log.
    pub fn acknowledged(&mut self, message: &Value) {
        let tail = self.floor.tails.entry(text(&message["chat_room_id"]).to_owned()).or_default();
        *tail = (*tail).max(number(&message["seq"]));
    }

    /// Somebody was told that a message is changed.
    pub fn changed(&mut self, message: &Value) {
        let key = (text(&message["chat_room_id"]).to_owned(), number(&message["seq"]));
        let rev = self.floor.changes.entry(key).or_default();
        *rev = (*rev).max(number(&message["rev"]));
    }

    /// Somebody was shown positions of a member.
    pub fn positions(&mut self, room: &str, user: &str, read: u64, reached: u64) {
        let floor = self.floor.positions.entry((room.to_owned(), user.to_owned())).or_default();
        *floor = (floor.0.max(read), floor.1.max(reached));
    }

    /// A connection's `hello` was answered.
    pub fn live(&mut self, connection: &str, device: usize, now: u64) {
        let live = Live { device, since: now, until: None, pushed: BTreeSet::new() };
        self.lives.insert(connection.to_owned(), live);
    }

    /// A connection has ended.
    pub fn closed(&mut self, connection: &str, now: u64) {
        if let Some(live) = self.lives.get_mut(connection) {
            live.until.get_or_insert(now);
        }
    }

    /// A message came on a connection.
    pub fn pushed(&mut self, connection: &str, message: &Value) {
        if let Some(live) = self.lives.get_mut(connection) {
            live.pushed.insert((text(&message["chat_room_id"]).to_owned(), number(&message["seq"])));
        }
    }
}
