//! What tests are made of: a stack, actors who call it, their sockets, and a proxy before its database.

mod actor;
mod chat;
pub mod contract;
mod issuer;
pub mod process;
mod proxy;
mod relationships;
mod socket;
mod token;

use std::time::Duration;

pub use actor::{Actor, Answer};
pub use chat::{as_others_see, each, path_of, without_presence};
pub use issuer::{AUDIENCE, Issuer, Reply};
use local::{LogLines, Options, Stack};
pub use proxy::{Proxy, Seen};
use serde_json::{Value, json};
pub use socket::{Socket, next_on_each};
pub use token::{in_seconds, signed};

/// The longest that anything in a test may take; only a test that fails waits for it.
pub const PATIENCE: Duration = Duration::from_mins(1);

/// A stack in which people may do things only so often, as `RATE_LIMITS` says it.
pub fn rate_limited(limits: &str) -> Options {
    let env = [("RATE_LIMITS".to_owned(), limits.to_owned())].into();
    Options { env, ..Options::default() }
}

/// A stack of its own for one test.
pub struct TestStack {
    pub local: Stack,
    http: reqwest::Client,
}

impl TestStack {
    pub async fn new() -> Self {
        Self::with(Options::default()).await
    }

    pub async fn with(options: Options) -> Self {
        // What the stack and its functions say is shown with a test that fails.
        let log = tracing_subscriber::fmt().event_format(LogLines::new(false)).with_test_writer();
        let _ = log.try_init();
        let local = Stack::start(options).await.unwrap();
        Self { local, http: http_client() }
    }

    /// A stack whose functions reach the database through a proxy that the test can watch and stop.
    pub async fn with_proxy() -> (Self, Proxy) {
        Self::with_proxy_and(Options::default()).await
    }

    /// The same, with other options.
    pub async fn with_proxy_and(mut options: Options) -> (Self, Proxy) {
        let proxy = Proxy::start().await;
        options.env.insert("AWS_ENDPOINT_URL_DYNAMODB".to_owned(), proxy.url().to_owned());
        options.env.insert("SOCKET_ENDPOINT".to_owned(), format!("{}/live", proxy.url()));
        let stack = Self::with(options).await;
        let sockets = stack.local.ws_url().replace("ws://", "http://");
        proxy.forward_to(stack.local.dynamodb_url(), sockets.trim_end_matches("/live"));
        (stack, proxy)
    }

    /// Someone who is signed in under this name.
    pub async fn actor(&self, name: &str) -> Actor {
        Actor::sign_in(self.http.clone(), self.local.http_url(), self.local.ws_url(), name).await
    }

    /// Several people, signed in.
    pub async fn actors<const N: usize>(&self, names: [&str; N]) -> [Actor; N] {
        let actors = futures::future::join_all(names.map(|name| self.actor(name))).await;
        actors.try_into().unwrap_or_else(|_| panic!("as many as names"))
    }

    /// Someone, so much later.
    pub fn later(&self, actor: &Actor, later: Duration) -> Actor {
        actor.later(self.local.jwt_secret(), later)
    }

    /// Someone with a good token who has never been here.
    pub fn new_user(&self) -> Actor {
        let claims = json!({"sub": uuid::Uuid::new_v4(), "exp": in_seconds(3600)});
        self.stranger(Some(&signed(self.local.jwt_secret(), &claims)))
    }

    /// Someone who brings this instead of a token.
    pub fn stranger(&self, token: Option<&str>) -> Actor {
        Actor::with_token(self.http.clone(), self.local.http_url(), self.local.ws_url(), token)
    }

    /// Calls the database itself, past everything.
    pub async fn database(&self, operation: &str, mut body: Value) -> Value {
        body["TableName"] = self.local.table_name().into();
        let call = self
            .http
            .post(self.local.dynamodb_url())
            .header("x-amz-target", format!("DynamoDB_20120810.{operation}"));
        let call = call
            .header("content-type", "application/x-amz-json-1.0")
            .header("x-amz-date", "20260101T000000Z");
        let signature = "AWS4-HMAC-SHA256 Credential=test/20260101/us-east-1/dynamodb/aws4_request, \
            SignedHeaders=host;x-amz-date;x-amz-target, Signature=0";
        let answer = call.header("authorization", signature).body(body.to_string()).send().await.unwrap();
        let status = answer.status();
        let answer = answer.json().await.unwrap();
        assert_eq!(status, 200, "{answer}");
        answer
    }

