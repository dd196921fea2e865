//! What people do: send, change, read, look, come and go.

use std::rc::Rc;

use serde_json::{Value, json};

use crate::{deeds::What, device::Device, gateway::Rest, ledger::text, world::World};

/// Emoji that people use.
pub const EMOJI: [&str; 3] = ["👍", "🔥", "😂"];

impl World {
    /// Somebody does something.
    pub fn act(self: &Rc<Self>) {
        let (d, dice) = {
            let mut rng = self.rng.borrow_mut();
            (rng.usize(..self.devices.len()), rng.u32(..120))
        };
        if dice >= 100 {
            self.meet(d);
            return;
        }
        match dice {
            90..95 => {
                self.devices[d].borrow_mut().wants_live = false;
                self.go_offline(d);
                return;
            }
            95.. => {
                self.devices[d].borrow_mut().wants_live = true;
                self.come_online(d);
                return;
            }
            _ => {}
        }
        let rooms: Vec<String> = self.devices[d].borrow().held().into_iter().map(|(room, _)| room).collect();
        let Some(room) = self.rng.borrow_mut().choice(rooms) else { return };
        let chosen = |what: &dyn Fn(&mut fastrand::Rng) -> What, own: bool| {
            if let Some((seq, id)) = self.pick(d, &room, own) {
                let what = what(&mut self.rng.borrow_mut());
                self.change(d, &room, seq, &id, what);
            }
        };
        match dice {
            0..33 => self.queue(d, &room),
            33..38 => self.tell_position(d, &room, "message_read"),
            38..43 => self.tell_position(d, &room, "message_delivered"),
            43..46 => self.mark_read(d, &room),
            46..50 => self.look_at_rooms(d),
            50..56 => self.look_at_history(d, &room),
            56..62 => chosen(&|rng| What::Edit(format!("edited {}", rng.u32(..))), true),
            62..65 => chosen(&|_| What::Delete, true),
            65..73 => chosen(&|rng| What::React(EMOJI[rng.usize(..3)]), false),
            73..77 => chosen(&|rng| What::Unreact(EMOJI[rng.usize(..3)]), false),
            77..80 => chosen(&|_| What::Pin, false),
            80..82 => chosen(&|_| What::Unpin, false),
            82..84 => self.catch_up(d),
            _ => self.invite_or_part(d),
        }
    }

    /// A message that a device holds, one of its owner's own if asked.
    pub fn pick(&self, d: usize, room: &str, own: bool) -> Option<(u64, String)> {
        let device = self.devices[d].borrow();
        let me = &self.people[device.person].id;
        let is_own = |message: &Value| message["sender_id"] == **me && message["message_type"] != "system";
        let fits = |message: &&Value| message["is_deleted"] != true && (!own || is_own(message));
        let held = (1..=device.replica.seq(room)).filter_map(|seq| device.replica.message(room, seq));
        let messages: Vec<&Value> = held.filter(fits).collect();
        // Mostly one of the newest, so that people meet.
        let mut rng = self.rng.borrow_mut();
        let newest = if rng.bool() { 3 } else { messages.len() };
        let message = rng.choice(messages.into_iter().rev().take(newest))?;
        Some((message["seq"].as_u64()?, text(&message["id"]).to_owned()))
    }

    /// Somebody is brought into the group, or leaves it.
    fn invite_or_part(self: &Rc<Self>, d: usize) {
        let group = self.rooms[0].clone();
        let is_here = self.devices[d].borrow().held().contains_key(&group);
        let other = self.rng.borrow_mut().usize(..self.people.len());
        if is_here && self.rng.borrow_mut().u32(..4) > 0 {
            self.change(d, &group, 0, &self.people[other].id, What::Add(other));
        } else if is_here && self.rng.borrow_mut().bool() {
            self.change(d, &group, 0, &self.people[other].id, What::Remove(other));
        }
    }

    /// A device tells how far it has come, by a position at or below what it holds.
    fn tell_position(self: &Rc<Self>, d: usize, room: &str, kind: &str) {
        let seq = |device: &Device| Some((device.live.clone()?, device.replica.seq(room)));
        let told = seq(&self.devices[d].borrow());
        let Some((connection, seq)) = told else { return };
        // A late receipt may name a position that is passed already.
        let back = self.rng.borrow_mut().u64(..4).saturating_sub(1);
        let data = json!({"chat_room_id": room, "seq": seq.saturating_sub(back)});
        self.frame(&connection, &json!({"type": kind, "data": data}));
    }

    fn mark_read(self: &Rc<Self>, d: usize, room: &str) {
        let (world, person) = (self.clone(), self.devices[d].borrow().person);
        let rest = Rest::new("PUT /api/v1/chat/rooms/{room_id}/read").at("room_id", room);
        self.spawn(async move { drop(world.call(person, rest).await) });
    }

    fn look_at_rooms(self: &Rc<Self>, d: usize) {
        let (world, person) = (self.clone(), self.devices[d].borrow().person);
        let limit = [None, Some(1), Some(2)][self.rng.borrow_mut().usize(..3)];
        self.spawn(async move { drop(world.list_rooms(person, limit).await) });
    }

    fn look_at_history(self: &Rc<Self>, d: usize, room: &str) {
        let (world, room, person) = (self.clone(), room.to_owned(), self.devices[d].borrow().person);
        let mut rng = self.rng.borrow_mut();
        let window = ["offset", "before_seq", "after_seq"][rng.usize(..3)];
        let (from, limit) = (rng.u64(..20), rng.u64(1..=10));
        self.spawn(async move { drop(world.history(person, &room, (window, from), limit).await) });
    }
}
