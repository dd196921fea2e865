//! One process of a function: its start, its end, its output, and the calls it is given.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::process::Stdio;
use std::sync::{Arc, Mutex, OnceLock};
use std::time::Duration;

use axum::body::Bytes;
use axum::serve::ListenerExt;
use tokio::io::{AsyncBufReadExt, AsyncRead, BufReader};
use tokio::net::TcpListener;
use tokio::process::{Child, Command};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use uuid::Uuid;

use super::InvokeError;
use super::pool::lock;
use super::runtime_api::{self, Desk, Job};
use crate::clock::{Clock, epoch_millis};
use crate::log::hand_on;
use crate::stack::without_delay;
use crate::template::{ACCOUNT_ID, FunctionSpec, REGION};

/// How long a process may take until it first asks for work. Lambda gives 10 seconds; a developer's machine that
/// builds at the same time gets more.
const INIT_LIMIT: Duration = Duration::from_secs(30);

/// All that is needed to start a process of one function.
#[derive(Clone, Debug)]
pub struct Launch {
    pub spec: FunctionSpec,
    pub program: PathBuf,
    pub environment: BTreeMap<String, String>,
    pub clock: Clock,
    pub tracker: TaskTracker,
    pub ending: CancellationToken,
}

/// A call that came to nothing because its process ended.
pub enum Lost {
    /// The process never saw the call.
    BeforeTaking(InvokeError),
    /// The process had the call and may have done anything.
    Midway(InvokeError),
}

/// A running process; dropping it ends it.
#[derive(Debug)]
pub struct Process {
    desk: Arc<Desk>,
    exited: CancellationToken,
    status: Arc<OnceLock<String>>,
    kill: CancellationToken,
    timeout: Duration,
    clock: Clock,
    arn: String,
}

impl Drop for Process {
    fn drop(&mut self) {
        self.kill.cancel();
    }
}

impl Process {
    /// Starts a process and waits until it asks for work.
    pub async fn start(launch: &Launch, pids: &Arc<Mutex<Vec<u32>>>) -> Result<Self, String> {
        // Each process has a listener of its own, so that whoever asks there is known; it listens first.
        let listener = TcpListener::bind(("127.0.0.1", 0)).await.map_err(|error| error.to_string())?;
        let address = listener.local_addr().map_err(|error| error.to_string())?;
        let name = &launch.spec.name;
        let child = Command::new(&launch.program)
            .env_clear()
            .envs(&launch.environment)
            .env("AWS_LAMBDA_RUNTIME_API", address.to_string())
            .env("AWS_LAMBDA_LOG_STREAM_NAME", format!("[$LATEST]{}", Uuid::new_v4().simple()))
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .kill_on_drop(true)
            .spawn()
            .map_err(|error| format!("{} cannot be run: {error}", launch.program.display()))?;

        let process = Self {
            desk: Arc::new(Desk::default()),
            exited: CancellationToken::new(),
            status: Arc::default(),
            kill: launch.ending.child_token(),
            timeout: launch.spec.timeout,
            clock: launch.clock.clone(),
            arn: format!("arn:aws:lambda:{REGION}:{ACCOUNT_ID}:function:{name}"),
        };
        process.supervise(child, listener, launch, Arc::clone(pids));
        tokio::select! {
            biased;
            cause = process.desk.init_failed() => Err(cause),
            () = process.desk.ready() => Ok(process),
            () = process.exited.cancelled() => Err(format!("it ended before it asked for work ({})", process.status())),
            () = launch.clock.sleep(INIT_LIMIT) => Err(format!("it did not ask for work within {INIT_LIMIT:?}")),
        }
    }

    fn supervise(
        &self,
        mut child: Child,
        listener: TcpListener,
        launch: &Launch,
        pids: Arc<Mutex<Vec<u32>>>,
    ) {
        let pid = child.id().unwrap_or_default();
        lock(&pids).push(pid);
        if let Some(output) = child.stdout.take() {
            tokio::spawn(log_lines(launch.spec.binary.clone(), output));
        }
        if let Some(output) = child.stderr.take() {
            tokio::spawn(log_lines(launch.spec.binary.clone(), output));
        }
        let api = runtime_api::router(Arc::clone(&self.desk));
        let (kill, exited, status) = (self.kill.clone(), self.exited.clone(), Arc::clone(&self.status));
        launch.tracker.spawn(async move {
            let serving = axum::serve(listener.tap_io(without_delay), api).into_future();
            let ended = tokio::select! {
                ended = child.wait() => ended,
                _ = serving => child.wait().await,
                () = kill.cancelled() => {
                    // It may have ended by itself just now; what counts is that it is gone.
                    child.kill().await.ok();
                    child.wait().await
                }
            };
            let text = ended.map_or_else(|error| error.to_string(), |status| status.to_string());
            status.set(text).ok();
            lock(&pids).retain(|other| *other != pid);
            exited.cancel();
        });
    }

    /// Whether the process is gone.
    pub fn has_exited(&self) -> bool {
        self.exited.is_cancelled()
    }

    fn status(&self) -> String {
        self.status.get().cloned().unwrap_or_else(|| "unknown".to_owned())
    }

    /// Gives the process one call. `Err` means that the process is no longer of use.
    pub async fn call(&self, payload: Bytes) -> Result<Result<Bytes, InvokeError>, Lost> {
        let deadline_ms = epoch_millis() + i64::try_from(self.timeout.as_millis()).unwrap_or(i64::MAX / 2);
        let trace = Uuid::new_v4().simple().to_string();
        let job = Job {
            id: Uuid::new_v4().to_string(),
            payload,
            deadline_ms,
            arn: self.arn.clone(),
            trace: format!("Root=1-{}-{};Sampled=0", &trace[..8], &trace[8..]),
        };
        let mut answer = self.desk.put(job);
        let failure = tokio::select! {
            biased;
            Ok(outcome) = &mut answer => return Ok(outcome),
            () = self.exited.cancelled() => InvokeError::Exited(self.status()),
            () = self.clock.sleep(self.timeout) => {
                self.kill.cancel();
                InvokeError::TimedOut(self.timeout)
            }
        };
        Err(if self.desk.take_back() { Lost::BeforeTaking(failure) } else { Lost::Midway(failure) })
    }
}

/// Hands a process's output on to the stack's log, line by line.
async fn log_lines(binary: String, output: impl AsyncRead + Unpin) {
    let mut lines = BufReader::new(output).split(b'\n');
    while let Ok(Some(line)) = lines.next_segment().await {
        hand_on(&binary, &String::from_utf8_lossy(&line));
    }
}
