//! The cloud as it may behave: calls take a while, fail, take effect without an answer, and answer less than they could.

use std::sync::{Arc, Mutex, MutexGuard};

use aws_smithy_runtime_api::client::result::ConnectorError;
use dynoxide::Database;
use serde_json::{Value, json};
use tokio::time::sleep;

use crate::{
    faults::{Death, Fault, Invocation, State, conflict, die, label},
    network::{self, Answer, Call, Network},
    plan::Rates,
    trace::Trace,
};

tokio::task_local! {
    /// The invocation that makes a call.
    pub static RUNNING: Arc<Invocation>;
}

/// A message that got into the log.
#[derive(Clone, Debug)]
pub struct Commit {
    /// Where.
    pub room: String,
    /// At which position.
    pub seq: u64,
    /// When, in milliseconds.
    pub at: u64,
}

/// Engine, connections and what went wrong with them.
#[derive(Clone)]
pub struct Cloud {
    pub engine: Database,
    state: Arc<Mutex<State>>,
    start: tokio::time::Instant,
    /// What happened.
    pub trace: Trace,
}

/// When the schedules' clock starts, in milliseconds since 1970.
pub const START: u64 = 1_770_000_000_000;

impl Cloud {
    pub fn new(seed: u64, rates: Rates, trace: Trace) -> Self {
        let state = State::new(seed, rates);
        let start = tokio::time::Instant::now();
        Self { engine: network::engine(), state: Arc::new(Mutex::new(state)), start, trace }
    }

    pub fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap()
    }

    /// Milliseconds since 1970.
    pub fn now(&self) -> u64 {
        START + u64::try_from(self.start.elapsed().as_millis()).unwrap()
    }

    /// Waits as long as a step of a call takes.
    pub async fn travel(&self) {
        let latency = self.state().latency();
        sleep(latency).await;
    }

    /// From now on faults happen this often.
    pub fn set_rates(&self, rates: Rates) {
        self.state().rates = rates;
    }

    async fn table(&self, operation: String, body: String) -> Result<Answer, ConnectorError> {
        self.state().calls += 1;
        let running = RUNNING.try_with(Arc::clone).ok();
        let death = running.as_ref().and_then(|invocation| invocation.next_call());
        let name = running.as_ref().map_or("setup", |invocation| invocation.name.as_str()).to_owned();
        let id = running.as_ref().map_or(0, |invocation| invocation.id);
        let fault = match death {
            Some(_) => Fault::None,
            None => self.state().fault(&operation),
        };
        self.trace.note(|| format!("  {name}#{id} {operation}{}{}", label(fault, death), place(&body)));
        if death == Some(Death::Before) {
            return die(running.as_ref()).await;
        }
        match fault {
            Fault::Unsent => return Err(ConnectorError::io("the connection could not be made".into())),
            Fault::Throttled => {
                self.travel().await;
                let code = ["ProvisionedThroughputExceededException", "ThrottlingException"];
                let code = code[self.state().rng.usize(..2)];
                return Ok((400, json!({"__type": code, "message": "too much at once"}).to_string()));
            }
            Fault::Conflict => {
                self.travel().await;
                return Ok((400, conflict(&operation)));
            }
            Fault::None | Fault::Slow | Fault::Unanswered | Fault::Broken => {}
        }
        // On its way, a call takes effect whether or not somebody still waits for it.
        let cloud = self.clone();
        let longest = match (fault, death) {
            (Fault::Slow, _) | (_, Some(Death::Meanwhile)) => 6000,
            _ if self.state().happens("sluggish", |rates| rates.sluggish) => 1500,
            _ => 0,
        };
        let effect = tokio::spawn(async move { cloud.effect(&operation, &body, longest).await });
        if death == Some(Death::Meanwhile) {
            return die(running.as_ref()).await;
        }
        let answer = effect.await.unwrap();
        if death == Some(Death::After) {
            return die(running.as_ref()).await;
        }
        match fault {
            Fault::Unanswered => std::future::pending().await,
            Fault::Broken => Err(ConnectorError::io("the connection broke".into())),
            _ => {
                self.travel().await;
                Ok(answer)
            }
        }
    }
}

impl Network for Cloud {
    async fn answer(&self, call: Call) -> Result<Answer, ConnectorError> {
        match call {
            Call::Table { operation, body } => self.table(operation, body).await,
            Call::Socket { method, connection, body } => self.socket(&method, &connection, &body).await,
        }
    }
}

/// What a call is about, for the trace.
fn place(body: &str) -> String {
    let body: Value = serde_json::from_str(body).unwrap_or_default();
    let key = if body["Key"].is_object() { &body["Key"] } else { &body["Item"] };
    let values = &body["ExpressionAttributeValues"];
    match (key["sk"]["S"].as_str(), values[":first"]["S"].as_str()) {
        (Some(sk), _) => format!(" {sk}"),
        (None, Some(first)) => format!(" from {first}"),
        (None, None) => String::new(),
    }
}
