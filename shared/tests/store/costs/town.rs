//! A typical town: a person with rooms and friends, a group of ten among them, and everyone is online.

use serde_json::{Value, json};
use shared::id::UserId;
use uuid::Uuid;

use super::call::Call;
use crate::cloud::Cloud;

/// So many people are in the group.
pub const GROUP: usize = 10;

/// So many rooms the person has, the group included, and so many friends.
pub const ROOMS: usize = 15;

/// Somebody whom the first person does not know yet.
pub const STRANGER: usize = ROOMS + 1;

/// Somebody who has never been here.
pub const NEWCOMER: usize = STRANGER + 1;

/// The person, their group, and their rooms for two.
pub struct Town {
    pub cloud: Cloud,
    /// Everyone, the person first, then the other people of the group, then the other friends.
    pub people: Vec<UserId>,
    /// The group.
    pub group: String,
    /// The newest message there, which answers another and has ten reactions.
    pub message: Value,
    /// The rooms for two, each with the same place among the people.
    pub pairs: Vec<String>,
}

/// What one call consumed.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Cost {
    pub round_trips: u64,
    pub read_units: f64,
    pub write_units: f64,
    pub frames: usize,
}

/// Text of the usual length.
pub fn text() -> String {
    "x".repeat(400)
}

impl Town {
    pub async fn new() -> Self {
        let cloud = Cloud::new();
        let mut people = Vec::new();
        for n in 0..=STRANGER {
            let person = cloud.person(&format!("person{n:02}")).await;
            cloud.connect(person, &format!("person{n:02}")).await;
            people.push(person);
        }
        people.push(UserId::from(Uuid::new_v4()));
        let mut town = Self { cloud, people, group: String::new(), message: Value::Null, pairs: Vec::new() };
        for n in 1..ROOMS {
            town.update_relationship(0, n).await;
            let pair = town.new_room(&[n]).await;
            town.say(n, &pair, json!({})).await;
            town.pairs.push(pair);
        }
        town.group = town.new_room(&(1..GROUP).collect::<Vec<_>>()).await;
        for n in 1..=60 {
            town.say(n % GROUP, &town.group.clone(), json!({})).await;
        }
        let first = town.say(1, &town.group.clone(), json!({})).await;
        town.message = town.say(0, &town.group.clone(), json!({"reply_to_id": first["id"]})).await;
        for n in 0..GROUP {
            town.by(n, town.at_message("chat-add-reaction").at("emoji", ["👍", "🔥"][n % 2])).await;
        }
        town
    }

    /// Makes two people friends, by a request of the second one's.
    pub async fn update_relationship(&self, who: usize, by: usize) {
        let ask = Call::of("friends-send-request").body(json!({"receiver_id": self.people[who]}));
        let request = self.by(by, ask).await["id"].as_str().unwrap().to_owned();
        let accept = Call::of("friends-respond-to-request").at("request_id", request);
        self.by(who, accept.query("action", "accepted")).await;
    }

    /// Makes a room of the first person and some others.
    async fn new_room(&self, others: &[usize]) -> String {
        let others: Vec<UserId> = others.iter().map(|n| self.people[*n]).collect();
        let room = Call::of("chat-create-room").body(json!({"participant_ids": others}));
        self.by(0, room).await["id"].as_str().unwrap().to_owned()
    }

    /// Says something of the usual length.
    pub async fn say(&self, who: usize, room: &str, more: Value) -> Value {
        self.by(who, Call::of("chat-send-message").body(message(room, &more))).await
    }

    /// A call that sends something of the usual length, as a client does that has the whole room.
    pub async fn sending(&self, function: &'static str, room: &str) -> Call {
        let newest = self.by(0, Call::of("chat-get-room").at("room_id", room)).await["seq"].clone();
        let more = json!({"client_message_id": Uuid::new_v4(), "after_seq": newest});
        Call::of(function).body(message(room, &more))
    }

    /// A call about the newest message of the group.
    pub fn at_message(&self, function: &'static str) -> Call {
        self.at_group(function).at("message_id", self.message["id"].as_str().unwrap())
    }

    /// A call about the group.
    pub fn at_group(&self, function: &'static str) -> Call {
        Call::of(function).at("room_id", &*self.group)
    }

    /// Makes a call.
    pub async fn by(&self, who: usize, call: Call) -> Value {
        // Boxed: all endpoints together are more than a thread's stack takes in many places at once.
        Box::pin(call.by(&self.cloud, self.people[who], &format!("person{who:02}"))).await
    }

    /// Makes a call of a person who has made one before, and counts.
    pub async fn cost(&self, who: usize, call: Call) -> Cost {
        self.by(who, Call::of("users-get-me")).await;
        self.first_cost(who, call).await
    }

    /// Makes a call of a person whom this process may meet for the first time, and counts.
    pub async fn first_cost(&self, who: usize, call: Call) -> Cost {
        self.cloud.calls();
        let start = self.cloud.elapsed();
        self.by(who, call).await;
        let round_trips = self.cloud.elapsed() - start;
        let calls = self.cloud.calls();
        assert!(calls.iter().all(|call| !call.on_index && call.operation != "Scan"));
        let units = |operations: &[&str]| {
            let calls = calls.iter().filter(|call| operations.contains(&call.operation.as_str()));
            calls.map(|call| call.units).sum::<f64>() + 0.0
        };
        Cost {
            round_trips,
            read_units: units(&["GetItem", "Query", "BatchGetItem"]),
            write_units: units(&["PutItem", "UpdateItem", "BatchWriteItem", "TransactWriteItems"]),
            frames: calls.iter().filter(|call| call.operation == "POST").count(),
        }
    }
}

/// The data of a message of the usual length.
fn message(room: &str, more: &Value) -> Value {
    let mut message = json!({"chat_room_id": room, "content": text()});
    message.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    message
}
