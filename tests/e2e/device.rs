//! A device of somebody's that does what `docs/client-protocol.md` says, over real HTTP and a real socket.

use std::{sync::Arc, time::Duration};

use reqwest::Method;
use serde_json::{Value, json};
use tokio::sync::watch;

use crate::{
    harness::{Actor, PATIENCE, Socket},
    replica::Replica,
};

/// How long a device waits for the answer to a frame before it tries again.
const ANSWER: Duration = Duration::from_secs(5);

/// The longest wait before one more try.
const MOST_WAIT: Duration = Duration::from_secs(1);

/// Where the person is signed in: it changes when the stack is started again.
pub type Door = Arc<watch::Sender<Actor>>;

/// One device.
pub struct Device {
    pub replica: Replica,
    /// What was acknowledged, in the order in which it was sent: room, name, and the message's id.
    pub acknowledged: Vec<(String, String, Value)>,
    pub rng: fastrand::Rng,
    door: Door,
    socket: Option<Socket>,
    names: u32,
}

impl Device {
    pub fn new(door: &Door, rng: fastrand::Rng) -> Self {
        let replica = Replica::new(&door.borrow().id);
        let (door, acknowledged) = (door.clone(), Vec::new());
        Self { replica, acknowledged, rng, door, socket: None, names: 0 }
    }

    fn who(&self) -> Actor {
        self.door.borrow().clone()
    }

    /// Breaks the connection without a word.
    pub fn cut(&mut self) {
        if let Some(socket) = self.socket.take() {
            socket.cut();
        }
    }

    /// Makes sure that it is connected and has caught up.
    pub async fn come_online(&mut self) {
        if self.socket.is_some() {
            return;
        }
        let mut tries = 0;
        while self.socket.is_none() {
            self.socket = self.connect().await;
            self.wait_before_try(&mut tries).await;
        }
        self.sync().await;
    }

    async fn connect(&mut self) -> Option<Socket> {
        let mut socket = self.who().reach_socket().await?;
        socket.try_send("hello", json!({})).await?;
        loop {
            let frame = socket.next_within(ANSWER).await?;
            if frame["type"] == "connection_established" {
                return Some(socket);
            }
            self.replica.take(&frame);
        }
    }

    /// Takes in what has come by itself.
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

    /// Catches up with everything.
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

    /// Says something until it is acknowledged, by either door, and now and then twice at once.
    pub async fn send_message(&mut self, room: &str, mut message: Value) {
        self.names += 1;
        let name = format!("{}-{}", self.who().name, uuid::Uuid::new_v4());
        message["chat_room_id"] = room.into();
        message["content"] = format!("{} {}", self.who().name, self.names).into();
        message["client_message_id"] = name.clone().into();
        message["after_seq"] = self.replica.seq(room).into();
        let mut tries = 0;
        let said = loop {
            let answer = if self.rng.bool() {
                self.say_on_socket(&message).await
            } else {
                let (status, answer) = self.call(Method::POST, "/chat/messages", Some(message.clone())).await;
                assert_eq!(status, 200, "{answer}");
                Some(answer)
            };
            match answer {
                Some(said) => break said,
                None => self.wait_before_try(&mut tries).await,
            }
        };
        if self.replica.take(&json!({"type": "message_sent", "data": said})) {
            self.sync().await;
        }
        self.acknowledged.push((room.to_owned(), name, said["id"].clone()));
    }

    async fn say_on_socket(&mut self, message: &Value) -> Option<Value> {
        self.come_online().await;
        let tries = if self.rng.u8(..4) == 0 { 2 } else { 1 };
        for _ in 0..tries {
            self.socket.as_mut()?.try_send("send_message", message.clone()).await?;
        }
        loop {
            let Some(frame) = self.socket.as_mut()?.next_within(ANSWER).await else {
                self.cut();
                return None;
            };
            let data = &frame["data"];
            if frame["type"] == "message_sent" && data["client_message_id"] == message["client_message_id"] {
                return Some(data.clone());
            }
            // The gateway's own answer to a frame whose function died.
            if frame.get("connectionId").is_some() || frame["type"] == "error" {
                return None;
            }
            if self.replica.take(&frame) {
                self.sync().await;
            }
        }
    }

    /// Calls until there is an answer that counts; now and then twice at once.
    pub async fn call(&mut self, method: Method, path: &str, body: Option<Value>) -> (u16, Value) {
        let body = body.map(|body| body.to_string());
        let mut tries = 0;
        loop {
            let who = self.who();
            let try_call = || who.try_call(method.clone(), path, body.clone());
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
                _ => self.wait_before_try(&mut tries).await,
            }
        }
    }

    /// Says something on the socket that has no answer, if it is connected.
    pub async fn mention(&mut self, kind: &str, data: Value) {
        if let Some(socket) = &mut self.socket
            && socket.try_send(kind, data).await.is_none()
        {
            self.socket = None;
        }
    }

    async fn wait_before_try(&mut self, tries: &mut u32) {
        *tries += 1;
        assert!(*tries < 120, "no answer in {PATIENCE:?} and more");
        if *tries > 1 {
            let bound = MOST_WAIT.min(Duration::from_millis(25) * *tries);
            tokio::time::sleep(bound.mul_f64(self.rng.f64())).await;
        }
    }
}
