//! The HTTP API: routes requests to functions like API Gateway, and serves the stack's own pages and
//! `/local/token`.

use std::net::{IpAddr, Ipv4Addr};
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, Result, anyhow, bail};
use axum::Router;
use axum::body::{Body, to_bytes};
use axum::extract::{ConnectInfo, State};
use axum::http::request::Parts;
use axum::http::{HeaderValue, Method, Request, Response, StatusCode, header};
use futures::StreamExt;
use serde::Deserialize;
use serde_json::{Value, json};
use uuid::Uuid;

use super::routes::RouteTable;
use super::web::WebClient;
use super::{Quiet, cors, http_event, http_response, json_response, log_response, pages};
use crate::clock::Clock;
use crate::guard::{self, Ends};
use crate::lambda::{Functions, InvokeError};
use crate::template::HttpApi;
use crate::token::{DevToken, Issuer, TokenOptions, validate_username};

/// API Gateway's quotas for HTTP APIs: payload size and integration timeout.
/// <https://docs.aws.amazon.com/apigateway/latest/developerguide/http-api-quotas.html>
const REQUEST_LIMIT: usize = 10 * 1024 * 1024;
const INTEGRATION_TIMEOUT: Duration = Duration::from_secs(30);

/// Issues development tokens.
pub(super) const TOKEN_PATH: &str = "/local/token";
const PROFILE_PATH: &str = "/api/v1/users/me";

/// The HTTP API.
#[derive(Debug)]
pub struct HttpGateway {
    api: HttpApi,
    table: RouteTable,
    functions: Arc<Functions>,
    issuer: Issuer,
    web: WebClient,
    clock: Clock,
}

impl HttpGateway {
    /// Creates the gateway of an API in front of the functions.
    pub fn new(
        api: HttpApi,
        functions: Arc<Functions>,
        issuer: Issuer,
        web: WebClient,
        clock: Clock,
    ) -> Self {
        Self { table: RouteTable::new(&api.routes), api, functions, issuer, web, clock }
    }

    /// The origins of other sites whose pages may call the API. A wildcard is not one: it would open the stack
    /// to every page in the developer's browser.
    pub fn origins(&self) -> Vec<String> {
        let configured = self.api.cors.iter().flat_map(|cors| &cors.origins);
        configured.filter(|origin| !origin.contains('*')).cloned().collect()
    }

    /// The service of the gateway.
    pub fn router(self: Arc<Self>) -> Router {
        Router::new().fallback(serve).with_state(self)
    }

    async fn respond(&self, request: Parts, body: Body, ends: Ends, request_id: &str) -> Response<Body> {
        let mut response = match read_body(body).await {
            None => too_large(),
            Some(body) if request.method == Method::POST && request.uri.path() == TOKEN_PATH => {
                if guard::is_from_this_machine(ends, &request.headers) {
                    self.token_response(&body).await
                } else {
                    guard::refusal("Only this machine can request tokens, at a loopback address.")
                }
            }
            Some(body) => match self.page(&request).await {
                Some(page) => page,
                None => self.integrate(&request, &body, request_id, ends.peer.ip()).await,
            },
        };
        let headers = response.headers_mut();
        if let Some(cors) = &self.api.cors {
            cors::apply(cors, &request, ends.local.ip(), headers);
        }
        if let Ok(id) = HeaderValue::from_str(request_id) {
            headers.insert("apigw-requestid", id);
        }
        response
    }

    async fn page(&self, request: &Parts) -> Option<Response<Body>> {
        // Routes of the API never name a file.
        match pages::respond(request).await {
            Some(page) => Some(page),
            None => self.web.respond(request).await,
        }
    }

    async fn integrate(
        &self,
        request: &Parts,
        body: &[u8],
        request_id: &str,
        peer: IpAddr,
    ) -> Response<Body> {
        let path = http_event::path_of(request);
        let Some(route_match) = self.table.find(request.method.as_str(), &path) else {
            let preflight = self.api.cors.as_ref().and_then(|_| cors::preflight(request));
            let not_found = || json_response(StatusCode::NOT_FOUND, &json!({ "message": "Not Found" }));
            return preflight.unwrap_or_else(not_found);
        };
        let info = http_event::RequestInfo { api: &self.api.id, request_id, peer };
        let event = http_event::build(request, &path, body, &route_match, &info);
        let timeout = route_match.route.timeout.unwrap_or(INTEGRATION_TIMEOUT).min(INTEGRATION_TIMEOUT);
        let invocation = self.functions.invoke(&route_match.route.function, event.to_string().into());
        match self.clock.within(timeout, invocation).await {
            Some(Ok(payload)) => {
                let Some(mut response) = http_response::parse(&payload) else {
                    tracing::error!("{} returned an invalid HTTP response", route_match.route.function);
                    return internal_error();
                };
                response.extensions_mut().insert(Quiet);
                response
            }
            Some(Err(InvokeError::RequestTooLarge)) => too_large(),
            Some(Err(InvokeError::Unavailable)) | None => {
                json_response(StatusCode::SERVICE_UNAVAILABLE, &json!({ "message": "Service Unavailable" }))
            }
            Some(Err(_)) => internal_error(),
        }
    }

