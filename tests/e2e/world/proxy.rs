//! A proxy before the database: sees every call of every function, and holds one that a test waits for.

use std::sync::{Arc, Mutex, OnceLock};

use axum::{
    Router,
    body::Bytes,
    extract::State,
    http::{HeaderMap, StatusCode},
    response::{IntoResponse, Response},
};
use serde_json::Value;
use tokio::{net::TcpListener, sync::oneshot};

/// A call that went by.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Seen {
    /// The access key of whoever called: a function's logical id.
    pub caller: String,
    /// DynamoDB's name of the operation.
    pub operation: String,
    /// The request.
    pub body: String,
}

type Wanted = Box<dyn Fn(&Seen) -> bool + Send>;

#[derive(Default)]
struct Inner {
    target: OnceLock<String>,
    seen: Mutex<Vec<Seen>>,
    holds: Mutex<Vec<(Wanted, oneshot::Sender<oneshot::Sender<()>>)>>,
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

    pub fn forward_to(&self, url: &str) {
        self.inner.target.set(url.to_owned()).unwrap();
    }

    /// Every call so far.
    pub fn seen(&self) -> Vec<Seen> {
        self.inner.seen.lock().unwrap().clone()
    }

    /// Holds the next call that is wanted, before the database sees it.
    pub fn hold(&self, wanted: impl Fn(&Seen) -> bool + Send + 'static) -> Held {
        let (caught, waiting) = oneshot::channel();
        self.inner.holds.lock().unwrap().push((Box::new(wanted), caught));
        Held(waiting)
    }
}

async fn pass(State(inner): State<Arc<Inner>>, headers: HeaderMap, body: Bytes) -> Response {
    let text =
        |name: &str| headers.get(name).and_then(|value| value.to_str().ok()).unwrap_or_default().to_owned();
    let seen = Seen {
        caller: access_key(&text("authorization")),
        operation: text("x-amz-target").rsplit('.').next().unwrap_or_default().to_owned(),
        body: String::from_utf8(body.to_vec()).unwrap(),
    };
    let hold = {
        let mut holds = inner.holds.lock().unwrap();
        let place = holds.iter().position(|(wanted, _)| wanted(&seen));
        place.map(|place| holds.remove(place).1)
    };
    inner.seen.lock().unwrap().push(seen);
    if let Some(caught) = hold {
        let (release, released) = oneshot::channel::<()>();
        if caught.send(release).is_ok() {
            // Either word of the guard lets go: that it was used, or that it was dropped.
            let _ = released.await;
        }
    }
    let target = inner.target.get().expect("the proxy has a target");
    let mut request = inner.client.post(target).body(body);
    for name in ["authorization", "content-type", "x-amz-date", "x-amz-target"] {
        request = request.header(name, text(name));
    }
    match request.send().await {
        Ok(answer) => {
            let status = StatusCode::from_u16(answer.status().as_u16()).unwrap();
            let kind = [("content-type", "application/x-amz-json-1.0")];
            (status, kind, answer.bytes().await.unwrap()).into_response()
        }
        Err(error) => (StatusCode::BAD_GATEWAY, Value::from(error.to_string()).to_string()).into_response(),
    }
}

/// The access key in an AWS signature: `AWS4-HMAC-SHA256 Credential=KEY/20260101/…`.
fn access_key(authorization: &str) -> String {
    let credential = authorization.split("Credential=").nth(1).unwrap_or_default();
    credential.split('/').next().unwrap_or_default().to_owned()
}
