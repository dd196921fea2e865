//! Clients that do what `docs/client-protocol.md` says, over connections that break: everyone ends with the same log.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use crate::world::{Actor, Socket, World};

/// One device of somebody's, in one room.
struct Client {
    who: Actor,
    room: String,
    /// What it has, by position.
    messages: BTreeMap<u64, Value>,
    /// Up to here it has everything.
    last: u64,
    socket: Socket,
}

impl Client {
    async fn new(who: &Actor, room: &str) -> Self {
        let (who, room, socket) = (who.clone(), room.to_owned(), Self::connect(who).await);
        let mut client = Self { who, room, messages: BTreeMap::new(), last: 0, socket };
        client.catch_up().await;
        client
    }

    /// A connection that has said hello. What is pushed before the answer is found when catching up.
    async fn connect(who: &Actor) -> Socket {
        let mut socket = who.try_socket().await.unwrap_or_else(|status| panic!("refused with {status}"));
        socket.send("hello", json!({})).await;
        while socket.next().await["type"] != "connection_established" {}
        socket
    }

    /// Breaks the connection without a word, and comes back.
    async fn reconnect(&mut self) {
        std::mem::replace(&mut self.socket, Self::connect(&self.who).await).cut();
        self.catch_up().await;
    }

    async fn catch_up(&mut self) {
        loop {
            let path = format!("/chat/rooms/{}/messages?after_seq={}&limit=100", self.room, self.last);
            let page = self.who.get(&path).await.ok();
            if page.as_array().unwrap().is_empty() {
                return;
            }
            for message in page.as_array().unwrap() {
                self.merge(message);
            }
        }
    }

    /// Keeps a message, and says whether one before it is missing.
    fn merge(&mut self, message: &Value) -> bool {
        self.messages.entry(message["seq"].as_u64().unwrap()).or_insert_with(|| message.clone());
        while self.messages.contains_key(&(self.last + 1)) {
            self.last += 1;
        }
        self.messages.last_key_value().is_some_and(|(newest, _)| *newest > self.last)
    }

    /// Takes the next frame; `true` if it answers the send of this name.
    async fn receive(&mut self, sent: Option<&str>) -> bool {
        let frame = self.socket.next().await;
        let is_message = frame["type"] == "new_message" || frame["type"] == "message_sent";
        if is_message && self.merge(&frame["data"]) {
            self.catch_up().await;
        }
        frame["type"] == "message_sent" && frame["data"]["client_message_id"].as_str() == sent
    }

    /// Sends until it is acknowledged. The connection breaks right after as many of the tries as are told.
    async fn send(&mut self, content: &str, breaks: usize) {
        let (name, after_seq) = (uuid::Uuid::new_v4().to_string(), self.last);
        let message = json!({"chat_room_id": self.room, "content": content, "client_message_id": name, "after_seq": after_seq});
        for _ in 0..breaks {
            self.socket.send("send_message", message.clone()).await;
            self.reconnect().await;
        }
        self.socket.send("send_message", message).await;
        while !self.receive(Some(&name)).await {}
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn clients_over_breaking_connections_all_end_with_the_same_log() {
    const ROUNDS: usize = 12;
    let world = World::new().await;
    let [ana, ben, cleo] = world.actors(["ana", "ben", "cleo"]).await;
    let room = ana.group_with(&[&ben, &cleo]).await;
    let mut clients = Vec::new();
    for who in [&ana, &ana, &ben, &cleo] {
        clients.push(Client::new(who, &room).await);
    }
    // Everyone sends at once, and breaks at their own times.
    let sending = clients.iter_mut().enumerate().map(|(n, client)| async move {
        for round in 0..ROUNDS {
            client.send(&format!("{n}/{round}"), (n + round) % 3).await;
        }
    });
    futures::future::join_all(sending).await;

    let all = u64::try_from(clients.len() * ROUNDS).unwrap();
    for client in &mut clients {
        while client.last < all {
            client.receive(None).await;
        }
    }
    let ids =
        |client: &Client| client.messages.values().map(|message| message["id"].clone()).collect::<Vec<_>>();
    let log = ids(&clients[0]);
    assert_eq!(log.len() as u64, all, "each message once");
    for (n, client) in clients.iter().enumerate() {
        assert_eq!(ids(client), log);
        let mark = format!("{n}/");
        let own = client.messages.values().map(|message| message["content"].as_str().unwrap());
        let own: Vec<_> = own.filter(|content| content.starts_with(&mark)).map(str::to_owned).collect();
        assert_eq!(
            own,
            (0..ROUNDS).map(|round| format!("{n}/{round}")).collect::<Vec<_>>(),
            "in its sender's order"
        );
    }
}
