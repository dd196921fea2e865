//! `@connections`: posting to a connection, asking about it, closing it.
//! <https://docs.aws.amazon.com/apigateway/latest/developerguide/apigateway-how-to-call-websocket-api-connections.html>

use axum::body::{Body, to_bytes};
use axum::http::{HeaderValue, Method, Request, Response, StatusCode};
use serde_json::json;

use super::connections::{Closing, SendError};
use super::json_response;
use super::websocket::SocketGateway;
use crate::clock::iso8601;

/// The most that one post may carry: 128 KB.
const PAYLOAD_LIMIT: usize = 128 * 1024;

/// Answers a request about one connection.
pub async fn answer(gateway: &SocketGateway, id: &str, request: Request<Body>) -> Response<Body> {
    let method = request.method().clone();
    let body = to_bytes(request.into_body(), PAYLOAD_LIMIT).await;
    let Ok(body) = body else {
        let message = "Payload exceeds 131072 bytes";
        return failure(StatusCode::PAYLOAD_TOO_LARGE, "PayloadTooLargeException", message);
    };
    let Some(connection) = gateway.connections.get(id) else {
        return gone();
    };
    match method {
        Method::POST => {
            let Ok(message) = String::from_utf8(body.to_vec()) else {
                return failure(StatusCode::BAD_REQUEST, "BadRequestException", "The data is not text");
            };
            match connection.send(message).await {
                Ok(()) => Response::new(Body::empty()),
                Err(SendError::Gone) => gone(),
                Err(SendError::Full) => {
                    let message = "The WebSocket client side buffer is full";
                    failure(StatusCode::TOO_MANY_REQUESTS, "LimitExceededException", message)
                }
            }
        }
        Method::GET => json_response(
            StatusCode::OK,
            &json!({
                "connectedAt": iso8601(connection.connected_at),
                "lastActiveAt": iso8601(connection.last_active().1),
                "identity": { "sourceIp": connection.source_ip, "userAgent": connection.user_agent },
            }),
        ),
        Method::DELETE => {
            gateway.connections.remove(id);
            connection.close(Closing::new(1000, "Connection Closed Normally"));
            let mut response = Response::new(Body::empty());
            *response.status_mut() = StatusCode::NO_CONTENT;
            response
        }
        _ => failure(StatusCode::FORBIDDEN, "ForbiddenException", "Forbidden"),
    }
}

fn gone() -> Response<Body> {
    failure(StatusCode::GONE, "GoneException", "Gone")
}

/// The header is what the SDKs tell errors apart by.
fn failure(status: StatusCode, kind: &'static str, message: &str) -> Response<Body> {
    let mut response = json_response(status, &json!({ "message": message }));
    response.headers_mut().insert("x-amzn-errortype", HeaderValue::from_static(kind));
    response
}
