//! Checks of clients: each converges to the state that a fresh load by its user returns.

use serde_json::Value;

use crate::{
    checks::FreshLoad,
    observations::{number, text},
    replica::{difference, preview, shown},
    simulation::Simulation,
};

/// The clients to check.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ClientSelection {
    All,
    /// Only clients with a live connection.
    Connected,
}

impl Simulation {
    /// The local copy of each selected client equals a fresh load by its user.
    pub fn check_clients(&self, fresh: &[FreshLoad], selection: ClientSelection) {
        let property = match selection {
            ClientSelection::All => "clients converge",
            ClientSelection::Connected => "connected clients are up to date",
        };
        let mut violations = Vec::new();
        for device in &self.devices {
            let device = device.borrow();
            let connection =
                device.live.as_ref().and_then(|id| self.observed.borrow().connections.get(id).cloned());
            // The server pushes nothing to a connection whose token has expired.
            let is_connected = connection.is_some_and(|connection| connection.closed_at.is_none());
            if selection == ClientSelection::Connected && !is_connected {
                continue;
            }
            let me = &self.users[device.user].id;
            let (mut local, mut fresh) = (device.replica.shown(), fresh[device.user].shown());
            if !self.plan.is_reliable() {
                // A sender has read all earlier messages, even if a fault kept their receipt from advancing.
                for side in [&mut local, &mut fresh] {
                    side.as_object_mut()
                        .unwrap()
                        .values_mut()
                        .for_each(|room| advance_sender_receipts(room, me));
                }
            }
            if selection == ClientSelection::Connected && self.observed.borrow().was_blocked(device.user) {
                // A blocked user gets no push when the direct room closes and reopens.
                for side in [&mut local, &mut fresh] {
                    side.as_object_mut().unwrap().remove(&self.rooms[1]);
                }
            }
            if let Some(difference) = difference(&local, &fresh) {
                violations.push((property, format!("{}: {difference}", device.name)));
            }
        }
        self.report_violations(violations);
    }

    /// The responses about a room are consistent: derived fields follow from messages and receipts, and room
    /// details and pins equal what the room list shows.
    pub fn check_consistency(&self, fresh: &[FreshLoad]) {
        let mut violations = Vec::new();
        for (user, fresh) in fresh.iter().enumerate() {
            let me = &self.users[user].id;
            for (id, room) in fresh.shown().as_object().unwrap() {
                let mut expected = room.clone();
                derive_fields(&mut expected, me);
                if let Some(difference) = difference(room, &expected) {
                    let name = format!("{} in the {}", self.users[user].name, self.room_name(id));
                    violations.push(("consistent responses", format!("{name}: {difference}")));
                }
            }
            for room in &fresh.room_details {
                let id = text(&room["id"]);
                let (mut room, mut listed) = (room.clone(), fresh.rooms[id].clone());
                without_presence(&mut room);
                without_presence(&mut listed);
                // Unlike a list, the details of a room have the whole newest message.
                listed["last_message"] = fresh.messages[id].values().next_back().cloned().into();
                if let Some(difference) = difference(&room, &listed) {
                    let name = &self.users[user].name;
                    violations
                        .push(("consistent responses", format!("room details for {name}: {difference}")));
                }
            }
            for (room, listed) in &fresh.pins {
                let pinned = fresh.rooms[room]["pinned_message_ids"].as_array().unwrap();
                let messages =
                    pinned.iter().map(|id| fresh.messages[room].values().find(|it| it["id"] == *id));
                if !messages.eq(listed.iter().map(Some)) {
                    violations.push((
                        "consistent responses",
                        format!("{listed:?} are listed, but {pinned:?} are pinned"),
                    ));
                }
            }
        }
        self.report_violations(violations);
    }
}

impl FreshLoad {
    fn shown(&self) -> Value {
        let rooms = self.rooms.iter().map(|(id, room)| {
            let messages = self.messages[id].values().cloned().collect();
            (room.clone(), messages)
        });
        shown(&rooms.collect::<Vec<_>>())
    }
}

/// Removes the presence from a room, which lists of rooms omit for groups.
pub fn without_presence(room: &mut Value) {
    for participant in room["participants"].as_array_mut().unwrap() {
        (participant["is_online"], participant["last_seen"]) = (Value::Null, Value::Null);
    }
}

fn participants(room: &mut Value) -> &mut Vec<Value> {
    room["room"]["participants"].as_array_mut().unwrap()
}

/// Advances each member's receipts to their own newest message, and updates the derived fields.
fn advance_sender_receipts(room: &mut Value, me: &str) {
    let messages = room["messages"].as_array().unwrap().clone();
    for participant in participants(room) {
        let own = messages.iter().filter(|message| message["sender_id"] == participant["user_id"]);
        let newest = own.map(|message| number(&message["seq"])).max().unwrap_or_default();
        for field in ["read_seq", "delivered_seq"] {
            participant[field] = number(&participant[field]).max(newest).into();
        }
    }
    derive_fields(room, me);
}

/// Recomputes the derived fields: message statuses, the last message and the unread count.
fn derive_fields(room: &mut Value, me: &str) {
    let (own, others): (Vec<Value>, Vec<Value>) =
        participants(room).iter().cloned().partition(|participant| participant["user_id"] == *me);
    let lowest = |field: &str| others.iter().map(|other| number(&other[field])).min().unwrap_or_default();
    let (read, delivered) = (lowest("read_seq"), lowest("delivered_seq"));
    for message in room["messages"].as_array_mut().unwrap() {
        let seq = number(&message["seq"]);
        if text(&message["sender_id"]) == me {
            let status = [("read", read), ("delivered", delivered)].into_iter().find(|(_, to)| *to >= seq);
            message["status"] = status.map_or("sent", |(status, _)| status).into();
        }
    }
    let newest = room["messages"].as_array().unwrap().last().cloned().unwrap_or_default();
    room["room"]["last_message"] = if newest.is_null() { newest } else { preview(&newest) };
    let own = own.first().map_or(0, |own| number(&own["read_seq"]));
    let messages = room["messages"].as_array().unwrap().iter();
    let is_uncounted = |message: &&Value| {
        number(&message["seq"]) > own
            && (message["message_type"] == "system" || message["is_deleted"] == true)
    };
    let uncounted = messages.filter(is_uncounted).count() as u64;
    let above = number(&room["room"]["seq"]).saturating_sub(own);
    room["room"]["unread_count"] = above.saturating_sub(uncounted).into();
}
