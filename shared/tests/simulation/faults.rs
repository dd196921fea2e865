//! What goes wrong, and when: decided by a generator of its own, call by call.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex},
    time::Duration,
};

use fastrand::Rng;
use serde_json::json;
use tokio::sync::Notify;

use crate::{
    cloud::{Cloud, Commit},
    plan::Rates,
    sockets::Lines,
    stale::Images,
};

/// What is known of the cloud.
pub struct State {
    pub rng: Rng,
    /// How often each fault happens now.
    pub rates: Rates,
    /// What items were before their last writes.
    pub images: Images,
    invocations: usize,
    /// The gateway's connections.
    pub lines: Lines,
    /// How often each fault happened.
    pub faults: BTreeMap<&'static str, u64>,
    /// Every message that got into a log.
    pub commits: Vec<Commit>,
    /// When each revision of a room came about, in milliseconds.
    pub revisions: BTreeMap<(String, u64), u64>,
    /// How many calls of the table there were.
    pub calls: u64,
}

/// When an invocation dies at one of its calls.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Death {
    /// The call is never sent.
    Before,
    /// The call has taken effect.
    After,
    /// The call is on its way, and takes effect later.
    Meanwhile,
}

/// One run of a function.
#[derive(Debug)]
pub struct Invocation {
    /// Its number.
    pub id: usize,
    /// What it is of, for the trace.
    pub name: String,
    dies_at: Option<(usize, Death)>,
    calls: Mutex<usize>,
    /// Told when it dies.
    pub dead: Notify,
}

/// What goes wrong with a call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    None,
    Unsent,
    Unanswered,
    Broken,
    Throttled,
    Conflict,
    Slow,
}

impl State {
    /// Nothing has happened yet.
    pub fn new(seed: u64, rates: Rates) -> Self {
        Self {
            rng: Rng::with_seed(!seed),
            rates,
            images: Images::default(),
            invocations: 0,
            lines: Lines::default(),
            faults: BTreeMap::new(),
            commits: Vec::new(),
            revisions: BTreeMap::new(),
            calls: 0,
        }
    }

    /// How long a step of a call takes.
    pub fn latency(&mut self) -> Duration {
        Duration::from_micros(self.rng.u64(500..=6000))
    }

    /// Whether a fault of this rate happens now; counted by its name.
    pub fn happens(&mut self, name: &'static str, rate: impl Fn(&Rates) -> f64) -> bool {
        let rate = rate(&self.rates);
        let happens = rate > 0.0 && self.rng.f64() < rate;
        if happens {
            *self.faults.entry(name).or_default() += 1;
        }
        happens
    }

    /// What goes wrong with a call of the table that starts now.
    pub fn fault(&mut self, operation: &str) -> Fault {
        let is_write = matches!(operation, "PutItem" | "UpdateItem" | "TransactWriteItems");
        if self.happens("unsent", |rates| rates.unsent) {
            Fault::Unsent
        } else if self.happens("unanswered", |rates| rates.unanswered) {
            Fault::Unanswered
        } else if self.happens("broken", |rates| rates.broken) {
            Fault::Broken
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

impl Cloud {
    /// A new invocation, which may have to die.
    pub fn invocation(&self, name: String) -> Arc<Invocation> {
        let mut state = self.state();
        state.invocations += 1;
        let dies_at = state.happens("crash", |rates| rates.crash).then(|| {
            let death = [Death::Before, Death::After, Death::Meanwhile][state.rng.usize(..3)];
            (state.rng.usize(1..=10), death)
        });
        let calls = Mutex::new(0);
        Arc::new(Invocation { id: state.invocations, name, dies_at, calls, dead: Notify::new() })
    }
}

impl Invocation {
    /// Counts a call; how it ends the invocation, if it does.
    pub fn next_call(&self) -> Option<Death> {
        let mut calls = self.calls.lock().unwrap();
        *calls += 1;
        self.dies_at.filter(|(at, _)| at == &*calls).map(|(_, death)| death)
    }
}

/// Ends an invocation: its call never comes back.
pub async fn die<T>(invocation: Option<&Arc<Invocation>>) -> T {
    if let Some(invocation) = invocation {
        invocation.dead.notify_one();
    }
    std::future::pending().await
}

/// What a write is answered that meets a transaction.
pub fn conflict(operation: &str) -> String {
    let reasons = json!([{"Code": "TransactionConflict", "Message": "in the way"}]);
    match operation {
        "TransactWriteItems" => {
            json!({"__type": "TransactionCanceledException", "CancellationReasons": reasons}).to_string()
        }
        _ => json!({"__type": "TransactionConflictException", "message": "in the way"}).to_string(),
    }
}

/// What goes wrong, for the trace.
pub fn label(fault: Fault, death: Option<Death>) -> String {
    match (fault, death) {
        (Fault::None, None) => String::new(),
        (fault, None) => format!(" !{fault:?}"),
        (_, Some(death)) => format!(" !dies {death:?}"),
    }
}
