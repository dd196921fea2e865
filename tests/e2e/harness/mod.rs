//! Shared helpers: a stack, the actors that call it, their sockets, and a proxy in front of the database.

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
use proxy::TEST_CALLER;
pub use proxy::{Proxy, Seen};
use serde_json::{Value, json};
pub use socket::{Socket, next_on_each};
pub use token::{in_seconds, signed};

/// The timeout of every wait in a test. Only a failing test reaches it.
pub const PATIENCE: Duration = Duration::from_mins(1);

/// Options of a stack with these rate limits, in the syntax of `RATE_LIMITS`.
pub fn rate_limited(limits: &str) -> Options {
    let env = [("RATE_LIMITS".to_owned(), limits.to_owned())].into();
    Options { env, ..Options::default() }
}

/// A local stack that serves one test. A call that DynamoDB would refuse fails the test when the stack is
/// dropped.
pub struct TestStack {
    pub local: Stack,
    database: Proxy,
    _verdict: Verdict,
    http: reqwest::Client,
}

impl TestStack {
    pub async fn new() -> Self {
        Self::with(Options::default()).await
    }

    pub async fn with(mut options: Options) -> Self {
        let database = Proxy::start().await;
        options.env.insert("AWS_ENDPOINT_URL_DYNAMODB".to_owned(), database.url().to_owned());
        Self::behind(database, options).await
    }

    /// A stack whose functions reach the database and the connections through a proxy that the test controls.
    pub async fn with_proxy() -> (Self, Proxy) {
        Self::with_proxy_and(Options::default()).await
    }

    /// Same as [`Self::with_proxy`], with other options.
    pub async fn with_proxy_and(mut options: Options) -> (Self, Proxy) {
        let proxy = Proxy::start().await;
        options.env.insert("AWS_ENDPOINT_URL_DYNAMODB".to_owned(), proxy.url().to_owned());
        options.env.insert("SOCKET_ENDPOINT".to_owned(), format!("{}/live", proxy.url()));
        (Self::behind(proxy.clone(), options).await, proxy)
    }

    /// A stack with these options only. The test has no rules for its calls to the database.
    pub async fn without_proxy(options: Options) -> Self {
        Self::behind(Proxy::start().await, options).await
    }

    async fn behind(database: Proxy, options: Options) -> Self {
        // The test runner shows the log of the stack and its functions only for a failing test.
        let log = tracing_subscriber::fmt().event_format(LogLines::new(false)).with_test_writer();
        let _ = log.try_init();
        let local = Stack::start(options).await.unwrap();
        let sockets = local.ws_url().replace("ws://", "http://");
        database.forward_to(local.dynamodb_url(), sockets.trim_end_matches("/live"));
        Self { local, _verdict: Verdict(database.clone()), database, http: http_client() }
    }

    /// A signed-in user with this username.
    pub async fn actor(&self, name: &str) -> Actor {
        Actor::sign_in(self.http.clone(), self.local.http_url(), self.local.ws_url(), name).await
    }

    /// Signed-in users with these usernames.
    pub async fn actors<const N: usize>(&self, names: [&str; N]) -> [Actor; N] {
        let actors = futures::future::join_all(names.map(|name| self.actor(name))).await;
        actors.try_into().unwrap_or_else(|_| panic!("one actor per name"))
    }

    /// The actor, with the clock of its calls advanced by `later` and a token that is still valid then.
    pub fn later(&self, actor: &Actor, later: Duration) -> Actor {
        actor.later(self.local.jwt_secret(), later)
    }

    /// A user with a valid token who has not called the API yet.
    pub fn new_user(&self) -> Actor {
        let claims = json!({"sub": uuid::Uuid::new_v4(), "exp": in_seconds(3600)});
        self.stranger(Some(&signed(self.local.jwt_secret(), &claims)))
    }

    /// A caller with this text as its token, or without a token.
    pub fn stranger(&self, token: Option<&str>) -> Actor {
        Actor::with_token(self.http.clone(), self.local.http_url(), self.local.ws_url(), token)
    }

    /// Calls the database directly.
    pub async fn database(&self, operation: &str, mut body: Value) -> Value {
        body["TableName"] = self.local.table_name().into();
        let call = self
            .http
            .post(self.database.url())
            .header("x-amz-target", format!("DynamoDB_20120810.{operation}"));
        let call = call
            .header("content-type", "application/x-amz-json-1.0")
            .header("x-amz-date", "20260101T000000Z");
        let signature = format!(
            "AWS4-HMAC-SHA256 Credential={TEST_CALLER}/20260101/us-east-1/dynamodb/aws4_request, \
             SignedHeaders=host;x-amz-date;x-amz-target, Signature=0"
        );
        let answer = call.header("authorization", signature).body(body.to_string()).send().await.unwrap();
        let status = answer.status();
        let answer = answer.json().await.unwrap();
        assert_eq!(status, 200, "{answer}");
        answer
    }

