//! Callers of the API.

use std::{io::Read, time::Duration};

use flate2::read::GzDecoder;
use local::TIME_HEADER;
use reqwest::{
    Method,
    header::{HeaderMap, HeaderValue},
};
use serde_json::{Value, json};
use shared::clock::Clock;

use super::{
    Socket,
    contract::rest::{self, Documented, Exchange},
    http_client, in_seconds, signed,
};

/// A caller, with or without a token.
#[derive(Clone)]
pub struct Actor {
    pub id: String,
    pub name: String,
    pub token: Option<String>,
    http: reqwest::Client,
    base: String,
    ws: String,
    /// Advances the clock of the actor's calls.
    later: Duration,
}

impl Actor {
    /// Signs in with a development token, as the README describes.
    pub async fn sign_in(http: reqwest::Client, base: &str, ws: &str, name: &str) -> Self {
        let response =
            http.post(format!("{base}/local/token")).json(&json!({"username": name})).send().await.unwrap();
        let status = response.status();
        let answer: Value = response.json().await.unwrap();
        assert_eq!(status, 200, "{answer}");
        let actor = Self::with_token(http, base, ws, answer["access_token"].as_str());
        Self { id: answer["user_id"].as_str().unwrap().to_owned(), name: name.to_owned(), ..actor }
    }

    /// Signs in to the stack at these addresses.
    pub async fn sign_in_at(base: &str, ws: &str, name: &str) -> Self {
        Self::sign_in(http_client(), base, ws, name).await
    }

    pub fn with_token(http: reqwest::Client, base: &str, ws: &str, token: Option<&str>) -> Self {
        let (base, ws, token) = (base.to_owned(), ws.to_owned(), token.map(str::to_owned));
        Self { id: String::new(), name: String::new(), token, http, base, ws, later: Duration::ZERO }
    }

    /// The actor, with the clock of its calls advanced by `later` and a token that is still valid then.
    pub fn later(&self, secret: &str, later: Duration) -> Self {
        let expires = in_seconds(i64::try_from(later.as_secs()).unwrap() + 3600);
        let token = signed(secret, &json!({"sub": self.id, "exp": expires}));
        Self { token: Some(token), ..self.after(later) }
    }

    /// The actor with the same token and the clock of its calls advanced by `later`.
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

    pub async fn put_json(&self, path: &str, body: Value) -> Answer {
        self.call(Method::PUT, path, Some(body.to_string())).await
    }

    pub async fn patch(&self, path: &str, body: Value) -> Answer {
        self.call(Method::PATCH, path, Some(body.to_string())).await
    }

    /// Calls a path below the API's base path.
    pub async fn call(&self, method: Method, path: &str, body: Option<String>) -> Answer {
        self.try_call(method, path, body).await.unwrap()
    }

    /// Same as [`Self::call`], except that it may fail. The exchange is checked against the contract.
    pub async fn try_call(
        &self,
        method: Method,
        path: &str,
        body: Option<String>,
    ) -> reqwest::Result<Answer> {
        let url = format!("{}/api/v1{path}", self.base);
        let mut request = self.http.request(method.clone(), &url).header("accept-encoding", "gzip");
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
        let text = decoded(&headers, &response.bytes().await?);
        let (method, body) = (method.as_str(), body.as_deref());
        let documented =
            rest::check(&Exchange { method, url: &url, body, status, headers: &headers, text: &text });
        Ok(Answer { status, headers, text, documented })
    }

    /// An open socket that has sent `hello`.
    pub async fn socket(&self) -> Socket {
        let mut socket = self.try_socket().await.unwrap_or_else(|status| panic!("rejected with {status}"));
        socket.send("hello", json!({})).await;
        let hello = socket.expect("connection_established").await;
        assert_eq!(hello["data"]["user_id"], self.id.as_str());
        socket
    }

    /// An open socket that names its device in the handshake and has sent `hello`.
    pub async fn socket_of(&self, device: &str) -> Socket {
        let token = self.token.as_ref().expect("a token");
        let url = format!("{}?token={token}&device_id={device}", self.ws);
        let socket = Socket::connect(&url, None).await;
        let mut socket = socket.unwrap_or_else(|status| panic!("rejected with {status}"));
        socket.send("hello", json!({})).await;
        socket.expect("connection_established").await;
        socket
    }

