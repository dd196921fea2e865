//! What people do to messages and to who is in a room, and what may have come of it.

use std::{collections::BTreeSet, rc::Rc};

use serde_json::json;

use crate::{device::back_off, gateway::Rest, world::World};

/// What somebody does.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum What {
    /// Other words.
    Edit(String),
    Delete,
    React(&'static str),
    Unreact(&'static str),
    Pin,
    Unpin,
    /// Brings a person into the group.
    Add(usize),
    /// Takes a person out of the group.
    Remove(usize),
}

/// Something that somebody did, or tried to.
#[derive(Clone, Debug)]
pub struct Deed {
    /// Who.
    pub person: usize,
    /// Where.
    pub room: String,
    /// To which message.
    pub seq: u64,
    pub what: What,
    /// When it was first asked for.
    pub began: u64,
    /// After this moment nothing can come of it any more.
    pub ended: u64,
    /// Whether it was answered that it is done.
    pub is_acknowledged: bool,
    /// Why it was not done.
    pub refused: Option<String>,
}

/// A call that was given up may still take effect within this time, in milliseconds.
const AFTERMATH: u64 = 10_000;

impl Deed {
    /// Whether all of it was over before another one began.
    fn is_before(&self, other: &Self) -> bool {
        self.ended < other.began
    }
}

/// What may have come of some deeds about one thing: whatever no acknowledged one has certainly replaced.
pub fn possible<T: Clone + Ord>(deeds: &[(&Deed, T)], initial: T) -> BTreeSet<T> {
    let acknowledged = || deeds.iter().filter(|(deed, _)| deed.is_acknowledged);
    let is_replaced = |deed: &Deed| acknowledged().any(|(later, _)| deed.is_before(later));
    let last = deeds.iter().filter(|(deed, _)| !is_replaced(deed)).map(|(_, outcome)| outcome.clone());
    let first = acknowledged().next().is_none().then_some(initial);
    last.chain(first).collect()
}

impl World {
    /// Somebody does something to a message or to a member, by id; tried until it is answered.
    pub fn change(self: &Rc<Self>, d: usize, room: &str, seq: u64, id: &str, what: What) {
        let person = self.devices[d].borrow().person;
        let rest = rest(room, id, &what);
        let deed = {
            let mut ledger = self.ledger.borrow_mut();
            let (room, began) = (room.to_owned(), self.cloud.now());
            let deed = Deed {
                person,
                room,
                seq,
                what,
                began,
                ended: u64::MAX,
                is_acknowledged: false,
                refused: None,
            };
            ledger.deeds.push(deed);
            ledger.deeds.len() - 1
        };
        let world = self.clone();
        self.spawn(async move {
            let rest = Rest { deed: Some(deed), ..rest };
            for attempt in 0.. {
                let asked_at = world.cloud.now();
                match world.call(person, rest.clone()).await {
                    Some(reply) if reply.status < 500 && reply.status != 429 => {
                        let is_done = reply.status < 300;
                        let code = || reply.body["code"].as_str().unwrap_or_default().to_owned();
                        let mut ledger = world.ledger.borrow_mut();
                        ledger.deeds[deed].is_acknowledged = is_done;
                        ledger.deeds[deed].refused = (!is_done).then(code);
                        drop(ledger);
                        let is_message = is_done && reply.body["chat_room_id"].is_string();
                        if is_message {
                            world.see(person, &reply.body, asked_at);
                            world.ledger.borrow_mut().changed(&reply.body);
                            let is_deleted = reply.body["is_deleted"] == true;
                            let kind = if is_deleted { "message_deleted" } else { "message_updated" };
                            world.take(d, &json!({"type": kind, "data": reply.body}));
                        }
                        break;
                    }
                    _ => back_off(attempt).await,
                }
            }
        });
    }

    /// A run of a deed has ended.
    pub fn deed_ran(&self, deed: Option<usize>) {
        if let Some(deed) = deed {
            let mut ledger = self.ledger.borrow_mut();
            let (deed, until) = (&mut ledger.deeds[deed], self.cloud.now() + AFTERMATH);
            deed.ended = if deed.ended == u64::MAX { until } else { deed.ended.max(until) };
        }
    }
}

fn rest(room: &str, id: &str, what: &What) -> Rest {
    macro_rules! message {
        ($method:literal, $rest:literal) => {
            Rest::new(concat!($method, " /api/v1/chat/rooms/{room_id}/messages/{message_id}", $rest))
                .at("room_id", room)
                .at("message_id", id)
        };
    }
    macro_rules! participant {
        ($method:literal) => {
            Rest::new(concat!($method, " /api/v1/chat/rooms/{room_id}/participants/{user_id}"))
                .at("room_id", room)
                .at("user_id", id)
        };
    }
    match what {
        What::Edit(content) => message!("PATCH", "").json(json!({"content": content})),
        What::Delete => message!("DELETE", ""),
        What::React(emoji) => message!("PUT", "/reactions/{emoji}").at("emoji", emoji),
        What::Unreact(emoji) => message!("DELETE", "/reactions/{emoji}").at("emoji", emoji),
        What::Pin => message!("PUT", "/pin"),
        What::Unpin => message!("DELETE", "/pin"),
        What::Add(_) => participant!("PUT"),
        What::Remove(_) => participant!("DELETE"),
    }
}
