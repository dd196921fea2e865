//! How a client sends: an outbox for each room, first in, first out, until each message is answered.

use std::{collections::VecDeque, rc::Rc};

use serde_json::{Value, json};

use crate::{
    device::{Outgoing, PATIENCE, back_off},
    gateway::Rest,
    ledger::Sent,
    world::World,
};

/// How a try of a send ended.
enum Tried {
    /// It is in the log.
    Sent(Value),
    /// It will not be sent as it is.
    Refused(String),
    /// Nobody knows.
    Unknown,
}

impl World {
    /// A user sends a message: it is queued, with the position that is known at this moment.
    pub fn queue(self: &Rc<Self>, d: usize, room: &str) {
        let dice = self.rng.borrow_mut().u32(..10);
        let answered = if dice < 2 { self.pick(d, room, false) } else { None };
        let from = self.rng.borrow_mut().choice(self.rooms.clone()).unwrap();
        let forwarded = if dice == 2 { self.pick(d, &from, false) } else { None };
        let mut device = self.devices[d].borrow_mut();
        let mut ledger = self.ledger.borrow_mut();
        let (person, after_seq) = (device.person, device.replica.seq(room));
        let sent = ledger.sent.len();
        let client_id = format!("{}.m{sent}", device.name);
        let mut body = json!({"chat_room_id": room, "client_message_id": client_id, "after_seq": after_seq});
        let content = format!("{} says {sent}", self.people[person].name);
        if let Some((_, id)) = &forwarded {
            body["forward_room_id"] = from.into();
            body["forward_message_id"] = id.as_str().into();
        } else {
            body["content"] = content.as_str().into();
        }
        if let Some((_, id)) = &answered {
            body["reply_to_id"] = id.as_str().into();
        }
        let outbox = device.outbox.entry(room.to_owned()).or_default();
        outbox.push_back(Outgoing { sent, body });
        ledger.sent.push(Sent {
            device: d,
            sender: self.people[person].id.clone(),
            room: room.to_owned(),
            client_id,
            content: forwarded.is_none().then_some(content),
            is_answer: answered.is_some(),
            tries: Vec::new(),
            answers: Vec::new(),
            refused: None,
        });
        drop((device, ledger));
        self.empty_outbox(d, room);
    }

    /// Sends what waits in a room's outbox, first in, first out, one at a time.
    pub fn empty_outbox(self: &Rc<Self>, d: usize, room: &str) {
        if !self.devices[d].borrow_mut().sending.insert(room.to_owned()) {
            return;
        }
        let (world, room) = (self.clone(), room.to_owned());
        self.spawn(async move {
            let first = |world: &World| {
                world.devices[d].borrow().outbox.get(&room).and_then(VecDeque::front).cloned()
            };
            let mut attempt = 0;
            while let Some(outgoing) = first(&world) {
                match world.try_to_send(d, &outgoing).await {
                    Tried::Sent(message) => {
                        world.ledger.borrow_mut().sent[outgoing.sent].answers.push(message);
                    }
                    Tried::Refused(code) => {
                        if code == "not_found" {
                            world.find_shut(d, &room);
                        }
                        let refused = Some((code, world.cloud.now()));
                        world.ledger.borrow_mut().sent[outgoing.sent].refused = refused;
                    }
                    Tried::Unknown => {
                        back_off(attempt).await;
                        attempt += 1;
                        continue;
                    }
                }
                // Now and then a client does not notice the answer, and sends the same again.
                if world.rng.borrow_mut().u32(..20) > 0 {
                    attempt = 0;
                    world.devices[d].borrow_mut().outbox.get_mut(&room).unwrap().pop_front();
                }
            }
            world.devices[d].borrow_mut().sending.remove(&room);
        });
    }

    async fn try_to_send(self: &Rc<Self>, d: usize, outgoing: &Outgoing) -> Tried {
        let (person, is_live) = {
            let device = self.devices[d].borrow();
            (device.person, device.live.is_some())
        };
        let asked_at = self.cloud.now();
        {
            let mut ledger = self.ledger.borrow_mut();
            ledger.tries += 1;
            ledger.sent[outgoing.sent].tries.push(asked_at);
        }
        let by_socket = is_live && self.rng.borrow_mut().u32(..3) > 0;
        let tried = if by_socket {
            match self.ask(d, "send_message", outgoing.body.clone(), PATIENCE).await {
                Some(frame) if frame["type"] == "message_sent" => Tried::Sent(frame["data"].clone()),
                Some(frame) => match frame["data"]["code"].as_str().unwrap_or_default() {
                    "internal" | "busy" => Tried::Unknown,
                    code => Tried::Refused(code.to_owned()),
                },
                None => Tried::Unknown,
            }
        } else {
            let rest = Rest::new("POST /api/v1/chat/messages").json(outgoing.body.clone());
            match self.call(person, rest).await {
                Some(reply) if reply.status == 200 => {
                    self.see(person, &reply.body, asked_at);
                    Tried::Sent(reply.body)
                }
                Some(reply) if reply.status < 500 && reply.status != 429 => {
                    Tried::Refused(reply.body["code"].as_str().unwrap_or_default().to_owned())
                }
                _ => Tried::Unknown,
            }
        };
        if let Tried::Sent(message) = &tried {
            self.check_taken(message, asked_at);
            self.ledger.borrow_mut().acknowledged(message);
            self.take(d, &json!({"type": "message_sent", "data": message}));
        }
        tried
    }
}