    /// Registers a device, given by its path, with a push token.
    pub async fn register(&self, path: &str, push_token: &str) -> Answer {
        let body = json!({"platform": "android", "push_token": push_token}).to_string();
        self.call(Method::PUT, path, Some(body)).await
    }

    /// A socket, or the status that rejects the handshake.
    pub async fn try_socket(&self) -> Result<Socket, u16> {
        let token = self.token.as_ref().map(|token| format!("?token={token}")).unwrap_or_default();
        Socket::connect(&format!("{}{token}", self.ws), None).await
    }

    /// A socket, or `None` if the connection fails.
    pub async fn reach_socket(&self) -> Option<Socket> {
        let token = self.token.as_ref()?;
        Socket::reach(&format!("{}?token={token}", self.ws)).await
    }

    /// A socket with the token in the header, which clients other than browsers can send.
    pub async fn socket_by_header(&self) -> Result<Socket, u16> {
        Socket::connect(&self.ws, self.token.as_deref()).await
    }

    /// The id of the direct room with another user.
    pub async fn room_with(&self, other: &Self) -> String {
        let room =
            self.post("/chat/rooms", json!({"participant_ids": [other.id], "is_group": false})).await.ok();
        room["id"].as_str().unwrap().to_owned()
    }

    /// The id of a new group with these users.
    pub async fn group_with(&self, others: &[&Self]) -> String {
        let ids: Vec<&str> = others.iter().map(|other| other.id.as_str()).collect();
        let room = self
            .post("/chat/rooms", json!({"participant_ids": ids, "is_group": true, "name": "gym"}))
            .await
            .ok();
        room["id"].as_str().unwrap().to_owned()
    }

    /// Sends a text message to a room.
    pub async fn send_message(&self, room: &str, content: &str) -> Value {
        self.post("/chat/messages", json!({"chat_room_id": room, "content": content})).await.ok()
    }

    /// All messages of a room that the actor sees, oldest first.
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

/// The text of a response body, as its `content-encoding` says.
fn decoded(headers: &HeaderMap, body: &[u8]) -> String {
    match headers.get("content-encoding").map(|coding| coding.to_str().unwrap()) {
        None => String::from_utf8(body.to_vec()).unwrap(),
        Some(coding) => {
            assert_eq!((coding, &headers["vary"]), ("gzip", &HeaderValue::from_static("accept-encoding")));
            let mut text = String::new();
            GzDecoder::new(body).read_to_string(&mut text).unwrap();
            text
        }
    }
}

/// The response to a call.
#[derive(Clone, Debug)]
pub struct Answer {
    pub status: u16,
    pub headers: HeaderMap,
    pub text: String,
    /// The documented answer that it exercises. `None` if the path is not documented.
    pub documented: Option<Documented>,
}

impl Answer {
    /// The JSON body. Asserts status 200.
    #[track_caller]
    pub fn ok(&self) -> Value {
        assert_eq!(self.status, 200, "{}", self.text);
        assert_eq!(self.headers["content-type"], "application/json; charset=utf-8");
        serde_json::from_str(&self.text).unwrap()
    }

    /// Asserts status 204 and an empty body.
    #[track_caller]
    pub fn nothing(&self) {
        assert_eq!((self.status, self.text.as_str()), (204, ""));
    }

    /// Asserts that the call is rejected because of this field alone.
    #[track_caller]
    pub fn bad_field(&self, field: &str) {
        let problem = self.problem(422, "validation_failed");
        let named = problem["errors"].as_array().unwrap();
        assert_eq!((named.len(), &named[0]["field"]), (1, &json!(field)), "{problem}");
    }

    /// The problem document. Asserts its status, its code and its form.
    #[track_caller]
    pub fn problem(&self, status: u16, code: &str) -> Value {
        assert_eq!(self.status, status, "{}", self.text);
        assert_eq!(self.headers["content-type"], "application/problem+json; charset=utf-8");
        let problem: Value = serde_json::from_str(&self.text).unwrap();
        assert_eq!((&problem["status"], &problem["code"]), (&json!(status), &json!(code)), "{problem}");
        for field in ["type", "title", "detail"] {
            assert!(!problem[field].as_str().unwrap_or_default().is_empty(), "{field} of {problem}");
        }
        problem
    }
}
