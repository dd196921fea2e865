//! Traces of clients: what each one took in, and what it showed then. The tests of the browser client replay
//! them, so that both clients follow the same rules.

use std::ops::Deref;

use serde_json::{Map, Value, json};

use crate::replica::Replica;

/// The local copy of a device's rooms, which records its changes if asked.
pub struct TracedReplica {
    replica: Replica,
    events: Option<Vec<Value>>,
    /// What the client showed after the last event.
    shown: Value,
}

impl Deref for TracedReplica {
    type Target = Replica;

    fn deref(&self) -> &Replica {
        &self.replica
    }
}

impl TracedReplica {
    pub fn new(me: &str, is_traced: bool) -> Self {
        Self { replica: Replica::new(me), events: is_traced.then(Vec::new), shown: json!({}) }
    }

    pub fn take(&mut self, frame: &Value) -> bool {
        let has_gap = self.replica.take(frame);
        self.record(|| json!({"frame": frame, "has_gap": has_gap}));
        has_gap
    }

    pub fn take_sync(&mut self, page: &Value) -> Vec<String> {
        let unloaded = self.replica.take_sync(page);
        self.record(|| json!({"sync": page, "unloaded": unloaded}));
        unloaded
    }

    pub fn take_history(&mut self, room: &str, messages: &[Value]) {
        self.replica.take_history(room, messages);
        self.record(|| json!({"history": messages, "room": room}));
    }

    pub fn take_room(&mut self, room: &Value) {
        self.replica.take_room(room);
        self.record(|| json!({"details": room}));
    }

    /// The events, each with the changes of what the client shows.
    pub fn events(&self) -> Option<&[Value]> {
        self.events.as_deref()
    }

    fn record(&mut self, event: impl FnOnce() -> Value) {
        let Some(events) = &mut self.events else { return };
        let (mut event, shown) = (event(), self.replica.shown());
        event["shown"] = changes(&self.shown, &shown);
        events.push(event);
        self.shown = shown;
    }
}

/// The rooms that differ, each with its fields and the messages that differ, by position. `null`: deleted.
fn changes(before: &Value, after: &Value) -> Value {
    let mut changed = differing(before, after);
    for (id, room) in &mut changed {
        let Some(earlier) = before.get(id).filter(|_| !room.is_null()) else { continue };
        room["messages"] = differing(&by_position(earlier), &by_position(room)).into();
    }
    for (_, room) in changed.iter_mut().filter(|(_, room)| room["messages"].is_array()) {
        room["messages"] = by_position(room);
    }
    changed.into()
}

fn by_position(room: &Value) -> Value {
    let messages = room["messages"].as_array().into_iter().flatten();
    messages.map(|message| (message["seq"].to_string(), message.clone())).collect::<Map<_, _>>().into()
}

/// The entries of an object that differ from those of an earlier one; `null` for those that it lacks.
fn differing(before: &Value, after: &Value) -> Map<String, Value> {
    let (before, after) = (before.as_object().unwrap(), after.as_object().unwrap());
    let names = before.keys().chain(after.keys()).filter(|name| before.get(*name) != after.get(*name));
    names.map(|name| (name.clone(), after.get(name).cloned().unwrap_or_default())).collect()
}
