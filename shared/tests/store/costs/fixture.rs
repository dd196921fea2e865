//! The typical case: a user with friends, direct rooms and a group of ten. Every user is online.

use serde_json::{Value, json};
use shared::id::UserId;
use uuid::Uuid;

use crate::{backend::TestBackend, call::Call};

/// The number of members of the group.
pub const GROUP_SIZE: usize = 10;

/// The number of rooms of user 0: the group, and a direct room with each of their friends.
pub const ROOMS: usize = 15;

/// The index of a user who is not a friend of user 0.
pub const STRANGER: usize = ROOMS + 1;

/// The index of a user without a profile.
pub const NEW_USER: usize = STRANGER + 1;

/// The users, the group and the direct rooms.
pub struct Fixture {
    pub backend: TestBackend,
    /// User 0, then the other members of the group, then their other friends, the stranger and the new user.
    pub users: Vec<UserId>,
    /// The id of the group.
    pub group: String,
    /// The newest message of the group, a reply with ten reactions.
    pub message: Value,
    /// The ids of the direct rooms of user 0; entry `n` is the room with user `n + 1`.
    pub direct_rooms: Vec<String>,
}

/// The cost of one call.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Cost {
    pub round_trips: u64,
    pub read_units: f64,
    pub write_units: f64,
    pub frames: usize,
}

/// Text of the typical length, 400 bytes.
pub fn text() -> String {
    "x".repeat(400)
}

impl Fixture {
    pub async fn new() -> Self {
        let backend = TestBackend::new();
        let mut users = Vec::new();
        for n in 0..=STRANGER {
            let user = backend.user(&format!("person{n:02}")).await;
            backend.connect(user, &format!("person{n:02}")).await;
            users.push(user);
        }
        users.push(UserId::from(Uuid::new_v4()));
        let mut fixture =
            Self { backend, users, group: String::new(), message: Value::Null, direct_rooms: Vec::new() };
        for n in 1..ROOMS {
            fixture.make_friends(0, n).await;
            let room = fixture.create_room(&[n]).await;
            fixture.send(n, &room, json!({})).await;
            fixture.direct_rooms.push(room);
        }
        fixture.group = fixture.create_room(&(1..GROUP_SIZE).collect::<Vec<_>>()).await;
        for n in 1..=60 {
            fixture.send(n % GROUP_SIZE, &fixture.group.clone(), json!({})).await;
        }
        let first = fixture.send(1, &fixture.group.clone(), json!({})).await;
        fixture.message = fixture.send(0, &fixture.group.clone(), json!({"reply_to_id": first["id"]})).await;
        for n in 0..GROUP_SIZE {
            fixture
                .call(n, fixture.message_call("chat-add-reaction").path("emoji", ["👍", "🔥"][n % 2]))
                .await;
        }
        fixture
    }

    /// Makes two users friends with a request of the second one.
    pub async fn make_friends(&self, receiver: usize, sender: usize) {
        let ask = Call::of("friends-send-request").body(json!({"receiver_id": self.users[receiver]}));
        let request = self.call(sender, ask).await["id"].as_str().unwrap().to_owned();
        let accept = Call::of("friends-respond-to-request").path("request_id", request);
        self.call(receiver, accept.query("action", "accepted")).await;
    }

    /// Creates a room of user 0 and the others.
    async fn create_room(&self, others: &[usize]) -> String {
        let others: Vec<UserId> = others.iter().map(|n| self.users[*n]).collect();
        let room = Call::of("chat-create-room").body(json!({"participant_ids": others}));
        self.call(0, room).await["id"].as_str().unwrap().to_owned()
    }

    /// Sends a message of the typical length.
    pub async fn send(&self, sender: usize, room: &str, more: Value) -> Value {
        self.call(sender, Call::of("chat-send-message").body(message(room, &more))).await
    }

    /// A call that sends a message of the typical length, from a client that is up to date.
    pub async fn send_call(&self, function: &'static str, room: &str) -> Call {
        let newest = self.call(0, Call::of("chat-get-room").path("room_id", room)).await["seq"].clone();
        let more = json!({"client_message_id": Uuid::new_v4(), "after_seq": newest});
        Call::of(function).body(message(room, &more))
    }

    /// A call on `message`.
    pub fn message_call(&self, function: &'static str) -> Call {
        self.group_call(function).path("message_id", self.message["id"].as_str().unwrap())
    }

    /// A call on the group.
    pub fn group_call(&self, function: &'static str) -> Call {
        Call::of(function).path("room_id", &*self.group)
    }

    /// Makes a call as the user.
    pub async fn call(&self, caller: usize, call: Call) -> Value {
        // Boxed: the futures of all endpoints together overflow the stack.
        Box::pin(call.send(&self.backend, self.users[caller], &format!("person{caller:02}"))).await
    }

    /// The cost of a call of a user whose profile this process has cached.
    pub async fn cost(&self, caller: usize, call: Call) -> Cost {
        self.call(caller, Call::of("users-get-me")).await;
        self.first_cost(caller, call).await
    }

    /// The cost of a call of a user whose profile may not be cached.
    pub async fn first_cost(&self, caller: usize, call: Call) -> Cost {
        self.backend.calls();
        let start = self.backend.elapsed();
        self.call(caller, call).await;
        let round_trips = self.backend.elapsed() - start;
        let calls = self.backend.calls();
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

/// The body of a message of the typical length.
fn message(room: &str, more: &Value) -> Value {
    let mut message = json!({"chat_room_id": room, "content": text()});
    message.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    message
}
