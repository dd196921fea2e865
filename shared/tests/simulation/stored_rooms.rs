//! The stored state of a room at the end of a schedule: its log, its members, and their memberships.

use std::collections::BTreeMap;

use serde_json::Value;

use crate::{observations::number, roles::Members, rooms::Origin, simulation::Simulation};

/// A stored room.
pub struct StoredRoom {
    /// The message items, by position.
    pub log: BTreeMap<u64, Value>,
    /// The memberships of each user, oldest first.
    pub memberships: BTreeMap<usize, Vec<Membership>>,
    /// The members after each change, with the commit time of the change in milliseconds.
    pub member_history: Vec<(u64, Members)>,
}

/// A period in which a user is a member of a room.
#[derive(Clone, Copy, Debug)]
pub struct Membership {
    /// The first position that the member can see: 1, or that of the message that added them.
    pub from: u64,
    /// The position of the message that removed them.
    pub until: Option<u64>,
}

impl StoredRoom {
    /// The membership in which a user can see a position.
    pub fn membership_at(&self, user: usize, seq: u64) -> Option<Membership> {
        let memberships = self.memberships.get(&user).into_iter().flatten();
        memberships
            .copied()
            .find(|membership| membership.from <= seq && membership.until.is_none_or(|until| seq < until))
    }

    /// The membership that has not ended.
    pub fn current_membership(&self, user: usize) -> Option<Membership> {
        self.memberships.get(&user)?.last().copied().filter(|membership| membership.until.is_none())
    }
}

impl Simulation {
    /// Reads a room from the table.
    pub fn stored_room(&self, room: &str) -> StoredRoom {
        let items = self.aws.partition(&format!("ROOM#{room}"));
        let position = |item: &Value| item["sk"]["S"].as_str()?.strip_prefix("MSG#")?.parse::<u64>().ok();
        let log: BTreeMap<u64, Value> =
            items.into_iter().filter_map(|item| Some((position(&item)?, item))).collect();
        let origin = self.origin(room).unwrap_or_else(|| Origin::initial(false, 0));
        let members = origin.initial_members.iter().copied();
        let mut memberships: BTreeMap<usize, Vec<Membership>> =
            members.map(|user| (user, vec![Membership { from: 1, until: None }])).collect();
        let mut member_history = vec![(0, Members::initial(&origin))];
        for (seq, item) in &log {
            if item["kind"]["S"] != "system" {
                continue;
            }
            let change = self.system_message(item);
            let (members, reason) = member_history.last().unwrap().1.after(&change);
            member_history.push((self.committed_at(room, *seq), members));
            if let Some(reason) = reason {
                self.report_violation("member roles", format!("position {seq} is not permitted: {reason}"));
            }
            let is_added = match change.action.as_str() {
                "participant_added" => true,
                "participant_removed" | "participant_left" => false,
                "role_changed" => continue,
                other => panic!("unknown action {other} in the log: {item}"),
            };
            let memberships = memberships.entry(change.target).or_default();
            let current = memberships.last_mut().filter(|membership| membership.until.is_none());
            match (is_added, current) {
                (true, None) => memberships.push(Membership { from: *seq, until: None }),
                (false, Some(membership)) => membership.until = Some(*seq),
                _ => self.report_violation(
                    "no duplicates",
                    format!("{} is repeated at position {seq}: {item}", change.action),
                ),
            }
        }
        StoredRoom { log, memberships, member_history }
    }

    /// The commit time of a message, in milliseconds.
    pub fn committed_at(&self, room: &str, seq: u64) -> u64 {
        let state = self.aws.state();
        let commit = state.commits.iter().find(|commit| commit.room == room && commit.seq == seq);
        commit.map(|commit| commit.at).unwrap()
    }
}

/// A string attribute of an item; empty if it is absent.
pub fn attribute<'a>(item: &'a Value, name: &str) -> &'a str {
    item[name]["S"].as_str().unwrap_or_default()
}

/// Whether a message in a response shows a stored item.
pub fn matches_item(item: &Value, message: &Value) -> bool {
    let seq = item["seq"]["N"].as_str().and_then(|seq| seq.parse().ok());
    seq == Some(number(&message["seq"]))
        && ["id", "sender_id", "client_message_id", "created_at"]
            .iter()
            .all(|name| message[name] == item[name]["S"])
}
