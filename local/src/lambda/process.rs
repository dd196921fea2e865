//! One process of a function: start, exit, output and invocations.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::sync::{Arc, Mutex, OnceLock};
use std::time::{Duration, SystemTime};

use axum::body::Bytes;
use tokio::io::{AsyncBufReadExt, AsyncRead, BufReader};
use tokio::net::TcpListener;
use tokio::process::{Child, Command};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use uuid::Uuid;

use super::InvokeError;
use super::pool::lock;
use super::runtime_api::{self, Invocation, InvocationSlot};
use crate::clock::{Clock, epoch_millis};
use crate::guard;
use crate::log::forward_line;
use crate::template::{ACCOUNT_ID, FunctionSpec, REGION};

/// The longest time from the start of a process to its first request for an invocation. Lambda allows 10
/// seconds; a developer's machine may be compiling at the same time.
const INIT_TIMEOUT: Duration = Duration::from_secs(30);

/// The configuration to start a process of one function.
#[derive(Clone, Debug)]
pub struct LaunchConfig {
    pub spec: FunctionSpec,
    pub program: PathBuf,
    pub environment: BTreeMap<String, String>,
    pub clock: Clock,
    pub tracker: TaskTracker,
    pub stopping: CancellationToken,
}

/// An invocation without a response, because its process exited or was killed.
pub enum ProcessFailure {
    /// The process did not receive the invocation.
    NotDelivered(InvokeError),
    /// The process received the invocation and may have executed any part of it.
    Delivered(InvokeError),
}

/// A running process; dropping it kills the process.
#[derive(Debug)]
pub struct Process {
    slot: Arc<InvocationSlot>,
    exited: CancellationToken,
    status: Arc<OnceLock<String>>,
    kill: CancellationToken,
    timeout: Duration,
    clock: Clock,
    arn: String,
    version: Option<SystemTime>,
}

impl Drop for Process {
    fn drop(&mut self) {
        self.kill.cancel();
    }
}

/// Differs from build to build of a program; `None` if there is no program.
fn version(program: &Path) -> Option<SystemTime> {
    std::fs::metadata(program).and_then(|file| file.modified()).ok()
}

impl Process {
    /// Starts a process and waits until it requests an invocation.
    pub async fn start(launch: &LaunchConfig, pids: &Arc<Mutex<Vec<u32>>>) -> Result<Self, String> {
        // Each process has its own port, which identifies it. The port is open before the process starts.
        let listener = TcpListener::bind(("127.0.0.1", 0)).await.map_err(|error| error.to_string())?;
        let address = listener.local_addr().map_err(|error| error.to_string())?;
        let name = &launch.spec.name;
        let version = version(&launch.program);
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
            .map_err(|error| format!("cannot run {}: {error}", launch.program.display()))?;

        let process = Self {
            slot: Arc::new(InvocationSlot::default()),
            exited: CancellationToken::new(),
            status: Arc::default(),
            kill: launch.stopping.child_token(),
            timeout: launch.spec.timeout,
            clock: launch.clock.clone(),
            arn: format!("arn:aws:lambda:{REGION}:{ACCOUNT_ID}:function:{name}"),
            version,
        };
        process.supervise(child, listener, launch, Arc::clone(pids));
        tokio::select! {
            biased;
            cause = process.slot.init_failed() => Err(cause),
            () = process.slot.ready() => Ok(process),
            () = process.exited.cancelled() => {
                Err(format!("it exited before it requested an invocation ({})", process.status()))
            }
            () = launch.clock.sleep(INIT_TIMEOUT) => {
                Err(format!("it did not request an invocation within {INIT_TIMEOUT:?}"))
            }
        }
    }

    fn supervise(
        &self,
        mut child: Child,
        listener: TcpListener,
        launch: &LaunchConfig,
        pids: Arc<Mutex<Vec<u32>>>,
    ) {
        let pid = child.id().unwrap_or_default();
        lock(&pids).push(pid);
        if let Some(output) = child.stdout.take() {
            tokio::spawn(forward_output(launch.spec.binary.clone(), output));
        }
        if let Some(output) = child.stderr.take() {
            tokio::spawn(forward_output(launch.spec.binary.clone(), output));
        }
        let api = runtime_api::router(Arc::clone(&self.slot));
        let (kill, exited, status) = (self.kill.clone(), self.exited.clone(), Arc::clone(&self.status));
        launch.tracker.spawn(async move {
            let serving = axum::serve(guard::Port(listener), guard::service(api, &[])).into_future();
            let exit_status = tokio::select! {
                status = child.wait() => status,
                _ = serving => child.wait().await,
                () = kill.cancelled() => {
                    // Fails if the process has just exited, which is the intended result.
                    child.kill().await.ok();
                    child.wait().await
                }
            };
            let text = exit_status.map_or_else(|error| error.to_string(), |status| status.to_string());
            status.set(text).ok();
            lock(&pids).retain(|other| *other != pid);
            exited.cancel();
        });
    }

    /// Whether the process has exited.
    pub fn has_exited(&self) -> bool {
        self.exited.is_cancelled()
    }

    /// Whether the program has been built anew since the process started.
    pub fn is_outdated(&self, program: &Path) -> bool {
        // Without a program, the build is in progress.
        version(program).is_some_and(|version| Some(version) != self.version)
    }

    fn status(&self) -> String {
        self.status.get().cloned().unwrap_or_else(|| "unknown".to_owned())
    }

    /// Runs one invocation. The outer `Err` means that the process can no longer be used.
    pub async fn invoke(&self, payload: Bytes) -> Result<Result<Bytes, InvokeError>, ProcessFailure> {
        let deadline_ms = epoch_millis() + i64::try_from(self.timeout.as_millis()).unwrap_or(i64::MAX / 2);
        let trace = Uuid::new_v4().simple().to_string();
        let invocation = Invocation {
            id: Uuid::new_v4().to_string(),
            payload,
            deadline_ms,
            arn: self.arn.clone(),
            trace: format!("Root=1-{}-{};Sampled=0", &trace[..8], &trace[8..]),
        };
        let mut response = self.slot.offer(invocation);
        let error = tokio::select! {
            biased;
            Ok(result) = &mut response => return Ok(result),
            () = self.exited.cancelled() => InvokeError::Exited(self.status()),
            () = self.clock.sleep(self.timeout) => {
                self.kill.cancel();
                InvokeError::TimedOut(self.timeout)
            }
        };
        Err(if self.slot.withdraw() {
            ProcessFailure::NotDelivered(error)
        } else {
            ProcessFailure::Delivered(error)
        })
    }
}

/// Forwards the output of a process to the log, line by line.
async fn forward_output(binary: String, output: impl AsyncRead + Unpin) {
    let mut lines = BufReader::new(output).split(b'\n');
    while let Ok(Some(line)) = lines.next_segment().await {
        forward_line(&binary, &String::from_utf8_lossy(&line));
    }
}
