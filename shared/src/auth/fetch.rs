//! How the keys of an issuer are fetched: with the HTTP client and the TLS that the AWS SDK brings along.

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

/// How long it may take to reach the issuer, and to have its keys. Calls wait for it.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(1);
const TIMEOUT: Duration = Duration::from_secs(2);

/// Longer answers are not read to their end, in bytes.
const MAX_BYTES: usize = 64 * 1024;

/// The way to issuers. It is made on the first use, and shared.
#[derive(Clone, Default)]
pub struct Http(Arc<OnceLock<SharedHttpConnector>>);

impl From<SharedHttpConnector> for Http {
    fn from(connector: SharedHttpConnector) -> Self {
        Self(Arc::new(OnceLock::from(connector)))
    }
}

impl Http {
    /// The keys at a URL. Redirects are not followed: they are answers without keys.
    pub(super) async fn keys(&self, url: &str) -> Result<KeySet, Cause> {
        tokio::time::timeout(TIMEOUT, self.fetch(url)).await.map_err(|_| Cause::from("it took too long"))?
    }

    async fn fetch(&self, url: &str) -> Result<KeySet, Cause> {
        let mut request = HttpRequest::get(url)?;
        request.headers_mut().insert("accept", "application/json");
        let response = self.0.get_or_init(connector).call(request).await?;
        let status = response.status().as_u16();
        if status != 200 {
            return Err(format!("it answered {status}").into());
        }
        let body = Limited::new(response.into_body(), MAX_BYTES).collect().await?;
        KeySet::read(&body.to_bytes()).ok_or_else(|| "it has no key that can be used".into())
    }
}

fn connector() -> SharedHttpConnector {
    let settings = HttpConnectorSettings::builder().connect_timeout(CONNECT_TIMEOUT).build();
    let connector = Connector::builder()
        .connector_settings(settings)
        // The next time is an hour later.
        .pool_max_idle_per_host(0)
        .tls_provider(Provider::Rustls(CryptoMode::AwsLc))
        .build();
    SharedHttpConnector::new(connector)
}
