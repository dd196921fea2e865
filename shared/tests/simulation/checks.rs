//! The rules for the log at the end, and for the pushes on the way there.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;

use crate::{
    clients::Which,
    truth::{Truth, field, is_shown_as},
    world::World,
};

/// What one person is shown when they load everything anew.
pub struct Fresh {
    /// Their rooms.
    pub rooms: BTreeMap<String, Value>,
    /// Each room's messages, by position.
    pub messages: BTreeMap<String, BTreeMap<u64, Value>>,
    /// Some rooms as each is shown alone.
    pub whole: Vec<Value>,
    /// Some rooms' pinned messages, as they are listed.
    pub pins: Vec<(String, Vec<Value>)>,
    /// Who put which emoji to each message that has any, by room and position.
    pub reactions: BTreeMap<(String, u64), Vec<Value>>,
}

impl World {
    /// Everything that must hold at the end.
    pub fn check_all(&self, fresh: &[Fresh]) {
        let truths: BTreeMap<String, Truth> =
            self.rooms.iter().map(|room| (room.clone(), self.truth(room))).collect();
        for (room, truth) in &truths {
            self.check_log(room, truth);
            self.check_readers(room, truth, fresh);
            self.check_roles(room, truth, fresh);
        }
        self.check_sends(&truths);
        self.check_sight(&truths);
        self.check_deeds(&truths, fresh);
        self.check_agreement(fresh);
        self.check_clients(fresh, Which::All);
        if self.plan.is_reliable() {
            self.check_pushes(&truths);
        }
    }

    /// Positions are dense from 1 and hold only what was sent, once.
    fn check_log(&self, room: &str, truth: &Truth) {
        let (name, mut found) = (self.room_name(room), Vec::new());
        if !truth.log.keys().copied().eq(1..=truth.log.len() as u64) {
            found.push(("dense positions", format!("the {name} has {:?}", truth.log.keys())));
        }
        let mut names = BTreeSet::new();
        let ledger = self.ledger.borrow();
        for (seq, item) in &truth.log {
            let key = (field(item, "sender_id"), field(item, "client_message_id"));
            let is_asked = if field(item, "kind") == "system" {
                self.is_asked(room, *seq, item)
            } else {
                let mut sent = ledger.sent.iter();
                sent.any(|sent| (sent.sender.as_str(), sent.client_id.as_str()) == key && sent.room == room)
            };
            if !is_asked {
                found.push(("unexpected", format!("{item} was never sent")));
            }
            if !names.insert(key) {
                found.push(("duplicates", format!("{item} stands in the {name} twice")));
            }
        }
        drop(ledger);
        self.all_broken(found);
    }

    /// Everyone who is in a room sees the same log, from where they joined to its end; nobody else sees any.
    fn check_readers(&self, room: &str, truth: &Truth, fresh: &[Fresh]) {
        for (person, fresh) in fresh.iter().enumerate() {
            let name = format!("{} in the {}", self.people[person].name, self.room_name(room));
            let (present, shown) = (truth.present(person), fresh.messages.get(room));
            let (Some(stay), Some(shown)) = (present, shown) else {
                if present.is_some() != shown.is_some() {
                    self.broken(
                        "membership",
                        format!("{name} is shown {shown:?}, and the log says {present:?}"),
                    );
                }
                continue;
            };
            let seen: Vec<_> = truth.log.range(stay.from..).collect();
            if !shown.keys().eq(seen.iter().map(|(seq, _)| *seq)) {
                self.broken("one order", format!("{name} is shown {:?} from {}", shown.keys(), stay.from));
            }
            for (seq, item) in seen {
                if shown.get(seq).is_some_and(|message| !is_shown_as(item, message)) {
                    self.broken("one order", format!("{name} is shown {}, not {item}", shown[seq]));
                }
            }
        }
    }

