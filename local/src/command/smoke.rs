//! The smoke test of a deployment: what differs between AWS and the local stack, in calls that clients make.

use std::time::Duration;

use anyhow::{Context, Result, anyhow, bail, ensure};
use clap::Args;
use futures::{SinkExt, StreamExt};
use serde_json::{Value, json};
use tokio_tungstenite::tungstenite::Message;

use super::https::{Answer, Https};
use super::socket::{self, Socket, Token};

/// The longest that a frame takes: longer than any function that replies.
const FRAME_TIMEOUT: Duration = Duration::from_secs(30);
/// An origin that no deployment allows.
const FOREIGN_ORIGIN: &str = "https://not-allowed.invalid";
/// The `name` of the third token: letters of two bytes, of three, and a space.
const NEW_NAME: &str = "Zoë 日本";

/// Whom the test acts for, and where.
#[derive(Debug, Args)]
pub struct Smoke {
    /// The URL of the HTTP API, without `/api/v1`.
    #[arg(long, value_name = "URL")]
    http: String,
    /// The URL of the WebSocket API, with the stage.
    #[arg(long, value_name = "URL")]
    ws: String,
    /// Access tokens of three users: two test users, and one who has never called the service, whose claim `name` is
    /// "Zoë 日本" and whose account the test deletes.
    #[arg(long = "token", value_name = "JWT", num_args = 1, required = true)]
    tokens: Vec<String>,
    /// An origin in the parameter `AllowedOrigins`.
    #[arg(long, value_name = "ORIGIN", default_value = "http://localhost:3000")]
    origin: String,
}

/// The users of the test.
struct Users {
    https: Https,
    ws: String,
    origin: String,
    tokens: [String; 3],
}

/// Runs all checks and prints a line for each.
///
/// # Errors
/// The first check that fails.
pub async fn run(smoke: Smoke) -> Result<()> {
    let tokens = smoke.tokens.try_into().map_err(|_| anyhow!("pass --token three times"))?;
    let https = Https::new(smoke.http.trim_end_matches('/'));
    let users = Users { https, ws: smoke.ws, origin: smoke.origin, tokens };
    let [ana, ben, new] = &users.tokens;
    check("a preflight of an allowed origin and of another one", users.preflight()).await?;
    check("a query with reserved characters", users.query(ana)).await?;
    check(
        "a socket with and without token, in the URL, as a subprotocol and in the header",
        users.sockets(ana),
    )
    .await?;
    check("messages and reactions between two users", users.reactions(ana, ben)).await?;
    check("a frame that names a route of the gateway", users.gateway_route(ana)).await?;
    check("a first contact over a socket, and the deletion of the account", users.new_account(new)).await
}

async fn check(what: &str, run: impl Future<Output = Result<()>>) -> Result<()> {
    run.await.with_context(|| format!("FAILED  {what}"))?;
    println!("ok  {what}");
    Ok(())
}

impl Users {
    async fn preflight(&self) -> Result<()> {
        for (origin, is_allowed) in [(self.origin.as_str(), true), (FOREIGN_ORIGIN, false)] {
            let headers = [("origin", origin), ("access-control-request-method", "GET")];
            let answer = self.https.request("OPTIONS", "/users/me", &headers, None).await?;
            let allowed = answer.header("access-control-allow-origin");
            let matches = allowed.is_some_and(|allowed| allowed == origin || allowed == "*");
            ensure!(matches == is_allowed, "{origin}: Access-Control-Allow-Origin is {allowed:?}");
        }
        Ok(())
    }

    async fn query(&self, token: &str) -> Result<()> {
        // `?<` and a plus sign: a gateway that decodes the query once too often changes them.
        self.call(token, "GET", "/friends/search?query=%3F%3C%2B", None).await?.expect(&[200])?;
        self.call(token, "GET", "/friends/search?query=?%3C", None).await?.expect(&[200]).map(drop)
    }

    async fn sockets(&self, token: &str) -> Result<()> {
        let refused =
            socket::connect(&self.ws, None).await.err().context("a handshake without token succeeds")?;
        ensure!(format!("{refused:#}").contains("401"), "a handshake without token: {refused:#}");
        hello(&mut socket::connect(&format!("{}?token={token}", self.ws), None).await?).await?;
        let token_as_subprotocol = Some(Token::Subprotocol(token));
        hello(&mut socket::connect(&self.ws, token_as_subprotocol).await?).await?;
        hello(&mut self.open(token).await?).await
    }

