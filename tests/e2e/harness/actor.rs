//! People who call the API.

use std::time::Duration;

use local::TIME_HEADER;
use reqwest::{Method, header::HeaderMap};
use serde_json::{Value, json};
use shared::clock::Clock;

use super::{
    Socket,
    contract::rest::{self, Documented, Exchange},
    http_client, in_seconds, signed,
};

/// Someone with or without a token.
#[derive(Clone)]
pub struct Actor {
    pub id: String,
    pub name: String,
    pub token: Option<String>,
    http: reqwest::Client,
    base: String,
    ws: String,
    /// So much later than now come the calls.
    later: Duration,
}

impl Actor {
    /// Gets a development token, as the README says.
    pub async fn sign_in(http: reqwest::Client, base: &str, ws: &str, name: &str) -> Self {
        let asked =
            http.post(format!("{base}/local/token")).json(&json!({"username": name})).send().await.unwrap();
        let status = asked.status();
        let answer: Value = asked.json().await.unwrap();
        assert_eq!(status, 200, "{answer}");
        let anyone = Self::with_token(http, base, ws, answer["access_token"].as_str());
        Self { id: answer["user_id"].as_str().unwrap().to_owned(), name: name.to_owned(), ..anyone }
    }

    /// Signs in at a stack of which only the addresses are known.
    pub async fn sign_in_at(base: &str, ws: &str, name: &str) -> Self {
        Self::sign_in(http_client(), base, ws, name).await
    }

    pub fn with_token(http: reqwest::Client, base: &str, ws: &str, token: Option<&str>) -> Self {
        let (base, ws, token) = (base.to_owned(), ws.to_owned(), token.map(str::to_owned));
        Self { id: String::new(), name: String::new(), token, http, base, ws, later: Duration::ZERO }
    }

    /// The same person, so much later: their calls come then, with a token that is still good.
    pub fn later(&self, secret: &str, later: Duration) -> Self {
        let expires = in_seconds(i64::try_from(later.as_secs()).unwrap() + 3600);
        let token = signed(secret, &json!({"sub": self.id, "exp": expires}));
        Self { token: Some(token), ..self.after(later) }
    }

    /// The same person with the same token, whose calls come so much later.
    pub fn after(&self, later: Duration) -> Self {
        Self { later, ..self.clone() }
    }

    pub async fn get(&self, path: &str) -> Answer {
        self.call(Method::GET, path, None).await
    }

    pub async fn put(&self, path: &str) -> Answer {
        self.call(Method::PUT, path, None).await
    }

    pub async fn delete(&self, path: &str) -> Answer {
        self.call(Method::DELETE, path, None).await
    }

    pub async fn post(&self, path: &str, body: Value) -> Answer {
        self.call(Method::POST, path, Some(body.to_string())).await
    }

    pub async fn patch(&self, path: &str, body: Value) -> Answer {
        self.call(Method::PATCH, path, Some(body.to_string())).await
    }

    /// Any call below the API's base path.
    pub async fn call(&self, method: Method, path: &str, body: Option<String>) -> Answer {
        self.try_call(method, path, body).await.unwrap()
    }

    /// A call that may not come through. If it does, it is held against the contract.
    pub async fn try_call(
        &self,
        method: Method,
        path: &str,
        body: Option<String>,
    ) -> reqwest::Result<Answer> {
        let url = format!("{}/api/v1{path}", self.base);
        let mut request = self.http.request(method.clone(), &url);
        if let Some(token) = &self.token {
            request = request.bearer_auth(token);
        }
        if !self.later.is_zero() {
            let now = Clock::system().now().milliseconds();
            request = request.header(TIME_HEADER, now + u64::try_from(self.later.as_millis()).unwrap());
        }
        if let Some(body) = body.clone() {
            request = request.header("content-type", "application/json").body(body);
        }
        let response = request.send().await?;
        let (status, headers) = (response.status().as_u16(), response.headers().clone());
        let text = response.text().await?;
        let (method, body) = (method.as_str(), body.as_deref());
        let documented =
            rest::check(&Exchange { method, url: &url, body, status, headers: &headers, text: &text });
        Ok(Answer { status, headers, text, documented })
    }

    /// A live socket that has said hello.
    pub async fn socket(&self) -> Socket {
        let mut socket = self.try_socket().await.unwrap_or_else(|status| panic!("refused with {status}"));
        socket.send("hello", json!({})).await;
        let hello = socket.expect("connection_established").await;
        assert_eq!(hello["data"]["user_id"], self.id.as_str());
        socket
    }

