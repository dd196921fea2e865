//! A proxy in front of the database and the gateway's connections. It records every call of every function,
//! blocks a call that a test waits for, answers in place of the database, and notes what DynamoDB would refuse.

use std::sync::{Arc, Mutex, OnceLock};

use axum::{
    Router,
    body::Bytes,
    extract::State,
    http::{HeaderMap, Method, StatusCode, Uri},
    response::{IntoResponse, Response},
};
use serde_json::{Value, json};
use tokio::{net::TcpListener, sync::oneshot};
use tokio_util::task::TaskTracker;

use crate::{
    dynamodb::{self, Checked},
    recording::Recording,
};

/// The access key of the calls that a test makes itself. They are only checked, forwarded and recorded for the replay.
pub const TEST_CALLER: &str = "test";

/// A recorded call.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Seen {
    /// The access key of the caller: a function's logical id.
    pub caller: String,
    /// The DynamoDB operation, or the HTTP method of a call to a connection.
    pub operation: String,
    /// The request body.
    pub body: String,
}

type Matcher = Box<dyn Fn(&Seen) -> bool + Send + Sync>;

/// Notifies the test that the call has arrived, with a sender that releases it.
type Arrival = oneshot::Sender<oneshot::Sender<()>>;

/// An answer in place of the database's.
struct Prepared {
    matches: Matcher,
    status: StatusCode,
    answer: Value,
}

struct Inner {
    database: OnceLock<String>,
    sockets: OnceLock<String>,
    calls: TaskTracker,
    seen: Mutex<Vec<Seen>>,
    holds: Mutex<Vec<(Matcher, Arrival)>>,
    answers: Mutex<Vec<Arc<Prepared>>>,
    violations: Mutex<Vec<String>>,
    recording: Recording,
    client: reqwest::Client,
}

impl Inner {
    fn note(&self, checked: Checked) {
        if let Err(violation) = checked {
            eprintln!("{violation}");
            self.violations.lock().unwrap().push(violation);
        }
    }
}

/// The proxy. It runs until the test ends.
#[derive(Clone)]
pub struct Proxy {
    url: String,
    inner: Arc<Inner>,
}

/// A blocked call, or one that will be blocked.
pub struct BlockedCall(oneshot::Receiver<oneshot::Sender<()>>);

/// A guard: until it is dropped, the proxy answers in place of the database.
pub struct InjectedAnswer {
    inner: Arc<Inner>,
    prepared: Arc<Prepared>,
}

impl Drop for InjectedAnswer {
    fn drop(&mut self) {
        self.inner.answers.lock().unwrap().retain(|prepared| !Arc::ptr_eq(prepared, &self.prepared));
    }
}

impl BlockedCall {
    /// Waits until the call has arrived. The call continues when the returned guard is dropped.
    pub async fn caught(self) -> oneshot::Sender<()> {
        tokio::time::timeout(super::PATIENCE, self.0).await.expect("the call arrives in time").unwrap()
    }
}

impl Proxy {
    pub async fn start() -> Self {
        let inner = Arc::new(Inner {
            database: OnceLock::new(),
            sockets: OnceLock::new(),
            calls: TaskTracker::new(),
            seen: Mutex::default(),
            holds: Mutex::default(),
            answers: Mutex::default(),
            violations: Mutex::default(),
            recording: Recording::start(),
            client: reqwest::Client::new(),
        });
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let router = Router::new().fallback(pass).with_state(Arc::clone(&inner));
        tokio::spawn(async move { axum::serve(listener, router).await });
        Self { url, inner }
    }

    pub fn url(&self) -> &str {
        &self.url
    }

    pub fn forward_to(&self, database: &str, sockets: &str) {
        self.inner.database.set(database.to_owned()).unwrap();
        self.inner.sockets.set(sockets.to_owned()).unwrap();
    }

    /// Waits until every call so far is forwarded and answered, including calls of killed functions.
    pub async fn settled(&self) {
        self.inner.calls.close();
        self.inner.calls.wait().await;
        self.inner.calls.reopen();
    }

    /// Every call so far.
    pub fn seen(&self) -> Vec<Seen> {
        self.inner.seen.lock().unwrap().clone()
    }

    /// What DynamoDB would refuse of the calls so far.
    pub fn violations(&self) -> Vec<String> {
        self.inner.violations.lock().unwrap().clone()
    }

    /// Blocks the next matching call before it reaches the database.
    pub fn hold(&self, matches: impl Fn(&Seen) -> bool + Send + Sync + 'static) -> BlockedCall {
        let (arrival, arrived) = oneshot::channel();
        self.inner.holds.lock().unwrap().push((Box::new(matches), arrival));
        BlockedCall(arrived)
    }

