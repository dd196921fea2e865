//! The WebSocket API: dispatches handshakes and management requests, and selects the routes of frames.

use std::collections::HashMap;
use std::sync::Arc;

use axum::Router;
use axum::body::Body;
use axum::extract::{ConnectInfo, State};
use axum::http::{Request, Response, StatusCode};
use percent_encoding::percent_decode_str;
use serde_json::value::RawValue;
use serde_json::{Value, json};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use uuid::Uuid;

use super::connections::{CloseStatus, Connection, Connections};
use super::socket_event::SocketEndpoint;
use super::{handshake, json_response, log_response, management};
use crate::clock::Clock;
use crate::guard::Ends;
use crate::lambda::{Functions, InvokeError};
use crate::template::SocketApi;

/// The WebSocket API.
#[derive(Debug)]
pub struct SocketGateway {
    pub(super) api: SocketApi,
    pub(super) endpoint: SocketEndpoint,
    pub(super) functions: Arc<Functions>,
    pub(super) clock: Clock,
    pub(super) connections: Connections,
    pub(super) sessions: TaskTracker,
    /// Connections that their clients have closed, until the end of `$disconnect`.
    pub(super) closing: TaskTracker,
    pub(super) draining: CancellationToken,
}

impl SocketGateway {
    /// Creates the gateway of an API in front of the functions; `domain` is its host and port.
    pub fn new(api: SocketApi, domain: String, functions: Arc<Functions>, clock: Clock) -> Self {
        let endpoint = SocketEndpoint { api: api.id.clone(), stage: api.stage.clone(), domain };
        Self {
            api,
            endpoint,
            functions,
            clock,
            connections: Connections::default(),
            sessions: TaskTracker::new(),
            closing: TaskTracker::new(),
            draining: CancellationToken::new(),
        }
    }

    /// The service of the gateway.
    pub fn router(self: Arc<Self>) -> Router {
        Router::new().fallback(serve).with_state(self)
    }

    /// Rejects new connections and stops reading frames. Connections stay open and accept messages.
    pub fn drain(&self) {
        self.draining.cancel();
    }

    /// Waits until `$disconnect` has returned for every connection that its client has closed.
    pub async fn wait_closed(&self) {
        self.closing.close();
        self.closing.wait().await;
        self.closing.reopen();
    }

    /// Closes every connection with 1001 and waits until each `$disconnect` has run.
    pub async fn close(&self) {
        self.sessions.close();
        self.connections.close_all(&CloseStatus::new(1001, "Going away"));
        self.sessions.wait().await;
    }

    /// Selects the route of a frame by the route selection expression, or else `$default` if it exists.
    pub(super) fn select(&self, frame: &str) -> Option<&str> {
        let selected = selected(frame, &self.api.selection);
        let named = selected.and_then(|key| self.api.routes.get_key_value(key.as_str()));
        // Frames cannot select `$connect` and `$disconnect`.
        let named = named.filter(|(key, _)| !key.starts_with('$'));
        named.or_else(|| self.api.routes.get_key_value("$default")).map(|(key, _)| key.as_str())
    }

    /// Invokes the function of a route; `None` if the integration timeout passes first.
    pub(super) async fn invoke(&self, route: &str, event: &Value) -> Option<Result<Value, InvokeError>> {
        let Some(route) = self.api.routes.get(route) else {
            return Some(Err(InvokeError::Unavailable));
        };
        let invocation = self.functions.invoke(&route.function, event.to_string().into());
        let payload = self.clock.within(route.timeout, invocation).await?;
        Some(payload.map(|payload| serde_json::from_slice(&payload).unwrap_or_default()))
    }

    /// Sends an error for a failed frame to its client.
    pub(super) async fn send_error(&self, connection: &Connection, message: &str, request_id: &str) {
        let body = json!({ "message": message, "connectionId": connection.id, "requestId": request_id });
        if connection.send(body.to_string()).await.is_err() {
            tracing::debug!("cannot send an error to the client");
        }
    }
}

/// The string at a path in a frame. Only the values on the path are parsed: AWS accepts lone surrogates, numbers
/// of any size and deep nesting elsewhere, which `Value` does not.
fn selected(frame: &str, path: &[String]) -> Option<String> {
    let value = path.iter().try_fold(serde_json::from_str::<&RawValue>(frame).ok()?, |value, name| {
        serde_json::from_str::<HashMap<String, &RawValue>>(value.get()).ok()?.remove(name)
    });
    serde_json::from_str(value?.get()).ok()
}

async fn serve(
    State(gateway): State<Arc<SocketGateway>>,
    ConnectInfo(ends): ConnectInfo<Ends>,
    request: Request<Body>,
) -> Response<Body> {
    let path = request.uri().path().to_owned();
    let segments: Vec<_> =
        path.split('/').skip(1).map(|part| percent_decode_str(part).decode_utf8_lossy()).collect();
    let segments: Vec<&str> = segments.iter().map(AsRef::as_ref).collect();
    let request_id = Uuid::new_v4().to_string();
    let call = format!("{} {path}", request.method());
    let started = gateway.clock.now();
    let response = match segments.as_slice() {
        [stage] | [stage, ""] if *stage == gateway.api.stage => {
            handshake::respond(Arc::clone(&gateway), ends.peer, request, request_id.clone()).await
        }
        // Not logged: functions send these requests and log failures themselves.
        [stage, "@connections", id] if *stage == gateway.api.stage => {
            return management::respond(&gateway, id, request).await;
        }
        _ => error_response(StatusCode::FORBIDDEN, "Forbidden", None, &request_id),
    };
    log_response(&call, &response, gateway.clock.now().since(started), &request_id);
    response
}

/// An error response of the gateway, with the id of the rejected connection if there is one.
pub(super) fn error_response(
    status: StatusCode,
    message: &str,
    connection: Option<&str>,
    request_id: &str,
) -> Response<Body> {
    let mut body = json!({ "message": message, "requestId": request_id });
    if let Some(id) = connection {
        body["connectionId"] = id.into();
    }
    json_response(status, &body)
}

#[cfg(test)]
mod tests {
    use super::selected;

    #[test]
    fn a_frame_selects_its_route_whatever_its_other_values_are() {
        let path = ["type".to_owned()];
        let deep = "[".repeat(10_000) + &"]".repeat(10_000);
        for value in ["\"\\ud83d\"", "1e400", &deep] {
            let frame = format!("{{\"data\":{value},\"type\":\"ping\",\"ref\":{value}}}");
            assert_eq!(selected(&frame, &path).as_deref(), Some("ping"));
        }
        for frame in
            ["", "ping", "{\"type\":7}", "{\"data\":{\"type\":\"ping\"}}", "{\"type\":\"ping\",\"data\":NaN}"]
        {
            assert_eq!(selected(frame, &path), None, "{frame}");
        }
    }
}
