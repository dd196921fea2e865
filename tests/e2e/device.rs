//! A client device that follows `docs/client-protocol.md`, over real HTTP and a real socket.

use std::{sync::Arc, time::Duration};

use reqwest::Method;
use serde_json::{Value, json};
use tokio::sync::watch;

use crate::{
    harness::{Actor, PATIENCE, Socket},
    replica::Replica,
};

/// The time that a device waits for the answer to a frame before it retries.
const ANSWER_TIMEOUT: Duration = Duration::from_secs(5);

/// The maximum wait before a retry.
const MAX_RETRY_WAIT: Duration = Duration::from_secs(1);

/// The signed-in user at the current stack. It changes when the stack restarts.
pub type Door = Arc<watch::Sender<Actor>>;

/// A device of a user.
pub struct Device {
    pub replica: Replica,
    /// The acknowledged messages in the order of sending: room, `client_message_id` and message id.
    pub acknowledged: Vec<(String, String, Value)>,
    pub rng: fastrand::Rng,
    door: Door,
    socket: Option<Socket>,
    sent_count: u32,
}

impl Device {
    pub fn new(door: &Door, rng: fastrand::Rng) -> Self {
        let replica = Replica::new(&door.borrow().id);
        let (door, acknowledged) = (door.clone(), Vec::new());
        Self { replica, acknowledged, rng, door, socket: None, sent_count: 0 }
    }

    fn actor(&self) -> Actor {
        self.door.borrow().clone()
    }

    /// Drops the connection without a closing handshake.
    pub fn cut(&mut self) {
        if let Some(socket) = self.socket.take() {
            socket.cut();
        }
    }

    /// Connects and syncs, unless the device is connected.
    pub async fn come_online(&mut self) {
        if self.socket.is_some() {
            return;
        }
        let mut tries = 0;
        while self.socket.is_none() {
            self.socket = self.connect().await;
            self.wait_before_retry(&mut tries).await;
        }
        self.sync().await;
    }

    async fn connect(&mut self) -> Option<Socket> {
        let mut socket = self.actor().reach_socket().await?;
        socket.try_send("hello", json!({})).await?;
        loop {
            let frame = socket.next_within(ANSWER_TIMEOUT).await?;
            if frame["type"] == "connection_established" {
                return Some(socket);
            }
            self.replica.take(&frame);
        }
    }

    /// Applies the frames that have arrived.
    pub async fn listen(&mut self) {
        let mut missed = false;
        while let Some(socket) = &mut self.socket {
            match socket.next_within(Duration::ZERO).await {
                Some(frame) => missed |= self.replica.take(&frame),
                None if socket.is_open() => break,
                None => self.socket = None,
            }
        }
        if missed {
            self.sync().await;
        }
    }

    /// Syncs all rooms.
    pub async fn sync(&mut self) {
        let mut cursor = Value::Null;
        loop {
            let answer =
                self.call(Method::POST, "/chat/sync", Some(self.replica.sync_request(&cursor))).await.1;
            for room in self.replica.take_sync(&answer) {
                self.load(&room).await;
            }
            cursor = answer["next_cursor"].clone();
            if answer["complete"] == true {
                return;
            }
        }
    }

    async fn load(&mut self, room: &str) {
        let mut before = u64::MAX;
        loop {
            let path = format!("/chat/rooms/{room}/messages?before_seq={before}&limit=100");
            let page = self.call(Method::GET, &path, None).await.1;
            let Some(oldest) = page.as_array().and_then(|page| page.last()) else { return };
            before = oldest["seq"].as_u64().unwrap();
            self.replica.take_history(room, page.as_array().unwrap());
        }
    }

    /// Sends a message by HTTP or socket until it is acknowledged, sometimes with a concurrent duplicate.
    pub async fn send_message(&mut self, room: &str, mut message: Value) {
        self.sent_count += 1;
        let name = format!("{}-{}", self.actor().name, uuid::Uuid::new_v4());
        message["chat_room_id"] = room.into();
        message["content"] = format!("{} {}", self.actor().name, self.sent_count).into();
        message["client_message_id"] = name.clone().into();
        message["after_seq"] = self.replica.seq(room).into();
        let mut tries = 0;
        let sent = loop {
            let answer = if self.rng.bool() {
                self.send_on_socket(&message).await
            } else {
                let (status, answer) = self.call(Method::POST, "/chat/messages", Some(message.clone())).await;
                assert_eq!(status, 200, "{answer}");
                Some(answer)
            };
            match answer {
                Some(sent) => break sent,
                None => self.wait_before_retry(&mut tries).await,
            }
        };
        if self.replica.take(&json!({"type": "message_sent", "data": sent})) {
            self.sync().await;
        }
        self.acknowledged.push((room.to_owned(), name, sent["id"].clone()));
    }