    /// Answers matching calls with the DynamoDB error of this code.
    pub fn fail(
        &self,
        matches: impl Fn(&Seen) -> bool + Send + Sync + 'static,
        code: &str,
    ) -> InjectedAnswer {
        let is_internal = code == "InternalServerError";
        let status = if is_internal { StatusCode::INTERNAL_SERVER_ERROR } else { StatusCode::BAD_REQUEST };
        let kind = format!("com.amazonaws.dynamodb.v20120810#{code}");
        let answer = json!({"__type": kind, "message": "injected by the test"});
        let matches = Box::new(matches);
        let prepared = Arc::new(Prepared { matches, status, answer });
        self.inner.answers.lock().unwrap().push(Arc::clone(&prepared));
        InjectedAnswer { inner: Arc::clone(&self.inner), prepared }
    }
}

/// Forwards a call even if its caller dies meanwhile, as a real network may.
async fn pass(
    State(inner): State<Arc<Inner>>,
    method: Method,
    uri: Uri,
    headers: HeaderMap,
    body: Bytes,
) -> Response {
    let calls = inner.calls.clone();
    calls.spawn(forward(inner, method, uri, headers, body)).await.unwrap()
}

async fn forward(inner: Arc<Inner>, method: Method, uri: Uri, headers: HeaderMap, body: Bytes) -> Response {
    let text =
        |name: &str| headers.get(name).and_then(|value| value.to_str().ok()).unwrap_or_default().to_owned();
    let seen = Seen {
        caller: access_key(&text("authorization")),
        operation: match text("x-amz-target").rsplit('.').next() {
            Some("") | None => method.to_string(),
            Some(operation) => operation.to_owned(),
        },
        body: String::from_utf8(body.to_vec()).unwrap(),
    };
    let is_test = seen.caller == TEST_CALLER;
    let hold = {
        let mut holds = inner.holds.lock().unwrap();
        let index = holds.iter().position(|(matches, _)| !is_test && matches(&seen));
        index.map(|index| holds.remove(index).1)
    };
    let prepared = {
        let answers = inner.answers.lock().unwrap();
        answers.iter().find(|prepared| !is_test && (prepared.matches)(&seen)).cloned()
    };
    let to_database = headers.contains_key("x-amz-target");
    if to_database {
        inner.note(dynamodb::check_request(&seen.operation, &serde_json::from_str(&seen.body).unwrap()));
    }
    let call = (seen.operation.clone(), seen.body.clone());
    if !is_test {
        inner.seen.lock().unwrap().push(seen);
    }
    if let Some(arrival) = hold {
        let (release, released) = oneshot::channel::<()>();
        if arrival.send(release).is_ok() {
            // The guard releases the call both when it is used and when it is dropped.
            let _ = released.await;
        }
    }
    if let Some(prepared) = prepared {
        return (prepared.status, content_type(true), prepared.answer.to_string()).into_response();
    }
    let target = if to_database { &inner.database } else { &inner.sockets };
    let target = format!("{}{}", target.get().expect("the proxy has a target"), uri.path());
    let mut request = inner.client.request(method, target).body(body);
    for name in ["authorization", "content-type", "x-amz-date", "x-amz-target"] {
        request = request.header(name, text(name));
    }
    match request.send().await {
        Ok(answer) => {
            let status = StatusCode::from_u16(answer.status().as_u16()).unwrap();
            let kind = answer.headers().get("x-amzn-errortype").cloned();
            let bytes = answer.bytes().await.unwrap();
            if to_database {
                let text = String::from_utf8_lossy(&bytes);
                inner.recording.add(&call.0, &call.1, &text);
                if !status.is_success() {
                    let answer = serde_json::from_str(&text).unwrap_or_default();
                    inner.note(dynamodb::check_answer(&call.0, &answer));
                }
            }
            let mut response = (status, content_type(to_database), bytes).into_response();
            if let Some(kind) = kind {
                response.headers_mut().insert("x-amzn-errortype", kind);
            }
            response
        }
        Err(error) => (StatusCode::BAD_GATEWAY, Value::from(error.to_string()).to_string()).into_response(),
    }
}

fn content_type(to_database: bool) -> [(&'static str, &'static str); 1] {
    [("content-type", if to_database { "application/x-amz-json-1.0" } else { "application/json" })]
}

/// The access key in an AWS signature: `AWS4-HMAC-SHA256 Credential=KEY/20260101/…`.
fn access_key(authorization: &str) -> String {
    let credential = authorization.split("Credential=").nth(1).unwrap_or_default();
    credential.split('/').next().unwrap_or_default().to_owned()
}
