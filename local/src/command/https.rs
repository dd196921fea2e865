//! An HTTPS client, with the TLS implementation of the functions.

use std::time::Duration;

use anyhow::{Context, Result, anyhow, bail};
use aws_smithy_http_client::{
    Connector,
    tls::{Provider, rustls_provider::CryptoMode},
};
use aws_smithy_runtime_api::client::http::{HttpConnector, HttpConnectorSettings, SharedHttpConnector};
use aws_smithy_runtime_api::client::orchestrator::HttpRequest;
use aws_smithy_types::body::SdkBody;
use http_body_util::BodyExt;
use serde_json::Value;

const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);
/// Longer than the integration timeout of the gateway.
const READ_TIMEOUT: Duration = Duration::from_secs(35);

/// A client of an API at a base URL.
pub struct Https {
    connector: SharedHttpConnector,
    base: String,
}

/// A response.
pub struct Answer {
    call: String,
    status: u16,
    headers: Vec<(String, String)>,
    body: Value,
}

impl Https {
    /// Creates a client for a base URL without `/api/v1`.
    pub fn new(base: &str) -> Self {
        let settings =
            HttpConnectorSettings::builder().connect_timeout(CONNECT_TIMEOUT).read_timeout(READ_TIMEOUT);
        let connector = Connector::builder().connector_settings(settings.build());
        let connector = connector.tls_provider(Provider::Rustls(CryptoMode::AwsLc)).build();
        Self { connector: SharedHttpConnector::new(connector), base: format!("{base}/api/v1") }
    }

    /// Sends a request to a path below `/api/v1`.
    pub async fn request(
        &self,
        method: &str,
        path: &str,
        headers: &[(&str, &str)],
        body: Option<Value>,
    ) -> Result<Answer> {
        let call = format!("{method} {path}");
        let mut request = HttpRequest::new(body.map_or_else(SdkBody::empty, |body| body.to_string().into()));
        request.set_method(method)?;
        request.set_uri(format!("{}{path}", self.base))?;
        request.headers_mut().insert("content-type", "application/json");
        for (name, value) in headers {
            request.headers_mut().insert((*name).to_owned(), (*value).to_owned());
        }
        let response = self.connector.call(request).await.with_context(|| call.clone())?;
        let status = response.status().as_u16();
        let headers =
            response.headers().iter().map(|(name, value)| (name.to_owned(), value.to_owned())).collect();
        let body =
            response.into_body().collect().await.map_err(|error| anyhow!("{call}: {error}"))?.to_bytes();
        Ok(Answer { call, status, headers, body: serde_json::from_slice(&body).unwrap_or_default() })
    }
}

impl Answer {
    /// The value of a header.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers
            .iter()
            .find(|(header, _)| header.eq_ignore_ascii_case(name))
            .map(|(_, value)| value.as_str())
    }

    /// The body of a response with one of these statuses.
    pub fn expect(self, statuses: &[u16]) -> Result<Value> {
        if !statuses.contains(&self.status) {
            bail!("{} returns {}: {}", self.call, self.status, self.body);
        }
        Ok(self.body)
    }
}