    /// Makes a member of a group an admin, directly in the table and without a new revision.
    pub async fn make_admin(&self, room: &str, user: &Actor) {
        self.set(room, &format!("MEMBER#{}", user.id), "role", json!({"S": "admin"})).await;
    }

    /// Sets a group's member count to the maximum of 256, because adding the members would take long.
    pub async fn fill(&self, room: &str) {
        self.set(room, "META", "member_count", json!({"N": "256"})).await;
    }

    /// Closes a room, as a block closes the direct room of the two users.
    pub async fn close(&self, room: &str) {
        self.set(room, "META", "is_closed", json!({"BOOL": true})).await;
    }

    /// Sets a user's quota of requests, friends, blocks or rooms, because creating them would take long.
    pub async fn set_quota(&self, user: &Actor, attribute: &str, n: u64) {
        let update = json!({
            "Key": {"pk": {"S": format!("USER#{}", user.id)}, "sk": {"S": "QUOTAS"}},
            "UpdateExpression": "SET #attribute = :value",
            "ExpressionAttributeNames": {"#attribute": attribute},
            "ExpressionAttributeValues": {":value": {"N": n.to_string()}},
        });
        self.database("UpdateItem", update).await;
    }

    /// Sets the audience of a privacy setting directly in the table, because no call sets it.
    pub async fn set_audience(&self, user: &Actor, setting: &str, audience: &str) {
        self.set_setting(user, setting, json!({"S": audience})).await;
    }

    /// Changes one of a user's settings.
    pub async fn set_setting(&self, user: &Actor, setting: &str, value: Value) {
        let update = json!({
            "Key": {"pk": {"S": format!("USER#{}", user.id)}, "sk": {"S": "PROFILE"}},
            "UpdateExpression": "SET settings.#setting = :value",
            "ConditionExpression": "attribute_exists(pk)",
            "ExpressionAttributeNames": {"#setting": setting},
            "ExpressionAttributeValues": {":value": value},
        });
        self.database("UpdateItem", update).await;
    }

    /// Makes the last notification of a user's friends old, so that a change is notified at once.
    pub async fn age_notification(&self, user: &Actor) {
        let notified = json!({"at": {"S": "2026-01-01T00:00:00.000Z"}, "is_online": {"BOOL": true}});
        let update = json!({
            "Key": {"pk": {"S": format!("USER#{}", user.id)}, "sk": {"S": "PRESENCE"}},
            "UpdateExpression": "SET notified = :notified",
            "ExpressionAttributeValues": {":notified": {"M": notified}},
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

    /// Kills every process of a function, as a machine failure does.
    pub fn kill(&self, binary: &str) {
        let pids = self.local.function_pids(binary);
        assert!(!pids.is_empty(), "{binary} is running");
        for pid in pids {
            kill("KILL", pid);
        }
    }

    /// Kills every process of a function and waits until the stack notices. The next call starts a new one.
    pub async fn replace(&self, binary: &str) {
        let killed = self.local.function_pids(binary);
        self.kill(binary);
        let noticed = async {
            let mut ticks = tokio::time::interval(Duration::from_millis(5));
            while self.local.function_pids(binary).iter().any(|pid| killed.contains(pid)) {
                ticks.tick().await;
            }
        };
        tokio::time::timeout(PATIENCE, noticed).await.expect("the stack notices in time");
    }
}

/// Fails the test when it is dropped, if the proxy has seen a call that DynamoDB would refuse.
struct Verdict(Proxy);

impl Drop for Verdict {
    fn drop(&mut self) {
        let violations = self.0.violations();
        let is_failing = std::thread::panicking();
        assert!(is_failing || violations.is_empty(), "{}", violations.join("\n"));
    }
}

/// Kills a process that may have ended already.
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

/// Makes two users friends.
pub async fn make_friends(a: &Actor, b: &Actor) {
    let request = a.post("/friends/requests", json!({"receiver_id": b.id})).await.ok();
    b.put(&format!("/friends/requests/{}?action=accepted", request["id"].as_str().unwrap())).await.ok();
}
