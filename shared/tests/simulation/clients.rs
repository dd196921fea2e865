//! The rule for clients: each ends with what a fresh load by the same person shows.

use serde_json::Value;

use crate::{
    checks::Fresh,
    ledger::{number, text},
    replica::{difference, shown},
    world::World,
};

/// Which clients are meant.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Which {
    All,
    /// Those that are connected.
    Live,
}

impl World {
    /// All clients, or those that are connected, hold what a fresh load by the same person shows.
    pub fn check_clients(&self, fresh: &[Fresh], which: Which) {
        let property = if which == Which::Live { "live clients" } else { "clients" };
        let mut found = Vec::new();
        for device in &self.devices {
            let device = device.borrow();
            if which == Which::Live && device.live.is_none() {
                continue;
            }
            let me = &self.people[device.person].id;
            let (mut held, mut fresh) = (device.replica.shown(), fresh[device.person].shown());
            if !self.plan.is_reliable() {
                // Who says something has read what was before, even where their position could not be moved.
                for side in [&mut held, &mut fresh] {
                    side.as_object_mut().unwrap().values_mut().for_each(|room| read_by_senders(room, me));
                }
            }
            if which == Which::Live && self.ledger.borrow().was_shut_out(device.person) {
                // Nobody tells who is blocked that the room closes and opens; all else they are told.
                for side in [&mut held, &mut fresh] {
                    side.as_object_mut().unwrap().remove(&self.rooms[1]);
                }
            }
            if let Some(difference) = difference(&held, &fresh) {
                found.push((property, format!("{}: {difference}", device.name)));
            }
        }
        self.all_broken(found);
    }

    /// What a room's answers say of its messages agrees with what they say of its people.
    pub fn check_agreement(&self, fresh: &[Fresh]) {
        let mut found = Vec::new();
        for (person, fresh) in fresh.iter().enumerate() {
            let me = &self.people[person].id;
            for (id, room) in fresh.shown().as_object().unwrap() {
                let mut expected = room.clone();
                derive(&mut expected, me);
                if let Some(difference) = difference(room, &expected) {
                    let name = format!("{} in the {}", self.people[person].name, self.room_name(id));
                    found.push(("agreement", format!("{name}: {difference}")));
                }
            }
            for room in &fresh.whole {
                let listed = &fresh.rooms[text(&room["id"])];
                if let Some(difference) = difference(&without_presence(room), &without_presence(listed)) {
                    found.push(("agreement", format!("{} alone: {difference}", self.people[person].name)));
                }
            }
            for (room, listed) in &fresh.pins {
                let pinned = fresh.rooms[room]["pinned_message_ids"].as_array().unwrap();
                let messages =
                    pinned.iter().map(|id| fresh.messages[room].values().find(|it| it["id"] == *id));
                if !messages.eq(listed.iter().map(Some)) {
                    found.push(("agreement", format!("{listed:?} are listed, {pinned:?} are pinned")));
                }
            }
        }
        self.all_broken(found);
    }
}

impl Fresh {
    fn shown(&self) -> Value {
        let rooms = self.rooms.iter().map(|(id, room)| {
            let messages = self.messages[id].values().cloned().collect();
            (room.clone(), messages)
        });
        shown(&rooms.collect::<Vec<_>>())
    }
}

/// A room without what lists do not look up of groups.
fn without_presence(room: &Value) -> Value {
    let mut room = room.clone();
    for participant in room["participants"].as_array_mut().unwrap() {
        (participant["is_online"], participant["last_seen"]) = (Value::Null, Value::Null);
    }
    room
}

fn participants(room: &mut Value) -> &mut Vec<Value> {
    room["room"]["participants"].as_array_mut().unwrap()
}

/// Moves everyone's positions to their newest message, and what follows from that.
fn read_by_senders(room: &mut Value, me: &str) {
    let messages = room["messages"].as_array().unwrap().clone();
    for participant in participants(room) {
        let own = messages.iter().filter(|message| message["sender_id"] == participant["user_id"]);
        let newest = own.map(|message| number(&message["seq"])).max().unwrap_or_default();
        for field in ["read_seq", "delivered_seq"] {
            participant[field] = number(&participant[field]).max(newest).into();
        }
    }
    derive(room, me);
}

/// What follows from a room's messages and positions: statuses, the newest message, how many are unread.
fn derive(room: &mut Value, me: &str) {
    let (own, others): (Vec<Value>, Vec<Value>) =
        participants(room).iter().cloned().partition(|participant| participant["user_id"] == *me);
    let least = |field: &str| others.iter().map(|other| number(&other[field])).min().unwrap_or_default();
    let (read, delivered) = (least("read_seq"), least("delivered_seq"));
    for message in room["messages"].as_array_mut().unwrap() {
        let seq = number(&message["seq"]);
        if text(&message["sender_id"]) == me {
            let status = [("read", read), ("delivered", delivered)].into_iter().find(|(_, to)| *to >= seq);
            message["status"] = status.map_or("sent", |(status, _)| status).into();
        }
    }
    let newest = room["messages"].as_array().unwrap().last().cloned().unwrap_or_default();
    room["room"]["last_message"] = newest;
    let own = own.first().map_or(0, |own| number(&own["read_seq"]));
    room["room"]["unread_count"] = number(&room["room"]["seq"]).saturating_sub(own).into();
}
