//! The rules for blocks: while one stands, the direct room is there for neither of its two, and nothing that is sent then
//! gets into its log; afterwards it is there again, with all that it held.

use std::{rc::Rc, time::Duration};

use serde_json::{Value, json};
use tokio::time::sleep;

use crate::{
    deeds::{Deed, What, possible},
    gateway::{Reply, Rest},
    ledger::{Ledger, text},
    world::World,
};

/// A send may be on its way for so long before it gets into the log, in milliseconds: as long as a function may run, and its
/// last call after that.
const ON_ITS_WAY: u64 = 30_000;

impl Ledger {
    fn blocks(&self) -> impl Iterator<Item = &Deed> {
        self.deeds.iter().filter(|deed| matches!(deed.what, What::Block(_)))
    }

    /// What may end a block.
    fn lifts(&self, block: &Deed) -> impl Iterator<Item = &Deed> {
        let person = block.person;
        self.deeds.iter().filter(move |deed| deed.person == person && matches!(deed.what, What::Unblock(_)))
    }

    /// Whether the direct room was closed from one moment to another, for certain: a block was acknowledged before, and
    /// nothing that ends it can have run since.
    pub fn is_shut(&self, from: u64, to: u64) -> bool {
        self.blocks().any(|block| {
            let may_end = |lift: &Deed| lift.began <= to && !lift.is_before(block);
            block.is_acknowledged && block.answered < from && !self.lifts(block).any(may_end)
        })
    }

    /// Whether the direct room may have been closed at some time between two moments.
    pub fn may_be_shut(&self, from: u64, to: u64) -> bool {
        self.blocks().any(|block| {
            let ends = |lift: &Deed| lift.is_acknowledged && block.is_before(lift) && lift.answered < from;
            block.began <= to && !self.lifts(block).any(ends)
        })
    }

    /// Whether somebody was ever blocked, as far as they were asked to be.
    pub fn was_shut_out(&self, person: usize) -> bool {
        self.blocks().any(|block| block.what == What::Block(person))
    }

    /// Whether the last that somebody asked for about the other one of the direct room is a block.
    pub fn wants_blocked(&self, person: usize) -> bool {
        let own = |deed: &&Deed| deed.person == person && moves(deed).is_some();
        self.deeds.iter().rev().find(own).is_some_and(|deed| moves(deed) == Some(true))
    }
}

/// Whether a deed blocks somebody or lets them in again.
fn moves(deed: &Deed) -> Option<bool> {
    match deed.what {
        What::Block(_) => Some(true),
        What::Unblock(_) => Some(false),
        _ => None,
    }
}

impl World {
    /// A call on the direct room has been answered: as if there were no such room, if it was closed all the time.
    pub fn check_shut(&self, rest: &Rest, reply: &Reply, asked_at: u64) {
        let direct = &self.rooms[1];
        let is_named = rest.path.iter().any(|(_, value)| value == direct)
            || rest.body.as_ref().is_some_and(|body| body["chat_room_id"] == **direct)
            || rest.route == "POST /api/v1/chat/rooms";
        if !is_named || reply.status >= 500 || reply.status == 429 {
            return;
        }
        let ledger = self.ledger.borrow();
        let now = self.cloud.now();
        let (is_shut, may_be_shut) = (ledger.is_shut(asked_at, now), ledger.may_be_shut(asked_at, now));
        drop(ledger);
        if is_shut && reply.status != 404 {
            self.broken("blocks", format!("{} of the closed room answered {}", rest.route, reply.status));
        }
        if rest.route == "POST /api/v1/chat/rooms" {
            let is_opened = reply.status == 200 && reply.body["id"] == **direct;
            if !(is_opened || reply.status == 404 && may_be_shut) {
                let detail = format!("opening the direct room answered {} {}", reply.status, reply.body);
                self.broken("blocks", detail);
            }
        }
    }

    /// A message was acknowledged that somebody sent after a moment.
    pub fn check_taken(&self, message: &Value, asked_at: u64) {
        if message["chat_room_id"] == *self.rooms[1] && self.is_shut_since(asked_at) {
            self.broken("blocks", format!("{message} was taken into the closed room"));
        }
    }

    /// A room is shown to somebody who asked at some moment.
    pub fn check_listed(&self, room: &Value, asked_at: u64) {
        if room["id"] == *self.rooms[1] && self.is_shut_since(asked_at) {
            self.broken("blocks", format!("the closed room is shown: {room}"));
        }
    }