    async fn send_on_socket(&mut self, message: &Value) -> Option<Value> {
        self.come_online().await;
        let tries = if self.rng.u8(..4) == 0 { 2 } else { 1 };
        for _ in 0..tries {
            self.socket.as_mut()?.try_send("send_message", message.clone()).await?;
        }
        loop {
            let Some(frame) = self.socket.as_mut()?.next_within(ANSWER_TIMEOUT).await else {
                self.cut();
                return None;
            };
            let data = &frame["data"];
            if frame["type"] == "message_sent" && data["client_message_id"] == message["client_message_id"] {
                return Some(data.clone());
            }
            // The gateway itself answers a frame whose function died.
            if frame.get("connectionId").is_some() || frame["type"] == "error" {
                return None;
            }
            if self.replica.take(&frame) {
                self.sync().await;
            }
        }
    }

    /// Calls until the answer is neither a server error nor a 429, sometimes with a concurrent duplicate.
    pub async fn call(&mut self, method: Method, path: &str, body: Option<Value>) -> (u16, Value) {
        let body = body.map(|body| body.to_string());
        let mut tries = 0;
        loop {
            let actor = self.actor();
            let try_call = || actor.try_call(method.clone(), path, body.clone());
            let answer = if self.rng.u8(..8) == 0 {
                let (first, second) = tokio::join!(try_call(), try_call());
                first.or(second)
            } else {
                try_call().await
            };
            match answer {
                Ok(answer) if answer.status < 500 && answer.status != 429 => {
                    return (answer.status, serde_json::from_str(&answer.text).unwrap_or_default());
                }
                _ => self.wait_before_retry(&mut tries).await,
            }
        }
    }

    /// Sends a frame that has no answer, if the device is connected.
    pub async fn mention(&mut self, kind: &str, data: Value) {
        if let Some(socket) = &mut self.socket
            && socket.try_send(kind, data).await.is_none()
        {
            self.socket = None;
        }
    }

    async fn wait_before_retry(&mut self, tries: &mut u32) {
        *tries += 1;
        assert!(*tries < 120, "no answer in more than {PATIENCE:?}");
        if *tries > 1 {
            let bound = MAX_RETRY_WAIT.min(Duration::from_millis(25) * *tries);
            tokio::time::sleep(bound.mul_f64(self.rng.f64())).await;
        }
    }
}

#[test]
fn an_edit_that_a_reaction_overtakes_is_not_lost() {
    let mut replica = Replica::new("ana");
    let message = json!({
        "id": "m", "chat_room_id": "gym", "seq": 1, "rev": 0, "sender_id": "ben", "content": "hi",
        "message_type": "text", "reactions": [], "is_deleted": false, "reply_to": null,
    });
    let room = json!({"id": "gym", "rev": 0, "participants": [], "settings": {"version": 1}});
    let synced = json!({"room": room, "seq": 1, "rev": 0, "complete": false});
    assert_eq!(replica.take_sync(&json!({"left": [], "rooms": [synced]})), ["gym"]);
    replica.take_history("gym", std::slice::from_ref(&message));

    let (mut edited, mut reacted) = (message.clone(), json!({"chat_room_id": "gym", "seq": 1, "rev": 2}));
    (edited["content"], edited["rev"]) = ("hello".into(), 1.into());
    reacted["reactions"] = json!([{"emoji": "👍", "count": 1}]);
    let (edit, reaction) = (
        json!({"type": "message_updated", "data": edited}),
        json!({"type": "message_reaction", "data": reacted}),
    );
    // The reaction arrives before the edit, and again after it.
    assert!(replica.take(&reaction));
    assert!(!replica.take(&edit));
    assert!(!replica.take(&reaction));
    let shown = replica.message("gym", 1).unwrap();
    assert_eq!((&shown["content"], &shown["reactions"]), (&json!("hello"), &reacted["reactions"]));
    assert_eq!(replica.sync_request(&Value::Null)["rooms"]["gym"], json!({"seq": 1, "rev": 2}));
}
