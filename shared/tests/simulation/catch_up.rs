//! How a client catches up on what it missed: by sync, and by reloading the history of a room that sync
//! cannot complete.

use std::{collections::BTreeSet, rc::Rc};

use serde_json::Value;

use crate::{
    device::back_off,
    gateway::HttpRequest,
    observations::{number, text},
    simulation::Simulation,
};

/// The retention of change records, in milliseconds.
pub const CHANGE_RETENTION: u64 = 30 * 24 * 3600 * 1000;

/// The number of participants of a room that lists and syncs return.
const LISTED_PARTICIPANTS: u64 = 9;

impl Simulation {
    /// Starts a sync of a device. If one is in progress, another follows it.
    pub fn catch_up(self: &Rc<Self>, d: usize) {
        let mut device = self.devices[d].borrow_mut();
        device.sync_again = true;
        if std::mem::replace(&mut device.is_syncing, true) {
            return;
        }
        drop(device);
        let simulation = self.clone();
        self.spawn(async move {
            let mut attempt = 0;
            loop {
                simulation.devices[d].borrow_mut().sync_again = false;
                let user = simulation.devices[d].borrow().user;
                if simulation.sync(d).await.is_none() && !simulation.users[user].is_deleted.get() {
                    back_off(attempt).await;
                    attempt += 1;
                    continue;
                }
                simulation.apply_deferred_frames(d);
                if !simulation.devices[d].borrow().sync_again {
                    break;
                }
            }
            simulation.devices[d].borrow_mut().is_syncing = false;
        });
    }

    /// Syncs once, page by page; `None` if a request fails.
    async fn sync(self: &Rc<Self>, d: usize) -> Option<()> {
        self.load_histories(d).await?;
        let user = self.devices[d].borrow().user;
        let (mut cursor, mut seen) = (Value::Null, BTreeSet::new());
        let before = self.devices[d].borrow().local_rooms();
        loop {
            let (acknowledged, requested_at) = (self.observed.borrow().acknowledged(), self.aws.now());
            let sync_request = self.devices[d].borrow().replica.sync_request(&cursor);
            let request = HttpRequest::new("POST /api/v1/chat/sync").json(sync_request.clone());
            let page = self.call(user, request).await.filter(|response| response.status == 200)?.body;
            self.check_left_rooms(&sync_request, &page, requested_at);
            for room_sync in page["rooms"].as_array().unwrap() {
                let position = sync_request["rooms"].get(text(&room_sync["room"]["id"]));
                self.check_room_sync(user, room_sync, position, requested_at, &acknowledged);
                seen.insert(text(&room_sync["room"]["id"]).to_owned());
            }
            for room in page["unchanged"].as_array().unwrap() {
                let position = sync_request["rooms"].get(text(&room["id"]));
                self.check_unchanged_room(user, room, position, requested_at, &acknowledged);
                seen.insert(text(&room["id"]).to_owned());
            }
            seen.extend(page["left"].as_array().unwrap().iter().map(|room| text(room).to_owned()));
            let incomplete = self.devices[d].borrow_mut().replica.take_sync(&page);
            self.devices[d].borrow_mut().unloaded.extend(incomplete);
            self.load_histories(d).await?;
            self.load_participants(d, &page).await?;
            if page["complete"] == true {
                let stored = self.devices[d].borrow().local_rooms();
                let mut skipped =
                    before.keys().filter(|room| stored.contains_key(*room) && !seen.contains(*room));
                if let Some(room) = skipped.next() {
                    let (name, room) = (&self.users[user].name, self.room_name(room));
                    self.report_violation("sync", format!("no page of a sync of {name} has the {room}"));
                }
                return Some(());
            }
            self.aws.state().count("sync page");
            cursor = page["next_cursor"].clone();
        }
    }

