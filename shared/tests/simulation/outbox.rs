//! How a client sends messages: a FIFO outbox for each room, which retries each message until it gets a final
//! response.

use std::{collections::VecDeque, rc::Rc, time::Duration};

use serde_json::{Value, json};
use tokio::time::sleep;

use crate::{
    device::{OutgoingMessage, RESPONSE_TIMEOUT, back_off},
    gateway::HttpRequest,
    observations::SentMessage,
    rate_limits,
    simulation::Simulation,
    values::{payload, unusual_text},
};

/// The result of one attempt to send.
enum SendResult {
    /// The message is in the log.
    Sent(Value),
    /// The send failed for good, with this error code.
    Rejected(String),
    /// The message may or may not be in the log: retry.
    Unknown,
    /// The user has reached a rate limit: retry after this time.
    Limited(Duration),
}

impl Simulation {
    /// Adds a random message to the outbox of a room.
    pub fn queue_message(self: &Rc<Self>, d: usize, room: &str) {
        let dice = self.rng.borrow_mut().u32(..10);
        let mut body = json!({});
        if let Some((_, id)) = if dice < 2 { self.pick_message(d, room, false) } else { None } {
            body["reply_to_id"] = id.into();
        }
        let from = self.rng.borrow_mut().choice(self.rooms.clone()).unwrap();
        if let Some((_, id)) = if dice == 2 { self.pick_message(d, &from, false) } else { None } {
            (body["forward_room_id"], body["forward_message_id"]) = (from.into(), id.into());
            self.queue(d, room, body);
            return;
        }
        let user = &self.users[self.devices[d].borrow().user].name;
        let label = format!("{user} says {}", self.observed.borrow().sent.len());
        let mut rng = self.rng.borrow_mut();
        let is_unusual = rng.u32(..8) == 0;
        body["content"] = if is_unusual { unusual_text(&mut rng, &label) } else { label }.into();
        if rng.u32(..12) == 0 {
            let (kind, details) = payload(&mut rng);
            (body["message_type"], body["payload"]) = (kind.into(), details);
        }
        drop(rng);
        self.queue(d, room, body);
    }

    /// Adds a text to the outbox of a room.
    pub fn queue_text(self: &Rc<Self>, d: usize, room: &str, text: &str) {
        self.queue(d, room, json!({"content": text}));
    }

    /// Adds a message to the outbox of a room, with the newest position that the device knows.
    fn queue(self: &Rc<Self>, d: usize, room: &str, mut body: Value) {
        let mut device = self.devices[d].borrow_mut();
        let mut observed = self.observed.borrow_mut();
        let index = observed.sent.len();
        let client_id = format!("{}.m{index}", device.name);
        body["chat_room_id"] = room.into();
        body["client_message_id"] = client_id.as_str().into();
        body["after_seq"] = device.replica.seq(room).into();
        observed.sent.push(SentMessage {
            device: d,
            sender: self.users[device.user].id.clone(),
            room: room.to_owned(),
            client_id,
            content: body["content"].as_str().map(str::to_owned),
            is_reply: body["reply_to_id"].is_string(),
            attempts: Vec::new(),
            acknowledgements: Vec::new(),
            error: None,
        });
        device.outbox.entry(room.to_owned()).or_default().push_back(OutgoingMessage { index, body });
        drop((device, observed));
        self.flush_outbox(d, room);
    }

    /// Sends the messages in a room's outbox, in order, one at a time.
    pub fn flush_outbox(self: &Rc<Self>, d: usize, room: &str) {
        if !self.devices[d].borrow_mut().sending.insert(room.to_owned()) {
            return;
        }
        let (simulation, room) = (self.clone(), room.to_owned());
        self.spawn(async move {
            let first = |simulation: &Simulation| {
                simulation.devices[d].borrow().outbox.get(&room).and_then(VecDeque::front).cloned()
            };
            let mut attempt = 0;
            while let Some(outgoing) = first(&simulation) {
                match simulation.attempt_send(d, &outgoing).await {
                    SendResult::Sent(message) => {
                        simulation.observed.borrow_mut().sent[outgoing.index].acknowledgements.push(message);
                    }
                    SendResult::Rejected(code) => {
                        if code == "not_found" {
                            simulation.on_room_not_found(d, &room);
                        }
                        let error = Some((code, simulation.aws.now()));
                        simulation.observed.borrow_mut().sent[outgoing.index].error = error;
                    }
                    SendResult::Limited(delay) => {
                        sleep(delay).await;
                        continue;
                    }
                    SendResult::Unknown => {
                        back_off(attempt).await;
                        attempt += 1;
                        continue;
                    }
                }
                // Now and then a client misses the response, and sends the same message again.
                if simulation.rng.borrow_mut().u32(..20) > 0 {
                    attempt = 0;
                    simulation.devices[d].borrow_mut().outbox.get_mut(&room).unwrap().pop_front();
                }
            }
            simulation.devices[d].borrow_mut().sending.remove(&room);
        });
    }

    async fn attempt_send(self: &Rc<Self>, d: usize, outgoing: &OutgoingMessage) -> SendResult {
        let (user, is_live) = {
            let device = self.devices[d].borrow();
            (device.user, device.live.is_some())
        };
        let requested_at = self.aws.now();
        {
            let mut observed = self.observed.borrow_mut();
            observed.attempts += 1;
            observed.sent[outgoing.index].attempts.push(requested_at);
        }
        let by_socket = is_live && self.rng.borrow_mut().u32(..3) > 0;
        let result = if by_socket {
            match self.send_and_wait(d, "send_message", outgoing.body.clone(), RESPONSE_TIMEOUT).await {
                Some(frame) if frame["type"] == "message_sent" => SendResult::Sent(frame["data"].clone()),
                Some(frame) => match frame["data"]["code"].as_str().unwrap_or_default() {
                    "internal" | "busy" | "token_expired" => SendResult::Unknown,
                    "rate_limited" => {
                        SendResult::Limited(rate_limits::delay(frame["data"]["retry_after"].as_u64()))
                    }
                    code => SendResult::Rejected(code.to_owned()),
                },
                None => SendResult::Unknown,
            }
        } else {
            let request = HttpRequest::new("POST /api/v1/chat/messages").json(outgoing.body.clone());
            match self.call(user, request).await {
                Some(response) if response.status == 200 => {
                    self.check_message(user, &response.body, requested_at);
                    SendResult::Sent(response.body)
                }
                Some(response) if response.status == 429 => {
                    SendResult::Limited(rate_limits::delay(response.retry_after))
                }
                Some(response) if response.status < 500 => {
                    SendResult::Rejected(response.body["code"].as_str().unwrap_or_default().to_owned())
                }
                _ => SendResult::Unknown,
            }
        };
        if let SendResult::Sent(message) = &result {
            self.check_accepted(message, requested_at);
            self.check_as_sent(&outgoing.body, message);
            self.observed.borrow_mut().record_acknowledged_send(message);
            self.apply_frame(d, &json!({"type": "message_sent", "data": message}));
        }
        result
    }
}
