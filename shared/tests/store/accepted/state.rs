//! The users, rooms and messages that the fields of the calls refer to, and the bodies of valid calls.

use serde_json::{Map, Value, json};
use shared::id::UserId;
use uuid::Uuid;

use crate::{backend::TestBackend, call::Call};

/// Ana makes the calls. Ben is her friend, Cleo and Dan have asked her, she has asked Eve, and blocks Finn.
/// Ben, Cleo, Dan and Eve are in her group. The newest message of each room is of Ben.
pub struct State {
    pub backend: TestBackend,
    pub ana: UserId,
    pub ben: UserId,
    pub direct: String,
    pub group: String,
    users: Vec<UserId>,
    messages: Vec<String>,
    requests: Vec<String>,
}

impl State {
    pub async fn new() -> Self {
        let backend = TestBackend::new();
        let mut users = Vec::new();
        for name in ["ana", "ben", "cleo", "dan", "eve", "finn", "gina", "hugo"] {
            let user = backend.user(name).await;
            backend.connect(user, name).await;
            users.push(user);
        }
        let ana = users.remove(0);
        let (ben, eve, finn) = (users[0], users[3], users[4]);
        let call = async |call: Call, user: UserId, name: &str| call.send(&backend, user, name).await;
        let ask = |receiver| Call::of("friends-send-request").body(json!({"receiver_id": receiver}));
        let mut requests = Vec::new();
        for (sender, name) in [(ben, "ben"), (users[1], "cleo"), (users[2], "dan")] {
            requests.push(call(ask(ana), sender, name).await["id"].as_str().unwrap().to_owned());
        }
        let accept = Call::of("friends-respond-to-request").path("request_id", requests.remove(0));
        call(accept.query("action", "accepted"), ana, "ana").await;
        requests.push(call(ask(eve), ana, "ana").await["id"].as_str().unwrap().to_owned());
        call(Call::of("friends-block-user").path("user_id", finn.to_string()), ana, "ana").await;
        let (mut rooms, mut messages) = (Vec::new(), Vec::new());
        for body in [json!({"participant_ids": [ben]}), json!({"participant_ids": users[..4], "name": "gym"})]
        {
            let room = call(Call::of("chat-create-room").body(body), ana, "ana").await["id"].clone();
            let room = room.as_str().unwrap().to_owned();
            for content in ["one", "two", "three"] {
                let send =
                    Call::of("chat-send-message").body(json!({"chat_room_id": room, "content": content}));
                let (sender, name) = if content == "three" { (ben, "ben") } else { (ana, "ana") };
                messages.push(call(send, sender, name).await["id"].as_str().unwrap().to_owned());
            }
            let react = Call::of("chat-add-reaction").path("room_id", &*room).path("emoji", "👍");
            call(react.path("message_id", &**messages.last().unwrap()), ana, "ana").await;
            rooms.push(room);
        }
        let [direct, group] = [rooms.remove(0), rooms.remove(0)];
        Self { backend, ana, ben, direct, group, users, messages, requests }
    }

    /// The ids for a field of this name; none if it is no id.
    pub fn ids(&self, name: &str) -> Vec<String> {
        match name {
            "user_id" | "receiver_id" | "participant_id" => {
                self.users.iter().map(UserId::to_string).collect()
            }
            "room_id" | "chat_room_id" | "forward_room_id" => vec![self.group.clone(), self.direct.clone()],
            "message_id" | "reply_to_id" | "forward_message_id" => {
                self.messages.iter().rev().cloned().collect()
            }
            "request_id" => self.requests.clone(),
            "device_id" => vec![Uuid::from_u128(7).to_string()],
            _ => Vec::new(),
        }
    }

    /// Texts for fields in which only certain texts are accepted.
    #[expect(clippy::unused_self, reason = "as `ids`")]
    pub fn texts(&self, name: &str) -> Vec<String> {
        let texts: &[&str] = match name {
            "emoji" => &["👍", "👨‍👩‍👧‍👦", "☺"],
            "cursor" => &[
                "0",
                "-",
                "........",
                "2026-01-31T09:15:00.000Z_2026-01-30T09:15:00.000Z_00000000-0000-0000-0000-000000000000",
                "00000000-0000-0000-0000-000000000000",
            ],
            _ => &[],
        };
        texts.iter().map(|text| (*text).to_owned()).collect()
    }

    /// A valid body of a function, in which a field is then replaced.
    pub fn body(&self, function: &str, field: &str) -> Map<String, Value> {
        let (room, newest) = (&self.group, self.messages.last().unwrap());
        let body = match (function, field) {
            ("chat-send-message" | "socket-send-message", "payload") => {
                json!({"chat_room_id": room, "message_type": "workout"})
            }
            ("chat-send-message" | "socket-send-message", "forward_room_id" | "forward_message_id") => {
                json!({"chat_room_id": room, "forward_room_id": room, "forward_message_id": newest})
            }
            ("chat-send-message" | "socket-send-message", _) => {
                json!({"chat_room_id": room, "content": "hi"})
            }
            ("chat-edit-message", _) => json!({"content": "changed"}),
            ("chat-create-room", _) => json!({"participant_ids": [self.users[0]], "is_group": true}),
            ("chat-sync", _) => json!({"rooms": {}}),
            ("friends-send-request", _) => json!({"receiver_id": self.users[5]}),
            ("devices-register", _) => json!({"platform": "ios"}),
            ("reports-create", "chat_room_id" | "message_id") => {
                json!({"reason": "spam", "chat_room_id": room, "message_id": newest})
            }
            ("reports-create", _) => json!({"reason": "spam", "user_id": self.ben}),
            ("socket-message-delivered", _) => json!({"chat_room_id": room, "seq": 1}),
            ("socket-message-read" | "socket-typing-start" | "socket-typing-stop", _) => {
                json!({"chat_room_id": room})
            }
            _ => json!({}),
        };
        body.as_object().unwrap().clone()
    }
}