    /// A live socket of a device that says so as it is opened.
    pub async fn socket_of(&self, device: &str) -> Socket {
        let token = self.token.as_ref().expect("a token");
        let url = format!("{}?token={token}&device_id={device}", self.ws);
        let socket = Socket::connect(&url, None).await;
        let mut socket = socket.unwrap_or_else(|status| panic!("refused with {status}"));
        socket.send("hello", json!({})).await;
        socket.expect("connection_established").await;
        socket
    }

    /// Registers a device, by its path, with a push token.
    pub async fn register(&self, path: &str, push_token: &str) -> Answer {
        let body = json!({"platform": "android", "push_token": push_token}).to_string();
        self.call(Method::PUT, path, Some(body)).await
    }

    /// A socket, or the status with which it was refused.
    pub async fn try_socket(&self) -> Result<Socket, u16> {
        let token = self.token.as_ref().map(|token| format!("?token={token}")).unwrap_or_default();
        Socket::connect(&format!("{}{token}", self.ws), None).await
    }

    /// A socket at a door that may be closed.
    pub async fn reach_socket(&self) -> Option<Socket> {
        let token = self.token.as_ref()?;
        Socket::reach(&format!("{}?token={token}", self.ws)).await
    }

    /// A socket that brings the token in the header, as clients other than browsers can.
    pub async fn socket_by_header(&self) -> Result<Socket, u16> {
        Socket::connect(&self.ws, self.token.as_deref()).await
    }

    /// The direct room with someone.
    pub async fn room_with(&self, other: &Self) -> String {
        let room =
            self.post("/chat/rooms", json!({"participant_ids": [other.id], "is_group": false})).await.ok();
        room["id"].as_str().unwrap().to_owned()
    }

    /// A group with some people.
    pub async fn group_with(&self, others: &[&Self]) -> String {
        let ids: Vec<&str> = others.iter().map(|other| other.id.as_str()).collect();
        let room = self
            .post("/chat/rooms", json!({"participant_ids": ids, "is_group": true, "name": "gym"}))
            .await
            .ok();
        room["id"].as_str().unwrap().to_owned()
    }

    /// Says something in a room.
    pub async fn send_message(&self, room: &str, content: &str) -> Value {
        self.post("/chat/messages", json!({"chat_room_id": room, "content": content})).await.ok()
    }

    /// Everything said in a room, oldest first.
    pub async fn history(&self, room: &str) -> Vec<Value> {
        let mut messages = Vec::new();
        loop {
            let path = format!("/chat/rooms/{room}/messages?limit=100&offset={}", messages.len());
            let page = self.get(&path).await.ok();
            let page = page.as_array().unwrap();
            if page.is_empty() {
                messages.reverse();
                return messages;
            }
            messages.extend(page.iter().cloned());
        }
    }
}

/// What a call brought back.
#[derive(Clone, Debug)]
pub struct Answer {
    pub status: u16,
    pub headers: HeaderMap,
    pub text: String,
    /// What of the contract it is; nothing if the path is not in it.
    pub documented: Option<Documented>,
}

impl Answer {
    /// The JSON of a 200.
    #[track_caller]
    pub fn ok(&self) -> Value {
        assert_eq!(self.status, 200, "{}", self.text);
        assert_eq!(self.headers["content-type"], "application/json");
        serde_json::from_str(&self.text).unwrap()
    }

    /// Makes sure that it is a 204, and says nothing.
    #[track_caller]
    pub fn nothing(&self) {
        assert_eq!((self.status, self.text.as_str()), (204, ""));
    }

    /// The one field that a refused call names as bad.
    #[track_caller]
    pub fn bad_field(&self, field: &str) {
        let problem = self.problem(422, "validation_failed");
        let named = problem["errors"].as_array().unwrap();
        assert_eq!((named.len(), &named[0]["field"]), (1, &json!(field)), "{problem}");
    }

    /// The problem that the call ran into, in the contract's form.
    #[track_caller]
    pub fn problem(&self, status: u16, code: &str) -> Value {
        assert_eq!(self.status, status, "{}", self.text);
        assert_eq!(self.headers["content-type"], "application/problem+json");
        let problem: Value = serde_json::from_str(&self.text).unwrap();
        assert_eq!((&problem["status"], &problem["code"]), (&json!(status), &json!(code)), "{problem}");
        for field in ["type", "title", "detail"] {
            assert!(!problem[field].as_str().unwrap_or_default().is_empty(), "{field} of {problem}");
        }
        problem
    }
}
