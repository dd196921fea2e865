//! A caller of a running stack's HTTP API.

use std::net::SocketAddr;
use std::time::Duration;

use anyhow::{Context, Result, anyhow};
use local::TIME_HEADER;
use reqwest::{Client, Method, RequestBuilder, StatusCode};
use serde::Deserialize;
use serde_json::{Value, json};

/// The longest that a call may take: a little more than the gateway itself waits for a function.
const PATIENCE: Duration = Duration::from_secs(35);

/// What a stack answers where a token's username will not do, and where its user cannot be made.
const TOKEN_REFUSALS: [StatusCode; 2] = [StatusCode::BAD_REQUEST, StatusCode::BAD_GATEWAY];

/// The API of the stack at an address.
#[derive(Clone, Debug)]
pub struct Api {
    http: Client,
    base: String,
}

/// What `POST /local/token` answers.
#[derive(Clone, Debug, Deserialize)]
pub struct Token {
    /// The JWT.
    pub access_token: String,
    /// Whose it is.
    pub user_id: String,
}

impl Api {
    /// The API at an address such as `http://127.0.0.1:3000`.
    pub fn new(base: &str) -> Result<Self> {
        // The stack is on this machine: a proxy could only be in the way.
        let http = Client::builder().no_proxy().timeout(PATIENCE).build()?;
        Ok(Self { http, base: base.to_owned() })
    }

    /// A development token for `ask["username"]`, who is made if new.
    pub async fn token(&self, ask: &Value) -> Result<Token> {
        let answer = self.answer(self.http.post(format!("{}/local/token", self.base)).json(ask)).await?;
        serde_json::from_value(answer).context("POST /local/token answered no token")
    }

    /// A call as somebody, at a time in milliseconds since 1970. `None` as body sends none.
    pub async fn call(
        &self,
        who: &Token,
        at: i64,
        method: Method,
        path: &str,
        body: Option<&Value>,
    ) -> Result<Value> {
        let request = self.http.request(method.clone(), format!("{}/api/v1{path}", self.base));
        let request = request.bearer_auth(&who.access_token).header(TIME_HEADER, at);
        let request = if let Some(body) = body { request.json(body) } else { request };
        self.answer(request).await.with_context(|| format!("{method} {path}"))
    }

    /// The JSON of a success, or what the answer says of its failure.
    async fn answer(&self, request: RequestBuilder) -> Result<Value> {
        let response = request.send().await?;
        let (status, text) = (response.status(), response.text().await?);
        let body: Value = serde_json::from_str(&text).unwrap_or_default();
        if status.is_success() {
            return Ok(body);
        }
        let reason = ["detail", "message"].iter().find_map(|name| body[name].as_str());
        Err(Refused { status, reason: reason.map(str::to_owned) }.into())
    }
}

/// An answer that is no success.
#[derive(Debug)]
struct Refused {
    status: StatusCode,
    reason: Option<String>,
}

impl std::error::Error for Refused {}

impl std::fmt::Display for Refused {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match &self.reason {
            Some(reason) => write!(f, "{reason} ({})", self.status.as_u16()),
            None => write!(f, "status {}", self.status.as_u16()),
        }
    }
}

/// A token from the stack whose HTTP API is at `address`, for `local token`.
///
/// # Errors
/// A sentence that says what is in the way.
pub async fn token_at(address: SocketAddr, username: &str) -> Result<String> {
    let asked = Api::new(&format!("http://{address}"))?.token(&json!({ "username": username })).await;
    let error = match asked {
        Ok(token) => return Ok(token.access_token),
        Err(error) => error,
    };
    Err(match error.downcast_ref::<Refused>() {
        Some(Refused { reason: Some(reason), status }) if TOKEN_REFUSALS.contains(status) => {
            anyhow!("{}", reason.trim_end_matches('.'))
        }
        None if error.downcast_ref::<reqwest::Error>().is_some_and(reqwest::Error::is_connect) => anyhow!(
            "no stack runs at {address}: start one with `cargo run -p local`, or name its address with --http"
        ),
        _ => anyhow!("what answers at {address} is no local stack: name its HTTP address with --http"),
    })
}
