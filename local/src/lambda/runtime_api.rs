//! The Lambda Runtime API (2018-06-01), as one process of a function sees it.
//! <https://docs.aws.amazon.com/lambda/latest/dg/runtimes-api.html>

use std::sync::{Arc, Mutex};

use axum::Router;
use axum::body::{Body, Bytes, to_bytes};
use axum::extract::{Path, State};
use axum::http::{Response, StatusCode};
use axum::routing::{get, post};
use futures::StreamExt;
use serde_json::{Value, json};
use tokio::sync::{oneshot, watch};

use super::pool::lock;
use super::{InvokeError, PAYLOAD_LIMIT};

/// A call, as it is handed to a process.
#[derive(Debug)]
pub struct Job {
    pub id: String,
    pub payload: Bytes,
    pub deadline_ms: i64,
    pub arn: String,
    pub trace: String,
}

type Outcome = Result<Bytes, InvokeError>;

/// Where calls lie for a process, and where it brings its answers: one call at a time.
#[derive(Debug, Default)]
pub struct Desk {
    state: Mutex<DeskState>,
    changed: watch::Sender<()>,
}

#[derive(Debug, Default)]
struct DeskState {
    ready: bool,
    init_error: Option<String>,
    waiting: Option<Job>,
    answer: Option<(String, oneshot::Sender<Outcome>)>,
}

impl Desk {
    /// Lays a call on the desk; the receiver yields its answer.
    pub fn put(&self, job: Job) -> oneshot::Receiver<Outcome> {
        let (sender, receiver) = oneshot::channel();
        let mut state = lock(&self.state);
        state.answer = Some((job.id.clone(), sender));
        state.waiting = Some(job);
        drop(state);
        self.changed.send_replace(());
        receiver
    }

    /// Takes the call back; false if the process has it already.
    pub fn take_back(&self) -> bool {
        let mut state = lock(&self.state);
        state.answer = None;
        state.waiting.take().is_some()
    }

    /// Returns once the process has asked for work.
    pub async fn ready(&self) {
        self.until(|state| state.ready.then_some(())).await;
    }

    /// Returns the cause once the process has reported that it cannot start.
    pub async fn init_failed(&self) -> String {
        self.until(|state| state.init_error.clone()).await
    }

    async fn until<T>(&self, mut found: impl FnMut(&mut DeskState) -> Option<T>) -> T {
        let mut changed = self.changed.subscribe();
        loop {
            if let Some(value) = found(&mut lock(&self.state)) {
                return value;
            }
            if changed.changed().await.is_err() {
                std::future::pending::<()>().await;
            }
        }
    }

    fn change(&self, change: impl FnOnce(&mut DeskState)) {
        change(&mut lock(&self.state));
        self.changed.send_replace(());
    }

    /// False if no such call is waiting for an answer.
    fn answer(&self, id: &str, outcome: Outcome) -> bool {
        let mut state = lock(&self.state);
        match state.answer.take_if(|(waiting, _)| waiting == id) {
            Some((_, sender)) => sender.send(outcome).is_ok(),
            None => false,
        }
    }
}

/// The API for the process that `desk` belongs to.
pub fn router(desk: Arc<Desk>) -> Router {
    Router::new()
        .route("/2018-06-01/runtime/invocation/next", get(next))
        .route("/2018-06-01/runtime/invocation/{id}/response", post(response))
        .route("/2018-06-01/runtime/invocation/{id}/error", post(error))
        .route("/2018-06-01/runtime/init/error", post(init_error))
        .with_state(desk)
}

async fn next(State(desk): State<Arc<Desk>>) -> Response<Body> {
    desk.change(|state| state.ready = true);
    let job = desk.until(|state| state.waiting.take()).await;
    Response::builder()
        .header("content-type", "application/json")
        .header("lambda-runtime-aws-request-id", job.id)
        .header("lambda-runtime-deadline-ms", job.deadline_ms)
        .header("lambda-runtime-invoked-function-arn", job.arn)
        .header("lambda-runtime-trace-id", job.trace)
        .body(Body::from(job.payload))
        .unwrap_or_else(|_| status(StatusCode::INTERNAL_SERVER_ERROR))
}

async fn response(State(desk): State<Arc<Desk>>, Path(id): Path<String>, body: Body) -> Response<Body> {
    let mut payload = Vec::new();
    let mut parts = body.into_data_stream();
    let mut size = 0;
    // All of it is read even when it is too much: a connection closed midway would end the process.
    while let Some(part) = parts.next().await {
        let Ok(part) = part else {
            return status(StatusCode::BAD_REQUEST);
        };
        size += part.len();
        if size <= PAYLOAD_LIMIT {
            payload.extend_from_slice(&part);
        }
    }
    if size <= PAYLOAD_LIMIT {
        return accepted(desk.answer(&id, Ok(payload.into())));
    }
    desk.answer(&id, Err(InvokeError::ResponseTooLarge));
    status(StatusCode::PAYLOAD_TOO_LARGE)
}

async fn error(State(desk): State<Arc<Desk>>, Path(id): Path<String>, body: Body) -> Response<Body> {
    let (kind, message) = reported(body).await;
    accepted(desk.answer(&id, Err(InvokeError::Function { kind, message })))
}

async fn init_error(State(desk): State<Arc<Desk>>, body: Body) -> Response<Body> {
    let (kind, message) = reported(body).await;
    desk.change(|state| state.init_error = Some(format!("{kind}: {message}")));
    accepted(true)
}

/// The `errorType` and `errorMessage` of an error report.
async fn reported(body: Body) -> (String, String) {
    let body = to_bytes(body, PAYLOAD_LIMIT).await.unwrap_or_default();
    let report: Value = serde_json::from_slice(&body).unwrap_or_default();
    let text = |name: &str| report[name].as_str().unwrap_or_default().to_owned();
    (text("errorType"), text("errorMessage"))
}

fn accepted(known: bool) -> Response<Body> {
    if known { status(StatusCode::ACCEPTED) } else { status(StatusCode::BAD_REQUEST) }
}

fn status(code: StatusCode) -> Response<Body> {
    let word = if code.is_success() { "OK" } else { "InvalidRequestID" };
    let mut response = Response::new(Body::from(json!({ "status": word }).to_string()));
    *response.status_mut() = code;
    response
}

#[cfg(test)]
mod tests {
    use super::*;

    fn job(id: &str) -> Job {
        Job { id: id.into(), payload: Bytes::new(), deadline_ms: 0, arn: "arn".into(), trace: "t".into() }
    }

    #[tokio::test]
    async fn a_call_is_handed_out_once_and_its_answer_comes_back() {
        let desk = Arc::new(Desk::default());
        let answer = desk.put(job("1"));
        assert_eq!(next(State(Arc::clone(&desk))).await.headers()["lambda-runtime-aws-request-id"], "1");
        assert!(!desk.take_back(), "the process has it");
        let answer_again = desk.put(job("2"));
        drop(answer);
        assert!(!desk.answer("1", Ok(Bytes::new())), "that call is over");
        assert!(desk.answer("2", Ok(Bytes::from_static(b"two"))));
        assert_eq!(answer_again.await.unwrap(), Ok(Bytes::from_static(b"two")));
    }
}
