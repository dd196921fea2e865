//! The emulated API Gateway: the HTTP API and the WebSocket API in front of the functions.

mod authorizer;
mod connections;
mod cors;
mod handshake;
mod http;
mod http_event;
mod http_response;
mod management;
mod pages;
mod policy;
mod query;
mod routes;
#[cfg(test)]
mod sample_events;
mod session;
mod socket_event;
mod websocket;

use std::time::Duration;

use axum::body::Body;
use axum::http::{HeaderValue, Response, StatusCode, header};
use serde_json::Value;

pub use http::HttpGateway;
pub use http_event::TIME_HEADER;
pub use websocket::SocketGateway;

/// Marks a response that comes from a function, which has logged it already.
#[derive(Clone, Copy, Debug)]
struct FromFunction;

/// Logs a response; at debug level if a function has logged it already.
fn log_response(call: &str, response: &Response<Body>, duration: Duration, request_id: &str) {
    let (status, duration_ms) = (response.status().as_u16(), duration.as_millis());
    let function = "gateway";
    if response.extensions().get::<FromFunction>().is_some() {
        tracing::debug!(target: "gateway", call, function, status, duration_ms, request_id, "answered");
    } else {
        tracing::info!(target: "gateway", call, function, status, duration_ms, request_id, "answered");
    }
}

/// A JSON response from the gateway itself.
fn json_response(status: StatusCode, body: &Value) -> Response<Body> {
    let mut response = Response::new(Body::from(body.to_string()));
    *response.status_mut() = status;
    response.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
    response
}
