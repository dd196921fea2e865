//! Simulated API Gateway: turns client requests and frames into Lambda events, runs the functions, and loses
//! some requests and responses.

use std::{fmt::Display, rc::Rc, time::Duration};

use futures::{FutureExt, future::LocalBoxFuture};
use serde_json::{Map, Value, json};
use shared::serve::authorizer;
use tokio::time::sleep;

use crate::{aws::INVOCATION, connections::Connection, endpoints, simulation::Simulation, tokens::Token};

/// The function timeout in `template.yaml`.
const FUNCTION_TIMEOUT: Duration = Duration::from_secs(15);

/// A request to the HTTP API.
#[derive(Clone, Debug)]
pub struct HttpRequest {
    /// The route in `template.yaml`.
    pub route: &'static str,
    /// The path parameters.
    pub path: Vec<(&'static str, String)>,
    /// The query parameters.
    pub query: Vec<(&'static str, String)>,
    /// The JSON body.
    pub body: Option<Value>,
    /// The index of the user action that the request attempts, if any.
    pub action: Option<usize>,
}

/// A response of the HTTP API.
#[derive(Clone, Debug)]
pub struct HttpResponse {
    pub status: u16,
    /// The JSON body; null if it is not JSON.
    pub body: Value,
    /// The `x-next-cursor` header.
    pub next_cursor: Option<String>,
    /// The `retry-after` header, in seconds.
    pub retry_after: Option<u64>,
}

impl HttpRequest {
    pub fn new(route: &'static str) -> Self {
        Self { route, path: Vec::new(), query: Vec::new(), body: None, action: None }
    }

    /// Adds a path parameter.
    pub fn path(mut self, name: &'static str, value: &str) -> Self {
        self.path.push((name, value.to_owned()));
        self
    }

    /// Adds a query parameter.
    pub fn query(mut self, name: &'static str, value: impl Display) -> Self {
        self.query.push((name, value.to_string()));
        self
    }

    /// Sets the body.
    pub fn json(self, body: Value) -> Self {
        Self { body: Some(body), ..self }
    }
}

/// The function of a route in `template.yaml`.
fn function_name(route: &str) -> String {
    let name = match route.replace("/api/v1", "").replace("/rooms/{room_id}", "/room").as_str() {
        "GET /users/me" => "users-get-me",
        "PATCH /users/me" => "users-update-me",
        "DELETE /users/me" => "users-delete-me",
        "GET /friends/" => "friends-list",
        "DELETE /friends/{user_id}" => "friends-remove-friend",
        "GET /friends/search" => "friends-search-users",
        "GET /friends/requests" => "friends-list-requests",
        "POST /friends/requests" => "friends-send-request",
        "PUT /friends/requests/{request_id}" => "friends-respond-to-request",
        "DELETE /friends/requests/{request_id}" => "friends-cancel-request",
        "GET /friends/blocks" => "friends-list-blocks",
        "PUT /friends/blocks/{user_id}" => "friends-block-user",
        "DELETE /friends/blocks/{user_id}" => "friends-unblock-user",
        "GET /chat/rooms" => "chat-list-rooms",
        "POST /chat/rooms" => "chat-create-room",
        "GET /chat/room" => "chat-get-room",
        "PUT /chat/room/read" => "chat-mark-read",
        "GET /chat/room/messages" => "chat-list-messages",
        "GET /chat/room/pins" => "chat-list-pins",
        "PUT /chat/room/participants/{user_id}" => "chat-add-participant",
        "DELETE /chat/room/participants/{user_id}" => "chat-remove-participant",
        "POST /chat/messages" => "chat-send-message",
        "GET /chat/room/messages/{message_id}" => "chat-get-message",
        "PATCH /chat/room/messages/{message_id}" => "chat-edit-message",
        "DELETE /chat/room/messages/{message_id}" => "chat-delete-message",
        "PUT /chat/room/messages/{message_id}/pin" => "chat-pin-message",
        "DELETE /chat/room/messages/{message_id}/pin" => "chat-unpin-message",
        "GET /chat/room/messages/{message_id}/reactions" => "chat-list-reactions",
        "PUT /chat/room/messages/{message_id}/reactions/{emoji}" => "chat-add-reaction",
        "DELETE /chat/room/messages/{message_id}/reactions/{emoji}" => "chat-remove-reaction",
        "POST /chat/sync" => "chat-sync",
        other => panic!("unknown route {other}"),
    };
    name.to_owned()
}

impl Simulation {
    /// Runs a function; `None` if it crashes or times out.
    async fn invoke<T>(&self, name: &str, work: LocalBoxFuture<'_, T>) -> Option<T> {
        let invocation = self.aws.invocation(name.to_owned());
        tokio::select! {
            biased;
            () = invocation.crashed.notified() => None,
            () = sleep(FUNCTION_TIMEOUT) => None,
            result = INVOCATION.scope(invocation.clone(), work) => Some(result),
        }
    }

    fn happens(&self, fault: &'static str, rate: impl Fn(&crate::plan::FaultRates) -> f64) -> bool {
        self.aws.state().happens(fault, rate)
    }

    async fn network_delay(&self) {
        self.aws.network_delay().await;
    }

    /// Sends a user's request to the HTTP API; `None` if no response arrives. After a 401, the client renews
    /// the token and sends the request again.
    pub async fn call(self: &Rc<Self>, user: usize, request: HttpRequest) -> Option<HttpResponse> {
        let token = self.token(user);
        let response = self.call_with_token(user, &request, &token).await?;
        // The devices of a deleted account are signed out.
        if response.status != 401 || self.users[user].is_deleted.get() {
            return Some(response);
        }
        let token = self.renew_token(user, &token);
        self.call_with_token(user, &request, &token).await
    }

    /// As `call`, with this token.
    pub async fn call_with_token(
        self: &Rc<Self>,
        user: usize,
        request: &HttpRequest,
        token: &Token,
    ) -> Option<HttpResponse> {
        let line = || {
            let (name, body) = (&self.users[user].name, request.body.as_ref().map(Value::to_string));
            let (path, query) = (&request.path, &request.query);
            format!("{name} requests {} {path:?} {query:?} {}", request.route, body.unwrap_or_default())
        };
        self.aws.trace.record(line);
        let requested_at = self.aws.now();
        self.network_delay().await;
        let (route, sent_at) = (request.route, self.arrival_time(request.route).await);
        let event = Self::http_event(request, token, sent_at);
        if self.happens("lost request", |rates| rates.lost_in_transit) {
            sleep(Duration::from_secs(30)).await;
            return None;
        }
        if self.happens("duplicate", |rates| rates.duplicated) {
            let (simulation, request, token) = (self.clone(), request.clone(), token.clone());
            self.spawn(async move {
                simulation.network_delay().await;
                let sent_at = simulation.arrival_time(route).await;
                simulation.run_http(route, &Self::http_event(&request, &token, sent_at)).await;
                simulation.record_action_run(request.action);
            });
        }
        let response = self.run_http(route, &event).await;
        self.record_action_run(request.action);
        let gateway_error = || HttpResponse {
            status: 500,
            body: json!({"message": "Internal Server Error"}),
            next_cursor: None,
            retry_after: None,
        };
        let response = response.unwrap_or_else(gateway_error);
        self.check_authorization(user, token, sent_at, &response);
        self.check_limited(route, &response);
        self.check_direct_room(user, request, &response, requested_at);
        self.aws.trace.record(|| format!("{route} returns {} {}", response.status, response.body));
        if self.plan.is_reliable() && response.status >= 500 {
            self.report_violation(
                "no unexpected errors",
                format!("{route} returned {} {}", response.status, response.body),
            );
        }
        self.network_delay().await;
        if self.happens("lost response", |rates| rates.lost_in_transit) {
            sleep(Duration::from_secs(30)).await;
            return None;
        }
        Some(response)
    }

    /// The time of the gateway for a request. Ids of groups sort by it: each request that creates one has its
    /// own, so that a schedule replays exactly.
    async fn arrival_time(&self, route: &str) -> u64 {
        if route == "POST /api/v1/chat/rooms" {
            while self.last_created_at.get() == self.aws.now() {
                sleep(Duration::from_millis(1)).await;
            }
            self.last_created_at.set(self.aws.now());
        }
        self.aws.now()
    }

    async fn run_http(&self, route: &str, event: &str) -> Option<HttpResponse> {
        let request = shared::serve::events::http_request(event).unwrap();
        let response = self
            .invoke(route, endpoints::call_http(&self.app, &function_name(route), request).boxed_local())
            .await?;
        let header = |name| response.headers().get(name).map(|value| value.to_str().unwrap().to_owned());
        Some(HttpResponse {
            status: response.status().as_u16(),
            body: serde_json::from_slice(response.body()).unwrap_or_default(),
            next_cursor: header("x-next-cursor"),
            retry_after: header("retry-after").and_then(|seconds| seconds.parse().ok()),
        })
    }

    fn http_event(request: &HttpRequest, token: &Token, sent_at: u64) -> String {
        let (method, pattern) = request.route.split_once(' ').unwrap();
        let path = request
            .path
            .iter()
            .fold(pattern.to_owned(), |path, (name, value)| path.replace(&format!("{{{name}}}"), value));
        let parameters: Map<String, Value> =
            request.path.iter().map(|(name, value)| ((*name).to_owned(), value.as_str().into())).collect();
        let query: Vec<String> =
            request.query.iter().map(|(name, value)| format!("{name}={value}")).collect();
        let mut event = json!({
            "version": "2.0",
            "routeKey": request.route,
            "rawPath": path,
            "rawQueryString": query.join("&"),
            "headers": {"authorization": format!("Bearer {}", token.text), "host": "api.example"},
            "requestContext": {
                "accountId": "123456789012",
                "apiId": "api",
                "domainName": "api.example",
                "domainPrefix": "api",
                "http": {"method": method, "path": path, "protocol": "HTTP/1.1", "sourceIp": "203.0.113.7", "userAgent": "x"},
                "requestId": "request",
                "routeKey": request.route,
                "stage": "$default",
                "time": "01/Jan/2026:00:00:00 +0000",
                "timeEpoch": sent_at,
            },
            "isBase64Encoded": false,
        });
        if !parameters.is_empty() {
            event["pathParameters"] = parameters.into();
        }
        if let Some(body) = &request.body {
            event["body"] = body.to_string().into();
        }
        event.to_string()
    }

    /// Requests a connection for a device. Returns its id once it is accepted. After a 401, the client renews
    /// the token.
    pub async fn connect(self: &Rc<Self>, device: usize, token: &Token) -> Option<String> {
        let user = self.devices[device].borrow().user;
        self.network_delay().await;
        let (context, sent_at) = (self.authorizer_context(token).await, self.aws.now());
        let connection = self.aws.state().connections.add(device, context.clone(), token.expires);
        let status = match context {
            Some(_) => self.run_socket(&connection, "$connect", None).await,
            None => Some(401),
        };
        self.check_connected(token, sent_at, status);
        self.network_delay().await;
        if status == Some(401) {
            self.renew_token(user, token);
        }
        if status != Some(200) || self.happens("lost response", |rates| rates.lost_in_transit) {
            return None;
        }
        self.aws.state().connections.open(&connection);
        Some(connection)
    }

    /// Sends a frame on a connection. The response, if any, arrives as a push.
    pub fn send_frame(self: &Rc<Self>, connection: &str, frame: &Value) {
        self.aws.trace.record(|| format!("{connection} sends {frame}"));
        let (route, body) = (frame["type"].as_str().unwrap().to_owned(), frame.to_string());
        let lost = self.happens("lost request", |rates| rates.lost_in_transit);
        let duplicated = self.happens("duplicate", |rates| rates.duplicated);
        for _ in 0..if lost { 0 } else { 1 + usize::from(duplicated) } {
            let (simulation, connection) = (self.clone(), connection.to_owned());
            let (route, body) = (route.clone(), body.clone());
            self.spawn(async move {
                simulation.network_delay().await;
                // API Gateway drops the frames of a closed connection.
                let is_open = simulation.aws.state().connections.is_open(&connection);
                if is_open {
                    simulation.run_socket(&connection, &route, Some(body)).await;
                }
            });
        }
    }

    /// Closes a connection. The disconnect function runs up to 3 s later; if unreliable, only half the time.
    pub fn close_connection(self: &Rc<Self>, connection: &str) {
        if !self.aws.state().connections.close(connection) {
            return;
        }
        self.observed.borrow_mut().record_closed(connection, self.aws.now());
        if self.plan.is_reliable() || self.rng.borrow_mut().bool() {
            let (simulation, connection) = (self.clone(), connection.to_owned());
            let delay = Duration::from_millis(self.rng.borrow_mut().u64(..3000));
            self.spawn(async move {
                sleep(delay).await;
                simulation.run_socket(&connection, "$disconnect", None).await;
            });
        }
    }

    async fn run_socket(&self, connection: &str, route: &str, body: Option<String>) -> Option<u64> {
        let Connection { device, context, token_expires, .. } =
            self.aws.state().connections.get(connection)?.clone();
        let frame = body.as_deref().and_then(|body| serde_json::from_str::<Value>(body).ok());
        if let Some(reference) = frame.as_ref().and_then(|frame| frame["ref"].as_str()) {
            self.record_frame_run(reference, self.aws.now() / 1000 >= token_expires);
        }
        let kind = match route {
            "$connect" => "CONNECT",
            "$disconnect" => "DISCONNECT",
            _ => "MESSAGE",
        };
        let event = json!({
            "requestContext": {
                "routeKey": route,
                "eventType": kind,
                "stage": "live",
                "connectedAt": self.aws.now(),
                "requestTimeEpoch": self.aws.now(),
                "identity": {"sourceIp": "203.0.113.7"},
                "requestId": "request",
                "domainName": "live.example",
                "connectionId": connection,
                "apiId": "live",
                "authorizer": context,
            },
            "body": body,
            "isBase64Encoded": false,
        });
        let name = format!("{} {route}", self.devices[device].borrow().name);
        let event = serde_json::from_value(event).unwrap();
        let function = format!("socket-{}", route.trim_start_matches('$').replace('_', "-"));
        let work = async { endpoints::call_socket(&self.app, &function, event).await };
        self.invoke(&name, work.boxed_local()).await?["statusCode"].as_u64()
    }

    /// The context that the authorizer returns for a token; `None` if it rejects the token.
    async fn authorizer_context(&self, token: &Token) -> Option<Value> {
        let request = json!({
            "type": "REQUEST",
            "methodArn": "arn:aws:execute-api:us-east-1:123456789012:live/live/$connect",
            "multiValueQueryStringParameters": {"token": [token.text]},
            "requestContext": {},
        });
        let request = serde_json::from_value(request).unwrap();
        let decision = authorizer::decide(&self.app, &request).await.ok()?;
        Some(serde_json::to_value(decision.context).unwrap())
    }
}
