//! An issuer for tests, which answers for its keys as the test wants.

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

/// What is answered at the issuer's URL.
#[derive(Clone, Debug)]
pub enum Answer {
    Keys(Vec<Value>),
    Status(u16),
    Bytes(usize),
    Refused,
    Never,
}

/// The issuer's end of the wire.
#[derive(Clone, Debug)]
pub struct Site(Arc<Mutex<(Answer, usize)>>);

impl Site {
    pub fn of(keys: &[&KeyPair]) -> Self {
        let site = Self(Arc::new(Mutex::new((Answer::Never, 0))));
        site.publish(keys);
        site
    }

    pub fn publish(&self, keys: &[&KeyPair]) {
        self.answer(Answer::Keys(keys.iter().map(|pair| pair.public()).collect()));
    }

    pub fn answer(&self, answer: Answer) {
        self.0.lock().unwrap().0 = answer;
    }

    /// How often it was asked.
    pub fn asked(&self) -> usize {
        self.0.lock().unwrap().1
    }

    pub fn http(&self) -> Http {
        SharedHttpConnector::new(self.clone()).into()
    }
}

impl HttpConnector for Site {
    fn call(&self, _: HttpRequest) -> HttpConnectorFuture {
        let mut site = self.0.lock().unwrap();
        site.1 += 1;
        let answer = site.0.clone();
        HttpConnectorFuture::new(async move {
            // As on a real wire, the answer is not there at once.
            tokio::time::sleep(std::time::Duration::from_millis(50)).await;
            let (status, body) = match answer {
                Answer::Keys(keys) => (200, json!({ "keys": keys }).to_string()),
                Answer::Status(status) => (status, String::new()),
                Answer::Bytes(length) => (200, " ".repeat(length)),
                Answer::Refused => return Err(ConnectorError::io("refused".into())),
                Answer::Never => std::future::pending().await,
            };
            Ok(HttpResponse::new(StatusCode::try_from(status).unwrap(), SdkBody::from(body)))
        })
    }
}
