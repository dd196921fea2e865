//! Checks of blocks between users 0 and 1. While a block is in effect, the direct room does not exist for
//! either user and accepts no messages. After the unblock, it has its former content.

use std::{rc::Rc, time::Duration};

use serde_json::{Value, json};
use tokio::time::sleep;

use crate::{
    actions::{ActionKind, UserAction, possible_outcomes},
    gateway::{HttpRequest, HttpResponse},
    observations::{Observations, text},
    simulation::Simulation,
};

/// The longest time between the start of a send and its commit, in milliseconds: the function timeout, and
/// then the function's last call.
const MAX_IN_FLIGHT: u64 = 30_000;

impl Observations {
    fn blocks(&self) -> impl Iterator<Item = &UserAction> {
        self.actions.iter().filter(|action| matches!(action.kind, ActionKind::Block(_)))
    }

    /// Actions that may end a block.
    fn unblocks(&self, block: &UserAction) -> impl Iterator<Item = &UserAction> {
        let user = block.user;
        self.actions
            .iter()
            .filter(move |action| action.user == user && matches!(action.kind, ActionKind::Unblock(_)))
    }

    /// Whether the direct room was certainly closed from `from` to `to`: a block was acknowledged before, and
    /// no unblock after it can have taken effect.
    pub fn is_closed(&self, from: u64, to: u64) -> bool {
        self.blocks().any(|block| {
            let may_end = |unblock: &UserAction| unblock.started_at <= to && !unblock.is_before(block);
            block.is_acknowledged && block.answered_at < from && !self.unblocks(block).any(may_end)
        })
    }

    /// Whether the direct room may have been closed at some time between `from` and `to`.
    pub fn may_be_closed(&self, from: u64, to: u64) -> bool {
        self.blocks().any(|block| {
            let ends = |unblock: &UserAction| {
                unblock.is_acknowledged && block.is_before(unblock) && unblock.answered_at < from
            };
            block.started_at <= to && !self.unblocks(block).any(ends)
        })
    }

    /// Whether a block of this user was ever requested.
    pub fn was_blocked(&self, user: usize) -> bool {
        self.blocks().any(|block| block.kind == ActionKind::Block(user))
    }

    /// Whether the user's last requested block or unblock of the other user is a block.
    pub fn last_requested_block(&self, user: usize) -> bool {
        let own = |action: &&UserAction| action.user == user && requests_block(action).is_some();
        self.actions.iter().rev().find(own).is_some_and(|action| requests_block(action) == Some(true))
    }
}

/// Whether an action blocks (`true`) or unblocks (`false`) a user; `None` for other actions.
fn requests_block(action: &UserAction) -> Option<bool> {
    match action.kind {
        ActionKind::Block(_) => Some(true),
        ActionKind::Unblock(_) => Some(false),
        _ => None,
    }
}

impl Simulation {
    /// A request about the direct room returns 404 if the room was closed for the whole request.
    pub fn check_direct_room(
        &self,
        user: usize,
        request: &HttpRequest,
        response: &HttpResponse,
        requested_at: u64,
    ) {
        let direct = &self.rooms[1];
        let is_opening =
            user < 2 && request.body.is_some() && request.body == self.direct_room_request(user).body;
        let is_named = request.path.iter().any(|(_, value)| value == direct)
            || request.body.as_ref().is_some_and(|body| body["chat_room_id"] == **direct)
            || is_opening;
        if !is_named || response.status >= 500 || matches!(response.status, 401 | 429) {
            return;
        }
        let observed = self.observed.borrow();
        let now = self.aws.now();
        let (is_closed, may_be_closed) =
            (observed.is_closed(requested_at, now), observed.may_be_closed(requested_at, now));
        drop(observed);
        if is_closed && response.status != 404 {
            self.report_violation(
                "blocks",
                format!("{} returned {} for the closed room", request.route, response.status),
            );
        }
        if is_opening {
            let is_opened = response.status == 200 && response.body["id"] == **direct;
            if !(is_opened || response.status == 404 && may_be_closed) {
                let detail =
                    format!("opening the direct room returned {} {}", response.status, response.body);
                self.report_violation("blocks", detail);
            }
        }
    }

    /// The direct room accepts no message that was sent while it was closed.
    pub fn check_accepted(&self, message: &Value, requested_at: u64) {
        if message["chat_room_id"] == *self.rooms[1] && self.is_closed_since(requested_at) {
            self.report_violation("blocks", format!("the closed room accepted {message}"));
        }
    }

    /// A response does not show the direct room if it was closed for the whole request.
    pub fn check_room_is_open(&self, room: &Value, requested_at: u64) {
        if room["id"] == *self.rooms[1] && self.is_closed_since(requested_at) {
            self.report_violation("blocks", format!("the closed room is visible: {room}"));
        }
    }

