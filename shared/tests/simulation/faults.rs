//! Injected faults and crashes. They are drawn call by call, from a separate random generator.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex},
    time::Duration,
};

use fastrand::Rng;
use serde_json::json;
use tokio::sync::Notify;

use crate::{
    aws::{Commit, SimulatedAws},
    connections::Connections,
    old_images::OldImages,
    plan::FaultRates,
};

/// The mutable state of the simulated AWS.
pub struct AwsState {
    /// The generator for faults and latencies.
    pub rng: Rng,
    /// The current fault rates.
    pub fault_rates: FaultRates,
    /// The items before their recent writes.
    pub old_images: OldImages,
    invocations: usize,
    /// The WebSocket connections.
    pub connections: Connections,
    /// The number of injected faults, by name.
    pub fault_counts: BTreeMap<&'static str, u64>,
    /// The first commit of every message.
    pub commits: Vec<Commit>,
    /// The first commit of each revision of a room, in milliseconds since 1970.
    pub revision_times: BTreeMap<(String, u64), u64>,
    /// The number of calls to the table.
    pub calls: u64,
}

/// The point at which an invocation crashes, relative to one of its calls.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Crash {
    /// The call is not sent.
    Before,
    /// The call has taken effect.
    After,
    /// The call is in flight, and takes effect later.
    During,
}

/// One execution of a Lambda function.
#[derive(Debug)]
pub struct Invocation {
    /// A sequence number.
    pub id: usize,
    /// The route, and for sockets the device, for the trace.
    pub name: String,
    crashes_at: Option<(usize, Crash)>,
    calls: Mutex<usize>,
    /// Notified when the invocation crashes.
    pub crashed: Notify,
}

/// The fault of one call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    None,
    Unsent,
    Unanswered,
    ConnectionBroken,
    Throttled,
    Conflict,
    Slow,
}

impl AwsState {
    /// The initial state, with a fault generator seeded from `seed`.
    pub fn new(seed: u64, fault_rates: FaultRates) -> Self {
        Self {
            rng: Rng::with_seed(!seed),
            fault_rates,
            old_images: OldImages::default(),
            invocations: 0,
            connections: Connections::default(),
            fault_counts: BTreeMap::new(),
            commits: Vec::new(),
            revision_times: BTreeMap::new(),
            calls: 0,
        }
    }

    /// Draws the latency of one network hop.
    pub fn latency(&mut self) -> Duration {
        Duration::from_micros(self.rng.u64(500..=6000))
    }

    /// Draws whether a fault of this rate happens, and counts it under its name.
    pub fn happens(&mut self, fault: &'static str, rate: impl Fn(&FaultRates) -> f64) -> bool {
        let rate = rate(&self.fault_rates);
        let happens = rate > 0.0 && self.rng.f64() < rate;
        if happens {
            self.count(fault);
        }
        happens
    }

    /// Counts an event under its name.
    pub fn count(&mut self, name: &'static str) {
        *self.fault_counts.entry(name).or_default() += 1;
    }

    /// Draws the fault of a call to the table.
    pub fn next_fault(&mut self, operation: &str) -> Fault {
        let is_write = matches!(operation, "PutItem" | "UpdateItem" | "TransactWriteItems");
        if self.happens("unsent", |rates| rates.unsent) {
            Fault::Unsent
        } else if self.happens("unanswered", |rates| rates.unanswered) {
            Fault::Unanswered
        } else if self.happens("connection broken", |rates| rates.connection_broken) {
            Fault::ConnectionBroken
        } else if self.happens("throttled", |rates| rates.throttled) {
            Fault::Throttled
        } else if is_write && self.happens("conflict", |rates| rates.conflict) {
            Fault::Conflict
        } else if self.happens("slow", |rates| rates.slow) {
            Fault::Slow
        } else {
            Fault::None
        }
    }
}

impl SimulatedAws {
    /// Starts an invocation, and draws whether it crashes at one of its first 10 calls.
    pub fn invocation(&self, name: String) -> Arc<Invocation> {
        let mut state = self.state();
        state.invocations += 1;
        let crashes_at = state.happens("crash", |rates| rates.crash).then(|| {
            let crash = [Crash::Before, Crash::After, Crash::During][state.rng.usize(..3)];
            (state.rng.usize(1..=10), crash)
        });
        let calls = Mutex::new(0);
        Arc::new(Invocation { id: state.invocations, name, crashes_at, calls, crashed: Notify::new() })
    }
}

impl Invocation {
    /// Counts a call. Returns how the invocation crashes at this call, if it does.
    pub fn count_call(&self) -> Option<Crash> {
        let mut calls = self.calls.lock().unwrap();
        *calls += 1;
        self.crashes_at.filter(|(at, _)| at == &*calls).map(|(_, crash)| crash)
    }
}

/// Crashes an invocation: its current call never returns.
pub async fn crash_invocation<T>(invocation: Option<&Arc<Invocation>>) -> T {
    if let Some(invocation) = invocation {
        invocation.crashed.notify_one();
    }
    std::future::pending().await
}

/// The response to a write that conflicts with a transaction.
pub fn conflict(operation: &str) -> String {
    let reasons = json!([{"Code": "TransactionConflict", "Message": "conflict"}]);
    match operation {
        "TransactWriteItems" => {
            json!({"__type": "TransactionCanceledException", "CancellationReasons": reasons}).to_string()
        }
        _ => json!({"__type": "TransactionConflictException", "message": "conflict"}).to_string(),
    }
}

/// The fault or crash of a call, for the trace.
pub fn label(fault: Fault, crash: Option<Crash>) -> String {
    match (fault, crash) {
        (Fault::None, None) => String::new(),
        (fault, None) => format!(" !{fault:?}"),
        (_, Some(crash)) => format!(" !Crash{crash:?}"),
    }
}
