//! The Lambda Runtime API (2018-06-01) for one process of a function.
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

/// An invocation with the values of its Runtime API headers.
#[derive(Debug)]
pub struct Invocation {
    pub id: String,
    pub payload: Bytes,
    pub deadline_ms: i64,
    pub arn: String,
    pub trace: String,
}

type InvocationResult = Result<Bytes, InvokeError>;

/// The current invocation of a process and the receiver of its response; one at a time.
#[derive(Debug, Default)]
pub struct InvocationSlot {
    state: Mutex<SlotState>,
    changed: watch::Sender<()>,
}

#[derive(Debug, Default)]
struct SlotState {
    ready: bool,
    init_error: Option<String>,
    undelivered: Option<Invocation>,
    responder: Option<(String, oneshot::Sender<InvocationResult>)>,
}

impl InvocationSlot {
    /// Offers an invocation to the process; the receiver yields its result.
    pub fn offer(&self, invocation: Invocation) -> oneshot::Receiver<InvocationResult> {
        let (sender, receiver) = oneshot::channel();
        let mut state = lock(&self.state);
        state.responder = Some((invocation.id.clone(), sender));
        state.undelivered = Some(invocation);
        drop(state);
        self.changed.send_replace(());
        receiver
    }

    /// Withdraws the invocation. Returns false if the process has already received it.
    pub fn withdraw(&self) -> bool {
        let mut state = lock(&self.state);
        state.responder = None;
        state.undelivered.take().is_some()
    }

    /// Returns once the process has requested its first invocation.
    pub async fn ready(&self) {
        self.wait_for(|state| state.ready.then_some(())).await;
    }

    /// Returns the error once the process has reported a failed initialization.
    pub async fn init_failed(&self) -> String {
        self.wait_for(|state| state.init_error.clone()).await
    }

    async fn wait_for<T>(&self, mut condition: impl FnMut(&mut SlotState) -> Option<T>) -> T {
        let mut changed = self.changed.subscribe();
        loop {
            if let Some(value) = condition(&mut lock(&self.state)) {
                return value;
            }
            if changed.changed().await.is_err() {
                std::future::pending::<()>().await;
            }
        }
    }

    fn update(&self, update: impl FnOnce(&mut SlotState)) {
        update(&mut lock(&self.state));
        self.changed.send_replace(());
    }

    /// Completes an invocation. Returns false if `id` is not the current invocation.
    fn complete(&self, id: &str, result: InvocationResult) -> bool {
        let mut state = lock(&self.state);
        match state.responder.take_if(|(current, _)| current == id) {
            Some((_, sender)) => sender.send(result).is_ok(),
            None => false,
        }
    }
}

/// The routes of the API for the process of `slot`.
pub fn router(slot: Arc<InvocationSlot>) -> Router {
    Router::new()
        .route("/2018-06-01/runtime/invocation/next", get(next))
        .route("/2018-06-01/runtime/invocation/{id}/response", post(response))
        .route("/2018-06-01/runtime/invocation/{id}/error", post(error))
        .route("/2018-06-01/runtime/init/error", post(init_error))
        .with_state(slot)
}

async fn next(State(slot): State<Arc<InvocationSlot>>) -> Response<Body> {
    slot.update(|state| state.ready = true);
    let invocation = slot.wait_for(|state| state.undelivered.take()).await;
    Response::builder()
        .header("content-type", "application/json")
        .header("lambda-runtime-aws-request-id", invocation.id)
        .header("lambda-runtime-deadline-ms", invocation.deadline_ms)
        .header("lambda-runtime-invoked-function-arn", invocation.arn)
        .header("lambda-runtime-trace-id", invocation.trace)
        .body(Body::from(invocation.payload))
        .unwrap_or_else(|_| status(StatusCode::INTERNAL_SERVER_ERROR))
}

async fn response(
    State(slot): State<Arc<InvocationSlot>>,
    Path(id): Path<String>,
    body: Body,
) -> Response<Body> {
    let mut payload = Vec::new();
    let mut parts = body.into_data_stream();
    let mut size = 0;
    // Reads a body that is too large to its end: the process would exit if the connection closed earlier.
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
        return acknowledge(slot.complete(&id, Ok(payload.into())));
    }
    slot.complete(&id, Err(InvokeError::ResponseTooLarge));
    status(StatusCode::PAYLOAD_TOO_LARGE)
}

async fn error(
    State(slot): State<Arc<InvocationSlot>>,
    Path(id): Path<String>,
    body: Body,
) -> Response<Body> {
    let (kind, message) = read_error_report(body).await;
    acknowledge(slot.complete(&id, Err(InvokeError::Function { kind, message })))
}

async fn init_error(State(slot): State<Arc<InvocationSlot>>, body: Body) -> Response<Body> {
    let (kind, message) = read_error_report(body).await;
    slot.update(|state| state.init_error = Some(format!("{kind}: {message}")));
    acknowledge(true)
}

/// The `errorType` and `errorMessage` of an error report.
async fn read_error_report(body: Body) -> (String, String) {
    let body = to_bytes(body, PAYLOAD_LIMIT).await.unwrap_or_default();
    let report: Value = serde_json::from_slice(&body).unwrap_or_default();
    let text = |name: &str| report[name].as_str().unwrap_or_default().to_owned();
    (text("errorType"), text("errorMessage"))
}

fn acknowledge(is_known_id: bool) -> Response<Body> {
    if is_known_id { status(StatusCode::ACCEPTED) } else { status(StatusCode::BAD_REQUEST) }
}

fn status(code: StatusCode) -> Response<Body> {
    let text = if code.is_success() { "OK" } else { "InvalidRequestID" };
    let mut response = Response::new(Body::from(json!({ "status": text }).to_string()));
    *response.status_mut() = code;
    response
}

#[cfg(test)]
mod tests {
    use super::*;

    fn invocation(id: &str) -> Invocation {
        let (payload, arn, trace) = (Bytes::new(), "arn".into(), "t".into());
        Invocation { id: id.into(), payload, deadline_ms: 0, arn, trace }
    }

    #[tokio::test]
    async fn an_invocation_is_delivered_once_and_its_response_returned() {
        let slot = Arc::new(InvocationSlot::default());
        let first = slot.offer(invocation("1"));
        assert_eq!(next(State(Arc::clone(&slot))).await.headers()["lambda-runtime-aws-request-id"], "1");
        assert!(!slot.withdraw(), "the process has already received it");
        let second = slot.offer(invocation("2"));
        drop(first);
        assert!(!slot.complete("1", Ok(Bytes::new())), "the first invocation is no longer current");
        assert!(slot.complete("2", Ok(Bytes::from_static(b"two"))));
        assert_eq!(second.await.unwrap(), Ok(Bytes::from_static(b"two")));
    }
}