    /// A sync reports the closed direct room as left to a client that has it.
    pub fn check_left_rooms(&self, request: &Value, page: &Value, requested_at: u64) {
        let direct = &self.rooms[1];
        let is_reported = page["left"].as_array().unwrap().iter().any(|room| room == direct);
        if request["rooms"].get(direct).is_some() && self.is_closed_since(requested_at) && !is_reported {
            self.report_violation(
                "blocks",
                format!("a sync does not report the closed room as left: {page}"),
            );
        }
    }

    fn is_closed_since(&self, requested_at: u64) -> bool {
        self.observed.borrow().is_closed(requested_at, self.aws.now())
    }

    /// Syncs a device that got 404 for the direct room.
    pub fn on_room_not_found(self: &Rc<Self>, d: usize, room: &str) {
        if room == self.rooms[1] {
            self.catch_up(d);
        }
    }

    /// Removes a room from a device's local copy, and requests another sync.
    pub fn drop_room(&self, d: usize, room: &str) {
        let mut device = self.devices[d].borrow_mut();
        device.replica.take(&json!({"type": "room_deleted", "data": {"chat_room_id": room}}));
        device.sync_again = true;
    }

    /// Checks the blocks and the access to the direct room, then ends all blocks.
    pub async fn end_blocks(self: &Rc<Self>) {
        self.wait_until_idle().await;
        // Late calls may still take effect.
        sleep(Duration::from_secs(30)).await;
        self.wait_until_idle().await;
        if !self.observed.borrow().any_action(|action| requests_block(action).is_some()) {
            return;
        }
        let mut blocking = Vec::new();
        for user in 0..2 {
            let listed = self.list(user, HttpRequest::new("GET /api/v1/friends/blocks")).await;
            let is_blocking = listed.iter().any(|block| block["user_id"] == *self.users[1 - user].id);
            let observed = self.observed.borrow();
            let own = observed.actions.iter().filter(|action| action.user == user);
            let own: Vec<_> = own.filter_map(|action| Some((action, requests_block(action)?))).collect();
            let possible = possible_outcomes(&own, false);
            drop(observed);
            if !possible.contains(&is_blocking) {
                let name = &self.users[user].name;
                self.report_violation(
                    "blocks",
                    format!("{name} blocks the other: {is_blocking}, not {possible:?}"),
                );
            }
            blocking.push(is_blocking);
        }
        self.check_direct_room_access(!blocking.contains(&true)).await;
        for (d, device) in self.devices.iter().enumerate() {
            let user = device.borrow().user;
            if user < 2 && std::mem::take(&mut blocking[user]) {
                self.perform_on_user(d, &self.users[1 - user].id, ActionKind::Unblock(1 - user));
            }
        }
        self.wait_until_idle().await;
    }

    /// Both users can access the direct room if it is open, and neither can if it is closed.
    async fn check_direct_room_access(self: &Rc<Self>, is_open: bool) {
        for user in 0..2 {
            let rooms = self.list_rooms(user, None).await.unwrap_or_default();
            let is_listed = rooms.iter().any(|room| text(&room["id"]) == self.rooms[1]);
            let room_request = |route| HttpRequest::new(route).path("room_id", &self.rooms[1]);
            let reads = [
                room_request("GET /api/v1/chat/rooms/{room_id}"),
                room_request("GET /api/v1/chat/rooms/{room_id}/messages"),
                room_request("GET /api/v1/chat/rooms/{room_id}/pins"),
            ];
            let read = self.rng.borrow_mut().choice(reads).unwrap();
            for request in [read, self.direct_room_request(user)] {
                let route = request.route;
                let status = self.call(user, request).await.map(|response| response.status);
                let expected = if is_open { 200 } else { 404 };
                if is_listed != is_open || status != Some(expected) {
                    let name = &self.users[user].name;
                    let detail = format!(
                        "open: {is_open}, listed for {name}: {is_listed}, {route} returns {status:?}"
                    );
                    self.report_violation("blocks", detail);
                }
            }
        }
    }

    /// A message that was committed while the direct room was closed was in flight when it closed.
    pub fn check_late_commits(&self) {
        let mut violations = Vec::new();
        let observed = self.observed.borrow();
        let log = self.stored_room(&self.rooms[1]).log;
        let commits = self.aws.state().commits.clone();
        for commit in commits.iter().filter(|commit| commit.room == self.rooms[1]) {
            if !observed.is_closed(commit.at, commit.at) {
                continue;
            }
            let id = log[&commit.seq]["client_message_id"]["S"].as_str().unwrap();
            let mut attempts =
                observed.sent.iter().filter(|sent| sent.client_id == id).flat_map(|sent| &sent.attempts);
            let was_in_flight = |started_at: &u64| {
                *started_at <= commit.at
                    && commit.at <= started_at + MAX_IN_FLIGHT
                    && !observed.is_closed(*started_at, commit.at)
            };
            if !attempts.any(was_in_flight) {
                violations.push(("blocks", format!("{id} was sent to the closed room at {}", commit.seq)));
            }
        }
        drop(observed);
        self.report_violations(violations);
    }
}
