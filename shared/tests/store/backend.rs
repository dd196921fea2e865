//! An in-process AWS with the app under test: an embedded engine behind the real SDK clients, sockets that
//! record their frames, and a clock on which every call takes exactly one second.
//!
//! The runtime's time is paused and advances only when every task waits: concurrent calls end together, and
//! the elapsed seconds are the number of sequential round trips.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex},
    time::Duration,
};

use aws_smithy_runtime_api::client::result::ConnectorError;
use dynoxide::Database;
use serde_json::{Value, json};
use shared::{
    App,
    clock::{Clock, Timestamp},
    config::Config,
    domain::users::{presence::Connection, profile::TokenProfile},
    id::{ConnectionId, UserId},
    push::Push,
    store::Store,
};
use tokio::time::Instant;
use uuid::Uuid;

use crate::{
    network::{self, Answer, Network, TABLE},
    recording::Recording,
};

/// The region of the SDK clients.
const REGION: &str = "us-east-1";

/// The secret that signs tokens.
pub const SECRET: &str = "the secret that the tests share with the token issuer";

/// The start of the clock, in Unix seconds.
const START: i64 = 1_770_000_000;

/// A recorded call of an SDK client.
#[derive(Clone, Debug)]
pub struct Call {
    /// The DynamoDB operation, or the HTTP method of a call to a connection.
    pub operation: String,
    /// The called connection; `None` for DynamoDB.
    pub connection: Option<String>,
    /// The end of the call, in seconds since the backend was created.
    pub ended: u64,
    /// Consumed capacity units.
    pub units: f64,
    /// Whether the request names an index.
    pub on_index: bool,
}

/// How a connection responds to a frame.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Socket {
    /// Accepts the frame.
    #[default]
    Open,
    /// Responds with 410 Gone.
    Gone,
    /// Never responds to a frame.
    Hanging,
    /// Never responds to any call, like a gateway that cannot be reached.
    Unreachable,
}

#[derive(Default)]
struct Recorded {
    calls: Vec<Call>,
    frames: Vec<(String, String)>,
    sockets: BTreeMap<String, Socket>,
    conflicts: BTreeMap<String, usize>,
    has_corrupted_items: bool,
}

/// An in-process AWS and the app that runs on it.
#[derive(Clone)]
pub struct TestBackend {
    network: RecordingNetwork,
    /// An SDK client, for writes that the store does not offer.
    pub client: aws_sdk_dynamodb::Client,
    /// The app under test.
    pub app: App,
}

impl TestBackend {
    pub fn new() -> Self {
        let start = Instant::now();
        let network = RecordingNetwork {
            engine: network::engine(),
            recorded: Arc::default(),
            recording: Arc::new(Recording::start()),
            start,
        };
        let aws = network::sdk(network.clone(), REGION);
        let variable = |name: &str| match name {
            "TABLE_NAME" => Some(TABLE.to_owned()),
            "SOCKET_ENDPOINT" => Some("https://sockets.example/live".to_owned()),
            "MEDIA_ORIGINS" => Some("https://media.example".to_owned()),
            "JWT_SECRET" => Some(SECRET.to_owned()),
            _ => None,
        };
        let config = Config::from_lookup(variable).unwrap();
        let client = aws_sdk_dynamodb::Client::new(&aws);
        let store = Store::new(client.clone(), TABLE.to_owned());
        let push = Push::from_config(&aws, config.socket_endpoint.as_deref(), store.clone());
        let clock = Clock::from_fn(move || {
            let seconds = i64::try_from((Instant::now() - start).as_secs()).unwrap();
            Timestamp::from_seconds(START + seconds)
        });
        let app = App::new(config, clock, store, push);
        Self { network, client, app }
    }

    /// Allows the engine to refuse requests from now on, and stops the recording.
    pub fn expect_corrupted_items(&self) {
        self.network.recorded.lock().unwrap().has_corrupted_items = true;
    }

    /// A store with its own SDK client, as another process has.
    pub fn another_store(&self) -> Store {
        let aws = network::sdk(self.network.clone(), REGION);
        Store::new(aws_sdk_dynamodb::Client::new(&aws), TABLE.to_owned())
    }

    /// Creates a user with this username.
    pub async fn user(&self, name: &str) -> UserId {
        let user = UserId::from(Uuid::new_v4());
        let token_profile = TokenProfile { username: Some(name.to_owned()), ..TokenProfile::default() };
        self.app.store.profile_or_new(user, &token_profile, self.app.now()).await.unwrap();
        user
    }

    /// Registers a live connection of the user, opened now.
    pub async fn connect(&self, user_id: UserId, id: &str) -> Connection {
        let (id, since) = (ConnectionId(id.to_owned()), self.app.now());
        let connection = Connection { user_id, id, since, device_id: None };
        self.app.store.register_connection(&connection, START + 1_000_000).await.unwrap();
        connection
    }

    /// Sets how the connection responds from now on.
    pub fn set_socket(&self, id: &str, socket: Socket) {
        self.network.recorded.lock().unwrap().sockets.insert(id.to_owned(), socket);
    }

