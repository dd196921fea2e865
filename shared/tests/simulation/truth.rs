//! What the table says at the end: each room's log, and who was in it from which message to which.

use std::collections::BTreeMap;

use serde_json::Value;

use crate::{ledger::number, world::World};

/// A room at the end.
pub struct Truth {
    /// The items of its messages, by position.
    pub log: BTreeMap<u64, Value>,
    /// For each person, the messages that let them in and out. Without the first, they were there from the start.
    pub stays: BTreeMap<usize, Vec<Stay>>,
}

/// A time that somebody was in a room.
#[derive(Clone, Copy, Debug)]
pub struct Stay {
    /// The first position that they see.
    pub from: u64,
    /// The position of the message that says that they left.
    pub until: Option<u64>,
}

impl Truth {
    /// The stay in which somebody sees a position.
    pub fn stay(&self, person: usize, seq: u64) -> Option<Stay> {
        let stays = self.stays.get(&person).into_iter().flatten();
        stays.copied().find(|stay| stay.from <= seq && stay.until.is_none_or(|until| seq < until))
    }

    /// The stay that lasts.
    pub fn present(&self, person: usize) -> Option<Stay> {
        self.stays.get(&person)?.last().copied().filter(|stay| stay.until.is_none())
    }
}

impl World {
    /// What the table says of a room.
    pub fn truth(&self, room: &str) -> Truth {
        let items = self.cloud.partition(&format!("ROOM#{room}"));
        let position = |item: &Value| item["sk"]["S"].as_str()?.strip_prefix("MSG#")?.parse::<u64>().ok();
        let log: BTreeMap<u64, Value> =
            items.into_iter().filter_map(|item| Some((position(&item)?, item))).collect();
        let founders = 0..if room == self.rooms[0] { self.plan.founders } else { 2 };
        let mut stays: BTreeMap<usize, Vec<Stay>> =
            founders.map(|person| (person, vec![Stay { from: 1, until: None }])).collect();
        for (seq, item) in &log {
            if item["kind"]["S"] != "system" {
                continue;
            }
            let said = item["content"]["S"].as_str().unwrap();
            let words: Vec<&str> = said.split(' ').collect();
            let (enters, name) = match words[..] {
                [_, "added", name] => (true, name),
                [_, "removed", name] | [name, "left"] => (false, name),
                _ => panic!("the log says: {said}"),
            };
            let person = self.people.iter().position(|person| person.name == name).unwrap();
            let stays = stays.entry(person).or_default();
            let present = stays.last_mut().filter(|stay| stay.until.is_none());
            match (enters, present) {
                (true, None) => stays.push(Stay { from: *seq, until: None }),
                (false, Some(stay)) => stay.until = Some(*seq),
                _ => self.broken("duplicates", format!("{said}, once more, at {seq}")),
            }
        }
        Truth { log, stays }
    }

    /// When a message got into the log, in milliseconds.
    pub fn committed_at(&self, room: &str, seq: u64) -> u64 {
        let state = self.cloud.state();
        let commit = state.commits.iter().find(|commit| commit.room == room && commit.seq == seq);
        commit.map(|commit| commit.at).unwrap()
    }
}

/// A field of an item that is a text.
pub fn field<'a>(item: &'a Value, name: &str) -> &'a str {
    item[name]["S"].as_str().unwrap_or_default()
}

/// Whether a shown message is the one of an item.
pub fn is_shown_as(item: &Value, message: &Value) -> bool {
    let seq = item["seq"]["N"].as_str().and_then(|seq| seq.parse().ok());
    seq == Some(number(&message["seq"]))
        && ["id", "sender_id", "client_message_id", "created_at"]
            .iter()
            .all(|name| message[name] == item[name]["S"])
}
