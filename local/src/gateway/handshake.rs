//! The handshake of a WebSocket connection: authorizer, `$connect`, then the upgrade.

use std::net::SocketAddr;
use std::sync::Arc;

use axum::body::Body;
use axum::http::request::Parts;
use axum::http::{HeaderMap, HeaderValue, Method, Request, Response, StatusCode, header};
use hyper::upgrade::OnUpgrade;
use serde_json::Value;
use tokio::sync::mpsc;
use tokio_tungstenite::tungstenite::handshake::derive_accept_key;

use super::connections::Connection;
use super::websocket::{SocketGateway, error_response};
use super::{Quiet, authorizer, session};
use crate::lambda::InvokeError;

/// API Gateway's longest URL of a WebSocket API, in characters.
const URL_LIMIT: usize = 4096;

/// Handles a request for the path of the stage.
pub async fn respond(
    gateway: Arc<SocketGateway>,
    peer: SocketAddr,
    request: Request<Body>,
    request_id: String,
) -> Response<Body> {
    if gateway.draining.is_cancelled() {
        return error_response(StatusCode::SERVICE_UNAVAILABLE, "Service Unavailable", None, &request_id);
    }
    let (mut request, _) = request.into_parts();
    if url_length(&request) > URL_LIMIT {
        return error_response(StatusCode::URI_TOO_LONG, "URI Too Long", None, &request_id);
    }
    let upgrade = request.extensions.remove::<OnUpgrade>();
    let (Some(accept), Some(upgrade)) = (accept_key(&request), upgrade) else {
        let mut response =
            error_response(StatusCode::UPGRADE_REQUIRED, "Upgrade Required", None, &request_id);
        let headers = response.headers_mut();
        headers.insert(header::UPGRADE, HeaderValue::from_static("websocket"));
        headers.insert(header::SEC_WEBSOCKET_VERSION, HeaderValue::from_static("13"));
        return response;
    };
    let user_agent = request.headers.get(header::USER_AGENT);
    let user_agent = user_agent.and_then(|value| value.to_str().ok()).unwrap_or_default().to_owned();
    let (connection, messages) = Connection::new(&gateway.clock, peer.ip().to_string(), user_agent);

    // A separate task, so that `$disconnect` follows `$connect` even if the client disconnects meanwhile.
    let tracker = gateway.sessions.clone();
    let opening =
        tracker.spawn(open(gateway, request, connection, messages, upgrade, accept, request_id.clone()));
    opening.await.unwrap_or_else(|_| {
        error_response(StatusCode::INTERNAL_SERVER_ERROR, "Internal server error", None, &request_id)
    })
}

async fn open(
    gateway: Arc<SocketGateway>,
    request: Parts,
    mut connection: Connection,
    messages: mpsc::Receiver<String>,
    upgrade: OnUpgrade,
    accept: HeaderValue,
    request_id: String,
) -> Response<Body> {
    if let Some(authorizer) = &gateway.api.authorizer {
        match authorizer::authorize(&gateway, authorizer, &connection, &request, &request_id).await {
            Ok(context) => connection.authorizer = Some(context),
            Err(response) => return *response,
        }
    }
    let protocol = match connect(&gateway, &connection, &request, &request_id).await {
        Ok(protocol) => protocol,
        Err(response) => return *response,
    };
    let connection = Arc::new(connection);
    // Added only after `$connect`: until then, posting to the connection returns 410, as on AWS.
    gateway.connections.add(Arc::clone(&connection));
    tracing::debug!(target: "websocket", "{} opened", connection.id);
    let tracker = gateway.sessions.clone();
    tracker.spawn(session::run(gateway, connection, messages, upgrade));

    let mut response = Response::new(Body::empty());
    response.extensions_mut().insert(Quiet);
    *response.status_mut() = StatusCode::SWITCHING_PROTOCOLS;
    let headers = response.headers_mut();
    headers.insert(header::CONNECTION, HeaderValue::from_static("upgrade"));
    headers.insert(header::UPGRADE, HeaderValue::from_static("websocket"));
    headers.insert(header::SEC_WEBSOCKET_ACCEPT, accept);
    if let Some(protocol) = protocol {
        headers.insert(header::SEC_WEBSOCKET_PROTOCOL, protocol);
    }
    response
}

/// Invokes `$connect`. Returns the subprotocol from its response, or the error response for the client.
async fn connect(
    gateway: &SocketGateway,
    connection: &Connection,
    request: &Parts,
    request_id: &str,
) -> Result<Option<HeaderValue>, Box<Response<Body>>> {
    if !gateway.api.routes.contains_key("$connect") {
        return Ok(None);
    }
    let reject =
        |status, message: &str| Box::new(error_response(status, message, Some(&connection.id), request_id));
    let event = gateway.endpoint.connect_event(connection, request, request_id);
    let response = match gateway.invoke("$connect", &event).await {
        Some(Ok(response)) => response,
        Some(Err(InvokeError::Unavailable)) => {
            return Err(reject(StatusCode::SERVICE_UNAVAILABLE, "Service Unavailable"));
        }
        Some(Err(_)) => return Err(reject(StatusCode::BAD_GATEWAY, "Internal server error")),
        None => return Err(reject(StatusCode::GATEWAY_TIMEOUT, "Endpoint request timed out")),
    };
    let code = response["statusCode"].as_u64().and_then(|code| u16::try_from(code).ok());
    let code = code.and_then(|code| StatusCode::from_u16(code).ok());
    match code {
        Some(code) if code.is_success() => Ok(subprotocol(&response)),
        Some(code) if code.is_client_error() || code.is_server_error() => {
            let mut rejected = reject(code, code.canonical_reason().unwrap_or("Refused"));
            rejected.extensions_mut().insert(Quiet);
            Err(rejected)
        }
        _ => Err(reject(StatusCode::BAD_GATEWAY, "Internal server error")),
    }
}

fn subprotocol(response: &Value) -> Option<HeaderValue> {
    let headers = response["headers"].as_object()?;
    let (_, value) = headers.iter().find(|(name, _)| name.eq_ignore_ascii_case("sec-websocket-protocol"))?;
    HeaderValue::from_str(value.as_str()?).ok()
}

/// The length of the URL that the client has connected to, `wss://HOST/PATH?QUERY` on AWS.
fn url_length(request: &Parts) -> usize {
    let host = request.headers.get(header::HOST).map_or(0, HeaderValue::len);
    let path = request.uri.path_and_query().map_or(0, |path| path.as_str().len());
    "wss://".len() + host + path
}

/// The value of `Sec-WebSocket-Accept` for a valid handshake request, otherwise `None`.
fn accept_key(request: &Parts) -> Option<HeaderValue> {
    let headers = &request.headers;
    let is_valid = request.method == Method::GET
        && has_token(headers, &header::CONNECTION, "upgrade")
        && has_token(headers, &header::UPGRADE, "websocket")
        && headers.get(header::SEC_WEBSOCKET_VERSION).is_some_and(|version| version == "13");
    let key = headers.get(header::SEC_WEBSOCKET_KEY).filter(|_| is_valid)?;
    HeaderValue::from_str(&derive_accept_key(key.as_bytes())).ok()
}

fn has_token(headers: &HeaderMap, name: &header::HeaderName, token: &str) -> bool {
    let values = headers.get_all(name).iter().filter_map(|value| value.to_str().ok());
    values.flat_map(|value| value.split(',')).any(|part| part.trim().eq_ignore_ascii_case(token))
}
