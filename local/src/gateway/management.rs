//! The connection management API, `@connections`: post to a connection, describe it, close it.
//! <https://docs.aws.amazon.com/apigateway/latest/developerguide/apigateway-how-to-call-websocket-api-connections.html>

use axum::body::{Body, to_bytes};
use axum::http::{HeaderValue, Method, Request, Response, StatusCode};
use serde_json::json;

use super::connections::{CloseStatus, SendError};
use super::json_response;
use super::websocket::SocketGateway;
use crate::clock::iso8601_millis;

/// The largest payload of a message, in bytes: 128 KB.
const PAYLOAD_LIMIT: usize = 128 * 1024;

/// Handles a request for one connection.
pub async fn respond(gateway: &SocketGateway, id: &str, request: Request<Body>) -> Response<Body> {
    let method = request.method().clone();
    let body = to_bytes(request.into_body(), PAYLOAD_LIMIT).await;
    let Ok(body) = body else {
        let message = "Payload exceeds 131072 bytes";
        return error_response(StatusCode::PAYLOAD_TOO_LARGE, "PayloadTooLargeException", message);
    };
    let Some(connection) = gateway.connections.get(id) else {
        return gone();
    };
    match method {
        Method::POST => {
            let Ok(message) = String::from_utf8(body.to_vec()) else {
                let message = "The data is not text";
                return error_response(StatusCode::BAD_REQUEST, "BadRequestException", message);
            };
            match connection.send(message).await {
                Ok(()) => Response::new(Body::empty()),
                Err(SendError::Gone) => gone(),
                Err(SendError::QueueFull) => {
                    let message = "The WebSocket client side buffer is full";
                    error_response(StatusCode::TOO_MANY_REQUESTS, "LimitExceededException", message)
                }
            }
        }
        Method::GET => json_response(
            StatusCode::OK,
            &json!({
                "connectedAt": iso8601_millis(connection.connected_at),
                "lastActiveAt": iso8601_millis(connection.last_active().1),
                "identity": { "sourceIp": connection.source_ip, "userAgent": connection.user_agent },
            }),
        ),
        Method::DELETE => {
            gateway.connections.remove(id);
            connection.close(CloseStatus::new(1000, "Connection Closed Normally"));
            let mut response = Response::new(Body::empty());
            *response.status_mut() = StatusCode::NO_CONTENT;
            response
        }
        _ => error_response(StatusCode::FORBIDDEN, "ForbiddenException", "Forbidden"),
    }
}

fn gone() -> Response<Body> {
    error_response(StatusCode::GONE, "GoneException", "Gone")
}

/// An error response. The AWS SDKs identify the error by its header.
fn error_response(status: StatusCode, kind: &'static str, message: &str) -> Response<Body> {
    let mut response = json_response(status, &json!({ "message": message }));
    response.headers_mut().insert("x-amzn-errortype", HeaderValue::from_static(kind));
    response
}
