//! Checks of the logs at the end of a schedule, and of the pushes during it.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;

use crate::{
    client_checks::ClientSelection,
    observations::number,
    simulation::Simulation,
    stored_rooms::{StoredRoom, attribute, matches_item},
};

/// What a user sees after loading everything without a local copy.
pub struct FreshLoad {
    /// The listed rooms, by id.
    pub rooms: BTreeMap<String, Value>,
    /// Each room's messages, by position.
    pub messages: BTreeMap<String, BTreeMap<u64, Value>>,
    /// The room details of some rooms, each requested by itself.
    pub room_details: Vec<Value>,
    /// The listed pins of some rooms.
    pub pins: Vec<(String, Vec<Value>)>,
    /// The listed reactions of each message that has any, by room and position.
    pub reactions: BTreeMap<(String, u64), Vec<Value>>,
}

impl Simulation {
    /// Checks everything about rooms that must hold at the end.
    pub fn check_all(&self, fresh: &[FreshLoad]) {
        let rooms = self.all_rooms();
        self.check_created_rooms(&rooms);
        let stored_rooms: BTreeMap<String, StoredRoom> =
            rooms.iter().map(|room| (room.clone(), self.stored_room(room))).collect();
        for (room, stored) in &stored_rooms {
            self.check_log(room, stored);
            self.check_readers(room, stored, fresh);
            self.check_roles(room, stored, fresh);
        }
        self.check_sends(&stored_rooms);
        self.check_rate_limits();
        self.check_visibility(&stored_rooms);
        self.check_actions(&stored_rooms, fresh);
        self.check_consistency(fresh);
        self.check_clients(fresh, ClientSelection::All);
        if self.plan.is_reliable() {
            self.check_pushes(&stored_rooms);
        }
    }

    /// Positions are dense from 1. Each message was requested by its sender, and is stored once.
    fn check_log(&self, room: &str, stored: &StoredRoom) {
        let (name, mut violations) = (self.room_name(room), Vec::new());
        if !stored.log.keys().copied().eq(1..=stored.log.len() as u64) {
            violations.push(("dense positions", format!("the {name} has positions {:?}", stored.log.keys())));
        }
        let mut keys = BTreeSet::new();
        let observed = self.observed.borrow();
        for (seq, item) in &stored.log {
            let key = (attribute(item, "sender_id"), attribute(item, "client_message_id"));
            let is_requested = if attribute(item, "kind") == "system" {
                self.is_requested(room, *seq, item)
            } else {
                let mut sent = observed.sent.iter();
                sent.any(|sent| (sent.sender.as_str(), sent.client_id.as_str()) == key && sent.room == room)
            };
            if !is_requested {
                violations.push(("no unrequested messages", format!("{item} was never sent")));
            }
            if !keys.insert(key) {
                violations.push(("no duplicates", format!("{item} is in the {name} twice")));
            }
        }
        drop(observed);
        self.report_violations(violations);
    }

    /// Every member sees the same log, from the position at which they joined. Other users see none of it.
    fn check_readers(&self, room: &str, stored: &StoredRoom, fresh: &[FreshLoad]) {
        for (user, fresh) in fresh.iter().enumerate() {
            let name = format!("{} in the {}", self.users[user].name, self.room_name(room));
            let (current, shown) = (stored.current_membership(user), fresh.messages.get(room));
            let (Some(membership), Some(shown)) = (current, shown) else {
                if current.is_some() != shown.is_some() {
                    self.report_violation(
                        "room membership",
                        format!("{name} sees {shown:?}, but the stored membership is {current:?}"),
                    );
                }
                continue;
            };
            for participant in fresh.rooms[room]["participants"].as_array().unwrap() {
                let lowest = number(&participant["read_seq"]).min(number(&participant["delivered_seq"]));
                if lowest + 1 < membership.from {
                    let detail = format!("{name} sees {participant} from {}", membership.from);
                    self.report_violation("room membership", detail);
                }
            }
            let visible: Vec<_> = stored.log.range(membership.from..).collect();
            if !shown.keys().eq(visible.iter().map(|(seq, _)| *seq)) {
                self.report_violation(
                    "same order for all readers",
                    format!("{name} sees {:?} from {}", shown.keys(), membership.from),
                );
            }
            for (seq, item) in visible {
                if shown.get(seq).is_some_and(|message| !matches_item(item, message)) {
                    self.report_violation(
                        "same order for all readers",
                        format!("{name} sees {}, not {item}", shown[seq]),
                    );
                }
            }
        }
    }

