//! Asking the authorizer of `$connect`.

use axum::body::Body;
use axum::http::request::Parts;
use axum::http::{Response, StatusCode};
use serde_json::{Map, Value};

use super::ByFunction;
use super::connections::Connection;
use super::policy::{Decision, decide};
use super::query;
use super::websocket::{SocketGateway, refusal};
use crate::lambda::InvokeError;
use crate::template::SocketAuthorizer;

/// What the authorizer hands on for this connection, or the refusal that the client gets.
pub async fn ask(
    gateway: &SocketGateway,
    authorizer: &SocketAuthorizer,
    connection: &Connection,
    request: &Parts,
    request_id: &str,
) -> Result<Map<String, Value>, Box<Response<Body>>> {
    let refuse = |status, message: &str| Box::new(refusal(status, message, Some(&connection.id), request_id));
    if !authorizer.identity_sources.iter().all(|source| is_present(source, request)) {
        return Err(refuse(StatusCode::UNAUTHORIZED, "Unauthorized"));
    }
    let event = gateway.place.authorize(connection, request, request_id);
    let started = gateway.clock.now();
    let answer = match gateway.functions.invoke(&authorizer.function, event.to_string().into()).await {
        Ok(payload) => serde_json::from_slice(&payload).unwrap_or_default(),
        // The one message that API Gateway takes as "no" rather than as a fault.
        Err(InvokeError::Function { message, .. }) if message == "Unauthorized" => {
            let mut refused = refuse(StatusCode::UNAUTHORIZED, "Unauthorized");
            refused.extensions_mut().insert(ByFunction);
            return Err(refused);
        }
        Err(_) => return Err(refuse(StatusCode::INTERNAL_SERVER_ERROR, "Internal server error")),
    };
    match decide(&answer, &gateway.place.connect_arn()) {
        Decision::Allow(mut context) => {
            let took = gateway.clock.now().since(started).as_millis();
            context.insert("integrationLatency".into(), u64::try_from(took).unwrap_or(u64::MAX).into());
            Ok(context)
        }
        Decision::Deny => {
            Err(refuse(StatusCode::FORBIDDEN, "User is not authorized to access this resource"))
        }
        Decision::Invalid => Err(refuse(StatusCode::INTERNAL_SERVER_ERROR, "Internal server error")),
    }
}

/// Whether an identity source, for example `route.request.querystring.token`, has a value in the request.
fn is_present(source: &str, request: &Parts) -> bool {
    if let Some(name) = source.strip_prefix("route.request.header.") {
        return request.headers.get(name).is_some_and(|value| !value.is_empty());
    }
    if let Some(name) = source.strip_prefix("route.request.querystring.") {
        let query = query::pairs(request.uri.query().unwrap_or_default());
        return query.iter().any(|(key, value)| key == name && !value.is_empty());
    }
    // Stage variables and context values: the former do not exist here, the latter always do.
    source.starts_with("context.")
}
