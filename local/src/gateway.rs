//! API Gateway on one machine: the HTTP API and the WebSocket API, in front of the functions.

mod authorizer;
mod connections;
mod cors;
mod handshake;
mod http;
mod http_answer;
mod http_event;
mod management;
mod policy;
mod query;
mod routes;
mod session;
mod socket_event;
mod websocket;

use axum::body::Body;
use axum::http::{HeaderValue, Response, StatusCode, header};
use serde_json::Value;

pub use http::HttpGateway;
pub use websocket::SocketGateway;

/// A response that the gateway itself makes.
fn json_response(status: StatusCode, body: &Value) -> Response<Body> {
    let mut response = Response::new(Body::from(body.to_string()));
    *response.status_mut() = status;
    response.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
    response
}