    /// Every acknowledged message is in the log, as acknowledged, in the order in which its device sent it.
    fn check_sends(&self, stored_rooms: &BTreeMap<String, StoredRoom>) {
        let mut violations = Vec::new();
        let observed = self.observed.borrow();
        let mut newest: BTreeMap<(usize, &str), u64> = BTreeMap::new();
        for sent in &observed.sent {
            let id = &sent.client_id;
            let is_this = |(_, item): &(&u64, &Value)| {
                attribute(item, "sender_id") == sent.sender && attribute(item, "client_message_id") == *id
            };
            let message = stored_rooms[&sent.room].log.iter().find(is_this);
            if sent.acknowledgements.is_empty() && sent.error.is_none() {
                violations.push(("every request completes", format!("{id} got no final response")));
            }
            // A user who left the group cannot send to it, and on return cannot reply to earlier messages. A
            // deleted message cannot be forwarded. A block closes the direct room.
            if let Some((code, at)) = &sent.error
                && !(self.is_group(&sent.room) && (code == "not_found" || sent.is_reply))
                && !(sent.room == self.rooms[1]
                    && code == "not_found"
                    && observed.may_be_closed(sent.attempts.last().copied().unwrap_or_default(), *at))
                && sent.content.is_some()
            {
                violations.push(("no unexpected errors", format!("{id} failed with {code}")));
            }
            for acknowledged in &sent.acknowledgements {
                match message {
                    None => violations.push(("no lost messages", format!("{acknowledged} was acknowledged"))),
                    Some((_, item)) if !matches_item(item, acknowledged) => {
                        violations
                            .push(("acknowledged as stored", format!("{acknowledged}, stored as {item}")));
                    }
                    Some(_) => {}
                }
            }
            // A rejected message leaves the outbox, but an earlier attempt in flight may still commit it.
            if let Some((seq, item)) = message.filter(|_| sent.error.is_none()) {
                let before = newest.insert((sent.device, &sent.room), *seq);
                if before.is_some_and(|before| before >= *seq) {
                    violations
                        .push(("send order", format!("{item} is below an earlier message of its device")));
                }
            }
        }
        drop(observed);
        self.report_violations(violations);
    }

    /// A user sees only messages of their memberships, their own, and what they requested before leaving.
    fn check_visibility(&self, stored_rooms: &BTreeMap<String, StoredRoom>) {
        let (mut violations, shown) = (Vec::new(), self.observed.borrow().shown.clone());
        for ((user, room, seq), requested_at) in shown {
            let stored = &stored_rooms[&room];
            let is_own =
                stored.log.get(&seq).is_some_and(|item| attribute(item, "sender_id") == self.users[user].id);
            let memberships = stored.memberships.get(&user).into_iter().flatten();
            let mut memberships = memberships.filter(|membership| membership.from <= seq);
            let may_see = |until: Option<u64>| {
                until.is_none_or(|until| seq < until || requested_at <= self.committed_at(&room, until))
            };
            if !is_own && !memberships.any(|membership| may_see(membership.until)) {
                let name = &self.users[user].name;
                let memberships = stored.memberships.get(&user);
                violations.push((
                    "message visibility",
                    format!("{name} saw {} {seq} with {memberships:?}", self.room_name(&room)),
                ));
            }
        }
        self.report_violations(violations);
    }

    /// Every connection that was open when a message was committed received it.
    fn check_pushes(&self, stored_rooms: &BTreeMap<String, StoredRoom>) {
        /// The longest time between the commit and the push, in milliseconds.
        const MAX_PUSH_DELAY: u64 = 20_000;
        let mut violations = Vec::new();
        let observed = self.observed.borrow();
        let commits = self.aws.state().commits.clone();
        for commit in &commits {
            let stored = &stored_rooms[&commit.room];
            // A room that a block closes no longer pushes what is in flight.
            if commit.room == self.rooms[1] && observed.may_be_closed(commit.at, commit.at + MAX_PUSH_DELAY) {
                continue;
            }
            for (id, connection) in &observed.connections {
                let device = self.devices[connection.device].borrow();
                let membership = stored.membership_at(device.user, commit.seq);
                let left_at = membership
                    .and_then(|membership| membership.until)
                    .map(|seq| self.committed_at(&commit.room, seq));
                let is_member =
                    membership.is_some() && left_at.is_none_or(|at| at > commit.at + MAX_PUSH_DELAY);
                let is_open = connection.connected_at < commit.at
                    && connection.closed_at.is_none_or(|until| until > commit.at + MAX_PUSH_DELAY);
                if is_member && is_open && !connection.pushed.contains(&(commit.room.clone(), commit.seq)) {
                    let room = self.room_name(&commit.room);
                    let detail = format!("{id} of {} did not receive {room} {}", device.name, commit.seq);
                    violations.push(("push delivery", detail));
                }
            }
        }
        drop(observed);
        self.report_violations(violations);
    }

    /// Records each violation.
    pub fn report_violations(&self, violations: Vec<(&'static str, String)>) {
        for (property, detail) in violations {
            self.report_violation(property, detail);
        }
    }
}
