//! A token issuer with its own keys, published by a real HTTP server that can also misbehave.

use std::sync::{
    Arc, Mutex,
    atomic::{AtomicUsize, Ordering},
};

use axum::{
    Json, Router,
    body::{Body, Bytes},
    extract::State,
    http::{StatusCode, header::LOCATION},
    response::{IntoResponse, Response},
};
use futures::StreamExt;
use serde_json::{Value, json};
use tokio::net::TcpListener;

use super::in_seconds;
use crate::key_pair::KeyPair;

/// The `aud` of tokens, unless a test sets another.
pub const AUDIENCE: &str = "athlytiq-chat";

/// The response at the URL of the keys.
#[derive(Clone)]
pub enum Reply {
    Keys(Vec<Value>),
    Status(StatusCode),
    RedirectTo(String),
    /// A body without end.
    Endless,
    Silence,
}

struct Site {
    reply: Mutex<Reply>,
    asked: AtomicUsize,
    sent: AtomicUsize,
}

/// The issuer. Its server runs until the test ends.
pub struct Issuer {
    /// Its `iss`.
    pub name: String,
    pub url: String,
    site: Arc<Site>,
}

impl Issuer {
    /// An issuer that publishes these keys.
    pub async fn start(name: &str, keys: &[&KeyPair]) -> Self {
        let (asked, sent) = (AtomicUsize::new(0), AtomicUsize::new(0));
        let site = Arc::new(Site { reply: Mutex::new(Reply::Silence), asked, sent });
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}/.well-known/jwks.json", listener.local_addr().unwrap());
        let router = Router::new().fallback(reply).with_state(Arc::clone(&site));
        tokio::spawn(async move { axum::serve(listener, router).await });
        let issuer = Self { name: name.to_owned(), url, site };
        issuer.publish(keys);
        issuer
    }

    pub fn publish(&self, keys: &[&KeyPair]) {
        self.reply(Reply::Keys(keys.iter().map(|pair| pair.public()).collect()));
    }

    pub fn reply(&self, reply: Reply) {
        *self.site.reply.lock().unwrap() = reply;
    }

    /// The number of requests so far.
    pub fn asked(&self) -> usize {
        self.site.asked.load(Ordering::SeqCst)
    }

    /// The number of bytes of endless bodies that were read so far.
    pub fn sent(&self) -> usize {
        self.site.sent.load(Ordering::SeqCst)
    }

    /// Its entry in `JWT_ISSUERS`.
    pub fn config(&self) -> Value {
        json!({"issuer": self.name, "jwks_url": self.url, "audience": AUDIENCE})
    }

    /// The claims of a valid token.
    pub fn claims(&self, subject: &str) -> Value {
        json!({"iss": self.name, "aud": AUDIENCE, "sub": subject, "iat": in_seconds(0), "exp": in_seconds(3600)})
    }
}

async fn reply(State(site): State<Arc<Site>>) -> Response {
    site.asked.fetch_add(1, Ordering::SeqCst);
    let reply = site.reply.lock().unwrap().clone();
    match reply {
        Reply::Keys(keys) => Json(json!({ "keys": keys })).into_response(),
        Reply::Status(status) => status.into_response(),
        Reply::RedirectTo(url) => (StatusCode::FOUND, [(LOCATION, url)]).into_response(),
        Reply::Endless => {
            let chunks = futures::stream::repeat(Bytes::from(vec![b' '; 16 * 1024]));
            let counted = chunks.map(move |chunk| {
                site.sent.fetch_add(chunk.len(), Ordering::SeqCst);
                Ok::<_, std::convert::Infallible>(chunk)
            });
            Body::from_stream(counted).into_response()
        }
        Reply::Silence => std::future::pending().await,
    }
}