    /// Makes a member of a group one of its admins, without a revision that says so.
    pub async fn make_admin(&self, room: &str, who: &Actor) {
        self.set(room, &format!("MEMBER#{}", who.id), "role", json!({"S": "admin"})).await;
    }

    /// As if a group had as many members as it can, whom it would take long to add.
    pub async fn fill(&self, room: &str) {
        self.set(room, "META", "member_count", json!({"N": "256"})).await;
    }

    /// Shuts a room, as a block does with the direct room of its two people.
    pub async fn close(&self, room: &str) {
        self.set(room, "META", "is_closed", json!({"BOOL": true})).await;
    }

    /// As if somebody had so many requests, friends, blocks or rooms, which would take long to make.
    pub async fn set_quota(&self, who: &Actor, attribute: &str, n: u64) {
        let update = json!({
            "Key": {"pk": {"S": format!("USER#{}", who.id)}, "sk": {"S": "QUOTAS"}},
            "UpdateExpression": "SET #attribute = :value",
            "ExpressionAttributeNames": {"#attribute": attribute},
            "ExpressionAttributeValues": {":value": {"N": n.to_string()}},
        });
        self.database("UpdateItem", update).await;
    }

    /// Lets somebody choose who does something, which no call does.
    pub async fn set_audience(&self, who: &Actor, setting: &str, circle: &str) {
        self.set_setting(who, setting, json!({"S": circle})).await;
    }

    /// Changes one of a person's settings.
    pub async fn set_setting(&self, who: &Actor, setting: &str, value: Value) {
        let update = json!({
            "Key": {"pk": {"S": format!("USER#{}", who.id)}, "sk": {"S": "PROFILE"}},
            "UpdateExpression": "SET settings.#setting = :value",
            "ConditionExpression": "attribute_exists(pk)",
            "ExpressionAttributeNames": {"#setting": setting},
            "ExpressionAttributeValues": {":value": value},
        });
        self.database("UpdateItem", update).await;
    }

    /// Changes one attribute of an item of a room.
    async fn set(&self, room: &str, sk: &str, attribute: &str, value: Value) {
        let update = json!({
            "Key": {"pk": {"S": format!("ROOM#{room}")}, "sk": {"S": sk}},
            "UpdateExpression": "SET #attribute = :value",
            "ConditionExpression": "attribute_exists(pk)",
            "ExpressionAttributeNames": {"#attribute": attribute},
            "ExpressionAttributeValues": {":value": value},
        });
        self.database("UpdateItem", update).await;
    }

    /// Kills every process of a function, as if the machine had failed.
    pub fn kill(&self, binary: &str) {
        let pids = self.local.function_pids(binary);
        assert!(!pids.is_empty(), "{binary} runs");
        for pid in pids {
            kill("KILL", pid);
        }
    }

    /// The same, and waits until the stack knows, so that the next call goes to another process.
    pub async fn replace(&self, binary: &str) {
        let killed = self.local.function_pids(binary);
        self.kill(binary);
        let gone = async {
            let mut ticks = tokio::time::interval(Duration::from_millis(5));
            while self.local.function_pids(binary).iter().any(|pid| killed.contains(pid)) {
                ticks.tick().await;
            }
        };
        tokio::time::timeout(PATIENCE, gone).await.expect("known in time");
    }
}

/// Kills a process that may be gone already.
pub fn kill_if_there(pid: u32) {
    let killed = std::process::Command::new("kill").args(["-KILL", &pid.to_string()]).output();
    assert!(killed.is_ok());
}

/// Sends a signal to a process.
pub fn kill(signal: &str, pid: u32) {
    let status = std::process::Command::new("kill").args([format!("-{signal}"), pid.to_string()]).status();
    assert!(status.unwrap().success());
}

pub fn http_client() -> reqwest::Client {
    reqwest::Client::builder().timeout(PATIENCE).build().unwrap()
}

/// Makes two people friends.
pub async fn make_friends(a: &Actor, b: &Actor) {
    let request = a.post("/friends/requests", json!({"receiver_id": b.id})).await.ok();
    b.put(&format!("/friends/requests/{}?action=accepted", request["id"].as_str().unwrap())).await.ok();
}
