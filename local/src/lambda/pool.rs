//! The processes of one function: each runs one invocation at a time; started on demand up to a limit. After a
//! build of the function, invocations run on processes of the new program.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use axum::body::Bytes;
use tokio::sync::Semaphore;

use super::InvokeError;
use super::process::{LaunchConfig, Process, ProcessFailure};
use crate::clock::ClockTime;
use crate::template::FunctionSpec;

/// The most processes of one function; further invocations wait in order.
const MAX_PROCESSES: usize = 8;
/// The interval between two checks for idle processes.
pub const REAP_INTERVAL: Duration = Duration::from_mins(1);
/// How long a process other than the last used one may be idle.
const IDLE_TIMEOUT: Duration = Duration::from_mins(5);
/// The back-off after a failed start; it doubles with each further failure.
const INITIAL_BACKOFF: Duration = Duration::from_millis(100);
const MAX_BACKOFF: Duration = Duration::from_secs(10);

/// The processes of one function.
#[derive(Debug)]
pub struct Pool {
    launch: LaunchConfig,
    permits: Semaphore,
    idle: Mutex<Vec<(ClockTime, Process)>>,
    backoff: Mutex<Option<StartBackoff>>,
    pids: Arc<Mutex<Vec<u32>>>,
}

/// The last start failed with `cause`; the next one is not attempted before `until`.
#[derive(Debug)]
struct StartBackoff {
    until: ClockTime,
    delay: Duration,
    cause: String,
}

impl Pool {
    pub fn new(launch: LaunchConfig) -> Self {
        Self {
            launch,
            permits: Semaphore::new(MAX_PROCESSES),
            idle: Mutex::default(),
            backoff: Mutex::default(),
            pids: Arc::default(),
        }
    }

    pub fn spec(&self) -> &FunctionSpec {
        &self.launch.spec
    }

    pub fn pids(&self) -> Vec<u32> {
        lock(&self.pids).clone()
    }

    /// Runs one invocation on an idle or a new process, first in, first out.
    pub async fn invoke(&self, payload: Bytes) -> Result<Bytes, InvokeError> {
        let Ok(_permit) = self.permits.acquire().await else {
            return Err(InvokeError::Unavailable);
        };
        loop {
            let (process, is_warm) = match self.take_idle() {
                Some(process) => (process, true),
                None => (self.start().await?, false),
            };
            return match process.invoke(payload.clone()).await {
                Ok(result) => {
                    lock(&self.idle).push((self.launch.clock.now(), process));
                    result
                }
                // The process exited while idle and did not receive the invocation: a retry is safe.
                Err(ProcessFailure::NotDelivered(_)) if is_warm => continue,
                Err(ProcessFailure::NotDelivered(error) | ProcessFailure::Delivered(error)) => Err(error),
            };
        }
    }

    fn take_idle(&self) -> Option<Process> {
        let mut idle = lock(&self.idle);
        loop {
            let (_, process) = idle.pop()?;
            if !process.has_exited() && !process.is_outdated(&self.launch.program) {
                return Some(process);
            }
        }
    }

    async fn start(&self) -> Result<Process, InvokeError> {
        let now = self.launch.clock.now();
        if let Some(backoff) = &*lock(&self.backoff)
            && now < backoff.until
        {
            return Err(InvokeError::Init(backoff.cause.clone()));
        }
        match Process::start(&self.launch, &self.pids).await {
            Ok(process) => {
                *lock(&self.backoff) = None;
                Ok(process)
            }
            Err(cause) => {
                let mut backoff = lock(&self.backoff);
                let delay =
                    backoff.as_ref().map_or(INITIAL_BACKOFF, |last| (last.delay * 2).min(MAX_BACKOFF));
                let until = self.launch.clock.now().after(delay);
                *backoff = Some(StartBackoff { until, delay, cause: cause.clone() });
                Err(InvokeError::Init(cause))
            }
        }
    }

    /// Ends processes that have been idle for too long, except for the last used one.
    pub fn reap(&self) {
        let now = self.launch.clock.now();
        let mut idle = lock(&self.idle);
        idle.retain(|(_, process)| !process.has_exited());
        let last_used = idle.pop();
        idle.retain(|(since, _)| now.since(*since) < IDLE_TIMEOUT);
        idle.extend(last_used);
    }
}

/// Locks a mutex and ignores poisoning: no critical section in this module leaves inconsistent data.
pub fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use tokio_util::sync::CancellationToken;
    use tokio_util::task::TaskTracker;

    use super::*;
    use crate::clock::Clock;

    fn pool(program: &str, clock: &Clock) -> Pool {
        Pool::new(LaunchConfig {
            spec: FunctionSpec {
                id: "F".into(),
                name: "F".into(),
                binary: "f".into(),
                timeout: Duration::from_secs(3),
                memory_mb: 128,
                environment: BTreeMap::new(),
            },
            program: program.into(),
            environment: BTreeMap::new(),
            clock: clock.clone(),
            tracker: TaskTracker::new(),
            stopping: CancellationToken::new(),
        })
    }

    #[tokio::test]
    async fn a_failed_start_is_retried_only_after_the_back_off() {
        let clock = Clock::default();
        let pool = pool("/bin/false", &clock);
        let first = pool.invoke(Bytes::new()).await.unwrap_err();
        assert!(matches!(&first, InvokeError::Init(cause) if cause.contains("exit status: 1")), "{first}");
        let until = lock(&pool.backoff).as_ref().unwrap().until;
        assert_eq!(pool.invoke(Bytes::new()).await, Err(first), "the same error without a new attempt");
        assert_eq!(lock(&pool.backoff).as_ref().unwrap().until, until);
        clock.advance(MAX_BACKOFF);
        pool.invoke(Bytes::new()).await.unwrap_err();
        assert!(lock(&pool.backoff).as_ref().unwrap().until > until, "a new attempt");
        assert!(pool.pids().is_empty());
    }

    #[tokio::test]
    async fn a_process_that_never_requests_an_invocation_is_killed() {
        let clock = Clock::default();
        let pool = Arc::new(pool("/usr/bin/yes", &clock));
        let invocation = tokio::spawn({
            let pool = Arc::clone(&pool);
            async move { pool.invoke(Bytes::new()).await }
        });
        while pool.pids().is_empty() {
            tokio::task::yield_now().await;
        }
        clock.advance(Duration::from_mins(1));
        let error = invocation.await.unwrap().unwrap_err();
        assert!(error.to_string().contains("did not request an invocation"), "{error}");
        pool.launch.tracker.close();
        pool.launch.tracker.wait().await;
        assert!(pool.pids().is_empty());
    }
}
