//! What the table says at the end: each room's log, and who was in it from which message to which.

use std::collections::BTreeMap;

use serde_json::Value;

use crate::{ledger::number, roles::Roster, world::World};

/// A room at the end.
pub struct Truth {
    /// The items of its messages, by position.
    pub log: BTreeMap<u64, Value>,
    /// For each person, the messages that let them in and out. Without the first, they were there from the start.
    pub stays: BTreeMap<usize, Vec<Stay>>,
    /// Who was there with which role, from which moment on, in milliseconds.
    pub rosters: Vec<(u64, Roster)>,
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
        let is_group = room == self.rooms[0];
        let founders = if is_group { self.plan.founders } else { 2 };
        let mut stays: BTreeMap<usize, Vec<Stay>> =
            (0..founders).map(|person| (person, vec![Stay { from: 1, until: None }])).collect();
        let mut rosters = vec![(0, Roster::of_founders(founders, is_group))];
        for (seq, item) in &log {
            if item["kind"]["S"] != "system" {
                continue;
            }
            let said = self.said(item);
            let (roster, why_not) = rosters.last().unwrap().1.after(&said);
            rosters.push((self.committed_at(room, *seq), roster));
            if let Some(why) = why_not {
                self.broken("roles", format!("at {seq} the log says {why}"));
            }
            let enters = match said.action.as_str() {
                "participant_added" => true,
                "participant_removed" | "participant_left" => false,
                "role_changed" => continue,
                other => panic!("the log says {other}: {item}"),
            };
            let stays = stays.entry(said.person).or_default();
            let present = stays.last_mut().filter(|stay| stay.until.is_none());
            match (enters, present) {
                (true, None) => stays.push(Stay { from: *seq, until: None }),
                (false, Some(stay)) => stay.until = Some(*seq),
                _ => self.broken("duplicates", format!("{} once more, at {seq}: {item}", said.action)),
            }
        }
        Truth { log, stays, rosters }
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
