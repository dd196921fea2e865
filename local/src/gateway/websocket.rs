//! The WebSocket API's address: who is let in, which route a frame takes, and how the stack stops it.

use std::net::SocketAddr;
use std::sync::Arc;

use axum::Router;
use axum::body::Body;
use axum::extract::{ConnectInfo, State};
use axum::http::{Request, Response, StatusCode};
use percent_encoding::percent_decode_str;
use serde_json::{Value, json};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use uuid::Uuid;

use super::connections::{Closing, Connection, Connections};
use super::socket_event::Place;
use super::{handshake, json_response, log_answer, management};
use crate::clock::Clock;
use crate::lambda::{Functions, InvokeError};
use crate::template::SocketApi;

/// The WebSocket API.
#[derive(Debug)]
pub struct SocketGateway {
    pub(super) api: SocketApi,
    pub(super) place: Place,
    pub(super) functions: Arc<Functions>,
    pub(super) clock: Clock,
    pub(super) connections: Connections,
    pub(super) sessions: TaskTracker,
    pub(super) draining: CancellationToken,
}

impl SocketGateway {
    /// Puts the API, served at `domain` (host and port), in front of the functions.
    pub fn new(api: SocketApi, domain: String, functions: Arc<Functions>, clock: Clock) -> Self {
        let place = Place { api: api.id.clone(), stage: api.stage.clone(), domain };
        Self {
            api,
            place,
            functions,
            clock,
            connections: Connections::default(),
            sessions: TaskTracker::new(),
            draining: CancellationToken::new(),
        }
    }

    /// The service to listen with.
    pub fn router(self: Arc<Self>) -> Router {
        Router::new().fallback(serve).with_state(self)
    }

    /// From now on no client is let in and no further frame is taken; connections stay, and can be posted to.
    pub fn drain(&self) {
        self.draining.cancel();
    }

    /// Closes every connection with 1001 and waits until their `$disconnect` has run.
    pub async fn close(&self) {
        self.sessions.close();
        self.connections.close_all(&Closing::new(1001, "Going away"));
        self.sessions.wait().await;
    }

    /// The route of a frame: what the selection expression finds in it, else `$default`, if the API has such a route.
    pub(super) fn select(&self, frame: &str) -> Option<&str> {
        let json: Value = serde_json::from_str(frame).unwrap_or_default();
        let found = self.api.selection.iter().try_fold(&json, |value, name| value.get(name));
        let named = found.and_then(Value::as_str).and_then(|key| self.api.routes.get_key_value(key));
        // `$connect` and `$disconnect` are the gateway's own; no frame can ask for them.
        let named = named.filter(|(key, _)| !key.starts_with('$'));
        named.or_else(|| self.api.routes.get_key_value("$default")).map(|(key, _)| key.as_str())
    }

    /// Calls the function of a route; `None` if the gateway's time limit passed.
    pub(super) async fn invoke(&self, route: &str, event: &Value) -> Option<Result<Value, InvokeError>> {
        let Some(route) = self.api.routes.get(route) else {
            return Some(Err(InvokeError::Unavailable));
        };
        let call = self.functions.invoke(&route.function, event.to_string().into());
        let payload = self.clock.within(route.timeout, call).await?;
        Some(payload.map(|payload| serde_json::from_slice(&payload).unwrap_or_default()))
    }

    /// Tells a client that its frame came to nothing.
    pub(super) async fn send_error(&self, connection: &Connection, message: &str, request_id: &str) {
        let body = json!({ "message": message, "connectionId": connection.id, "requestId": request_id });
        if connection.send(body.to_string()).await.is_err() {
            tracing::debug!("an error did not reach its client");
        }
    }
}

async fn serve(
    State(gateway): State<Arc<SocketGateway>>,
    ConnectInfo(peer): ConnectInfo<SocketAddr>,
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
            handshake::answer(Arc::clone(&gateway), peer, request, request_id.clone()).await
        }
        // Functions call this one, and say so themselves if it matters.
        [stage, "@connections", id] if *stage == gateway.api.stage => {
            return management::answer(&gateway, id, request).await;
        }
        _ => refusal(StatusCode::FORBIDDEN, "Forbidden", None, &request_id),
    };
    log_answer(&call, &response, gateway.clock.now().since(started), &request_id);
    response
}

/// A refusal as the gateway words it, with the id of the connection that was to be.
pub(super) fn refusal(
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
