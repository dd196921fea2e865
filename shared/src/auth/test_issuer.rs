//! An issuer for tests, with a configurable response for its keys.

use std::sync::{Arc, Mutex};

use aws_smithy_runtime_api::{
    client::{
        http::{HttpConnector, HttpConnectorFuture, SharedHttpConnector},
        orchestrator::{HttpRequest, HttpResponse},
        result::ConnectorError,
    },
    http::StatusCode,
};
use aws_smithy_types::body::SdkBody;
use serde_json::{Value, json};

use crate::auth::{fetch::Http, key_pair::KeyPair};

/// The response at the issuer's URL.
#[derive(Clone, Debug)]
pub enum Reply {
    Keys(Vec<Value>),
    Status(u16),
    /// A body of this many bytes.
    Bytes(usize),
    /// A refused connection.
    Refused,
    Never,
}

/// The issuer's server: its response, and the number of requests.
#[derive(Clone, Debug)]
pub struct TestIssuer(Arc<Mutex<(Reply, usize)>>);

impl TestIssuer {
    pub fn with_keys(keys: &[&KeyPair]) -> Self {
        let issuer = Self(Arc::new(Mutex::new((Reply::Never, 0))));
        issuer.publish(keys);
        issuer
    }

    pub fn publish(&self, keys: &[&KeyPair]) {
        self.reply(Reply::Keys(keys.iter().map(|pair| pair.public()).collect()));
    }

    pub fn reply(&self, reply: Reply) {
        self.0.lock().unwrap().0 = reply;
    }

    /// The number of requests.
    pub fn requests(&self) -> usize {
        self.0.lock().unwrap().1
    }

    pub fn http(&self) -> Http {
        SharedHttpConnector::new(self.clone()).into()
    }
}

impl HttpConnector for TestIssuer {
    fn call(&self, _: HttpRequest) -> HttpConnectorFuture {
        let mut state = self.0.lock().unwrap();
        state.1 += 1;
        let reply = state.0.clone();
        HttpConnectorFuture::new(async move {
            // As on a real network, the response takes some time.
            tokio::time::sleep(std::time::Duration::from_millis(50)).await;
            let (status, body) = match reply {
                Reply::Keys(keys) => (200, json!({ "keys": keys }).to_string()),
                Reply::Status(status) => (status, String::new()),
                Reply::Bytes(length) => (200, " ".repeat(length)),
                Reply::Refused => return Err(ConnectorError::io("refused".into())),
                Reply::Never => std::future::pending().await,
            };
            Ok(HttpResponse::new(StatusCode::try_from(status).unwrap(), SdkBody::from(body)))
        })
    }
}
