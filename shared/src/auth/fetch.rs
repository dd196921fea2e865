//! Fetches the keys of issuers, with the HTTP client and the TLS implementation of the AWS SDK.

use std::{
    sync::{Arc, OnceLock},
    time::Duration,
};

use aws_smithy_http_client::{
    Connector,
    tls::{Provider, rustls_provider::CryptoMode},
};
use aws_smithy_runtime_api::client::{
    http::{HttpConnector, HttpConnectorSettings, SharedHttpConnector},
    orchestrator::HttpRequest,
};
use http_body_util::{BodyExt, Limited};

use crate::{auth::key_set::KeySet, error::Cause};

/// The timeouts for the connection and for the entire fetch. Calls wait for it.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(1);
const TIMEOUT: Duration = Duration::from_secs(2);

/// The maximum size of a response, in bytes.
const MAX_BYTES: usize = 64 * 1024;

/// The HTTP client for issuers. It is created on the first use and shared.
#[derive(Clone, Default)]
pub struct Http(Arc<OnceLock<SharedHttpConnector>>);

impl From<SharedHttpConnector> for Http {
    fn from(connector: SharedHttpConnector) -> Self {
        Self(Arc::new(OnceLock::from(connector)))
    }
}

impl Http {
    /// Fetches the keys at a URL. Redirects are not followed and count as failures.
    pub(super) async fn keys(&self, url: &str) -> Result<KeySet, Cause> {
        tokio::time::timeout(TIMEOUT, self.fetch(url)).await.map_err(|_| Cause::from("timeout"))?
    }

    async fn fetch(&self, url: &str) -> Result<KeySet, Cause> {
        let mut request = HttpRequest::get(url)?;
        request.headers_mut().insert("accept", "application/json");
        let response = self.0.get_or_init(connector).call(request).await?;
        let status = response.status().as_u16();
        if status != 200 {
            return Err(format!("status {status}").into());
        }
        let body = Limited::new(response.into_body(), MAX_BYTES).collect().await?;
        KeySet::read(&body.to_bytes()).ok_or_else(|| "no usable key".into())
    }
}

fn connector() -> SharedHttpConnector {
    let settings = HttpConnectorSettings::builder().connect_timeout(CONNECT_TIMEOUT).build();
    let connector = Connector::builder()
        .connector_settings(settings)
        // The next fetch is about an hour later, so an idle connection is of no use.
        .pool_max_idle_per_host(0)
        .tls_provider(Provider::Rustls(CryptoMode::AwsLc))
        .build();
    SharedHttpConnector::new(connector)
}