    async fn reactions(&self, ana: &str, ben: &str) -> Result<()> {
        let other = self.call(ben, "GET", "/users/me", None).await?.expect(&[200])?["id"].take();
        // 400 if a run before has made them friends.
        let request = json!({ "receiver_id": other });
        let request = self.call(ana, "POST", "/friends/requests", Some(request)).await?;
        if let Some(id) = request.expect(&[200, 201, 400])?["id"].as_str() {
            let path = format!("/friends/requests/{id}?action=accepted");
            self.call(ben, "PUT", &path, None).await?.expect(&[200])?;
        }
        let room = json!({ "participant_ids": [other], "is_group": false });
        let room = self.call(ana, "POST", "/chat/rooms", Some(room)).await?.expect(&[200, 201])?["id"].take();
        let mut at_ben = self.open(ben).await?;
        hello(&mut at_ben).await?;
        let message = json!({ "chat_room_id": room, "content": "👍 #️⃣ Zoë 日本" });
        let message = self.call(ana, "POST", "/chat/messages", Some(message)).await?.expect(&[200, 201])?;
        let pushed = next(&mut at_ben, "new_message").await?;
        ensure!(pushed["data"]["content"] == message["content"], "the push has another text: {pushed}");
        let (room, id) = (text(&room)?, text(&message["id"])?);
        for (emoji, encoded) in [("👍", "%F0%9F%91%8D"), ("#️⃣", "%23%EF%B8%8F%E2%83%A3")] {
            let path = format!("/chat/rooms/{room}/messages/{id}/reactions/{encoded}");
            let reacted = self.call(ana, "PUT", &path, None).await?.expect(&[200])?;
            ensure!(reacted["reactions"].to_string().contains(emoji), "{emoji} is not listed: {reacted}");
            self.call(ana, "DELETE", &path, None).await?.expect(&[200, 204])?;
        }
        Ok(())
    }

    async fn gateway_route(&self, token: &str) -> Result<()> {
        let mut socket = self.open(token).await?;
        hello(&mut socket).await?;
        socket.send(Message::text(r#"{"type":"$disconnect"}"#)).await?;
        next(&mut socket, "error").await?;
        socket.send(Message::text(r#"{"type":"ping","data":{}}"#)).await?;
        next(&mut socket, "pong").await.map(drop)
    }

    async fn new_account(&self, token: &str) -> Result<()> {
        let mut socket = self.open(token).await?;
        hello(&mut socket).await?;
        let me = self.call(token, "GET", "/users/me", None).await?.expect(&[200])?;
        ensure!(me["display_name"] == NEW_NAME, "the profile has the name {}", me["display_name"]);
        self.call(token, "DELETE", "/users/me", None).await?.expect(&[202, 204])?;
        let closed = tokio::time::timeout(FRAME_TIMEOUT, async {
            while let Some(Ok(message)) = socket.next().await {
                if message.is_close() {
                    break;
                }
            }
        });
        closed.await.context("the deletion does not close the connection of the account")
    }

    async fn open(&self, token: &str) -> Result<Socket> {
        socket::connect(&self.ws, Some(Token::Header(token))).await
    }

    async fn call(&self, token: &str, method: &str, path: &str, body: Option<Value>) -> Result<Answer> {
        let authorization = format!("Bearer {token}");
        self.https.request(method, path, &[("authorization", &authorization)], body).await
    }
}

async fn hello(socket: &mut Socket) -> Result<()> {
    socket.send(Message::text(r#"{"type":"hello"}"#)).await?;
    next(socket, "connection_established").await.map(drop)
}

/// The next frame of a type; others before it are skipped.
async fn next(socket: &mut Socket, kind: &str) -> Result<Value> {
    let find = async {
        while let Some(message) = socket.next().await {
            if let Message::Text(text) = message? {
                let frame: Value = serde_json::from_str(&text)?;
                if frame["type"] == kind {
                    return Ok(frame);
                }
            }
        }
        bail!("the connection has ended before the frame {kind}")
    };
    tokio::time::timeout(FRAME_TIMEOUT, find).await.with_context(|| format!("no frame {kind} arrives"))?
}

fn text(value: &Value) -> Result<&str> {
    value.as_str().context("an id is missing in a response")
}
