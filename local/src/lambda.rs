//! Lambda on one machine: the template's functions as processes on the Runtime API.

mod pool;
mod process;
mod runtime_api;

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use axum::body::Bytes;
use tokio_util::sync::{CancellationToken, DropGuard};
use tokio_util::task::TaskTracker;

use crate::clock::Clock;
use crate::template::FunctionSpec;
use pool::Pool;

/// Lambda's limit for a synchronous call's request, and for its response: 6 MB.
/// <https://docs.aws.amazon.com/lambda/latest/dg/gettingstarted-limits.html>
pub const PAYLOAD_LIMIT: usize = 6 * 1024 * 1024;

/// Why an invocation has no answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum InvokeError {
    /// The handler answered with an error: its type and its message.
    Function {
        /// `errorType`.
        kind: String,
        /// `errorMessage`.
        message: String,
    },
    /// The process could not be started or ended before it asked for work.
    Init(String),
    /// The process ended in the middle of the call.
    Exited(String),
    /// The call took longer than the function's timeout, and its process was ended.
    TimedOut(Duration),
    /// The request is over [`PAYLOAD_LIMIT`].
    RequestTooLarge,
    /// The answer is over [`PAYLOAD_LIMIT`].
    ResponseTooLarge,
    /// The stack is stopping, or has no such function.
    Unavailable,
}

impl std::fmt::Display for InvokeError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Function { kind, message } => write!(f, "{kind}: {message}"),
            Self::Init(cause) => write!(f, "it did not start: {cause}"),
            Self::Exited(status) => write!(f, "Runtime exited with error: {status}"),
            Self::TimedOut(limit) => write!(f, "Task timed out after {:.2} seconds", limit.as_secs_f64()),
            Self::RequestTooLarge => write!(f, "the request is over {PAYLOAD_LIMIT} bytes"),
            Self::ResponseTooLarge => write!(f, "the response is over {PAYLOAD_LIMIT} bytes"),
            Self::Unavailable => write!(f, "it cannot be called now"),
        }
    }
}

/// What every function of a stack shares.
#[derive(Clone, Debug)]
pub struct Host {
    /// The clock of all time limits.
    pub clock: Clock,
    /// The folder that holds the binaries.
    pub binaries: PathBuf,
}

/// All functions of a stack.
#[derive(Debug)]
pub struct Functions {
    pools: BTreeMap<String, Arc<Pool>>,
    calls: TaskTracker,
    processes: TaskTracker,
    ending: CancellationToken,
}

impl Functions {
    /// Makes the functions callable, each with its whole environment; their processes start on first use.
    pub fn new(
        host: &Host,
        specs: impl IntoIterator<Item = (FunctionSpec, BTreeMap<String, String>)>,
    ) -> Self {
        let processes = TaskTracker::new();
        let ending = CancellationToken::new();
        let pools = specs.into_iter().map(|(spec, environment)| {
            let id = spec.id.clone();
            let launch = process::Launch {
                program: host.binaries.join(&spec.binary),
                spec,
                environment,
                clock: host.clock.clone(),
                tracker: processes.clone(),
                ending: ending.clone(),
            };
            (id, Arc::new(Pool::new(launch)))
        });
        let functions = Self { pools: pools.collect(), calls: TaskTracker::new(), processes, ending };
        functions.reap_idle(host.clock.clone());
        functions
    }

    /// The output of `work`, or `None` if the functions are ending first.
    pub async fn unless_ending<F: Future>(&self, work: F) -> Option<F::Output> {
        self.ending.run_until_cancelled(work).await
    }

    /// Ends processes that have had nothing to do for a while, one of each function excepted.
    fn reap_idle(&self, clock: Clock) {
        let pools: Vec<_> = self.pools.values().cloned().collect();
        let ending = self.ending.clone();
        tokio::spawn(async move {
            while ending.run_until_cancelled(clock.sleep(pool::REAP_EVERY)).await.is_some() {
                for pool in &pools {
                    pool.reap();
                }
            }
        });
    }

    /// Calls a function by its logical id and waits for its answer.
    ///
    /// The call goes on when the caller stops waiting, as on Lambda.
    ///
    /// # Errors
    /// If the function fails, ends, times out or does not start, or there is no such function.
    pub async fn invoke(&self, id: &str, payload: Bytes) -> Result<Bytes, InvokeError> {
        let Some(pool) = self.pools.get(id).cloned() else {
            return Err(InvokeError::Unavailable);
        };
        if payload.len() > PAYLOAD_LIMIT {
            return Err(InvokeError::RequestTooLarge);
        }
        if self.ending.is_cancelled() {
            return Err(InvokeError::Unavailable);
        }
        // Until its caller has the answer, a call counts as under way.
        let _waiting = self.calls.token();
        let call = self.calls.spawn(async move {
            let outcome = pool.call(payload).await;
            let function = pool.spec().binary.as_str();
            match &outcome {
                Ok(_) => {}
                // An authorizer's "no", which its own log has told.
                Err(InvokeError::Function { message, .. }) if message == "Unauthorized" => {}
                Err(error) => tracing::error!(target: "function", function, "{error}"),
            }
            outcome
        });
        call.await.unwrap_or(Err(InvokeError::Unavailable))
    }

    /// The process ids that run a binary now.
    pub fn pids(&self, binary: &str) -> Vec<u32> {
        self.pools.values().filter(|pool| pool.spec().binary == binary).flat_map(|pool| pool.pids()).collect()
    }

    /// Waits until no call is under way, or `bound` has passed; calls made meanwhile are waited for as well.
    pub async fn settle(&self, bound: Duration) {
        self.calls.close();
        if tokio::time::timeout(bound, self.calls.wait()).await.is_err() {
            tracing::warn!("{} calls were still running and are given up", self.calls.len());
        }
        self.calls.reopen();
    }

    /// A guard that ends every process when it is dropped.
    pub fn end_on_drop(&self) -> DropGuard {
        self.ending.clone().drop_guard()
    }

    /// Ends every process and waits until they are gone.
    pub async fn stop(&self) {
        self.ending.cancel();
        self.processes.close();
        self.processes.wait().await;
    }
}
