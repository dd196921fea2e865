//! Random user actions in rooms: sending, changing and reading messages, membership changes, connecting and
//! disconnecting.

use std::rc::Rc;

use serde_json::{Value, json};

use crate::{
    actions::ActionKind, device::Device, gateway::HttpRequest, observations::text, simulation::Simulation,
    values::unusual_text,
};

/// The emoji that users react with.
pub const EMOJI: [&str; 3] = ["👍", "🔥", "😂"];

fn edited_text(rng: &mut fastrand::Rng) -> String {
    let label = format!("edited {}", rng.u32(..));
    if rng.u32(..8) == 0 { unusual_text(rng, &label) } else { label }
}

impl Simulation {
    /// Performs one random user action.
    pub fn step(self: &Rc<Self>) {
        let (d, dice) = {
            let mut rng = self.rng.borrow_mut();
            (rng.usize(..self.devices.len()), rng.u32(..124))
        };
        match dice {
            120.. => {
                self.create_room(d);
                return;
            }
            100.. => {
                self.social_step(d);
                return;
            }
            90..95 => {
                self.devices[d].borrow_mut().should_connect = false;
                self.go_offline(d);
                return;
            }
            95.. => {
                self.devices[d].borrow_mut().should_connect = true;
                self.go_online(d);
                return;
            }
            _ => {}
        }
        let rooms: Vec<String> =
            self.devices[d].borrow().local_rooms().into_iter().map(|(room, _)| room).collect();
        let Some(room) = self.rng.borrow_mut().choice(rooms) else { return };
        let on_message = |kind: &dyn Fn(&mut fastrand::Rng) -> ActionKind, own: bool| {
            if let Some((seq, id)) = self.pick_message(d, &room, own) {
                let kind = kind(&mut self.rng.borrow_mut());
                self.perform(d, &room, seq, &id, kind);
            }
        };
        match dice {
            0..33 => self.queue_message(d, &room),
            33..38 => self.send_receipt(d, &room, "message_read"),
            38..43 => self.send_receipt(d, &room, "message_delivered"),
            43..46 => self.mark_read(d, &room),
            46..50 => self.load_room_list(d),
            50..56 => self.load_history_page(d, &room),
            56..62 => on_message(&|rng| ActionKind::Edit(edited_text(rng)), true),
            62..65 => on_message(&|_| ActionKind::Delete, true),
            65..73 => on_message(&|rng| ActionKind::React(EMOJI[rng.usize(..3)]), false),
            73..77 => on_message(&|rng| ActionKind::Unreact(EMOJI[rng.usize(..3)]), false),
            77..80 => on_message(&|_| ActionKind::Pin, false),
            80..82 => on_message(&|_| ActionKind::Unpin, false),
            82..84 => self.catch_up(d),
            _ => self.add_or_remove_member(d),
        }
    }

    /// Picks a message from a device's local copy; with `own`, one that its user sent.
    pub fn pick_message(&self, d: usize, room: &str, own: bool) -> Option<(u64, String)> {
        let device = self.devices[d].borrow();
        let me = &self.users[device.user].id;
        let is_own = |message: &Value| message["sender_id"] == **me && message["message_type"] != "system";
        let is_candidate = |message: &&Value| message["is_deleted"] != true && (!own || is_own(message));
        let known = (1..=device.replica.seq(room)).filter_map(|seq| device.replica.message(room, seq));
        let messages: Vec<&Value> = known.filter(is_candidate).collect();
        // Often one of the newest, so that users act on the same messages concurrently.
        let mut rng = self.rng.borrow_mut();
        let newest = if rng.bool() { 3 } else { messages.len() };
        let message = rng.choice(messages.into_iter().rev().take(newest))?;
        Some((message["seq"].as_u64()?, text(&message["id"]).to_owned()))
    }

    /// Adds a random user to a group, or removes one.
    fn add_or_remove_member(self: &Rc<Self>, d: usize) {
        let Some(group) = self.pick_group(d) else { return };
        let other = self.rng.borrow_mut().usize(..self.users.len());
        if self.rng.borrow_mut().u32(..4) > 0 {
            self.perform(d, &group, 0, &self.users[other].id, ActionKind::Add(other));
        } else if self.rng.borrow_mut().bool() {
            self.perform(d, &group, 0, &self.users[other].id, ActionKind::Remove(other));
        }
    }

    /// Sends a receipt for a position at or slightly below the newest that the device has.
    fn send_receipt(self: &Rc<Self>, d: usize, room: &str, kind: &str) {
        let connection_and_seq = |device: &Device| Some((device.live.clone()?, device.replica.seq(room)));
        let position = connection_and_seq(&self.devices[d].borrow());
        let Some((connection, seq)) = position else { return };
        // A delayed receipt may name a position below an earlier one.
        let lag = self.rng.borrow_mut().u64(..4).saturating_sub(1);
        let data = json!({"chat_room_id": room, "seq": seq.saturating_sub(lag)});
        self.send_frame(&connection, &json!({"type": kind, "data": data}));
    }

    /// Marks everything in a room as read.
    pub fn mark_read(self: &Rc<Self>, d: usize, room: &str) {
        let (simulation, user) = (self.clone(), self.devices[d].borrow().user);
        let request = HttpRequest::new("PUT /api/v1/chat/rooms/{room_id}/read").path("room_id", room);
        self.spawn(async move { drop(simulation.call(user, request).await) });
    }

    fn load_room_list(self: &Rc<Self>, d: usize) {
        let (simulation, user) = (self.clone(), self.devices[d].borrow().user);
        let limit = [None, Some(1), Some(2)][self.rng.borrow_mut().usize(..3)];
        self.spawn(async move { drop(simulation.list_rooms(user, limit).await) });
    }

    fn load_history_page(self: &Rc<Self>, d: usize, room: &str) {
        let (simulation, room, user) = (self.clone(), room.to_owned(), self.devices[d].borrow().user);
        let mut rng = self.rng.borrow_mut();
        let window = ["offset", "before_seq", "after_seq", "around_seq"][rng.usize(..4)];
        let (from, limit) = (rng.u64(..20), rng.u64(1..=10));
        self.spawn(async move { drop(simulation.history(user, &room, (window, from), limit).await) });
    }
}
