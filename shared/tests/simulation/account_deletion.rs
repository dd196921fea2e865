//! After the other checks, a user deletes the account while others write to it, and returns with a newer
//! token. Nothing of the deleted account is left, and the new one starts empty.

use std::rc::Rc;

use serde_json::{Value, json};
use shared::{
    clock::Timestamp, domain::users::username::DELETED, serve::events::ScheduledEvent,
    store::db::keys::OUTLIVING_PREFIXES,
};
use tokio::time::{Duration, sleep};

use crate::{
    actions::direct_room_request, aws::INVOCATION, device::back_off, endpoints, gateway::HttpRequest,
    observations::text, plan::FaultRates, simulation::Simulation, stored_rooms::attribute, tokens::Token,
};

/// The property that these checks verify.
pub const PROPERTY: &str = "account deletion";

/// The age at which the scheduled function completes a deletion.
const OVERDUE_AFTER: Duration = Duration::from_mins(11);

impl Simulation {
    /// Deletes the account of a user, checks that nothing is left, and returns with a newer token.
    pub async fn delete_account_and_return(self: &Rc<Self>) {
        let user = self.rng.borrow_mut().usize(..self.users.len());
        let token = self.issue_token(user, 4 * 3600);
        self.users[user].is_deleted.set(true);
        for device in self.devices.iter().filter(|device| device.borrow().user == user) {
            device.borrow_mut().should_connect = false;
        }
        self.aws.trace.record(|| format!("{} deletes the account", self.users[user].name));
        let profile = json!({"pk": {"S": format!("USER#{}", self.users[user].id)}, "sk": {"S": "PROFILE"}});
        let username = self.aws.item(&profile).map(|profile| attribute(&profile, "username").to_owned());
        self.aws.set_fault_rates(self.plan.fault_rates.clone());
        self.write_to_account(user, &token);
        self.delete_account(user, &token);
        // Under many faults, a deletion with its many calls would not end.
        let faulty = Duration::from_millis(self.rng.borrow_mut().u64(..60_000));
        sleep(faulty).await;
        self.aws.set_fault_rates(FaultRates::default());
        self.wait_until_idle().await;
        sleep(OVERDUE_AFTER).await;
        self.complete_deletions().await;
        self.check_deleted(user, &token, &username.unwrap_or_default()).await;
        self.return_to_account(user, &token).await;
    }

    /// Repeats the call with the same token until the account is deleted.
    fn delete_account(self: &Rc<Self>, user: usize, token: &Token) {
        let (simulation, token) = (self.clone(), token.clone());
        self.spawn(async move {
            let request = HttpRequest::new("DELETE /api/v1/users/me");
            for attempt in 0.. {
                let response = simulation.call_with_token(user, &request, &token).await;
                match response.map(|response| response.status) {
                    Some(204) => return,
                    Some(status) if status < 500 && !matches!(status, 202 | 429) => {
                        let detail = format!("the deletion of {user} returns {status}");
                        return simulation.report_violation(PROPERTY, detail);
                    }
                    _ => back_off(attempt).await,
                }
            }
        });
    }

    /// Calls of this and other users that concern the account, while it is deleted.
    fn write_to_account(self: &Rc<Self>, user: usize, token: &Token) {
        let others: Vec<usize> = (0..self.users.len()).filter(|other| *other != user).collect();
        let id = self.users[user].id.as_str();
        let calls = self.rng.borrow_mut().usize(4..12);
        for n in 0..calls {
            let (by, dice, room, wait) = {
                let mut rng = self.rng.borrow_mut();
                let room = rng.choice(&self.rooms).unwrap().clone();
                (rng.choice(&others).copied().unwrap(), rng.u32(..6), room, rng.u64(..400))
            };
            let participant = HttpRequest::new("PUT /api/v1/chat/rooms/{room_id}/participants/{user_id}")
                .path("room_id", &room);
            let message =
                json!({"chat_room_id": room, "client_message_id": format!("late {n}"), "content": "bye"});
            let send = HttpRequest::new("POST /api/v1/chat/messages").json(message);
            let (by, request) = match dice {
                0 => (by, participant.path("user_id", id)),
                1 => (by, HttpRequest::new("POST /api/v1/friends/requests").json(json!({"receiver_id": id}))),
                2 => (by, direct_room_request(id)),
                3 => (by, self.group_request(&[user], &format!("late {n}"), None)),
                4 => (by, send),
                _ => (user, send),
            };
            let token = if by == user { token.clone() } else { self.token(by) };
            let simulation = self.clone();
            self.spawn(async move {
                sleep(Duration::from_millis(wait)).await;
                drop(simulation.call_with_token(by, &request, &token).await);
            });
        }
    }

    /// Runs the scheduled function, which completes what the calls have left.
    async fn complete_deletions(&self) {
        let time = Timestamp::from_milliseconds(i64::try_from(self.aws.now()).unwrap()).unwrap();
        let event = json!({
            "version": "0",
            "id": "event",
            "detail-type": "Scheduled Event",
            "source": "aws.events",
            "account": "123456789012",
            "time": time,
            "region": "us-east-1",
            "resources": [],
            "detail": {},
        });
        let event: ScheduledEvent = serde_json::from_value(event).unwrap();
        let function = "maintenance-complete-deletions";
        let call = endpoints::call_scheduled(&self.app, function, &event);
        if INVOCATION.scope(self.aws.invocation(function.to_owned()), call).await.is_err() {
            self.report_violation(PROPERTY, "the scheduled function fails");
        }
    }