    /// Loads all participants of each room of which a sync has returned only some, or the receipts of only
    /// some; `None` if the account is deleted.
    async fn load_participants(self: &Rc<Self>, d: usize, page: &Value) -> Option<()> {
        let user = self.devices[d].borrow().user;
        let stored = self.devices[d].borrow().replica.shown();
        let is_partial =
            |room: &Value| room["participant_count"] != room["participants"].as_array().map_or(0, Vec::len);
        let unchanged = page["unchanged"].as_array().unwrap();
        let is_unchanged = |room: &str| unchanged.iter().any(|unchanged| unchanged["id"] == room);
        let is_large = |room: &Value| number(&room["participant_count"]) > LISTED_PARTICIPANTS;
        let rooms = stored.as_object().unwrap().iter().filter(|(id, stored)| {
            is_partial(&stored["room"]) || is_unchanged(id) && is_large(&stored["room"])
        });
        let (mut rooms, mut attempt) = (rooms.map(|(room, _)| room.clone()).collect::<Vec<_>>(), 0);
        while let Some(room) = rooms.last() {
            let (acknowledged, requested_at) = (self.observed.borrow().acknowledged(), self.aws.now());
            let request = HttpRequest::new("GET /api/v1/chat/rooms/{room_id}").path("room_id", room);
            let response = self.call(user, request).await;
            match response.as_ref().map(|response| (response.status, &response.body)) {
                Some((200, body)) => {
                    self.check_room(user, body, requested_at, &acknowledged);
                    self.check_receipts_of_others(user, page, body);
                    self.devices[d].borrow_mut().replica.take_room(body);
                }
                Some((404, _)) => self.drop_room(d, room),
                _ if self.users[user].is_deleted.get() => return None,
                // Another sync would return some participants again.
                _ => {
                    back_off(attempt).await;
                    attempt += 1;
                    continue;
                }
            }
            rooms.pop();
        }
        Some(())
    }

    /// Loads the history of every room that needs it; `None` if a request fails.
    async fn load_histories(self: &Rc<Self>, d: usize) -> Option<()> {
        let first = || self.devices[d].borrow().unloaded.first().cloned();
        while let Some(room) = first() {
            self.load_room(d, &room).await?;
            self.devices[d].borrow_mut().unloaded.remove(&room);
        }
        Some(())
    }

    /// Loads a room's history, from the newest message that the device has; `None` if a request fails.
    async fn load_room(self: &Rc<Self>, d: usize, room: &str) -> Option<()> {
        let (user, mut before) = {
            let device = self.devices[d].borrow();
            (device.user, device.replica.seq(room) + 1)
        };
        loop {
            let page = self.history_if_visible(user, room, ("before_seq", before), 100).await?;
            let Some(page) = page else {
                // The local copy is incomplete. If the room returns, the device must load it in full.
                self.drop_room(d, room);
                return Some(());
            };
            let Some(oldest) = page.last() else { return Some(()) };
            before = number(&oldest["seq"]);
            self.devices[d].borrow_mut().replica.take_history(room, &page);
        }
    }

    /// Lists a user's rooms, in pages of `limit` rooms; `None` if a request fails.
    pub async fn list_rooms(self: &Rc<Self>, user: usize, limit: Option<u64>) -> Option<Vec<Value>> {
        let (mut rooms, mut cursor) = (Vec::new(), None::<String>);
        loop {
            let (acknowledged, requested_at) = (self.observed.borrow().acknowledged(), self.aws.now());
            let mut request = HttpRequest::new("GET /api/v1/chat/rooms");
            for (name, value) in [("limit", limit.map(|limit| limit.to_string())), ("cursor", cursor)] {
                request.query.extend(value.map(|value| (name, value)));
            }
            let response = self.call(user, request).await.filter(|response| response.status == 200)?;
            for room in response.body.as_array().unwrap() {
                self.check_room(user, room, requested_at, &acknowledged);
                rooms.push(room.clone());
            }
            cursor = response.next_cursor;
            if cursor.is_none() {
                return Some(rooms);
            }
        }
    }

    /// Loads a page of a room's history, newest first; `None` if the request fails.
    pub async fn history(
        self: &Rc<Self>,
        user: usize,
        room: &str,
        window: (&'static str, u64),
        limit: u64,
    ) -> Option<Vec<Value>> {
        self.history_if_visible(user, room, window, limit).await.map(Option::unwrap_or_default)
    }

    /// As `history`, but `Some(None)` if the user cannot see the room.
    async fn history_if_visible(
        self: &Rc<Self>,
        user: usize,
        room: &str,
        (window, from): (&'static str, u64),
        limit: u64,
    ) -> Option<Option<Vec<Value>>> {
        let (acknowledged, requested_at) = (self.observed.borrow().acknowledged(), self.aws.now());
        let request = HttpRequest::new("GET /api/v1/chat/rooms/{room_id}/messages").path("room_id", room);
        let response = self.call(user, request.query(window, from).query("limit", limit)).await?;
        match response.status {
            200 => {}
            404 => return Some(None),
            _ => return None,
        }
        let page = response.body.as_array().unwrap().clone();
        for message in &page {
            self.check_message(user, message, requested_at);
            self.check_message_rev(user, message, &acknowledged);
        }
        self.check_history_page(user, room, (window, from), limit, &page, &acknowledged);
        Some(Some(page))
    }
}
