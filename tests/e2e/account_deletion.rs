//! The deletion of accounts, from outside: who is gone, what others see, and calls that die on the way.

use std::{
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use serde_json::{Value, json};

use crate::{
    harness::{Actor, TestStack, each, in_seconds, make_friends, next_on_each, signed},
    probes::probes,
};

/// Names that stand nowhere else.
const NAME: &str = "Zoltana";
const DISPLAYED: &str = "Zoltana the Great";
const PICTURE: &str = "https://pictures.example.net/zoltana.jpg";

/// The same person a minute later, when no process takes them for present any more, with the same token.
fn a_minute_later(stack: &TestStack, actor: &Actor) -> Actor {
    let mut later = stack.later(actor, Duration::from_secs(61));
    later.token.clone_from(&actor.token);
    later
}

/// The same person with a token that is newer than any deletion so far.
fn anew(stack: &TestStack, actor: &Actor, name: &str) -> Actor {
    let claims = json!({"sub": actor.id, "username": name, "iat": in_seconds(2), "exp": in_seconds(3600)});
    let mut anew = stack.stranger(Some(&signed(stack.local.jwt_secret(), &claims)));
    anew.id.clone_from(&actor.id);
    anew
}

/// All that the table holds, as text.
async fn everything(stack: &TestStack) -> String {
    let (mut all, mut from) = (String::new(), Value::Null);
    loop {
        let mut scan = json!({"ConsistentRead": true});
        if !from.is_null() {
            scan["ExclusiveStartKey"] = from;
        }
        let page = stack.database("Scan", scan).await;
        all += &page["Items"].to_string();
        from = page["LastEvaluatedKey"].clone();
        if from.is_null() {
            return all.to_lowercase();
        }
    }
}

/// Somebody with a friend, a request, a direct room and a group in which they and others have spoken.
pub struct Life {
    pub zoe: Actor,
    pub ben: Actor,
    cleo: Actor,
    pub pair: String,
    group: String,
}

impl Life {
    pub async fn new(stack: &TestStack, name: &str, n: usize) -> Self {
        let [ben, cleo] = stack.actors([&*format!("ben{n}"), &*format!("cleo{n}")]).await;
        let zoe = stack.actor(name).await;
        zoe.patch("/users/me", json!({"display_name": format!("{name} the Great"), "avatar_url": PICTURE}))
            .await
            .ok();
        make_friends(&zoe, &ben).await;
        cleo.post("/friends/requests", json!({"receiver_id": zoe.id})).await.ok();
        let (pair, group) = (zoe.room_with(&ben).await, zoe.group_with(&[&ben]).await);
        let said = zoe.send_message(&pair, "words that stay").await;
        ben.reply(&said, "noted").await;
        zoe.add(&group, &cleo).await.ok();
        zoe.react(&said, "👍").await.ok();
        Self { zoe, ben, cleo, pair, group }
    }

    /// Makes sure that the person is gone for everyone, and their words are not.
    pub async fn is_over(&self) {
        let Self { zoe, ben, cleo, pair, group } = self;
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
        assert_eq!(ben.reactions(&history[0]).await.ok(), json!([]), "a count without a name");
        assert_eq!(history[1]["reply_to"]["sender_username"], "Deleted user");
        let gym = ben.room(group).await.ok();
        assert_eq!(gym["participant_count"], 2);
        let owners =
            gym["participants"].as_array().unwrap().iter().filter(|person| person["role"] == "owner");
        assert_eq!(owners.count(), 1);
        let history = json!(ben.history(group).await);
        let said = each(&history, "content");
        assert_eq!(said[0], &json!(format!("Deleted user added {}", cleo.name)));
        assert_eq!(said[1..], [&json!("Deleted user left")], "once");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn who_deletes_their_account_is_gone_at_once_and_for_everyone() {
    let stack = TestStack::new().await;
    let life = Life::new(&stack, NAME, 0).await;
    let Life { zoe, ben, cleo, pair, group } = &life;
    let mut at_zoe = zoe.socket().await;
    stack.local.settle().await;
    let (mut at_ben, mut at_cleo) = (ben.socket().await, cleo.socket().await);
    let before = everything(&stack).await;
    let key = json!({"Key": {"pk": {"S": format!("USER#{}", zoe.id)}, "sk": {"S": "PROFILE"}}});
    let profile = stack.database("GetItem", key).await;
    let email_claim = profile["Item"]["email_claim"]["S"].as_str().unwrap().to_owned();
    for name in [NAME, DISPLAYED, PICTURE, &email_claim] {
        assert!(
            before.contains(&name.to_lowercase()),
            "{name}: or the last check of this test checks nothing"
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
    // Another process of the function, which has not met them.
    stack.replace("socket-connect").await;
    assert_eq!(zoe.try_socket().await.err(), Some(401));
    for query in ["zolt", "tana", "great", "zoltana@example.com"] {
        assert_eq!(ben.get(&format!("/friends/search?query={query}")).await.ok(), json!([]), "{query}");
    }
    ben.post("/friends/requests", json!({"receiver_id": zoe.id})).await.problem(404, "not_found");
    ben.put(&format!("/chat/rooms/{group}/participants/{}", zoe.id)).await.problem(404, "not_found");
    cleo.post("/chat/rooms", json!({"participant_ids": [zoe.id]})).await.problem(404, "not_found");
    assert_eq!(ben.room_with(zoe).await, *pair, "the room is still there for the one who is");
    ben.send_message(pair, "are you there?").await;

    let after = everything(&stack).await;
    for name in [NAME, DISPLAYED, PICTURE, &email_claim] {
        assert!(!after.contains(&name.to_lowercase()), "{name}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn wherever_the_deletion_dies_the_same_call_again_finishes_it() {
    let (stack, proxy) = TestStack::with_proxy().await;
    for died_at in 1.. {
        let life = Life::new(&stack, &format!("zoe{died_at}"), died_at).await;
        let writes = Arc::new(AtomicUsize::new(0));
        let outage = proxy.fail(
            move |call| {
                let is_write = matches!(&*call.operation, "TransactWriteItems" | "UpdateItem");
                let is_ours = call.caller == "UsersDeleteMeFunction" && is_write;
                is_ours && writes.fetch_add(1, Ordering::SeqCst) + 1 >= died_at
            },
            "ProvisionedThroughputExceededException",
        );
        let first = life.zoe.delete("/users/me").await;
        drop(outage);
        if first.status == 204 {
            assert!(died_at > 8, "it dies at each of its writes: {died_at}");
            life.is_over().await;
            return;
        }
        first.problem(503, "busy");
        life.zoe.delete("/users/me").await.nothing();
        life.is_over().await;
        let marker = json!({
            "KeyConditionExpression": "pk = :pk",
            "ExpressionAttributeValues": {":pk": {"S": format!("USER#{}", life.zoe.id)}},
        });
        let left = stack.database("Query", marker).await;
        let left = left["Items"].as_array().unwrap();
        let keys: Vec<&str> = left.iter().map(|item| item["sk"]["S"].as_str().unwrap()).collect();
        assert_eq!(
            keys[..3],
            ["QUOTAS", "PRESENCE", "PROFILE"],
            "and how often they did what is limited: {left:?}"
        );
        assert!(keys[3..].iter().all(|key| key.starts_with("RATE#")), "{keys:?}");
        assert!(left.iter().all(|item| item["is_pending"].is_null()));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn who_comes_back_is_somebody_new() {
    let (stack, proxy) = TestStack::with_proxy().await;
    let life = Life::new(&stack, "zoe", 0).await;
    let Life { zoe, ben, cleo, pair, group } = &life;
    // The deletion dies early, and is finished as they come back.
    let held = proxy.hold(|call| call.caller == "UsersDeleteMeFunction" && call.body.contains("CHANGE#"));
    let doomed = tokio::spawn({
        let zoe = zoe.clone();
        async move { zoe.delete("/users/me").await.status }
    });
    let guard = held.caught().await;
    stack.kill("users-delete-me");
    assert_eq!(doomed.await.unwrap(), 500);
    drop(guard);
    proxy.settled().await;

    let back = anew(&stack, zoe, "zoe");
    back.get("/chat/rooms").await.problem(503, "busy");
    let me = back.get("/users/me").await.ok();
    assert_eq!(
        (&me["id"], &me["username"], &me["display_name"]),
        (&json!(zoe.id), &json!("zoe"), &Value::Null)
    );
    for list in ["/chat/rooms", "/friends", "/friends/requests"] {
        assert_eq!(back.get(list).await.ok(), json!([]), "{list}");
    }
    back.room(pair).await.problem(404, "not_found");
    back.room(group).await.problem(404, "not_found");
    let old = a_minute_later(&stack, zoe);
    old.get("/users/me").await.problem(401, "invalid_token");
    old.delete("/users/me").await.problem(401, "invalid_token");
    assert_eq!(back.get("/users/me").await.ok(), me, "an old token deletes nothing");

    let (mut at_back, mut at_ben) = (back.socket().await, ben.socket().await);
    assert_eq!(ben.room_with(&back).await, *pair);
    assert_eq!(at_back.expect("room_created").await["data"]["id"], **pair);
    let updated = at_ben.expect("participant_updated").await;
    assert_eq!(updated["data"]["participants"][0]["username"], "zoe");
    assert_eq!(back.history(pair).await, [] as [Value; 0]);
    let hello = ben.send_message(pair, "hello again").await;
    assert_eq!(at_back.expect("new_message").await["data"]["id"], hello["id"]);
    assert_eq!(each(&json!(back.history(pair).await), "content"), ["hello again"]);
    assert_eq!(each(&json!(ben.history(pair).await), "sender_username")[0], "Deleted user");
    cleo.add(group, &back).await.problem(403, "not_allowed");
    make_friends(&back, ben).await;
    assert_eq!(each(&back.get("/friends").await.ok(), "id"), [&ben.id]);
}
