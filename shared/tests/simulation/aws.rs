//! Simulated AWS: DynamoDB and API Gateway with latency and injected faults. Calls may fail, take effect
//! without a response, or return less than they could.

use std::sync::{Arc, Mutex, MutexGuard};

use aws_smithy_runtime_api::client::result::ConnectorError;
use dynoxide::Database;
use serde_json::{Value, json};
use tokio::time::sleep;

use crate::{
    faults::{AwsState, Crash, Fault, Invocation, conflict, crash_invocation, label},
    network::{self, Answer, Call, Network},
    plan::FaultRates,
    trace::Trace,
};

tokio::task_local! {
    /// The invocation that makes a call.
    pub static INVOCATION: Arc<Invocation>;
}

/// The first write of a message to a log.
#[derive(Clone, Debug)]
pub struct Commit {
    /// The room id.
    pub room: String,
    /// The position in the log.
    pub seq: u64,
    /// Milliseconds since 1970.
    pub at: u64,
}

/// The table engine, the connections and the injected faults.
#[derive(Clone)]
pub struct SimulatedAws {
    pub engine: Database,
    state: Arc<Mutex<AwsState>>,
    start: tokio::time::Instant,
    /// The trace of the schedule.
    pub trace: Trace,
}

/// The start of every schedule's clock, in milliseconds since 1970.
pub const START: u64 = 1_770_000_000_000;

impl SimulatedAws {
    pub fn new(seed: u64, fault_rates: FaultRates, trace: Trace) -> Self {
        let state = AwsState::new(seed, fault_rates);
        let start = tokio::time::Instant::now();
        Self { engine: network::engine(), state: Arc::new(Mutex::new(state)), start, trace }
    }

    pub fn state(&self) -> MutexGuard<'_, AwsState> {
        self.state.lock().unwrap()
    }

    /// The current time, in milliseconds since 1970.
    pub fn now(&self) -> u64 {
        START + u64::try_from(self.start.elapsed().as_millis()).unwrap()
    }

    /// Waits for the latency of one network hop.
    pub async fn network_delay(&self) {
        let latency = self.state().latency();
        sleep(latency).await;
    }

    /// Sets the fault rates from now on.
    pub fn set_fault_rates(&self, fault_rates: FaultRates) {
        self.state().fault_rates = fault_rates;
    }

    async fn table_call(&self, operation: String, body: String) -> Result<Answer, ConnectorError> {
        self.state().calls += 1;
        let invocation = INVOCATION.try_with(Arc::clone).ok();
        let crash = invocation.as_ref().and_then(|invocation| invocation.count_call());
        let name = invocation.as_ref().map_or("setup", |invocation| invocation.name.as_str()).to_owned();
        let id = invocation.as_ref().map_or(0, |invocation| invocation.id);
        let fault = match crash {
            Some(_) => Fault::None,
            None => self.state().next_fault(&operation),
        };
        self.trace
            .record(|| format!("  {name}#{id} {operation}{}{}", label(fault, crash), call_target(&body)));
        if crash == Some(Crash::Before) {
            return crash_invocation(invocation.as_ref()).await;
        }
        match fault {
            Fault::Unsent => return Err(ConnectorError::io("the connection could not be made".into())),
            Fault::Throttled => {
                self.network_delay().await;
                let code = ["ProvisionedThroughputExceededException", "ThrottlingException"];
                let code = code[self.state().rng.usize(..2)];
                return Ok((400, json!({"__type": code, "message": "throttled"}).to_string()));
            }
            Fault::Conflict => {
                self.network_delay().await;
                return Ok((400, conflict(&operation)));
            }
            Fault::None | Fault::Slow | Fault::Unanswered | Fault::ConnectionBroken => {}
        }
        // Once sent, a call takes effect even if the caller no longer waits for it.
        let aws = self.clone();
        let max_delay = match (fault, crash) {
            (Fault::Slow, _) | (_, Some(Crash::During)) => 6000,
            _ if self.state().happens("delayed", |rates| rates.delayed) => 1500,
            _ => 0,
        };
        let effect = tokio::spawn(async move { aws.apply(&operation, &body, max_delay).await });
        if crash == Some(Crash::During) {
            return crash_invocation(invocation.as_ref()).await;
        }
        let response = effect.await.unwrap();
        if crash == Some(Crash::After) {
            return crash_invocation(invocation.as_ref()).await;
        }
        match fault {
            Fault::Unanswered => std::future::pending().await,
            Fault::ConnectionBroken => Err(ConnectorError::io("the connection was closed".into())),
            _ => {
                self.network_delay().await;
                Ok(response)
            }
        }
    }
}

impl Network for SimulatedAws {
    async fn answer(&self, call: Call) -> Result<Answer, ConnectorError> {
        match call {
            Call::Table { operation, body } => self.table_call(operation, body).await,
            Call::Socket { method, connection, body } => self.socket(&method, &connection, &body).await,
        }
    }
}

/// The sort key that a call addresses, for the trace.
fn call_target(body: &str) -> String {
    let body: Value = serde_json::from_str(body).unwrap_or_default();
    let key = if body["Key"].is_object() { &body["Key"] } else { &body["Item"] };
    let values = &body["ExpressionAttributeValues"];
    match (key["sk"]["S"].as_str(), values[":first"]["S"].as_str()) {
        (Some(sk), _) => format!(" {sk}"),
        (None, Some(first)) => format!(" from {first}"),
        (None, None) => String::new(),
    }
}
