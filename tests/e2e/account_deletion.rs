//! Account deletion through the API: what the user and others see afterwards, and interrupted deletions.

use std::{
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use serde_json::{Value, json};

use crate::{
    harness::{Actor, TestStack, each, in_seconds, make_friends, next_on_each, rate_limited, signed},
    probes::probes,
};

/// Profile values that occur nowhere else in the table.
const NAME: &str = "Zoltana";
const DISPLAY_NAME: &str = "Zoltana the Great";
const AVATAR_URL: &str = "https://pictures.example.net/zoltana.jpg";

/// After this time, another call continues a deletion whose call has crashed.
const LEASE: Duration = Duration::from_mins(6);

/// The user with the same token a minute later, when no process caches the account as active any more.
fn a_minute_later(stack: &TestStack, actor: &Actor) -> Actor {
    let mut later = stack.later(actor, Duration::from_secs(61));
    later.token.clone_from(&actor.token);
    later
}

/// The user with a token issued after every deletion so far.
fn with_new_token(stack: &TestStack, actor: &Actor, name: &str) -> Actor {
    let claims = json!({"sub": actor.id, "username": name, "iat": in_seconds(2), "exp": in_seconds(3600)});
    let mut recreated = stack.stranger(Some(&signed(stack.local.jwt_secret(), &claims)));
    recreated.id.clone_from(&actor.id);
    recreated
}

/// All items of the table as lowercase text.
async fn table_text(stack: &TestStack) -> String {
    let (mut text, mut start_key) = (String::new(), Value::Null);
    loop {
        let mut scan = json!({"ConsistentRead": true});
        if !start_key.is_null() {
            scan["ExclusiveStartKey"] = start_key;
        }
        let page = stack.database("Scan", scan).await;
        text += &page["Items"].to_string();
        start_key = page["LastEvaluatedKey"].clone();
        if start_key.is_null() {
            return text.to_lowercase();
        }
    }
}

/// A user (`zoe`) with a friend, a received request, a direct room and a group, and messages in both rooms.
pub struct Life {
    pub zoe: Actor,
    pub ben: Actor,
    cleo: Actor,
    pub pair: String,
    group: String,
    /// A group that `zoe` has left.
    former: String,
}

impl Life {
    pub async fn new(stack: &TestStack, name: &str, n: usize) -> Self {
        let [ben, cleo] = stack.actors([&*format!("ben{n}"), &*format!("cleo{n}")]).await;
        let zoe = stack.actor(name).await;
        zoe.patch(
            "/users/me",
            json!({"display_name": format!("{name} the Great"), "avatar_url": AVATAR_URL}),
        )
        .await
        .ok();
        make_friends(&zoe, &ben).await;
        cleo.post("/friends/requests", json!({"receiver_id": zoe.id})).await.ok();
        let (pair, group) = (zoe.room_with(&ben).await, zoe.group_with(&[&ben]).await);
        let message = zoe.send_message(&pair, "words that stay").await;
        ben.reply(&message, "noted").await;
        zoe.add(&group, &cleo).await.ok();
        zoe.react(&message, "👍").await.ok();
        let former = ben.group_with(&[&zoe]).await;
        zoe.send_message(&former, "goodbye").await;
        zoe.remove(&former, &zoe).await.nothing();
        Self { zoe, ben, cleo, pair, group, former }
    }

    /// Asserts that the account is deleted for every user and that its messages remain.
    pub async fn is_over(&self) {
        let Self { zoe, ben, cleo, pair, group, former } = self;
        zoe.get("/users/me").await.problem(401, "invalid_token");
        let unknown = ben.get(&format!("/users/{}", uuid::Uuid::new_v4())).await;
        assert_eq!(ben.get(&format!("/users/{}", zoe.id)).await.text, unknown.text);
        assert_eq!(ben.get("/friends").await.ok(), json!([]));
        assert_eq!(cleo.get("/friends/requests?direction=sent").await.ok(), json!([]));
        let direct = ben.room(pair).await.ok();
        assert_eq!(direct["participants"][0]["user_id"], zoe.id);
        assert_eq!(direct["participants"][0]["username"], "Deleted user");
        assert_eq!(direct["participants"][0]["avatar_url"], Value::Null);
        let history = ben.history(pair).await;
        assert_eq!(history[0]["content"], "words that stay");
        assert_eq!(
            (&history[0]["sender_id"], &history[0]["sender_username"]),
            (&json!(zoe.id), &json!("Deleted user"))
        );
        assert_eq!(history[0]["reactions"], json!([{"emoji": "👍", "count": 1, "mine": false}]));
        assert_eq!(ben.reactions(&history[0]).await.ok(), json!([]), "the count remains without the user");
        assert_eq!(history[1]["reply_to"]["sender_username"], "Deleted user");
        let room = ben.room(group).await.ok();
        assert_eq!(room["participant_count"], 2);
        let owners =
            room["participants"].as_array().unwrap().iter().filter(|member| member["role"] == "owner");
        assert_eq!(owners.count(), 1);
        let history = json!(ben.history(group).await);
        let contents = each(&history, "content");
        assert_eq!(contents[0], &json!(format!("Deleted user added {}", cleo.name)));
        assert_eq!(contents[1..], [&json!("Deleted user left")], "exactly one system message");
        let history = json!(ben.history(former).await);
        assert_eq!(each(&history, "content"), ["goodbye", "Deleted user left"]);
        assert_eq!(each(&history, "sender_username"), ["Deleted user", "Deleted user"]);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_deleted_account_disappears_at_once_for_everyone() {
    let stack = TestStack::new().await;
    let life = Life::new(&stack, NAME, 0).await;
    let Life { zoe, ben, cleo, pair, group, .. } = &life;
    let mut at_zoe = zoe.socket().await;
    stack.local.settle().await;
    let (mut at_ben, mut at_cleo) = (ben.socket().await, cleo.socket().await);
    let before = table_text(&stack).await;
    let key = json!({"Key": {"pk": {"S": format!("USER#{}", zoe.id)}, "sk": {"S": "PROFILE"}}});
    let profile = stack.database("GetItem", key).await;
    let email_claim = profile["Item"]["email_claim"]["S"].as_str().unwrap().to_owned();
    for name in [NAME, DISPLAY_NAME, AVATAR_URL, &email_claim] {
        assert!(
            before.contains(&name.to_lowercase()),
            "{name} is stored, or the last assertion proves nothing"
        );
    }

    zoe.delete("/users/me").await.nothing();
    at_zoe.closed().await;
    let [removed] = next_on_each([&mut at_ben], "friend_removed").await;
    assert_eq!(removed["user_id"], zoe.id);
    at_cleo.expect("friend_request_responded").await;
    let mut kinds = Vec::new();
    for _ in 0..3 {
        kinds.push(at_ben.next().await["type"].as_str().unwrap().to_owned());
    }
    kinds.sort_unstable();
    assert_eq!(kinds, ["new_message", "participant_left", "participant_updated"]);
    at_cleo.expect("participant_left").await;
    assert_eq!(at_cleo.expect("new_message").await["data"]["content"], "Deleted user left");
    for socket in [&mut at_ben, &mut at_cleo] {
        socket.expect_nothing_more().await;
    }

    life.is_over().await;
    zoe.delete("/users/me").await.nothing();
    let old = a_minute_later(&stack, zoe);
    for probe in probes(&uuid::Uuid::new_v4().to_string()) {
        if !probe.ends_account() {
            probe.call(&old).await.problem(401, "invalid_token");
        }
    }
    // A new process of the function has not cached the account.
    stack.replace("socket-connect").await;
    assert_eq!(zoe.try_socket().await.err(), Some(401));
    for query in ["zolt", "tana", "great", "zoltana@example.com"] {
        assert_eq!(ben.get(&format!("/friends/search?query={query}")).await.ok(), json!([]), "{query}");
    }
    ben.post("/friends/requests", json!({"receiver_id": zoe.id})).await.problem(404, "not_found");
    ben.put(&format!("/chat/rooms/{group}/participants/{}", zoe.id)).await.problem(404, "not_found");
    cleo.post("/chat/rooms", json!({"participant_ids": [zoe.id]})).await.problem(404, "not_found");
    assert_eq!(ben.room_with(zoe).await, *pair, "the direct room remains for the other member");
    ben.send_message(pair, "are you there?").await;

    let after = table_text(&stack).await;
    for name in [NAME, DISPLAY_NAME, AVATAR_URL, &email_claim] {
        assert!(!after.contains(&name.to_lowercase()), "{name}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_deletion_interrupted_at_any_write_is_completed_by_the_same_call() {
    let (stack, proxy) = TestStack::with_proxy().await;
    for first_failing_write in 1.. {
        let life = Life::new(&stack, &format!("zoe{first_failing_write}"), first_failing_write).await;
        let writes = Arc::new(AtomicUsize::new(0));
        let outage = proxy.fail(
            move |call| {
                let is_write = matches!(&*call.operation, "TransactWriteItems" | "UpdateItem");
                let from_deletion = call.caller == "UsersDeleteMeFunction" && is_write;
                from_deletion && writes.fetch_add(1, Ordering::SeqCst) + 1 >= first_failing_write
            },
            "ProvisionedThroughputExceededException",
        );
        let first = life.zoe.delete("/users/me").await;
        drop(outage);
        if first.status == 204 {
            assert!(first_failing_write > 8, "each write was interrupted: {first_failing_write}");
            life.is_over().await;
            return;
        }
        first.problem(503, "busy");
        // The outage also prevented that the call released the deletion.
        life.zoe.after(LEASE).delete("/users/me").await.nothing();
        life.is_over().await;
        let query = json!({
            "KeyConditionExpression": "pk = :pk",
            "ExpressionAttributeValues": {":pk": {"S": format!("USER#{}", life.zoe.id)}},
        });
        let items = stack.database("Query", query).await;
        let items = items["Items"].as_array().unwrap();
        let keys: Vec<&str> = items.iter().map(|item| item["sk"]["S"].as_str().unwrap()).collect();
        assert_eq!(keys[..3], ["PRESENCE", "PROFILE", "QUOTAS"], "followed by the rate limits: {items:?}");
        assert!(keys[3..].iter().all(|key| key.starts_with("RATE#")), "{keys:?}");
        assert!(items.iter().all(|item| item["is_pending"].is_null()));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_recreated_account_starts_empty() {
    let (stack, proxy) = TestStack::with_proxy().await;
    let life = Life::new(&stack, "zoe", 0).await;
    let Life { zoe, ben, cleo, pair, group, .. } = &life;
    // The deletion is interrupted early and completed when the user returns.
    let blocked_call =
        proxy.hold(|call| call.caller == "UsersDeleteMeFunction" && call.body.contains("CHANGE#"));
    let deletion = tokio::spawn({
        let zoe = zoe.clone();
        async move { zoe.delete("/users/me").await.status }
    });
    let guard = blocked_call.caught().await;
    stack.kill("users-delete-me");
    assert_eq!(deletion.await.unwrap(), 500);
    drop(guard);
    proxy.settled().await;

    let returned = with_new_token(&stack, zoe, "zoe");
    returned.get("/chat/rooms").await.problem(503, "busy");
    returned.get("/users/me").await.problem(503, "busy");
    let me = returned.after(LEASE).get("/users/me").await.ok();
    assert_eq!(
        (&me["id"], &me["username"], &me["display_name"]),
        (&json!(zoe.id), &json!("zoe"), &Value::Null)
    );
    for list in ["/chat/rooms", "/friends", "/friends/requests"] {
        assert_eq!(returned.get(list).await.ok(), json!([]), "{list}");
    }
    returned.room(pair).await.problem(404, "not_found");
    returned.room(group).await.problem(404, "not_found");
    let old = a_minute_later(&stack, zoe);
    old.get("/users/me").await.problem(401, "invalid_token");
    old.delete("/users/me").await.problem(401, "invalid_token");
    assert_eq!(returned.get("/users/me").await.ok(), me, "an earlier token deletes nothing");

    let (mut at_returned, mut at_ben) = (returned.socket().await, ben.socket().await);
    assert_eq!(ben.room_with(&returned).await, *pair);
    assert_eq!(at_returned.expect("room_created").await["data"]["id"], **pair);
    let updated = at_ben.expect("participant_updated").await;
    assert_eq!(updated["data"]["participants"][0]["username"], "zoe");
    assert_eq!(returned.history(pair).await, [] as [Value; 0]);
    let hello = ben.send_message(pair, "hello again").await;
    assert_eq!(at_returned.expect("new_message").await["data"]["id"], hello["id"]);
    assert_eq!(each(&json!(returned.history(pair).await), "content"), ["hello again"]);
    assert_eq!(each(&json!(ben.history(pair).await), "sender_username")[0], "Deleted user");
    cleo.add(group, &returned).await.problem(403, "not_allowed");
    make_friends(&returned, ben).await;
    assert_eq!(each(&returned.get("/friends").await.ok(), "id"), [&ben.id]);
}

#[tokio::test(flavor = "multi_thread")]
async fn one_call_deletes_an_account_and_concurrent_ones_answer_at_once() {
    let (stack, proxy) = TestStack::with_proxy().await;
    let life = Life::new(&stack, "zoe", 0).await;
    let blocked_call =
        proxy.hold(|call| call.caller == "UsersDeleteMeFunction" && call.body.contains("CHANGE#"));
    let first = tokio::spawn({
        let zoe = life.zoe.clone();
        async move { zoe.delete("/users/me").await.status }
    });
    let guard = blocked_call.caught().await;
    let others = futures::future::join_all((0..4).map(|_| life.zoe.delete("/users/me"))).await;
    assert!(others.iter().all(|other| other.status == 202), "{others:?}");
    drop(guard);
    assert_eq!(first.await.unwrap(), 204);
    life.is_over().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn deletions_are_rate_limited_also_across_accounts_of_one_user() {
    let stack = TestStack::with(rate_limited("deletions=2/3600s")).await;
    let zoe = stack.actor("zoe").await;
    zoe.delete("/users/me").await.nothing();
    let returned = with_new_token(&stack, &zoe, "zoe");
    returned.get("/users/me").await.ok();
    returned.delete("/users/me").await.nothing();
    let again = with_new_token(&stack, &zoe, "zoe");
    for user in [&zoe, &returned, &again] {
        user.delete("/users/me").await.problem(429, "rate_limited");
    }
    stack.actor("ben").await.delete("/users/me").await.nothing();
}