    /// Who holds the direct room learns by a sync that it is closed.
    pub fn check_left(&self, request: &Value, answer: &Value, asked_at: u64) {
        let direct = &self.rooms[1];
        let is_told = answer["left"].as_array().unwrap().iter().any(|room| room == direct);
        if request["rooms"].get(direct).is_some() && self.is_shut_since(asked_at) && !is_told {
            self.broken("blocks", format!("a sync does not say that the direct room is closed: {answer}"));
        }
    }

    fn is_shut_since(&self, asked_at: u64) -> bool {
        self.ledger.borrow().is_shut(asked_at, self.cloud.now())
    }

    /// The direct room is not there for a device that holds it: it asks what has become of it.
    pub fn find_shut(self: &Rc<Self>, d: usize, room: &str) {
        if room == self.rooms[1] {
            self.catch_up(d);
        }
    }

    /// A device holds a room no more, and asks again for what it has.
    pub fn forget(&self, d: usize, room: &str) {
        let mut device = self.devices[d].borrow_mut();
        device.replica.take(&json!({"type": "room_deleted", "data": {"chat_room_id": room}}));
        device.again = true;
    }

    /// What was acknowledged of blocks is so, the direct room is there just if nobody blocks, and then nobody blocks.
    pub async fn end_blocks(self: &Rc<Self>) {
        self.settled().await;
        // What is still on its way arrives.
        sleep(Duration::from_secs(30)).await;
        self.settled().await;
        if !self.ledger.borrow().has(|deed| moves(deed).is_some()) {
            return;
        }
        let mut blocking = Vec::new();
        for person in 0..2 {
            let listed = self.list(person, Rest::new("GET /api/v1/friends/blocks")).await;
            let is_blocking = listed.iter().any(|block| block["user_id"] == *self.people[1 - person].id);
            let ledger = self.ledger.borrow();
            let own = ledger.deeds.iter().filter(|deed| deed.person == person);
            let own: Vec<_> = own.filter_map(|deed| Some((deed, moves(deed)?))).collect();
            let possible = possible(&own, false);
            drop(ledger);
            if !possible.contains(&is_blocking) {
                let name = &self.people[person].name;
                self.broken("blocks", format!("{name} blocks: {is_blocking}, not {possible:?}"));
            }
            blocking.push(is_blocking);
        }
        self.check_room_is_there(!blocking.contains(&true)).await;
        for (d, device) in self.devices.iter().enumerate() {
            let person = device.borrow().person;
            if person < 2 && std::mem::take(&mut blocking[person]) {
                self.approach(d, &self.people[1 - person].id, What::Unblock(1 - person));
            }
        }
        self.settled().await;
    }

    /// The direct room is there for both, or for neither.
    async fn check_room_is_there(self: &Rc<Self>, is_there: bool) {
        for person in 0..2 {
            let rooms = self.list_rooms(person, None).await.unwrap_or_default();
            let is_listed = rooms.iter().any(|room| text(&room["id"]) == self.rooms[1]);
            let at = |route| Rest::new(route).at("room_id", &self.rooms[1]);
            let reads = [
                at("GET /api/v1/chat/rooms/{room_id}"),
                at("GET /api/v1/chat/rooms/{room_id}/messages"),
                at("GET /api/v1/chat/rooms/{room_id}/pins"),
            ];
            let read = self.rng.borrow_mut().choice(reads).unwrap();
            for rest in [read, self.opening(person)] {
                let route = rest.route;
                let status = self.call(person, rest).await.map(|reply| reply.status);
                let expected = if is_there { 200 } else { 404 };
                if is_listed != is_there || status != Some(expected) {
                    let name = &self.people[person].name;
                    let detail = format!(
                        "the direct room is there: {is_there}, but {name}'s {route} answers {status:?}, and it is listed: {is_listed}"
                    );
                    self.broken("blocks", detail);
                }
            }
        }
    }

    /// What got into the direct room's log while it was closed was on its way before.
    pub fn check_late(&self) {
        let mut found = Vec::new();
        let ledger = self.ledger.borrow();
        let log = self.truth(&self.rooms[1]).log;
        let commits = self.cloud.state().commits.clone();
        for commit in commits.iter().filter(|commit| commit.room == self.rooms[1]) {
            if !ledger.is_shut(commit.at, commit.at) {
                continue;
            }
            let name = log[&commit.seq]["client_message_id"]["S"].as_str().unwrap();
            let mut tries =
                ledger.sent.iter().filter(|sent| sent.client_id == name).flat_map(|sent| &sent.tries);
            let was_on_its_way = |began: &u64| {
                *began <= commit.at && commit.at <= began + ON_ITS_WAY && !ledger.is_shut(*began, commit.at)
            };
            if !tries.any(was_on_its_way) {
                found.push(("blocks", format!("{name} was sent into the closed room at {}", commit.seq)));
            }
        }
        drop(ledger);
        self.all_broken(found);
    }
}
