//! What people do to messages, to who is in a room, to their own name and to each other, and what may have come of it.

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
    /// Sees to it that a person is in the group, in this role.
    Role(usize, &'static str),
    /// Calls themselves otherwise.
    Rename(String),
    /// Shuts a person out.
    Block(usize),
    /// Lets a person in again.
    Unblock(usize),
    /// Asks a person to be friends.
    Ask(usize),
    /// Says yes or no to a person who has asked.
    Answer(usize, bool),
    /// Asks a person no more.
    Cancel(usize),
    /// Ends a friendship.
    Unfriend(usize),
}

/// Something that somebody did, or tried to.
#[derive(Clone, Debug)]
pub struct Deed {
    /// Who.
    pub person: usize,
    /// Where; empty for what is no room's matter.
    pub room: String,
    /// To which message.
    pub seq: u64,
    pub what: What,
    /// When it was first asked for.
    pub began: u64,
    /// After this moment nothing can come of it any more.
    pub ended: u64,
    /// When it was answered for good.
    pub answered: u64,
    /// Whether it was answered that it is done.
    pub is_acknowledged: bool,
    /// Why it was not done.
    pub refused: Option<String>,
}

/// A call that was given up may still take effect within this time, in milliseconds.
const AFTERMATH: u64 = 10_000;

impl Deed {
    /// Whether all of it was over before another one began.
    pub fn is_before(&self, other: &Self) -> bool {
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
    /// Somebody does something to a person or a request, by id; tried until it is answered.
    pub fn approach(self: &Rc<Self>, d: usize, id: &str, what: What) {
        self.change(d, "", 0, id, what);
    }

    /// Somebody does something to a message or to a member, by id; tried until it is answered.
    pub fn change(self: &Rc<Self>, d: usize, room: &str, seq: u64, id: &str, what: What) {
        let person = self.devices[d].borrow().person;
        let rest = rest(room, id, &what);
        let is_left = matches!(what, What::Rename(_));
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
                answered: u64::MAX,
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
                        ledger.deeds[deed].answered = world.cloud.now();
                        ledger.deeds[deed].is_acknowledged = is_done;
                        ledger.deeds[deed].refused = (!is_done).then(code);
                        let room = ledger.deeds[deed].room.clone();
                        drop(ledger);
                        if reply.status == 404 {
                            world.find_shut(d, &room);
                        }
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
                    // An app that is closed leaves the rest to its next visit.
                    _ if is_left && world.rng.borrow_mut().bool() => break,
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
        What::Role(_, role) => participant!("PUT").json(json!({"role": role})),
        What::Remove(_) => participant!("DELETE"),
        What::Rename(name) => Rest::new("PATCH /api/v1/users/me").json(json!({"username": name})),
        What::Block(_) => Rest::new("PUT /api/v1/friends/blocks/{user_id}").at("user_id", id),
        What::Unblock(_) => Rest::new("DELETE /api/v1/friends/blocks/{user_id}").at("user_id", id),
        What::Ask(_) => Rest::new("POST /api/v1/friends/requests").json(json!({"receiver_id": id})),
        What::Answer(_, yes) => Rest::new("PUT /api/v1/friends/requests/{request_id}")
            .at("request_id", id)
            .with("action", if *yes { "accepted" } else { "rejected" }),
        What::Cancel(_) => Rest::new("DELETE /api/v1/friends/requests/{request_id}").at("request_id", id),
        What::Unfriend(_) => Rest::new("DELETE /api/v1/friends/{user_id}").at("user_id", id),
    }
}
