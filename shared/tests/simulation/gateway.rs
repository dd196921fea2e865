//! The gateway: turns what clients send into events, runs the functions, and loses something now and then.

use std::{fmt::Display, rc::Rc, time::Duration};

use futures::{FutureExt, future::LocalBoxFuture};
use serde_json::{Map, Value, json};
use shared::serve::authorizer;
use tokio::time::sleep;

use crate::{cloud::RUNNING, endpoints, world::World};

/// The longest that a function may run, as `template.yaml` says.
const FUNCTION_TIMEOUT: Duration = Duration::from_secs(15);

/// A call of the HTTP API.
#[derive(Clone, Debug)]
pub struct Rest {
    /// The route, as `template.yaml` names it.
    pub route: &'static str,
    /// What stands in its path.
    pub path: Vec<(&'static str, String)>,
    /// What stands in its query.
    pub query: Vec<(&'static str, String)>,
    /// Its JSON.
    pub body: Option<Value>,
    /// What it is a try of, if it changes something.
    pub deed: Option<usize>,
}

/// An answer of the HTTP API.
#[derive(Clone, Debug)]
pub struct Reply {
    /// The status.
    pub status: u16,
    /// The JSON.
    pub body: Value,
    /// Where a list goes on.
    pub next_cursor: Option<String>,
}

impl Rest {
    /// A call without anything but its route.
    pub fn new(route: &'static str) -> Self {
        Self { route, path: Vec::new(), query: Vec::new(), body: None, deed: None }
    }

    /// With this in its path.
    pub fn at(mut self, name: &'static str, value: &str) -> Self {
        self.path.push((name, value.to_owned()));
        self
    }

    /// With this in its query.
    pub fn with(mut self, name: &'static str, value: impl Display) -> Self {
        self.query.push((name, value.to_string()));
        self
    }

    /// With this body.
    pub fn json(self, body: Value) -> Self {
        Self { body: Some(body), ..self }
    }
}

/// The function of a route, as `template.yaml` names it.
fn function(route: &str) -> String {
    let name = match route.replace("/api/v1", "").replace("/rooms/{room_id}", "/room").as_str() {
        "GET /users/me" => "users-get-me",
        "PATCH /users/me" => "users-update-me",
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
        "PATCH /chat/room/messages/{message_id}" => "chat-edit-message",
        "DELETE /chat/room/messages/{message_id}" => "chat-delete-message",
        "PUT /chat/room/messages/{message_id}/pin" => "chat-pin-message",
        "DELETE /chat/room/messages/{message_id}/pin" => "chat-unpin-message",
        "GET /chat/room/messages/{message_id}/reactions" => "chat-list-reactions",
        "PUT /chat/room/messages/{message_id}/reactions/{emoji}" => "chat-add-reaction",
        "DELETE /chat/room/messages/{message_id}/reactions/{emoji}" => "chat-remove-reaction",
        "POST /chat/sync" => "chat-sync",
        other => panic!("no route {other}"),
    };
    name.to_owned()
}

impl World {
    /// Runs a function; `None` if it dies or takes too long.
    async fn invoke<T>(&self, name: &str, work: LocalBoxFuture<'_, T>) -> Option<T> {
        let invocation = self.cloud.invocation(name.to_owned());
        tokio::select! {
            biased;
            () = invocation.dead.notified() => None,
            () = sleep(FUNCTION_TIMEOUT) => None,
            answer = RUNNING.scope(invocation.clone(), work) => Some(answer),
        }
    }

    fn happens(&self, name: &'static str, rate: impl Fn(&crate::plan::Rates) -> f64) -> bool {
        self.cloud.state().happens(name, rate)
    }

    async fn travel(&self) {
        self.cloud.travel().await;
    }

    /// A call of the HTTP API by a person; `None` if no answer comes.
    pub async fn call(self: &Rc<Self>, person: usize, rest: Rest) -> Option<Reply> {
        let line = || {
            let (who, body) = (&self.people[person].name, rest.body.as_ref().map(Value::to_string));
            let (path, query) = (&rest.path, &rest.query);
            format!("{who} calls {} {path:?} {query:?} {}", rest.route, body.unwrap_or_default())
        };
        self.cloud.trace.note(line);
        let asked_at = self.cloud.now();
        self.travel().await;
        let route = rest.route;
        let event = self.http_event(person, &rest).to_string();
        if self.happens("lost request", |rates| rates.lost) {
            sleep(Duration::from_secs(30)).await;
            return None;
        }
        if self.happens("twice", |rates| rates.twice) {
            let (world, event) = (self.clone(), event.clone());
            self.spawn(async move {
                world.travel().await;
                world.run_http(route, &event).await;
                world.deed_ran(rest.deed);
            });
        }
        let reply = self.run_http(route, &event).await;
        self.deed_ran(rest.deed);
        let gateways =
            || Reply { status: 500, body: json!({"message": "Internal Server Error"}), next_cursor: None };
        let reply = reply.unwrap_or_else(gateways);
        self.check_shut(&rest, &reply, asked_at);
        self.cloud.trace.note(|| format!("{route} answers {} {}", reply.status, reply.body));
        if self.plan.is_reliable() && reply.status >= 500 {
            self.broken("answers", format!("{route} answered {} {}", reply.status, reply.body));
        }
        self.travel().await;
        if self.happens("lost answer", |rates| rates.lost) {
            sleep(Duration::from_secs(30)).await;
            return None;
        }
        Some(reply)
    }

    async fn run_http(&self, route: &str, event: &str) -> Option<Reply> {
        let request = lambda_http::request::from_str(event).unwrap();
        let response = self
            .invoke(route, endpoints::call_http(&self.app, &function(route), request).boxed_local())
            .await?;
        let next_cursor = response.headers().get("x-next-cursor");
        Some(Reply {
            status: response.status().as_u16(),
            body: serde_json::from_slice(response.body()).unwrap_or_default(),
            next_cursor: next_cursor.map(|cursor| cursor.to_str().unwrap().to_owned()),
        })
    }

    fn http_event(&self, person: usize, rest: &Rest) -> Value {
        let (method, pattern) = rest.route.split_once(' ').unwrap();
        let path = rest
            .path
            .iter()
            .fold(pattern.to_owned(), |path, (name, value)| path.replace(&format!("{{{name}}}"), value));
        let parameters: Map<String, Value> =
            rest.path.iter().map(|(name, value)| ((*name).to_owned(), value.as_str().into())).collect();
        let query: Vec<String> = rest.query.iter().map(|(name, value)| format!("{name}={value}")).collect();
        let mut event = json!({
            "version": "2.0",
            "routeKey": rest.route,
            "rawPath": path,
            "rawQueryString": query.join("&"),
            "headers": {"authorization": format!("Bearer {}", self.token(person)), "host": "api.example"},
            "requestContext": {
                "accountId": "123456789012",
                "apiId": "api",
                "domainName": "api.example",
                "domainPrefix": "api",
                "http": {"method": method, "path": path, "protocol": "HTTP/1.1", "sourceIp": "203.0.113.7", "userAgent": "x"},
                "requestId": "request",
                "routeKey": rest.route,
                "stage": "$default",
                "time": "01/Jan/2026:00:00:00 +0000",
                "timeEpoch": self.cloud.now(),
            },
            "isBase64Encoded": false,
        });
        if !parameters.is_empty() {
            event["pathParameters"] = parameters.into();
        }
        if let Some(body) = &rest.body {
            event["body"] = body.to_string().into();
        }
        event
    }

    /// A device asks for a connection; its name if it is let in.
    pub async fn connect(self: &Rc<Self>, device: usize) -> Option<String> {
        let connection = self.cloud.state().lines.add(device);
        self.travel().await;
        let status = self.run_socket(&connection, "$connect", None).await;
        self.travel().await;
        if status != Some(200) || self.happens("lost answer", |rates| rates.lost) {
            return None;
        }
        self.cloud.state().lines.open(&connection);
        Some(connection)
    }

    /// A device sends a frame on a connection. What comes of it is pushed.
    pub fn frame(self: &Rc<Self>, connection: &str, frame: &Value) {
        self.cloud.trace.note(|| format!("{connection} sends {frame}"));
        let (route, body) = (frame["type"].as_str().unwrap().to_owned(), frame.to_string());
        let lost = self.happens("lost request", |rates| rates.lost);
        let twice = self.happens("twice", |rates| rates.twice);
        for _ in 0..if lost { 0 } else { 1 + usize::from(twice) } {
            let (world, connection) = (self.clone(), connection.to_owned());
            let (route, body) = (route.clone(), body.clone());
            self.spawn(async move {
                world.travel().await;
                // The gateway takes no frame from a connection that is gone.
                if world.cloud.state().lines.line(&connection).is_some_and(|line| line.is_open) {
                    world.run_socket(&connection, &route, Some(body)).await;
                }
            });
        }
    }

    /// A connection ends, at whichever end; the function may hear of it late or never.
    pub fn close_connections(self: &Rc<Self>, connection: &str) {
        if !self.cloud.state().lines.close(connection) {
            return;
        }
        self.ledger.borrow_mut().closed(connection, self.cloud.now());
        if self.plan.is_reliable() || self.rng.borrow_mut().bool() {
            let (world, connection) = (self.clone(), connection.to_owned());
            let delay = Duration::from_millis(self.rng.borrow_mut().u64(..3000));
            self.spawn(async move {
                sleep(delay).await;
                world.run_socket(&connection, "$disconnect", None).await;
            });
        }
    }

    async fn run_socket(&self, connection: &str, route: &str, body: Option<String>) -> Option<u64> {
        let device = self.cloud.state().lines.line(connection).map(|line| line.device)?;
        let person = self.devices[device].borrow().person;
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
                "connectedAt": self.cloud.now(),
                "requestTimeEpoch": self.cloud.now(),
                "identity": {"sourceIp": "203.0.113.7"},
                "requestId": "request",
                "domainName": "live.example",
                "connectionId": connection,
                "apiId": "live",
                "authorizer": self.authorized(person).await,
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

    /// What the authorizer says of a person's token.
    async fn authorized(&self, person: usize) -> Value {
        let request = json!({
            "type": "REQUEST",
            "methodArn": "arn:aws:execute-api:us-east-1:123456789012:live/live/$connect",
            "queryStringParameters": {"token": self.token(person)},
            "requestContext": {},
        });
        let request = serde_json::from_value(request).unwrap();
        let decision = authorizer::decide(&self.app, &request).await.unwrap();
        serde_json::to_value(decision.context).unwrap()
    }
}