    /// Makes the next `calls` calls of this operation fail with a transaction conflict.
    pub fn set_conflicts(&self, operation: &str, calls: usize) {
        self.network.recorded.lock().unwrap().conflicts.insert(operation.to_owned(), calls);
    }

    /// Takes the calls recorded since the last `calls()`.
    pub fn calls(&self) -> Vec<Call> {
        std::mem::take(&mut self.network.recorded.lock().unwrap().calls)
    }

    /// Takes the frames recorded since the last `frames()`, as `(connection, frame)`.
    pub fn frames(&self) -> Vec<(String, Value)> {
        let parsed = |(to, text): (String, String)| (to, serde_json::from_str(&text).unwrap_or_default());
        self.frame_texts().into_iter().map(parsed).collect()
    }

    /// Takes the texts of the frames recorded since the last `frames()`, as `(connection, text)`.
    pub fn frame_texts(&self) -> Vec<(String, String)> {
        std::mem::take(&mut self.network.recorded.lock().unwrap().frames)
    }

    /// Seconds since the backend was created, which are the sequential round trips so far.
    pub fn elapsed(&self) -> u64 {
        (Instant::now() - self.network.start).as_secs()
    }

    /// Advances the clock.
    pub async fn wait(&self, seconds: u64) {
        tokio::time::advance(Duration::from_secs(seconds)).await;
    }

    /// Every item of a partition, as DynamoDB JSON.
    pub fn partition(&self, pk: &str) -> Vec<Value> {
        let query = json!({
            "TableName": TABLE,
            "KeyConditionExpression": "pk = :pk",
            "ExpressionAttributeValues": {":pk": {"S": pk}},
        });
        let answer = self.network.engine.query(serde_json::from_value(query).unwrap()).unwrap();
        let answer = serde_json::to_value(answer).unwrap();
        answer["Items"].as_array().cloned().unwrap_or_default()
    }
}

/// The network of one process: records calls and frames, and takes one second per call.
#[derive(Clone)]
struct RecordingNetwork {
    engine: Database,
    recorded: Arc<Mutex<Recorded>>,
    recording: Arc<Recording>,
    start: Instant,
}

impl Network for RecordingNetwork {
    async fn answer(&self, call: network::Call) -> Result<Answer, ConnectorError> {
        let (operation, connection, body, (status, answer)) = match call {
            network::Call::Table { operation, body } => {
                let answer = if let Some(conflict) = self.conflict(&operation) {
                    (400, conflict.to_string())
                } else {
                    let answer = network::perform(&self.engine, &operation, &body);
                    if !self.has_corrupted_items() {
                        self.recording.add(&operation, &body, &answer.1);
                    }
                    answer
                };
                (operation, None, body, answer)
            }
            network::Call::Socket { method, connection, body } => {
                let answer = self.socket(&method, &connection, &body).await;
                (method, Some(connection), body, answer)
            }
        };
        tokio::time::sleep(Duration::from_secs(1)).await;
        let consumed: Value = serde_json::from_str(&answer).unwrap_or_default();
        self.recorded.lock().unwrap().calls.push(Call {
            operation,
            connection,
            ended: (Instant::now() - self.start).as_secs(),
            units: units(&consumed["ConsumedCapacity"]),
            on_index: body.contains("\"IndexName\""),
        });
        Ok((status, answer))
    }

    fn has_corrupted_items(&self) -> bool {
        self.recorded.lock().unwrap().has_corrupted_items
    }
}

impl RecordingNetwork {
    fn conflict(&self, operation: &str) -> Option<Value> {
        let mut recorded = self.recorded.lock().unwrap();
        let remaining = recorded.conflicts.get_mut(operation).filter(|remaining| **remaining > 0)?;
        *remaining -= 1;
        let reasons = json!([{"Code": "TransactionConflict", "Message": "conflict"}]);
        Some(match operation {
            "TransactWriteItems" => {
                json!({"__type": "TransactionCanceledException", "CancellationReasons": reasons})
            }
            _ => json!({"__type": "TransactionConflictException", "message": "conflict"}),
        })
    }

    async fn socket(&self, method: &str, id: &str, body: &str) -> (u16, String) {
        let socket = self.recorded.lock().unwrap().sockets.get(id).copied().unwrap_or_default();
        match socket {
            Socket::Open | Socket::Hanging if method == "DELETE" => {
                self.recorded.lock().unwrap().sockets.insert(id.to_owned(), Socket::Gone);
                (204, String::new())
            }
            Socket::Open => {
                self.recorded.lock().unwrap().frames.push((id.to_owned(), body.to_owned()));
                (200, String::new())
            }
            Socket::Gone => (410, json!({"message": "gone"}).to_string()),
            Socket::Hanging | Socket::Unreachable => std::future::pending().await,
        }
    }
}

fn units(consumed: &Value) -> f64 {
    match consumed {
        Value::Array(tables) => tables.iter().map(units).sum(),
        table => table["CapacityUnits"].as_f64().unwrap_or_default(),
    }
}
