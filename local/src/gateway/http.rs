//! The HTTP API: routes a request to its function and answers as API Gateway does, and the stack's own `/local/token`.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
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
use super::{ByFunction, cors, http_answer, http_event, json_response, log_answer};
use crate::clock::Clock;
use crate::lambda::{Functions, InvokeError};
use crate::template::HttpApi;
use crate::token::{DevToken, Extras, Issuer, check_username};

/// API Gateway's limits for HTTP APIs.
/// <https://docs.aws.amazon.com/apigateway/latest/developerguide/http-api-quotas.html>
const REQUEST_LIMIT: usize = 10 * 1024 * 1024;
const INTEGRATION_TIMEOUT: Duration = Duration::from_secs(30);

const TOKEN_PATH: &str = "/local/token";
const PROFILE_PATH: &str = "/api/v1/users/me";

/// The HTTP API.
#[derive(Debug)]
pub struct HttpGateway {
    api: HttpApi,
    table: RouteTable,
    functions: Arc<Functions>,
    issuer: Issuer,
    clock: Clock,
}

impl HttpGateway {
    /// Puts the API in front of the functions.
    pub fn new(api: HttpApi, functions: Arc<Functions>, issuer: Issuer, clock: Clock) -> Self {
        Self { table: RouteTable::new(&api.routes), api, functions, issuer, clock }
    }

    /// The service to listen with.
    pub fn router(self: Arc<Self>) -> Router {
        Router::new().fallback(serve).with_state(self)
    }

    async fn answer(&self, request: Parts, body: Body, peer: IpAddr, request_id: &str) -> Response<Body> {
        let mut response = match take_body(body).await {
            None => too_large(),
            Some(body) if request.method == Method::POST && request.uri.path() == TOKEN_PATH => {
                self.mint_on_request(&body).await
            }
            Some(body) => self.integrate(&request, &body, request_id, peer).await,
        };
        let headers = response.headers_mut();
        if let Some(cors) = &self.api.cors {
            cors::decorate(cors, &request, headers);
        }
        if let Ok(id) = HeaderValue::from_str(request_id) {
            headers.insert("apigw-requestid", id);
        }
        response
    }

    async fn integrate(
        &self,
        request: &Parts,
        body: &[u8],
        request_id: &str,
        peer: IpAddr,
    ) -> Response<Body> {
        let path = http_event::path_of(request);
        let Some(found) = self.table.find(request.method.as_str(), &path) else {
            let preflight = self.api.cors.as_ref().and_then(|_| cors::preflight(request));
            let not_found = || json_response(StatusCode::NOT_FOUND, &json!({ "message": "Not Found" }));
            return preflight.unwrap_or_else(not_found);
        };
        let origin = http_event::Origin { api: &self.api.id, request_id, peer };
        let event = http_event::build(request, &path, body, &found, &origin);
        let timeout = found.route.timeout.unwrap_or(INTEGRATION_TIMEOUT).min(INTEGRATION_TIMEOUT);
        let call = self.functions.invoke(&found.route.function, event.to_string().into());
        match self.clock.within(timeout, call).await {
            Some(Ok(payload)) => {
                let Some(mut response) = http_answer::read(&payload) else {
                    tracing::error!("{} answered something that is no HTTP response", found.route.function);
                    return internal_error();
                };
                response.extensions_mut().insert(ByFunction);
                response
            }
            Some(Err(InvokeError::RequestTooLarge)) => too_large(),
            Some(Err(InvokeError::Unavailable)) | None => {
                json_response(StatusCode::SERVICE_UNAVAILABLE, &json!({ "message": "Service Unavailable" }))
            }
            Some(Err(_)) => internal_error(),
        }
    }

    /// Mints a token, and makes sure that its user exists.
    ///
    /// # Errors
    /// If the username will not do, or the API does not make the profile.
    pub async fn token(&self, username: &str, extras: &Extras) -> Result<DevToken> {
        let username = check_username(username).map_err(|reason| anyhow!(reason))?;
        // Any first call makes the profile; this one is made with a token that is good, whatever was asked for.
        let good = self.issuer.mint(username, &Extras { expires_in: None, ..extras.clone() })?;
        let request = Request::get(PROFILE_PATH).header(header::HOST, "localhost");
        let request = request.header(header::AUTHORIZATION, format!("Bearer {}", good.access_token));
        let (request, ()) = request.body(())?.into_parts();
        let request_id = Uuid::new_v4().to_string();
        let response = self.integrate(&request, &[], &request_id, Ipv4Addr::LOCALHOST.into()).await;
        let status = response.status();
        if !status.is_success() {
            let body = to_bytes(response.into_body(), REQUEST_LIMIT).await.unwrap_or_default();
            bail!(
                "the user could not be created: GET {PROFILE_PATH} answered {status}: {}",
                String::from_utf8_lossy(&body)
            );
        }
        match extras.expires_in {
            None => Ok(good),
            Some(_) => self.issuer.mint(username, extras).context("the token could not be signed"),
        }
    }

    async fn mint_on_request(&self, body: &[u8]) -> Response<Body> {
        let refuse = |reason: &str| json_response(StatusCode::BAD_REQUEST, &json!({ "message": reason }));
        let Ok(ask) = serde_json::from_slice::<Value>(body) else {
            return refuse("The body must be JSON, for example {\"username\": \"ana\"}.");
        };
        let Some(username) = ask["username"].as_str() else {
            return refuse("`username` must be there and a string.");
        };
        if let Err(reason) = check_username(username) {
            return refuse(&reason);
        }
        let Ok(extras) = Extras::deserialize(&ask) else {
            return refuse(
                "`name` and `picture` must be strings, `expires_in` and `issued_at` whole numbers of seconds.",
            );
        };
        match self.token(username, &extras).await {
            Ok(token) => json_response(StatusCode::OK, &json!(token)),
            Err(error) => json_response(StatusCode::BAD_GATEWAY, &json!({ "message": format!("{error:#}") })),
        }
    }
}

async fn serve(
    State(gateway): State<Arc<HttpGateway>>,
    ConnectInfo(peer): ConnectInfo<SocketAddr>,
    request: Request<Body>,
) -> Response<Body> {
    let (request, body) = request.into_parts();
    // The path only: a query may hold a token.
    let call = format!("{} {}", request.method, request.uri.path());
    let request_id = Uuid::new_v4().to_string();
    let started = gateway.clock.now();
    let response = gateway.answer(request, body, peer.ip(), &request_id).await;
    let took = gateway.clock.now().since(started);
    log_answer(&call, &response, took, &request_id);
    response
}

/// The whole body, or `None` if it is over the limit. What is over it is read all the same, as far as a client may
/// reasonably go on: one that is answered while it still sends sees a broken connection instead of the answer.
async fn take_body(body: Body) -> Option<Vec<u8>> {
    let mut stream = body.into_data_stream();
    let (mut taken, mut length) = (Vec::new(), 0);
    while let Some(part) = stream.next().await {
        // Half a body is none; its sender is gone.
        let part = part.ok()?;
        length += part.len();
        if length <= REQUEST_LIMIT {
            taken.extend_from_slice(&part);
        } else if length > 4 * REQUEST_LIMIT {
            break;
        }
    }
    (length <= REQUEST_LIMIT).then_some(taken)
}

fn too_large() -> Response<Body> {
    json_response(StatusCode::PAYLOAD_TOO_LARGE, &json!({ "message": "Request Entity Too Large" }))
}

fn internal_error() -> Response<Body> {
    json_response(StatusCode::INTERNAL_SERVER_ERROR, &json!({ "message": "Internal Server Error" }))
}
