//! A proxy before the database and the gateway's connections: sees every call of every function, holds one that a test waits for, and answers in the
//! database's place where a test says so.

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

/// A call that went by.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Seen {
    /// The access key of whoever called: a function's logical id.
    pub caller: String,
    /// DynamoDB's name of the operation, or the method of a call to a connection.
    pub operation: String,
    /// The request.
    pub body: String,
}

type Wanted = Box<dyn Fn(&Seen) -> bool + Send + Sync>;

/// Tells the test that its call has come, and gives it the means to let go.
type Catch = oneshot::Sender<oneshot::Sender<()>>;

/// An answer in the database's place.
struct Prepared {
    wanted: Wanted,
    status: StatusCode,
    answer: Value,
}

#[derive(Default)]
struct Inner {
    database: OnceLock<String>,
    sockets: OnceLock<String>,
    calls: TaskTracker,
    seen: Mutex<Vec<Seen>>,
    holds: Mutex<Vec<(Wanted, Catch)>>,
    answers: Mutex<Vec<Arc<Prepared>>>,
    client: reqwest::Client,
}

/// The proxy; it lives as long as its test.
#[derive(Clone)]
pub struct Proxy {
    url: String,
    inner: Arc<Inner>,
}

/// A call that will be or is held.
pub struct Held(oneshot::Receiver<oneshot::Sender<()>>);

/// While it lives, the proxy answers in the database's place.
pub struct StandIn {
    inner: Arc<Inner>,
    prepared: Arc<Prepared>,
}

impl Drop for StandIn {
    fn drop(&mut self) {
        self.inner.answers.lock().unwrap().retain(|prepared| !Arc::ptr_eq(prepared, &self.prepared));
    }
}

impl Held {
    /// Waits until the call has come. It goes on when the returned guard is dropped.
    pub async fn caught(self) -> oneshot::Sender<()> {
        tokio::time::timeout(super::PATIENCE, self.0).await.expect("the call comes in time").unwrap()
    }
}

impl Proxy {
    pub async fn start() -> Self {
        let inner = Arc::new(Inner::default());
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

    /// Waits until every call that came has been forwarded and answered, also those whose caller is gone.
    pub async fn settled(&self) {
        self.inner.calls.close();
        self.inner.calls.wait().await;
        self.inner.calls.reopen();
    }

    /// Every call so far.
    pub fn seen(&self) -> Vec<Seen> {
        self.inner.seen.lock().unwrap().clone()
    }

    /// Holds the next call that is wanted, before the database sees it.
    pub fn hold(&self, wanted: impl Fn(&Seen) -> bool + Send + Sync + 'static) -> Held {
        let (caught, waiting) = oneshot::channel();
        self.inner.holds.lock().unwrap().push((Box::new(wanted), caught));
        Held(waiting)
    }

    /// Answers the calls that are wanted in the database's place.
    pub fn answer(&self, wanted: impl Fn(&Seen) -> bool + Send + Sync + 'static, answer: Value) -> StandIn {
        self.stand_in(Box::new(wanted), StatusCode::OK, answer)
    }

    /// Answers the calls that are wanted with an error of DynamoDB, named by its code.
    pub fn fail(&self, wanted: impl Fn(&Seen) -> bool + Send + Sync + 'static, code: &str) -> StandIn {
        let ours = code == "InternalServerError";
        let status = if ours { StatusCode::INTERNAL_SERVER_ERROR } else { StatusCode::BAD_REQUEST };
        let kind = format!("com.amazonaws.dynamodb.v20120810#{code}");
        self.stand_in(Box::new(wanted), status, json!({"__type": kind, "message": "as the test wants it"}))
    }

    fn stand_in(&self, wanted: Wanted, status: StatusCode, answer: Value) -> StandIn {
        let prepared = Arc::new(Prepared { wanted, status, answer });
        self.inner.answers.lock().unwrap().push(Arc::clone(&prepared));
        StandIn { inner: Arc::clone(&self.inner), prepared }
    }
}

/// What was sent arrives, as it may on a real network, even if its sender has died meanwhile.
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
    let hold = {
        let mut holds = inner.holds.lock().unwrap();
        let place = holds.iter().position(|(wanted, _)| wanted(&seen));
        place.map(|place| holds.remove(place).1)
    };
    let prepared = {
        let answers = inner.answers.lock().unwrap();
        answers.iter().find(|prepared| (prepared.wanted)(&seen)).cloned()
    };
    inner.seen.lock().unwrap().push(seen);
    if let Some(caught) = hold {
        let (release, released) = oneshot::channel::<()>();
        if caught.send(release).is_ok() {
            // Either word of the guard lets go: that it was used, or that it was dropped.
            let _ = released.await;
        }
    }
    if let Some(prepared) = prepared {
        return (prepared.status, kind_of_answer(true), prepared.answer.to_string()).into_response();
    }
    let of_database = headers.contains_key("x-amz-target");
    let target = if of_database { &inner.database } else { &inner.sockets };
    let target = format!("{}{}", target.get().expect("the proxy has a target"), uri.path());
    let mut request = inner.client.request(method, target).body(body);
    for name in ["authorization", "content-type", "x-amz-date", "x-amz-target"] {
        request = request.header(name, text(name));
    }
    match request.send().await {
        Ok(answer) => {
            let status = StatusCode::from_u16(answer.status().as_u16()).unwrap();
            let kind = answer.headers().get("x-amzn-errortype").cloned();
            let mut response =
                (status, kind_of_answer(of_database), answer.bytes().await.unwrap()).into_response();
            if let Some(kind) = kind {
                response.headers_mut().insert("x-amzn-errortype", kind);
            }
            response
        }
        Err(error) => (StatusCode::BAD_GATEWAY, Value::from(error.to_string()).to_string()).into_response(),
    }
}

fn kind_of_answer(of_database: bool) -> [(&'static str, &'static str); 1] {
    [("content-type", if of_database { "application/x-amz-json-1.0" } else { "application/json" })]
}

/// The access key in an AWS signature: `AWS4-HMAC-SHA256 Credential=KEY/20260101/…`.
fn access_key(authorization: &str) -> String {
    let credential = authorization.split("Credential=").nth(1).unwrap_or_default();
    credential.split('/').next().unwrap_or_default().to_owned()
}
