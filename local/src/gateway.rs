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
mod web;
mod websocket;

use std::time::Duration;

use axum::body::Body;
use axum::http::{HeaderValue, Response, StatusCode, header};
use serde_json::Value;

pub use http::HttpGateway;
pub use http_event::TIME_HEADER;
pub use web::WebClient;
pub use websocket::SocketGateway;

/// Marks a response that the log shows at debug level only: a function has logged it, or it is a file of the web client.
#[derive(Clone, Copy, Debug)]
struct Quiet;

/// Logs a response.
fn log_response(call: &str, response: &Response<Body>, duration: Duration, request_id: &str) {
    let (status, duration_ms) = (response.status().as_u16(), duration.as_millis());
    let function = "gateway";
    if response.extensions().get::<Quiet>().is_some() {
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
