//! How a client catches up with what it has missed: by sync, and by loading anew what that cannot tell.

use std::rc::Rc;

use serde_json::Value;

use crate::{
    device::back_off,
    gateway::Rest,
    ledger::{number, text},
    world::World,
};

/// The longest that a record of a change may be used, in milliseconds.
pub const CHANGES_KEPT: u64 = 30 * 24 * 3600 * 1000;

impl World {
    /// Has a device catch up; once more if it is doing so already.
    pub fn catch_up(self: &Rc<Self>, d: usize) {
        let mut device = self.devices[d].borrow_mut();
        device.again = true;
        if std::mem::replace(&mut device.catching_up, true) {
            return;
        }
        drop(device);
        let world = self.clone();
        self.spawn(async move {
            let mut attempt = 0;
            loop {
                world.devices[d].borrow_mut().again = false;
                if world.sync(d).await.is_none() {
                    back_off(attempt).await;
                    attempt += 1;
                    continue;
                }
                world.take_waiting(d);
                if !world.devices[d].borrow().again {
                    break;
                }
            }
            world.devices[d].borrow_mut().catching_up = false;
        });
    }

    /// One sync, page by page; `None` if a call fails.
    async fn sync(self: &Rc<Self>, d: usize) -> Option<()> {
        self.load_histories(d).await?;
        let person = self.devices[d].borrow().person;
        let mut cursor = Value::Null;
        loop {
            let (floor, asked_at) = (self.ledger.borrow().floor(), self.cloud.now());
            let request = self.devices[d].borrow().replica.sync_request(&cursor);
            let rest = Rest::new("POST /api/v1/chat/sync").json(request.clone());
            let answer = self.call(person, rest).await.filter(|reply| reply.status == 200)?.body;
            self.check_left(&request, &answer, asked_at);
            for news in answer["rooms"].as_array().unwrap() {
                let named = request["rooms"].get(text(&news["room"]["id"]));
                self.see_news(person, news, named, asked_at, &floor);
            }
            let anew = self.devices[d].borrow_mut().replica.take_sync(&answer);
            self.devices[d].borrow_mut().unloaded.extend(anew);
            self.load_histories(d).await?;
            if answer["complete"] == true {
                return Some(());
            }
            cursor = answer["next_cursor"].clone();
        }
    }

    /// Loads the histories that are not loaded yet; `None` if a call fails.
    async fn load_histories(self: &Rc<Self>, d: usize) -> Option<()> {
        let first = || self.devices[d].borrow().unloaded.first().cloned();
        while let Some(room) = first() {
            self.load_room(d, &room).await?;
            self.devices[d].borrow_mut().unloaded.remove(&room);
        }
        Some(())
    }

    /// Loads a room's history anew; `None` if a call fails.
    async fn load_room(self: &Rc<Self>, d: usize, room: &str) -> Option<()> {
        let (person, mut before) = {
            let device = self.devices[d].borrow();
            (device.person, device.replica.seq(room) + 1)
        };
        loop {
            let page = self.history_if_there(person, room, ("before_seq", before), 100).await?;
            let Some(page) = page else {
                // What is held of it is not whole: if it comes back, it has to come whole.
                self.forget(d, room);
                return Some(());
            };
            let Some(oldest) = page.last() else { return Some(()) };
            before = number(&oldest["seq"]);
            self.devices[d].borrow_mut().replica.take_history(room, &page);
        }
    }

    /// A person's rooms, page by page or at once; `None` if a call fails.
    pub async fn list_rooms(self: &Rc<Self>, person: usize, limit: Option<u64>) -> Option<Vec<Value>> {
        let (mut rooms, mut cursor) = (Vec::new(), None::<String>);
        loop {
            let (floor, asked_at) = (self.ledger.borrow().floor(), self.cloud.now());
            let mut rest = Rest::new("GET /api/v1/chat/rooms");
            for (name, value) in [("limit", limit.map(|limit| limit.to_string())), ("cursor", cursor)] {
                rest.query.extend(value.map(|value| (name, value)));
            }
            let reply = self.call(person, rest).await.filter(|reply| reply.status == 200)?;
            for room in reply.body.as_array().unwrap() {
                self.see_room(person, room, asked_at, &floor);
                rooms.push(room.clone());
            }
            cursor = reply.next_cursor;
            if cursor.is_none() {
                return Some(rooms);
            }
        }
    }

    /// A page of a room's history, newest first; `None` if the call fails.
    pub async fn history(
        self: &Rc<Self>,
        person: usize,
        room: &str,
        window: (&'static str, u64),
        limit: u64,
    ) -> Option<Vec<Value>> {
        self.history_if_there(person, room, window, limit).await.map(Option::unwrap_or_default)
    }

    /// The same, and within it `None` if the room is not there for this person.
    async fn history_if_there(
        self: &Rc<Self>,
        person: usize,
        room: &str,
        (window, from): (&'static str, u64),
        limit: u64,
    ) -> Option<Option<Vec<Value>>> {
        let (floor, asked_at) = (self.ledger.borrow().floor(), self.cloud.now());
        let rest = Rest::new("GET /api/v1/chat/rooms/{room_id}/messages").at("room_id", room);
        let reply = self.call(person, rest.with(window, from).with("limit", limit)).await?;
        match reply.status {
            200 => {}
            404 => return Some(None),
            _ => return None,
        }
        let page = reply.body.as_array().unwrap().clone();
        for message in &page {
            self.see(person, message, asked_at);
            self.check_age(person, message, &floor);
        }
        self.check_page(person, room, (window, from), limit, &page, &floor);
        Some(Some(page))
    }
}