    /// The rooms, and each list of users, of a user.
    async fn everything_of(self: &Rc<Self>, user: usize) -> (Vec<Value>, Vec<Value>) {
        let rooms = self.list(user, HttpRequest::new("GET /api/v1/chat/rooms")).await;
        let requests = HttpRequest::new("GET /api/v1/friends/requests");
        let mut related = self.list(user, HttpRequest::new("GET /api/v1/friends/")).await;
        related.extend(self.list(user, requests.clone().query("direction", "received")).await);
        related.extend(self.list(user, requests.query("direction", "sent")).await);
        related.extend(self.list(user, HttpRequest::new("GET /api/v1/friends/blocks")).await);
        (rooms, related)
    }

    /// No other user sees the account, no item of it is left, and no message has its name, also in groups that
    /// the user left before.
    async fn check_deleted(self: &Rc<Self>, user: usize, token: &Token, username: &str) {
        let mut left = Vec::new();
        let id = self.users[user].id.as_str();
        let me = HttpRequest::new("GET /api/v1/users/me");
        let status = self.call_with_token(user, &me, token).await.map(|response| response.status);
        if status != Some(401) {
            left.push(format!("the earlier token gets {status:?}"));
        }
        for other in (0..self.users.len()).filter(|other| *other != user) {
            let (rooms, related) = self.everything_of(other).await;
            left.extend(related.iter().filter(|entry| entry.to_string().contains(id)).map(Value::to_string));
            for room in rooms {
                let participants = room["participants"].as_array().unwrap();
                let named = |participant: &&Value| {
                    participant["user_id"] == id
                        && (room["is_group"] == true || participant["username"] != DELETED)
                };
                left.extend(participants.iter().filter(named).map(|it| format!("{it} of {}", room["id"])));
                let history = HttpRequest::new("GET /api/v1/chat/rooms/{room_id}/messages");
                let history = history.path("room_id", text(&room["id"])).query("limit", 100);
                for message in self.list(other, history).await {
                    if names(&message, id) {
                        left.push(message.to_string());
                    }
                }
            }
        }
        for item in self.aws.all_items() {
            let (pk, sk) = (attribute(&item, "pk"), attribute(&item, "sk"));
            let is_own =
                pk == format!("USER#{id}") && !OUTLIVING_PREFIXES.iter().any(|prefix| sk.starts_with(prefix));
            let is_claim = pk.starts_with("NAME#") && attribute(&item, "user_id") == id;
            let is_message = sk.starts_with("MSG#");
            let is_named = if is_message {
                attribute(&item, "sender_id") == id && attribute(&item, "sender_username") != DELETED
            } else {
                item.to_string().contains(&format!("\"{username}\""))
            };
            if is_own || is_claim || is_named || pk == "DELETIONS" {
                left.push(item.to_string());
            }
        }
        let mut devices = self.devices.iter().filter(|device| device.borrow().user == user);
        if devices.any(|device| device.borrow().connection.is_some()) {
            left.push("an open connection".to_owned());
        }
        self.report_violations(left.into_iter().map(|left| (PROPERTY, format!("{id} has {left}"))).collect());
    }

    /// With a newer token, the user starts again, and others reach the new account.
    async fn return_to_account(self: &Rc<Self>, user: usize, old: &Token) {
        let new = self.issue_token(user, 4 * 3600);
        *self.users[user].token.borrow_mut() = new.clone();
        let (id, other) = (self.users[user].id.as_str(), (user + 1) % self.users.len());
        let me = HttpRequest::new("GET /api/v1/users/me");
        let status =
            async |token| self.call_with_token(user, &me, token).await.map(|response| response.status);
        let (statuses, (rooms, related)) =
            ([status(&new).await, status(old).await], self.everything_of(user).await);
        if statuses != [Some(200), Some(401)] || !rooms.is_empty() || !related.is_empty() {
            let detail = format!("{id} returns with {statuses:?}, {rooms:?} and {related:?}");
            self.report_violation(PROPERTY, detail);
        }
        let opened =
            self.call(other, direct_room_request(id)).await.filter(|response| response.status == 200);
        let Some(room) = opened.map(|response| response.body) else {
            return self.report_violation(PROPERTY, format!("nobody can reach {id}"));
        };
        let body = json!({"chat_room_id": room["id"], "client_message_id": "back", "content": "I am back"});
        let request = HttpRequest::new("POST /api/v1/chat/messages").json(body);
        let sent = self.call(user, request).await.map(|response| response.body).unwrap_or_default();
        let history = HttpRequest::new("GET /api/v1/chat/rooms/{room_id}/messages");
        let history = history.path("room_id", text(&room["id"]));
        let (own, theirs) = (self.list(user, history.clone()).await, self.list(other, history).await);
        // The new account does not see the messages of the earlier one.
        let sees_own = own.len() == 1 && own[0]["id"] == sent["id"];
        let sees_theirs = theirs.first().is_some_and(|message| message["id"] == sent["id"]);
        if !sees_own || !sees_theirs || sent["sender_username"] == DELETED {
            let detail = format!("{id} sent {sent}, sees {own:?}, and is seen as {theirs:?}");
            self.report_violation(PROPERTY, detail);
        }
    }
}

/// Whether a message shows the name of a deleted account.
fn names(message: &Value, id: &str) -> bool {
    let is_system = message["message_type"] == "system";
    let (is_sender, is_subject) =
        (message["sender_id"] == id, is_system && message["payload"]["user_id"] == id);
    is_sender && message["sender_username"] != DELETED
        || is_subject && message["payload"]["username"] != DELETED
        || is_system && (is_sender || is_subject) && !text(&message["content"]).contains(DELETED)
}