    /// Issues a token and creates the user's profile if it does not exist.
    ///
    /// # Errors
    /// If the username is invalid, or the API does not create the profile.
    pub async fn token(&self, username: &str, options: &TokenOptions) -> Result<DevToken> {
        let username = validate_username(username).map_err(|reason| anyhow!(reason))?;
        // The first request creates the profile. It uses a valid token even if an expired one was requested.
        let valid = self.issuer.sign(username, &TokenOptions { expires_in: None, ..options.clone() })?;
        let request = Request::get(PROFILE_PATH).header(header::HOST, "localhost");
        let request = request.header(header::AUTHORIZATION, format!("Bearer {}", valid.access_token));
        let (request, ()) = request.body(())?.into_parts();
        let request_id = Uuid::new_v4().to_string();
        let response = self.integrate(&request, &[], &request_id, Ipv4Addr::LOCALHOST.into()).await;
        let status = response.status();
        if !status.is_success() {
            let body = to_bytes(response.into_body(), REQUEST_LIMIT).await.unwrap_or_default();
            bail!(
                "cannot create the user: GET {PROFILE_PATH} returned {status}: {}",
                String::from_utf8_lossy(&body)
            );
        }
        match options.expires_in {
            None => Ok(valid),
            Some(_) => self.issuer.sign(username, options).context("cannot sign the token"),
        }
    }

    async fn token_response(&self, body: &[u8]) -> Response<Body> {
        let reject = |reason: &str| json_response(StatusCode::BAD_REQUEST, &json!({ "message": reason }));
        let Ok(request) = serde_json::from_slice::<Value>(body) else {
            return reject("The body must be JSON, for example {\"username\": \"ana\"}.");
        };
        let Some(username) = request["username"].as_str() else {
            return reject("`username` is required and must be a string.");
        };
        if let Err(reason) = validate_username(username) {
            return reject(&reason);
        }
        let Ok(options) = TokenOptions::deserialize(&request) else {
            return reject(
                "`name` and `picture` must be strings; `expires_in` and `issued_at` must be integers (seconds).",
            );
        };
        match self.token(username, &options).await {
            Ok(token) => json_response(StatusCode::OK, &json!(token)),
            Err(error) => json_response(StatusCode::BAD_GATEWAY, &json!({ "message": format!("{error:#}") })),
        }
    }
}

async fn serve(
    State(gateway): State<Arc<HttpGateway>>,
    ConnectInfo(ends): ConnectInfo<Ends>,
    request: Request<Body>,
) -> Response<Body> {
    let (request, body) = request.into_parts();
    // Without the query, which may contain a token.
    let call = format!("{} {}", request.method, request.uri.path());
    let request_id = Uuid::new_v4().to_string();
    let started = gateway.clock.now();
    let response = gateway.respond(request, body, ends, &request_id).await;
    log_response(&call, &response, gateway.clock.now().since(started), &request_id);
    response
}

/// Reads the complete body; `None` if it exceeds the limit. Up to four times the limit is read and discarded,
/// because a client that is still sending would see a reset connection instead of the response.
async fn read_body(body: Body) -> Option<Vec<u8>> {
    let mut stream = body.into_data_stream();
    let (mut body, mut length) = (Vec::new(), 0);
    while let Some(part) = stream.next().await {
        // The client has disconnected: an incomplete body counts as none.
        let part = part.ok()?;
        length += part.len();
        if length <= REQUEST_LIMIT {
            body.extend_from_slice(&part);
        } else if length > 4 * REQUEST_LIMIT {
            break;
        }
    }
    (length <= REQUEST_LIMIT).then_some(body)
}

fn too_large() -> Response<Body> {
    json_response(StatusCode::PAYLOAD_TOO_LARGE, &json!({ "message": "Request Entity Too Large" }))
}

fn internal_error() -> Response<Body> {
    json_response(StatusCode::INTERNAL_SERVER_ERROR, &json!({ "message": "Internal Server Error" }))
}
