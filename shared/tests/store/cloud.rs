//! The cloud in one process: the embedded engine behind the real SDK clients, sockets that record their frames, and
//! a clock on which every call takes exactly one second.
//!
//! The runtime's time is paused, so it moves only when everyone waits: calls that run concurrently end together,
//! and the seconds that pass are the sequential round trips.

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

use crate::network::{self, Answer, Network, TABLE};

/// Where the cloud is.
const REGION: &str = "us-east-1";

/// What tokens are signed with.
pub const SECRET: &str = "what the issuer of tokens and this system both know";

/// When the tests' clock starts.
const START: i64 = 1_770_000_000;

/// One call that reached the cloud.
#[derive(Clone, Debug)]
pub struct Call {
    /// The operation: DynamoDB's name, or the method of a call to a connection.
    pub operation: String,
    /// The connection that was called.
    pub connection: Option<String>,
    /// Seconds since the cloud was made, at the call's end.
    pub ended: u64,
    /// Consumed capacity.
    pub units: f64,
    /// Whether it named an index.
    pub on_index: bool,
}

/// What a frame's connection answers.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Socket {
    /// It takes frames.
    #[default]
    Open,
    /// It is gone: 410.
    Gone,
    /// It never answers.
    Hanging,
}

#[derive(Default)]
struct Recorded {
    calls: Vec<Call>,
    frames: Vec<(String, Value)>,
    sockets: BTreeMap<String, Socket>,
    conflicts: BTreeMap<String, usize>,
}

/// Engine, sockets and what they saw.
#[derive(Clone)]
pub struct Cloud {
    engine: Database,
    recorded: Arc<Mutex<Recorded>>,
    start: Instant,
    /// The SDK's client, for what the store has no call for.
    pub client: aws_sdk_dynamodb::Client,
    /// The app under test.
    pub app: App,
}

impl Cloud {
    pub fn new() -> Self {
        let engine = network::engine();
        let (recorded, start) = (Arc::<Mutex<Recorded>>::default(), Instant::now());
        let wire = Wire { engine: engine.clone(), recorded: recorded.clone(), start };
        let aws = network::sdk(wire, REGION);
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
        Self { engine, recorded, start, client, app }
    }

    /// The store of one more process.
    pub fn another_store(&self) -> Store {
        let (engine, recorded) = (self.engine.clone(), self.recorded.clone());
        let aws = network::sdk(Wire { engine, recorded, start: self.start }, REGION);
        Store::new(aws_sdk_dynamodb::Client::new(&aws), TABLE.to_owned())
    }

    /// A person of this name.
    pub async fn person(&self, name: &str) -> UserId {
        let user = UserId::from(Uuid::new_v4());
        let newcomer = TokenProfile { username: Some(name.to_owned()), ..TokenProfile::default() };
        self.app.store.profile_or_new(user, &newcomer, self.app.now()).await.unwrap();
        user
    }

    /// A live connection of a person, made now.
    pub async fn connect(&self, user_id: UserId, id: &str) -> Connection {
        let (id, since) = (ConnectionId(id.to_owned()), self.app.now());
        let connection = Connection { user_id, id, since, device_id: None };
        self.app.store.connected(&connection, START + 1_000_000).await.unwrap();
        connection
    }

    /// From now on the connection answers so.
    pub fn set_socket(&self, id: &str, socket: Socket) {
        self.recorded.lock().unwrap().sockets.insert(id.to_owned(), socket);
    }

    /// The next so many calls of this operation meet a transaction that is in their way.
    pub fn set_conflicts(&self, operation: &str, calls: usize) {
        self.recorded.lock().unwrap().conflicts.insert(operation.to_owned(), calls);
    }

    /// Takes the calls since the last look.
    pub fn calls(&self) -> Vec<Call> {
        std::mem::take(&mut self.recorded.lock().unwrap().calls)
    }

    /// Takes the frames since the last look, as `(connection, frame)`.
    pub fn frames(&self) -> Vec<(String, Value)> {
        std::mem::take(&mut self.recorded.lock().unwrap().frames)
    }

    /// Seconds since the cloud was made: the sequential round trips so far.
    pub fn elapsed(&self) -> u64 {
        (Instant::now() - self.start).as_secs()
    }

    /// Lets time pass.
    pub async fn wait(&self, seconds: u64) {
        tokio::time::advance(Duration::from_secs(seconds)).await;
    }

    /// Every item of a partition, as the engine has it.
    pub fn partition(&self, pk: &str) -> Vec<Value> {
        let query = json!({
            "TableName": TABLE,
            "KeyConditionExpression": "pk = :pk",
            "ExpressionAttributeValues": {":pk": {"S": pk}},
        });
        let answer = self.engine.query(serde_json::from_value(query).unwrap()).unwrap();
        let answer = serde_json::to_value(answer).unwrap();
        answer["Items"].as_array().cloned().unwrap_or_default()
    }
}

/// The wire between the SDK's clients and the cloud.
#[derive(Clone)]
struct Wire {
    engine: Database,
    recorded: Arc<Mutex<Recorded>>,
    start: Instant,
}

impl Network for Wire {
    async fn answer(&self, call: network::Call) -> Result<Answer, ConnectorError> {
        let (operation, connection, body, (status, answer)) = match call {
            network::Call::Table { operation, body } => {
                let answer = match self.conflict(&operation) {
                    Some(conflict) => (400, conflict.to_string()),
                    None => network::perform(&self.engine, &operation, &body),
                };
                (operation, None, body, answer)
            }
            network::Call::Socket { method, connection, body } => {
                let answer = self.socket(&connection, &body).await;
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
}

impl Wire {
    fn conflict(&self, operation: &str) -> Option<Value> {
        let mut recorded = self.recorded.lock().unwrap();
        let left = recorded.conflicts.get_mut(operation).filter(|left| **left > 0)?;
        *left -= 1;
        let reasons = json!([{"Code": "TransactionConflict", "Message": "in the way"}]);
        Some(match operation {
            "TransactWriteItems" => {
                json!({"__type": "TransactionCanceledException", "CancellationReasons": reasons})
            }
            _ => json!({"__type": "TransactionConflictException", "message": "in the way"}),
        })
    }

    async fn socket(&self, id: &str, body: &str) -> (u16, String) {
        let socket = self.recorded.lock().unwrap().sockets.get(id).copied().unwrap_or_default();
        match socket {
            Socket::Open => {
                let frame = serde_json::from_str(body).unwrap_or_default();
                self.recorded.lock().unwrap().frames.push((id.to_owned(), frame));
                (200, String::new())
            }
            Socket::Gone => (410, json!({"message": "gone"}).to_string()),
            Socket::Hanging => std::future::pending().await,
        }
    }
}

fn units(consumed: &Value) -> f64 {
    match consumed {
        Value::Array(tables) => tables.iter().map(units).sum(),
        table => table["CapacityUnits"].as_f64().unwrap_or_default(),
    }
}
