//! The emulated Lambda service: runs the functions of the template as processes of the Runtime API.

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

/// Lambda's limit for the payload of a synchronous invocation, request and response: 6 MB.
/// <https://docs.aws.amazon.com/lambda/latest/dg/gettingstarted-limits.html>
pub const PAYLOAD_LIMIT: usize = 6 * 1024 * 1024;

/// The reason why an invocation failed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum InvokeError {
    /// The handler returned an error.
    Function {
        /// `errorType`.
        kind: String,
        /// `errorMessage`.
        message: String,
    },
    /// The process could not be started, or exited before it requested an invocation.
    Init(String),
    /// The process exited during the invocation.
    Exited(String),
    /// The invocation exceeded the timeout of the function, and its process was killed.
    TimedOut(Duration),
    /// The request exceeds [`PAYLOAD_LIMIT`].
    RequestTooLarge,
    /// The response exceeds [`PAYLOAD_LIMIT`].
    ResponseTooLarge,
    /// The function does not exist, or the stack is stopping.
    Unavailable,
}

impl std::fmt::Display for InvokeError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Function { kind, message } => write!(f, "{kind}: {message}"),
            Self::Init(cause) => write!(f, "it did not start: {cause}"),
            Self::Exited(status) => write!(f, "Runtime exited with error: {status}"),
            Self::TimedOut(limit) => write!(f, "Task timed out after {:.2} seconds", limit.as_secs_f64()),
            Self::RequestTooLarge => write!(f, "the request exceeds {PAYLOAD_LIMIT} bytes"),
            Self::ResponseTooLarge => write!(f, "the response exceeds {PAYLOAD_LIMIT} bytes"),
            Self::Unavailable => write!(f, "it is not available"),
        }
    }
}

/// The configuration that all functions of a stack share.
#[derive(Clone, Debug)]
pub struct HostConfig {
    /// The clock of all timeouts.
    pub clock: Clock,
    /// The folder of the binaries.
    pub binaries: PathBuf,
}

/// All functions of a stack.
#[derive(Debug)]
pub struct Functions {
    pools: BTreeMap<String, Arc<Pool>>,
    invocations: TaskTracker,
    processes: TaskTracker,
    stopping: CancellationToken,
}

impl Functions {
    /// Creates the functions from their specifications and environments. Processes start on demand.
    pub fn new(
        host: &HostConfig,
        specs: impl IntoIterator<Item = (FunctionSpec, BTreeMap<String, String>)>,
    ) -> Self {
        let processes = TaskTracker::new();
        let stopping = CancellationToken::new();
        let pools = specs.into_iter().map(|(spec, environment)| {
            let id = spec.id.clone();
            let launch = process::LaunchConfig {
                program: host.binaries.join(&spec.binary),
                spec,
                environment,
                clock: host.clock.clone(),
                tracker: processes.clone(),
                stopping: stopping.clone(),
            };
            (id, Arc::new(Pool::new(launch)))
        });
        let functions = Self { pools: pools.collect(), invocations: TaskTracker::new(), processes, stopping };
        functions.reap_idle(host.clock.clone());
        functions
    }

    /// The output of `work`, or `None` if the functions stop first.
    pub async fn unless_stopping<F: Future>(&self, work: F) -> Option<F::Output> {
        self.stopping.run_until_cancelled(work).await
    }

    /// Ends idle processes at an interval, except for one of each function.
    fn reap_idle(&self, clock: Clock) {
        let pools: Vec<_> = self.pools.values().cloned().collect();
        let stopping = self.stopping.clone();
        tokio::spawn(async move {
            while stopping.run_until_cancelled(clock.sleep(pool::REAP_INTERVAL)).await.is_some() {
                for pool in &pools {
                    pool.reap();
                }
            }
        });
    }

    /// Invokes a function by its logical id and waits for its response.
    ///
    /// The invocation continues if the caller stops waiting, as on Lambda.
    ///
    /// # Errors
    /// If the function does not exist, does not start, fails, exits or times out.
    pub async fn invoke(&self, id: &str, payload: Bytes) -> Result<Bytes, InvokeError> {
        let Some(pool) = self.pools.get(id).cloned() else {
            return Err(InvokeError::Unavailable);
        };
        if payload.len() > PAYLOAD_LIMIT {
            return Err(InvokeError::RequestTooLarge);
        }
        if self.stopping.is_cancelled() {
            return Err(InvokeError::Unavailable);
        }
        // An invocation counts as running until the caller has its response.
        let _running = self.invocations.token();
        let invocation = self.invocations.spawn(async move {
            let result = pool.invoke(payload).await;
            let function = pool.spec().binary.as_str();
            match &result {
                Ok(_) => {}
                // The denial of an authorizer, which the function logs itself.
                Err(InvokeError::Function { message, .. }) if message == "Unauthorized" => {}
                Err(error) => tracing::error!(target: "function", function, "{error}"),
            }
            result
        });
        invocation.await.unwrap_or(Err(InvokeError::Unavailable))
    }

    /// The ids of the running processes of a binary.
    pub fn pids(&self, binary: &str) -> Vec<u32> {
        self.pools.values().filter(|pool| pool.spec().binary == binary).flat_map(|pool| pool.pids()).collect()
    }

    /// Waits until no invocation is running, including those that start meanwhile, for at most `limit`.
    pub async fn wait_idle(&self, limit: Duration) {
        self.invocations.close();
        if tokio::time::timeout(limit, self.invocations.wait()).await.is_err() {
            tracing::warn!("{} invocations did not finish in time", self.invocations.len());
        }
        self.invocations.reopen();
    }

    /// A guard that kills every process when it is dropped.
    pub fn stop_on_drop(&self) -> DropGuard {
        self.stopping.clone().drop_guard()
    }

    /// Kills every process and waits until all have exited.
    pub async fn stop(&self) {
        self.stopping.cancel();
        self.processes.close();
        self.processes.wait().await;
    }
}