    /// What was acknowledged is in the log, as it was acknowledged, in the order in which each device sent it.
    fn check_sends(&self, truths: &BTreeMap<String, Truth>) {
        let mut found = Vec::new();
        let ledger = self.ledger.borrow();
        let mut newest: BTreeMap<(usize, &str), u64> = BTreeMap::new();
        for sent in &ledger.sent {
            let name = &sent.client_id;
            let is_this = |(_, item): &(&u64, &Value)| {
                field(item, "sender_id") == sent.sender && field(item, "client_message_id") == *name
            };
            let message = truths[&sent.room].log.iter().find(is_this);
            if sent.answers.is_empty() && sent.refused.is_none() {
                found.push(("progress", format!("{name} was never answered")));
            }
            // Who leaves a room cannot send into it, and has no more to do with what was said before they join again;
            // what is deleted cannot be taken over; a direct room may be closed by a block.
            if let Some((code, at)) = &sent.refused
                && !(sent.room == self.rooms[0] && (code == "not_found" || sent.is_answer))
                && !(sent.room == self.rooms[1]
                    && code == "not_found"
                    && ledger.may_be_shut(sent.tries.last().copied().unwrap_or_default(), *at))
                && sent.content.is_some()
            {
                found.push(("answers", format!("{name} was refused: {code}")));
            }
            for answer in &sent.answers {
                match message {
                    None => found.push(("lost", format!("{answer} was acknowledged"))),
                    Some((_, item)) if !is_shown_as(item, answer) => {
                        found.push(("same answer", format!("{answer} for {item}")));
                    }
                    Some(_) => {}
                }
            }
            // What one try was refused is out of the outbox: an earlier one, which was on its way, may still land.
            if let Some((seq, item)) = message.filter(|_| sent.refused.is_none()) {
                let before = newest.insert((sent.device, &sent.room), *seq);
                if before.is_some_and(|before| before >= *seq) {
                    found.push(("send order", format!("{item} stands below what its device sent before")));
                }
            }
        }
        drop(ledger);
        self.all_broken(found);
    }

    /// Nobody was shown what was said before they joined or after they left, but what they said themselves, and what was
    /// asked for before they left.
    fn check_sight(&self, truths: &BTreeMap<String, Truth>) {
        let (mut found, shown) = (Vec::new(), self.ledger.borrow().shown.clone());
        for ((person, room, seq), asked_at) in shown {
            let truth = &truths[&room];
            let is_own =
                truth.log.get(&seq).is_some_and(|item| field(item, "sender_id") == self.people[person].id);
            let stays = truth.stays.get(&person).into_iter().flatten();
            let mut stays = stays.filter(|stay| stay.from <= seq);
            let may_see = |until: Option<u64>| {
                until.is_none_or(|until| seq < until || asked_at <= self.committed_at(&room, until))
            };
            if !is_own && !stays.any(|stay| may_see(stay.until)) {
                let name = &self.people[person].name;
                let stays = truth.stays.get(&person);
                found.push(("sight", format!("{name} was shown {} {seq}: {stays:?}", self.room_name(&room))));
            }
        }
        self.all_broken(found);
    }

    /// Whoever was connected when a message got into the log was told of it.
    fn check_pushes(&self, truths: &BTreeMap<String, Truth>) {
        /// A push comes within this time after the commit, in milliseconds.
        const SOON: u64 = 20_000;
        let mut found = Vec::new();
        let ledger = self.ledger.borrow();
        let commits = self.cloud.state().commits.clone();
        for commit in &commits {
            let truth = &truths[&commit.room];
            // Once it is closed, nobody is told any more of what was on its way.
            if commit.room == self.rooms[1] && ledger.may_be_shut(commit.at, commit.at + SOON) {
                continue;
            }
            for (connection, live) in &ledger.lives {
                let device = self.devices[live.device].borrow();
                let stay = truth.stay(device.person, commit.seq);
                let left_at =
                    stay.and_then(|stay| stay.until).map(|seq| self.committed_at(&commit.room, seq));
                let stayed = stay.is_some() && left_at.is_none_or(|at| at > commit.at + SOON);
                let was_there =
                    live.since < commit.at && live.until.is_none_or(|until| until > commit.at + SOON);
                if stayed && was_there && !live.pushed.contains(&(commit.room.clone(), commit.seq)) {
                    let room = self.room_name(&commit.room);
                    let detail =
                        format!("{connection} of {} was not told of {room} {}", device.name, commit.seq);
                    found.push(("pushes", detail));
                }
            }
        }
        drop(ledger);
        self.all_broken(found);
    }

    /// Some properties do not hold.
    pub fn all_broken(&self, found: Vec<(&'static str, String)>) {
        for (property, detail) in found {
            self.broken(property, detail);
        }
    }
}
