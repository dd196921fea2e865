//! Invokes the authorizer of `$connect`.

use axum::body::Body;
use axum::http::request::Parts;
use axum::http::{Response, StatusCode};
use serde_json::{Map, Value};

use super::Quiet;
use super::connections::Connection;
use super::policy::{Decision, evaluate};
use super::query;
use super::websocket::{SocketGateway, error_response};
use crate::lambda::InvokeError;
use crate::template::SocketAuthorizer;

/// Authorizes a connection. Returns the authorizer's context, or the error response for the client.
pub async fn authorize(
    gateway: &SocketGateway,
    authorizer: &SocketAuthorizer,
    connection: &Connection,
    request: &Parts,
    request_id: &str,
) -> Result<Map<String, Value>, Box<Response<Body>>> {
    let reject =
        |status, message: &str| Box::new(error_response(status, message, Some(&connection.id), request_id));
    if !authorizer.identity_sources.iter().all(|source| is_present(source, request)) {
        return Err(reject(StatusCode::UNAUTHORIZED, "Unauthorized"));
    }
    let event = gateway.endpoint.authorizer_event(connection, request, request_id);
    let started = gateway.clock.now();
    let response = match gateway.functions.invoke(&authorizer.function, event.to_string().into()).await {
        Ok(payload) => serde_json::from_slice(&payload).unwrap_or_default(),
        // The only error message that API Gateway treats as a denial and not as a failure.
        Err(InvokeError::Function { message, .. }) if message == "Unauthorized" => {
            let mut denied = reject(StatusCode::UNAUTHORIZED, "Unauthorized");
            denied.extensions_mut().insert(Quiet);
            return Err(denied);
        }
        Err(_) => return Err(reject(StatusCode::INTERNAL_SERVER_ERROR, "Internal server error")),
    };
    match evaluate(&response, &gateway.endpoint.connect_arn()) {
        Decision::Allow(mut context) => {
            let latency = gateway.clock.now().since(started).as_millis();
            context.insert("integrationLatency".into(), u64::try_from(latency).unwrap_or(u64::MAX).into());
            Ok(context)
        }
        Decision::Deny => {
            Err(reject(StatusCode::FORBIDDEN, "User is not authorized to access this resource"))
        }
        Decision::Invalid => Err(reject(StatusCode::INTERNAL_SERVER_ERROR, "Internal server error")),
    }
}

/// Whether the request has a value for an identity source such as `route.request.querystring.token`.
fn is_present(source: &str, request: &Parts) -> bool {
    if let Some(name) = source.strip_prefix("route.request.header.") {
        return request.headers.get(name).is_some_and(|value| !value.is_empty());
    }
    if let Some(name) = source.strip_prefix("route.request.querystring.") {
        let query = query::pairs(request.uri.query().unwrap_or_default());
        return query.iter().any(|(key, value)| key == name && !value.is_empty());
    }
    // Other sources are context values, which always exist, and stage variables, which are not supported.
    source.starts_with("context.")
}
