//! User actions on messages, members, profiles and relationships, and the outcomes that they may have.

use std::{collections::BTreeSet, rc::Rc};

use serde_json::json;
use tokio::time::sleep;

use crate::{
    device::back_off, gateway::HttpRequest, observations::text, rate_limits, simulation::Simulation,
};

/// A kind of user action. Users are indices into `Simulation::users`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ActionKind {
    /// Edit a message.
    Edit(String),
    Delete,
    React(&'static str),
    Unreact(&'static str),
    Pin,
    Unpin,
    /// Add a user to the group.
    Add(usize),
    /// Remove a user from the group.
    Remove(usize),
    /// Set the role of a member of the group, or add the user in this role.
    SetRole(usize, &'static str),
    /// Change the own username.
    Rename(String),
    Block(usize),
    Unblock(usize),
    /// Send a friend request.
    RequestFriend(usize),
    /// Accept (`true`) or reject a friend request of this user.
    RespondToRequest(usize, bool),
    /// Cancel a friend request to this user.
    CancelRequest(usize),
    /// Remove a friend.
    Unfriend(usize),
    CreateGroup {
        others: Vec<usize>,
        name: String,
        /// The `client_room_id`: repeated calls create one group.
        client_id: Option<String>,
    },
    /// Open the direct room with this user.
    OpenDirectRoom(usize),
}

/// An action that a user performed or tried to perform. Times are in milliseconds since 1970.
#[derive(Clone, Debug)]
pub struct UserAction {
    pub user: usize,
    /// The room id; empty for actions outside rooms.
    pub room: String,
    /// The position of the message; 0 for actions that concern no message.
    pub seq: u64,
    pub kind: ActionKind,
    /// The start of the first attempt.
    pub started_at: u64,
    /// The time after which no attempt can take effect.
    pub effective_until: u64,
    /// The time of the final response.
    pub answered_at: u64,
    /// Whether the final response is a success.
    pub is_acknowledged: bool,
    /// The error code of the final response.
    pub error: Option<String>,
    /// The number of calls of the function.
    pub runs: u32,
    /// The id of the room that the action created or opened.
    pub room_id: Option<String>,
}

/// The longest time after the end of a function for which its calls may still take effect, in milliseconds.
const MAX_LATE_EFFECT: u64 = 10_000;

impl UserAction {
    /// Whether the action can no longer take effect when another one starts.
    pub fn is_before(&self, other: &Self) -> bool {
        self.effective_until < other.started_at
    }
}

/// The possible outcomes of actions on the same state: each outcome that no later acknowledged action has
/// certainly replaced.
pub fn possible_outcomes<T: Clone + Ord>(actions: &[(&UserAction, T)], initial: T) -> BTreeSet<T> {
    let acknowledged = || actions.iter().filter(|(action, _)| action.is_acknowledged);
    let is_replaced = |action: &UserAction| acknowledged().any(|(later, _)| action.is_before(later));
    let last = actions.iter().filter(|(action, _)| !is_replaced(action)).map(|(_, outcome)| outcome.clone());
    let first = acknowledged().next().is_none().then_some(initial);
    last.chain(first).collect()
}

impl Simulation {
    /// Performs an action on a user or a friend request, by id. Retries until it gets a final response.
    pub fn perform_on_user(self: &Rc<Self>, d: usize, id: &str, kind: ActionKind) {
        self.perform(d, "", 0, id, kind);
    }

    /// Performs an action on a message or a member, by id. Retries until it gets a final response.
    pub fn perform(self: &Rc<Self>, d: usize, room: &str, seq: u64, id: &str, kind: ActionKind) {
        let user = self.devices[d].borrow().user;
        let request = match &kind {
            ActionKind::CreateGroup { others, name, client_id } => {
                self.group_request(others, name, client_id.as_deref())
            }
            kind => http_request(room, id, kind),
        };
        let may_be_abandoned = matches!(kind, ActionKind::Rename(_) | ActionKind::CreateGroup { .. });
        let creates_room = matches!(kind, ActionKind::OpenDirectRoom(_) | ActionKind::CreateGroup { .. });
        let action = {
            let mut observed = self.observed.borrow_mut();
            let (room, started_at) = (room.to_owned(), self.aws.now());
            let action = UserAction {
                user,
                room,
                seq,
                kind,
                started_at,
                effective_until: u64::MAX,
                answered_at: u64::MAX,
                is_acknowledged: false,
                error: None,
                runs: 0,
                room_id: None,
            };
            observed.actions.push(action);
            observed.actions.len() - 1
        };
        let simulation = self.clone();
        self.spawn(async move {
            let request = HttpRequest { action: Some(action), ..request };
            for attempt in 0.. {
                let requested_at = simulation.aws.now();
                match simulation.call(user, request.clone()).await {
                    Some(response) if response.status == 429 => {
                        sleep(rate_limits::delay(response.retry_after)).await;
                    }
                    Some(response) if response.status < 500 => {
                        let is_done = response.status < 300;
                        let code = || response.body["code"].as_str().unwrap_or_default().to_owned();
                        let mut observed = simulation.observed.borrow_mut();
                        observed.actions[action].answered_at = simulation.aws.now();
                        observed.actions[action].is_acknowledged = is_done;
                        observed.actions[action].error = (!is_done).then(code);
                        let room = observed.actions[action].room.clone();
                        drop(observed);
                        if response.status == 404 {
                            simulation.on_room_not_found(d, &room);
                        }
                        if is_done && creates_room {
                            let id = text(&response.body["id"]).to_owned();
                            simulation.observed.borrow_mut().actions[action].room_id = Some(id);
                            simulation.catch_up(d);
                        }
                        let is_message = is_done && response.body["chat_room_id"].is_string();
                        if is_message {
                            simulation.check_message(user, &response.body, requested_at);
                            simulation.observed.borrow_mut().record_acknowledged_change(&response.body);
                            let is_deleted = response.body["is_deleted"] == true;
                            let kind = if is_deleted { "message_deleted" } else { "message_updated" };
                            simulation.apply_frame(d, &json!({"type": kind, "data": response.body}));
                        }
                        break;
                    }
                    // The user may close the app before a rename succeeds, or not create a group again.
                    _ if may_be_abandoned && simulation.rng.borrow_mut().bool() => break,
                    _ => back_off(attempt).await,
                }
            }
        });
    }

    /// Records the end of a run of the function of an action.
    pub fn record_action_run(&self, action: Option<usize>) {
        if let Some(action) = action {
            let mut observed = self.observed.borrow_mut();
            let (action, until) = (&mut observed.actions[action], self.aws.now() + MAX_LATE_EFFECT);
            action.runs += 1;
            action.effective_until =
                if action.effective_until == u64::MAX { until } else { action.effective_until.max(until) };
        }
    }
}

/// The request that opens the direct room with a user.
pub fn direct_room_request(id: &str) -> HttpRequest {
    HttpRequest::new("POST /api/v1/chat/rooms").json(json!({"participant_ids": [id], "is_group": false}))
}

fn http_request(room: &str, id: &str, kind: &ActionKind) -> HttpRequest {
    macro_rules! message {
        ($method:literal, $suffix:literal) => {
            HttpRequest::new(concat!($method, " /api/v1/chat/rooms/{room_id}/messages/{message_id}", $suffix))
                .path("room_id", room)
                .path("message_id", id)
        };
    }
    macro_rules! participant {
        ($method:literal) => {
            HttpRequest::new(concat!($method, " /api/v1/chat/rooms/{room_id}/participants/{user_id}"))
                .path("room_id", room)
                .path("user_id", id)
        };
    }
    match kind {
        ActionKind::Edit(content) => message!("PATCH", "").json(json!({"content": content})),
        ActionKind::Delete => message!("DELETE", ""),
        ActionKind::React(emoji) => message!("PUT", "/reactions/{emoji}").path("emoji", emoji),
        ActionKind::Unreact(emoji) => message!("DELETE", "/reactions/{emoji}").path("emoji", emoji),
        ActionKind::Pin => message!("PUT", "/pin"),
        ActionKind::Unpin => message!("DELETE", "/pin"),
        ActionKind::Add(_) => participant!("PUT"),
        ActionKind::SetRole(_, role) => participant!("PUT").json(json!({"role": role})),
        ActionKind::Remove(_) => participant!("DELETE"),
        ActionKind::Rename(name) => {
            HttpRequest::new("PATCH /api/v1/users/me").json(json!({"username": name}))
        }
        ActionKind::Block(_) => HttpRequest::new("PUT /api/v1/friends/blocks/{user_id}").path("user_id", id),
        ActionKind::Unblock(_) => {
            HttpRequest::new("DELETE /api/v1/friends/blocks/{user_id}").path("user_id", id)
        }
        ActionKind::RequestFriend(_) => {
            HttpRequest::new("POST /api/v1/friends/requests").json(json!({"receiver_id": id}))
        }
        ActionKind::RespondToRequest(_, accept) => {
            HttpRequest::new("PUT /api/v1/friends/requests/{request_id}")
                .path("request_id", id)
                .query("action", if *accept { "accepted" } else { "rejected" })
        }
        ActionKind::CancelRequest(_) => {
            HttpRequest::new("DELETE /api/v1/friends/requests/{request_id}").path("request_id", id)
        }
        ActionKind::Unfriend(_) => HttpRequest::new("DELETE /api/v1/friends/{user_id}").path("user_id", id),
        ActionKind::OpenDirectRoom(_) => direct_room_request(id),
        ActionKind::CreateGroup { .. } => unreachable!("it names several users"),
    }
}
