//! The connection management API, `@connections`: post to a connection, describe it, close it.
//! <https://docs.aws.amazon.com/apigateway/latest/developerguide/apigateway-how-to-call-websocket-api-connections.html>

use axum::body::{Body, to_bytes};
use axum::http::{HeaderMap, HeaderValue, Method, Request, Response, StatusCode, header};
use serde_json::json;

use super::connections::{CloseStatus, SendError};
use super::json_response;
use super::websocket::SocketGateway;
use crate::clock::iso8601_millis;

/// The largest payload of a message, in bytes: 128 KB.
const PAYLOAD_LIMIT: usize = 128 * 1024;

/// Handles a request for one connection.
pub async fn respond(gateway: &SocketGateway, id: &str, request: Request<Body>) -> Response<Body> {
    if !is_signed(request.headers()) {
        let message = "Missing Authentication Token";
        return error_response(StatusCode::FORBIDDEN, "MissingAuthenticationTokenException", message);
    }
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

/// Whether a request has the header of a Signature Version 4. The signature itself is not verified: the stack's
/// functions have made-up credentials.
fn is_signed(headers: &HeaderMap) -> bool {
    let value = headers.get(header::AUTHORIZATION).and_then(|value| value.to_str().ok());
    let parts = value.and_then(|value| value.strip_prefix("AWS4-HMAC-SHA256 "));
    let parts: Vec<&str> = parts.into_iter().flat_map(|parts| parts.split(',')).map(str::trim).collect();
    let part =
        |name: &str| parts.iter().find_map(|part| part.strip_prefix(name)).filter(|part| !part.is_empty());
    // Credential=KEY/DATE/REGION/execute-api/aws4_request
    let scope = part("Credential=").map(|credential| credential.split('/').collect::<Vec<_>>());
    scope.is_some_and(|scope| matches!(scope[..], [.., _, _, _, "execute-api", "aws4_request"]))
        && part("SignedHeaders=").is_some()
        && part("Signature=").is_some()
        && headers.contains_key("x-amz-date")
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_request_needs_a_signature_for_the_management_api() {
        let signed = |authorization: &str| {
            let mut headers = HeaderMap::new();
            headers.insert(header::AUTHORIZATION, authorization.parse().unwrap());
            headers.insert("x-amz-date", HeaderValue::from_static("20260101T000000Z"));
            is_signed(&headers)
        };
        let complete = "AWS4-HMAC-SHA256 Credential=Fn/20260101/us-east-1/execute-api/aws4_request, \
                        SignedHeaders=host;x-amz-date, Signature=0a";
        assert!(signed(complete));
        for missing in ["AWS4-HMAC-SHA256", "execute-api", "SignedHeaders=", "Signature=0a", "Credential="] {
            assert!(!signed(&complete.replace(missing, "")), "{missing}");
        }
        assert!(!signed("Bearer token") && !is_signed(&HeaderMap::new()));
    }
}
