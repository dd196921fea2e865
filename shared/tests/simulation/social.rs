//! What people do about themselves and each other: names, roles, blocks and friendships.

use std::{rc::Rc, time::Duration};

use serde_json::json;
use tokio::time::sleep;

use crate::{deeds::What, gateway::Rest, ledger::text, names::POOL, world::World};

/// What somebody in the group may be; most often an admin, since whoever hands it over is its owner no more.
const ROLES: [&str; 4] = ["admin", "admin", "member", "owner"];

impl World {
    /// Somebody does something that is about a person.
    pub fn meet(self: &Rc<Self>, d: usize) {
        let dice = self.rng.borrow_mut().u32(..20);
        match dice {
            0..5 => self.rename(d),
            5 => self.look(d, Rest::new("GET /api/v1/users/me")),
            6..11 => self.give_role(d),
            11..15 => self.block_or_open(d),
            _ => self.update_relationship(d),
        }
    }

    /// Somebody takes another name; now and then at the moment at which somebody brings them into the group.
    fn rename(self: &Rc<Self>, d: usize) {
        let (name, by) = {
            let mut rng = self.rng.borrow_mut();
            (rng.choice(POOL).unwrap().to_owned(), rng.usize(..3 * self.devices.len()))
        };
        self.approach(d, "", What::Rename(name));
        let (group, person) = (self.rooms[0].clone(), self.devices[d].borrow().person);
        let adds = self.devices.get(by).is_some_and(|device| device.borrow().held().contains_key(&group));
        if adds {
            self.change(by, &group, 0, &self.people[person].id, What::Add(person));
        }
    }

    /// Somebody gives somebody another role in the group, or brings them in with it.
    fn give_role(self: &Rc<Self>, d: usize) {
        let group = self.rooms[0].clone();
        if self.devices[d].borrow().held().contains_key(&group) {
            let (other, role) = {
                let mut rng = self.rng.borrow_mut();
                (rng.usize(..self.people.len()), rng.choice(ROLES).unwrap())
            };
            self.change(d, &group, 0, &self.people[other].id, What::Role(other, role));
        }
    }

    /// One of the two of the direct room shuts the other out, mostly for a short while only; or opens the room.
    fn block_or_open(self: &Rc<Self>, d: usize) {
        let person = self.devices[d].borrow().person;
        if person > 1 {
            self.update_relationship(d);
            return;
        }
        let other = 1 - person;
        let id = self.people[other].id.clone();
        if self.rng.borrow_mut().u32(..3) == 0 {
            self.look(d, self.opening(person));
            return;
        }
        if self.ledger.borrow().wants_blocked(person) {
            self.approach(d, &id, What::Unblock(other));
            return;
        }
        self.approach(d, &id, What::Block(other));
        let (is_short, pause) = {
            let mut rng = self.rng.borrow_mut();
            (rng.u32(..4) > 0, Duration::from_millis(rng.u64(..=20 * self.plan.pause)))
        };
        if is_short {
            let world = self.clone();
            self.spawn(async move {
                sleep(pause).await;
                world.approach(d, &id, What::Unblock(other));
            });
        }
    }

    /// The call that opens the direct room for one of its two.
    pub fn opening(&self, person: usize) -> Rest {
        let body = json!({"participant_ids": [self.people[1 - person].id], "is_group": false});
        Rest::new("POST /api/v1/chat/rooms").json(body)
    }

    /// Somebody asks, answers, asks no more, or ends a friendship.
    fn update_relationship(self: &Rc<Self>, d: usize) {
        let (other, dice) = {
            let mut rng = self.rng.borrow_mut();
            (rng.usize(..self.people.len()), rng.u32(..10))
        };
        let person = self.devices[d].borrow().person;
        let id = self.people[other].id.clone();
        match dice {
            _ if other == person => {}
            0..4 => self.approach(d, &id, What::Ask(other)),
            4 => self.approach(d, &id, What::Unfriend(other)),
            5 => self.take_up(d, "sent"),
            _ => self.take_up(d, "received"),
        }
    }

    /// Somebody looks at their requests, and takes one back or answers one.
    fn take_up(self: &Rc<Self>, d: usize, direction: &'static str) {
        let (world, person) = (self.clone(), self.devices[d].borrow().person);
        self.spawn(async move {
            let rest = Rest::new("GET /api/v1/friends/requests").with("direction", direction);
            let Some(reply) = world.call(person, rest).await.filter(|reply| reply.status == 200) else {
                return;
            };
            let requests = reply.body.as_array().unwrap();
            let (request, says_yes) = {
                let mut rng = world.rng.borrow_mut();
                (rng.choice(requests), rng.u32(..5) > 0)
            };
            let Some(request) = request else { return };
            let other = if direction == "sent" { &request["receiver_id"] } else { &request["sender_id"] };
            let other = world.person(text(other));
            let what = if direction == "sent" { What::Cancel(other) } else { What::Answer(other, says_yes) };
            world.approach(d, text(&request["id"]), what);
        });
    }

    fn look(self: &Rc<Self>, d: usize, rest: Rest) {
        let (world, person) = (self.clone(), self.devices[d].borrow().person);
        self.spawn(async move { drop(world.call(person, rest).await) });
    }

    /// The person of this id.
    pub fn person(&self, id: &str) -> usize {
        let person = self.people.iter().position(|person| person.id == id);
        person.unwrap_or_else(|| panic!("nobody is {id}"))
    }
}
