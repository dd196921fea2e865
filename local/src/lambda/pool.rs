//! The processes of one function: one call at a time each, started when all are busy, kept warm, up to a cap.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use axum::body::Bytes;
use tokio::sync::Semaphore;

use super::InvokeError;
use super::process::{Launch, Lost, Process};
use crate::clock::Moment;
use crate::template::FunctionSpec;

/// How many processes one function may have; further calls wait their turn.
const MOST_PROCESSES: usize = 8;
/// How often idle processes are looked at.
pub const REAP_EVERY: Duration = Duration::from_mins(1);
/// How long a process beyond the first stays without work.
const IDLE_LIFE: Duration = Duration::from_mins(5);
/// How long starting is left alone after it failed once; it doubles with each further failure.
const FIRST_BACK_OFF: Duration = Duration::from_millis(100);
const LONGEST_BACK_OFF: Duration = Duration::from_secs(10);

/// One function's processes.
#[derive(Debug)]
pub struct Pool {
    launch: Launch,
    turns: Semaphore,
    idle: Mutex<Vec<(Moment, Process)>>,
    failing: Mutex<Option<Failing>>,
    pids: Arc<Mutex<Vec<u32>>>,
}

/// The function does not start, and is not tried again before `until`.
#[derive(Debug)]
struct Failing {
    until: Moment,
    wait: Duration,
    cause: String,
}

impl Pool {
    pub fn new(launch: Launch) -> Self {
        Self {
            launch,
            turns: Semaphore::new(MOST_PROCESSES),
            idle: Mutex::default(),
            failing: Mutex::default(),
            pids: Arc::default(),
        }
    }

    pub fn spec(&self) -> &FunctionSpec {
        &self.launch.spec
    }

    pub fn pids(&self) -> Vec<u32> {
        lock(&self.pids).clone()
    }

    /// Runs one call on a free process, in the order of asking.
    pub async fn call(&self, payload: Bytes) -> Result<Bytes, InvokeError> {
        let Ok(_turn) = self.turns.acquire().await else {
            return Err(InvokeError::Unavailable);
        };
        loop {
            let (process, warm) = match self.warm() {
                Some(process) => (process, true),
                None => (self.start().await?, false),
            };
            return match process.call(payload.clone()).await {
                Ok(outcome) => {
                    lock(&self.idle).push((self.launch.clock.now(), process));
                    outcome
                }
                // It ended while it was idle, and has seen nothing of this call.
                Err(Lost::BeforeTaking(_)) if warm => continue,
                Err(Lost::BeforeTaking(error) | Lost::Midway(error)) => Err(error),
            };
        }
    }

    fn warm(&self) -> Option<Process> {
        let mut idle = lock(&self.idle);
        loop {
            let (_, process) = idle.pop()?;
            if !process.has_exited() {
                return Some(process);
            }
        }
    }

    async fn start(&self) -> Result<Process, InvokeError> {
        let now = self.launch.clock.now();
        if let Some(failing) = &*lock(&self.failing)
            && now < failing.until
        {
            return Err(InvokeError::Init(failing.cause.clone()));
        }
        match Process::start(&self.launch, &self.pids).await {
            Ok(process) => {
                *lock(&self.failing) = None;
                Ok(process)
            }
            Err(cause) => {
                let mut failing = lock(&self.failing);
                let wait =
                    failing.as_ref().map_or(FIRST_BACK_OFF, |last| (last.wait * 2).min(LONGEST_BACK_OFF));
                let until = self.launch.clock.now().after(wait);
                *failing = Some(Failing { until, wait, cause: cause.clone() });
                Err(InvokeError::Init(cause))
            }
        }
    }

    /// Ends processes that have been idle for long, but keeps the one used last.
    pub fn reap(&self) {
        let now = self.launch.clock.now();
        let mut idle = lock(&self.idle);
        idle.retain(|(_, process)| !process.has_exited());
        let keep = idle.pop();
        idle.retain(|(since, _)| now.since(*since) < IDLE_LIFE);
        idle.extend(keep);
    }
}

/// A lock whose holder panicked still guards whole data here: nothing is left half done under one.
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
        Pool::new(Launch {
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
            ending: CancellationToken::new(),
        })
    }

    #[tokio::test]
    async fn a_function_that_does_not_start_is_left_alone_for_a_while() {
        let clock = Clock::default();
        let pool = pool("/bin/false", &clock);
        let first = pool.call(Bytes::new()).await.unwrap_err();
        assert!(matches!(&first, InvokeError::Init(cause) if cause.contains("exit status: 1")), "{first}");
        let until = lock(&pool.failing).as_ref().unwrap().until;
        assert_eq!(pool.call(Bytes::new()).await, Err(first), "the same answer, and no new try");
        assert_eq!(lock(&pool.failing).as_ref().unwrap().until, until);
        clock.advance(LONGEST_BACK_OFF);
        pool.call(Bytes::new()).await.unwrap_err();
        assert!(lock(&pool.failing).as_ref().unwrap().until > until, "tried again");
        assert!(pool.pids().is_empty());
    }

    #[tokio::test]
    async fn a_process_that_never_asks_for_work_is_given_up_and_ended() {
        let clock = Clock::default();
        let pool = Arc::new(pool("/usr/bin/yes", &clock));
        let call = tokio::spawn({
            let pool = Arc::clone(&pool);
            async move { pool.call(Bytes::new()).await }
        });
        while pool.pids().is_empty() {
            tokio::task::yield_now().await;
        }
        clock.advance(Duration::from_mins(1));
        let error = call.await.unwrap().unwrap_err();
        assert!(error.to_string().contains("did not ask for work"), "{error}");
        pool.launch.tracker.close();
        pool.launch.tracker.wait().await;
        assert!(pool.pids().is_empty());
    }
}
