//! A client of a running stack's HTTP API.

use std::time::Duration;

use anyhow::{Context, Result, anyhow};
use local::TIME_HEADER;
use reqwest::{Client, Method, RequestBuilder, StatusCode, Url};
use serde::Deserialize;
use serde_json::{Value, json};

/// The timeout of a request: slightly longer than the integration timeout of the gateway.
const REQUEST_TIMEOUT: Duration = Duration::from_secs(35);

/// The statuses of `POST /local/token` for an invalid username and for a profile that cannot be created.
const TOKEN_ERROR_STATUSES: [StatusCode; 2] = [StatusCode::BAD_REQUEST, StatusCode::BAD_GATEWAY];

/// A client of the HTTP API at a base URL.
#[derive(Clone, Debug)]
pub struct Api {
    http: Client,
    base: String,
}

/// The response of `POST /local/token`.
#[derive(Clone, Debug, Deserialize)]
pub struct Token {
    /// The JWT.
    pub access_token: String,
    /// The user's id.
    pub user_id: String,
}

impl Api {
    /// Creates a client for a base URL such as `http://127.0.0.1:3000`.
    pub fn new(base: &str) -> Result<Self> {
        // The stack runs on this machine, where a proxy may not reach it.
        let http = Client::builder().no_proxy().timeout(REQUEST_TIMEOUT).build()?;
        Ok(Self { http, base: base.to_owned() })
    }

    /// Requests a development token for `body["username"]`; a new user is created.
    pub async fn token(&self, body: &Value) -> Result<Token> {
        let response = self.send(self.http.post(format!("{}/local/token", self.base)).json(body)).await?;
        serde_json::from_value(response).context("the response of POST /local/token has no token")
    }

    /// Sends a request as a user, dated at a time in milliseconds since 1970.
    pub async fn call(
        &self,
        caller: &Token,
        at: i64,
        method: Method,
        path: &str,
        body: Option<&Value>,
    ) -> Result<Value> {
        let request = self.http.request(method.clone(), format!("{}/api/v1{path}", self.base));
        let request = request.bearer_auth(&caller.access_token).header(TIME_HEADER, at);
        let request = if let Some(body) = body { request.json(body) } else { request };
        self.send(request).await.with_context(|| format!("{method} {path}"))
    }

    /// Sends a request and returns the JSON body of a successful response, or its error.
    async fn send(&self, request: RequestBuilder) -> Result<Value> {
        let response = request.send().await?;
        let (status, text) = (response.status(), response.text().await?);
        let body: Value = serde_json::from_str(&text).unwrap_or_default();
        if status.is_success() {
            return Ok(body);
        }
        let reason = ["detail", "message"].iter().find_map(|name| body[name].as_str());
        Err(ErrorResponse { status, reason: reason.map(str::to_owned) }.into())
    }
}

/// A response without a success status.
#[derive(Debug)]
struct ErrorResponse {
    status: StatusCode,
    reason: Option<String>,
}

impl std::error::Error for ErrorResponse {}

impl std::fmt::Display for ErrorResponse {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match &self.reason {
            Some(reason) => write!(f, "{reason} ({})", self.status.as_u16()),
            None => write!(f, "status {}", self.status.as_u16()),
        }
    }
}

/// The base URL of an address such as `localhost:3000` or `http://localhost:3000/`.
pub fn base_url(address: &str, scheme: &str) -> Result<String, String> {
    let url = if address.contains("://") { address.to_owned() } else { format!("{scheme}://{address}") };
    match Url::parse(&url) {
        Ok(parsed) if parsed.has_host() => Ok(url.trim_end_matches('/').to_owned()),
        _ => Err("expected HOST:PORT or a URL".to_owned()),
    }
}

/// Requests a token from the stack whose HTTP API is at the base URL `address`, for `local token`.
///
/// # Errors
/// A sentence that explains why there is no token.
pub async fn token_at(address: &str, username: &str) -> Result<String> {
    let result = Api::new(address)?.token(&json!({ "username": username })).await;
    let error = match result {
        Ok(token) => return Ok(token.access_token),
        Err(error) => error,
    };
    Err(match error.downcast_ref::<ErrorResponse>() {
        Some(ErrorResponse { reason: Some(reason), status }) if TOKEN_ERROR_STATUSES.contains(status) => {
            anyhow!("{}", reason.trim_end_matches('.'))
        }
        None if error.downcast_ref::<reqwest::Error>().is_some_and(reqwest::Error::is_connect) => anyhow!(
            "no stack runs at {address}: start one with `cargo run -p local`, or set its address with --http"
        ),
        _ => {
            anyhow!("the server at {address} is no local stack: set the address of its HTTP API with --http")
        }
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_needs_no_scheme() {
        for (address, url) in [
            ("localhost:3000", "http://localhost:3000"),
            ("127.0.0.1:3000", "http://127.0.0.1:3000"),
            ("[::1]:3000", "http://[::1]:3000"),
            ("http://localhost:3000/", "http://localhost:3000"),
            ("https://api.example.com", "https://api.example.com"),
        ] {
            assert_eq!(base_url(address, "http").as_deref(), Ok(url));
        }
        assert_eq!(base_url("localhost:3001/live", "ws").as_deref(), Ok("ws://localhost:3001/live"));
        for invalid in ["", "http://", "a b", "://x"] {
            assert!(base_url(invalid, "http").is_err(), "{invalid}");
        }
    }
}
