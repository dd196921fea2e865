//! An issuer for tests: it signs, and answers for its keys as the test wants.

use std::sync::{Arc, Mutex};

use aws_lc_rs::{
    encoding::AsDer,
    rsa::KeySize,
    signature::{ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, RsaKeyPair},
};
use aws_smithy_runtime_api::{
    client::{
        http::{HttpConnector, HttpConnectorFuture, SharedHttpConnector},
        orchestrator::{HttpRequest, HttpResponse},
        result::ConnectorError,
    },
    http::StatusCode,
};
use aws_smithy_types::body::SdkBody;
use jsonwebtoken::{Algorithm, EncodingKey, Header, encode, jwk::Jwk};
use serde_json::{Value, json};

use super::fetch::Http;

/// How much stands before the key itself in the PKCS #8 form of an RSA key of 2048 bits.
const PKCS8_PREFIX: usize = 26;

/// A pair of keys.
pub struct Pair {
    pub id: String,
    pub key: EncodingKey,
    pub algorithm: Algorithm,
}

impl Pair {
    pub fn es256(id: &str) -> Self {
        let random = aws_lc_rs::rand::SystemRandom::new();
        let der = EcdsaKeyPair::generate_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, &random).unwrap();
        Self { id: id.to_owned(), key: EncodingKey::from_ec_der(der.as_ref()), algorithm: Algorithm::ES256 }
    }

    pub fn rs256(id: &str) -> Self {
        let der = RsaKeyPair::generate(KeySize::Rsa2048).unwrap().as_der().unwrap();
        let key = EncodingKey::from_rsa_der(&der.as_ref()[PKCS8_PREFIX..]);
        Self { id: id.to_owned(), key, algorithm: Algorithm::RS256 }
    }

    pub fn sign(&self, claims: &Value) -> String {
        let header = Header { kid: Some(self.id.clone()), ..Header::new(self.algorithm) };
        encode(&header, claims, &self.key).unwrap()
    }

    pub fn public(&self) -> Value {
        let mut jwk = json!(Jwk::from_encoding_key(&self.key, self.algorithm).unwrap());
        jwk["kid"] = self.id.as_str().into();
        jwk
    }
}

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
    pub fn of(keys: &[&Pair]) -> Self {
        let site = Self(Arc::new(Mutex::new((Answer::Never, 0))));
        site.publish(keys);
        site
    }

    pub fn publish(&self, keys: &[&Pair]) {
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
