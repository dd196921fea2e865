//! Completeness of the contract: each documented answer and frame occurs here, and no other does.

use std::{collections::BTreeSet, sync::Mutex};

use serde_json::{Value, json};

use crate::{
    harness::{
        Actor, Answer, Proxy, TestStack,
        contract::{
            frames::FRAMES,
            rest::{Documented, OPERATIONS, documented},
        },
        make_friends, next_on_each, path_of, rate_limited,
    },
    probes::{Probe, probes},
};

/// The documented answer of AWS Lambda when it throttles. The local stack gives it only while it stops.
const ONLY_ON_AWS: (u16, &str) = (503, "application/json");

/// The documented answers that occurred so far.
#[derive(Default)]
struct Coverage(Mutex<BTreeSet<Documented>>);

impl Coverage {
    /// Records an answer. Asserts its status.
    fn expect(&self, status: u16, answer: &Answer) -> Value {
        assert_eq!(answer.status, status, "{:?}: {}", answer.documented, answer.text);
        self.0.lock().unwrap().extend(answer.documented.clone());
        serde_json::from_str(&answer.text).unwrap_or_default()
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn every_documented_answer_occurs_and_no_other() {
    let (stack, proxy) = TestStack::with_proxy().await;
    let coverage = Coverage::default();
    let nowhere = uuid::Uuid::new_v4().to_string();
    let probes = probes(&nowhere);
    calls_of_two_friends(&stack, &proxy, &coverage).await;
    let [ana] = stack.actors(["ana"]).await;
    for probe in &probes {
        coverage.expect(probe.leads_to, &probe.call(&ana).await);
        coverage.expect(401, &probe.call(&stack.stranger(None)).await);
        if let Some(path) = probe.bad_path {
            coverage.expect(422, &ana.call(probe.method.clone(), path, None).await);
        }
        if let Some(bad_body) = probe.bad_body {
            let large = |bytes| json!({"content": "x".repeat(bytes)}).to_string();
            let bodies =
                [(400, "[]".into()), (422, bad_body.into()), (413, large(70_000)), (413, large(7_000_000))];
            for (status, body) in bodies {
                coverage.expect(status, &ana.call(probe.method.clone(), &probe.path, Some(body)).await);
            }
        }
    }
    // All probes run concurrently, because the SDK waits before each retry.
    for (code, status) in [("InternalServerError", 500), ("ProvisionedThroughputExceededException", 503)] {
        let _outage = proxy.fail(|_| true, code);
        for answer in futures::future::join_all(probes.iter().map(|probe| probe.call(&ana))).await {
            coverage.expect(status, &answer);
            assert_eq!(answer.headers.contains_key("retry-after"), status == 503, "{answer:?}");
        }
    }
    for probe in &probes {
        // A function with concurrent database calls could answer after one of them, so all are blocked.
        let function = probe.function();
        let [first, _others @ ..] = [(); 8].map(|()| {
            let function = function.clone();
            proxy.hold(move |call| call.caller == function)
        });
        let killing = async {
            let _guard = first.caught().await;
            stack.kill(&probe.binary());
        };
        let (answer, ()) = tokio::join!(probe.call(&ana), killing);
        assert_eq!(coverage.expect(500, &answer), json!({"message": "Internal Server Error"}));
    }

    rate_limited_calls(&probes, &coverage).await;

    let exercised = coverage.0.into_inner().unwrap();
    let (only_on_aws, missing): (BTreeSet<_>, BTreeSet<_>) = documented()
        .into_iter()
        .filter(|documented| !exercised.contains(documented))
        .partition(|(_, status, content)| (*status, content.as_str()) == ONLY_ON_AWS);
    assert!(missing.is_empty(), "documented, but never seen: {missing:#?}");
    assert_eq!(only_on_aws.len(), OPERATIONS.len(), "an answer of AWS Lambda was seen locally");
}

/// Calls each probe twice where each rate limit allows one action. Calls without a limit never return 429.
async fn rate_limited_calls(probes: &[Probe], coverage: &Coverage) {
    let limits = [
        "messages",
        "requests",
        "searches",
        "rooms",
        "frames",
        "changes",
        "profiles",
        "deletions",
        "reports",
        "reads",
    ];
    let stack = TestStack::with(rate_limited(&limits.map(|name| format!("{name}=1/3600s")).join(","))).await;
    let ana = stack.actor("ana").await;
    for probe in probes {
        for _ in 0..2 {
            let answer = probe.call(&ana).await;
            if answer.status == 429 {
                coverage.expect(429, &answer);
                assert!(answer.headers.contains_key("retry-after"), "{answer:?}");
            } else {
                assert_eq!(answer.status, probe.leads_to);
            }
        }
    }
}

/// Calls of two users who become friends and chat, and a repeated send that is too late.
async fn calls_of_two_friends(stack: &TestStack, proxy: &Proxy, coverage: &Coverage) {
    let [ana, ben] = stack.actors(["ana", "ben"]).await;
    coverage.expect(200, &ana.get("/friends/search?query=be").await);
    let request = coverage.expect(200, &ana.post("/friends/requests", json!({"receiver_id": ben.id})).await);
    coverage.expect(200, &ben.get("/friends/requests?direction=received&limit=1").await);
    let answer = format!("/friends/requests/{}?action=accepted", request["id"].as_str().unwrap());
    coverage.expect(200, &ben.put(&answer).await);
    coverage.expect(200, &ben.get("/friends").await);
    let room = coverage.expect(200, &ana.post("/chat/rooms", json!({"participant_ids": [ben.id]})).await);
    let room = room["id"].as_str().unwrap();
    let message = json!({"chat_room_id": room, "content": "Hi Ben!"});
    coverage.expect(200, &ana.post("/chat/messages", message).await);
    coverage.expect(200, &ben.get(&format!("/chat/rooms/{room}/messages?limit=50&offset=0")).await);
    coverage.expect(200, &ben.put(&format!("/chat/rooms/{room}/read")).await);
    coverage.expect(200, &ben.get("/chat/rooms?limit=1").await);

    coverage.expect(200, &ana.get(&format!("/users/{}", ben.id)).await);
    coverage.expect(409, &ana.patch("/users/me", json!({"username": "BEN"})).await);
    two_calls_that_delete_an_account(stack, proxy, coverage).await;
    calls_about_a_message(&ana, &ben, room, coverage).await;
    let dora = stack.actor("dora").await;
    for n in 0..=20 {
        let device = dora.register(&format!("/devices/{}", uuid::Uuid::from_u128(n)), &n.to_string()).await;
        coverage.expect(if n < 20 { 204 } else { 409 }, &device);
    }
    coverage.expect(204, &dora.delete(&format!("/devices/{}", uuid::Uuid::nil())).await);
    calls_about_a_group(stack, coverage).await;
    coverage.expect(200, &ana.post("/reports", json!({"user_id": ben.id, "reason": "other"})).await);
    calls_about_friends(stack, coverage).await;

    // The head hint makes the log long.
    let head = json!({"pk": {"S": format!("ROOM#{room}")}, "sk": {"S": "HEAD"}, "seq": {"N": "1002"}});
    stack.database("PutItem", json!({"Item": head})).await;
    let late =
        json!({"chat_room_id": room, "content": "Hi Ben!", "client_message_id": "late", "after_seq": 1});
    coverage.expect(409, &ana.post("/chat/messages", late).await);
}

async fn two_calls_that_delete_an_account(stack: &TestStack, proxy: &Proxy, coverage: &Coverage) {
    let zoe = stack.actor("zoe").await;
    let blocked_call = proxy.hold(|call| call.caller == "UsersDeleteMeFunction" && call.operation == "Query");
    let second = async {
        let _guard = blocked_call.caught().await;
        zoe.delete("/users/me").await
    };
    let (first, second) = tokio::join!(zoe.delete("/users/me"), second);
    coverage.expect(204, &first);
    coverage.expect(202, &second);
}

/// Allowed and rejected actions on messages.
async fn calls_about_a_message(ana: &Actor, ben: &Actor, room: &str, coverage: &Coverage) {
    let (message, deleted) = (ana.send_message(room, "helo").await, ana.send_message(room, "gone").await);
    coverage.expect(200, &ana.edit(&message, "hello").await);
    coverage.expect(403, &ben.edit(&message, "mine").await);
    coverage.expect(403, &ben.delete_message(&message).await);
    for emoji in ["👍", "👎", "🔥", "🎉", "😀"] {
        coverage.expect(200, &ben.react(&message, emoji).await);
    }
    coverage.expect(409, &ben.react(&message, "😂").await);
    coverage.expect(200, &ana.reactions(&message).await);
    coverage.expect(200, &ana.get(&path_of(&message)).await);
    coverage.expect(200, &ben.unreact(&message, "👍").await);
    coverage.expect(200, &ben.pin(&message).await);
    coverage.expect(200, &ana.get(&format!("/chat/rooms/{room}/pins")).await);
    coverage.expect(200, &ana.unpin(&message).await);
    coverage.expect(200, &ana.delete_message(&deleted).await);
    coverage.expect(409, &ana.edit(&deleted, "hello").await);
    coverage.expect(409, &ana.pin(&deleted).await);
    coverage.expect(200, &ana.post("/chat/sync", json!({"rooms": {room: {"seq": 1, "rev": 0}}})).await);
    coverage.expect(200, &ana.room(room).await);
}

/// Allowed and rejected actions on a group.
async fn calls_about_a_group(stack: &TestStack, coverage: &Coverage) {
    let [ana, ben, cleo] = stack.actors(["ana", "ben", "cleo"]).await;
    let group = ana.group_with(&[&ben]).await;
    let message = ana.send_message(&group, "hello").await;
    coverage.expect(403, &ben.add(&group, &cleo).await);
    coverage.expect(403, &ben.remove(&group, &ana).await);
    coverage.expect(403, &ben.pin(&message).await);
    coverage.expect(403, &ben.unpin(&message).await);
    coverage.expect(200, &ana.add(&group, &cleo).await);
    coverage.expect(200, &ana.update_room(&group, json!({"name": "Sunday run"})).await);
    coverage.expect(403, &cleo.update_room(&group, json!({"name": "mine"})).await);
    coverage.expect(200, &ana.update_room_settings(&group, json!({"is_pinned": true})).await);
    coverage.expect(204, &cleo.remove(&group, &cleo).await);
    coverage.expect(403, &ben.delete_room(&group).await);
    stack.set_quota(&cleo, "rooms", 2_000).await;
    coverage.expect(409, &ana.add(&group, &cleo).await);
    coverage.expect(409, &ana.post("/chat/rooms", json!({"participant_ids": [cleo.id]})).await);
    stack.set_quota(&cleo, "rooms", 0).await;
    stack.fill(&group).await;
    coverage.expect(409, &ana.add(&group, &cleo).await);
    coverage.expect(204, &ana.delete_room(&group).await);
}

/// Friend requests and blocks, and calls that quotas and privacy settings reject.
async fn calls_about_friends(stack: &TestStack, coverage: &Coverage) {
    let [ana, ben, cleo] = stack.actors(["ana", "ben", "cleo"]).await;
    let request = coverage.expect(200, &cleo.send_request(&ben).await);
    coverage.expect(204, &cleo.cancel(&request).await);
    coverage.expect(200, &ana.get("/friends/suggestions").await);
    coverage.expect(200, &ana.get("/devices").await);
    coverage.expect(200, &ana.get(&format!("/friends/{}/mutual", ben.id)).await);
    coverage.expect(400, &ana.block(&ana).await);
    stack.set_quota(&cleo, "requests_sent", 50).await;
    coverage.expect(409, &cleo.send_request(&ben).await);
    stack.set_quota(&cleo, "requests_sent", 0).await;
    let request = cleo.send_request(&ben).await.ok();
    stack.set_quota(&ben, "friends", 5_000).await;
    coverage.expect(409, &ben.accept(&request).await);
    stack.set_quota(&ana, "blocks", 1_000).await;
    coverage.expect(409, &ana.block(&ben).await);
    stack.set_quota(&ana, "blocks", 0).await;
    for setting in ["requests_from", "messages_from"] {
        stack.set_audience(&ana, setting, "friends_of_friends").await;
    }
    coverage.expect(403, &cleo.send_request(&ana).await);
    coverage.expect(403, &cleo.post("/chat/rooms", json!({"participant_ids": [ana.id]})).await);
    for setting in ["requests_from", "messages_from"] {
        stack.set_audience(&ana, setting, "everyone").await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn every_documented_frame_occurs_and_no_other() {
    let (stack, proxy) = TestStack::with_proxy().await;
    let [ana, ben, cleo] = stack.actors(["ana", "ben", "cleo"]).await;
    let (mut at_ana, mut at_ben) = (ana.socket().await, ben.socket().await);
    let request = ana.post("/friends/requests", json!({"receiver_id": ben.id})).await.ok();
    ben.put(&format!("/friends/requests/{}?action=rejected", request["id"].as_str().unwrap())).await.ok();
    let request = ben.send_request(&ana).await.ok();
    ben.cancel(&request).await.nothing();
    make_friends(&ben, &ana).await;
    ben.unfriend(&ana).await.nothing();
    for (is_by_ana, end) in [
        (true, "friend_request_responded"),
        (false, "friend_request_cancelled"),
        (false, "friend_request_responded"),
    ] {
        let both = (&mut at_ana, &mut at_ben);
        let (at_sender, at_receiver) = if is_by_ana { both } else { (both.1, both.0) };
        at_sender.expect("friend_request_sent").await;
        at_receiver.expect("friend_request_received").await;
        next_on_each([at_sender, at_receiver], end).await;
    }
    next_on_each([&mut at_ana, &mut at_ben], "friend_removed").await;
    ana.block(&cleo).await.nothing();
    ana.unblock(&cleo).await.nothing();
    for _ in 0..2 {
        at_ana.expect("block_changed").await;
    }
    make_friends(&ana, &cleo).await;
    at_ana.expect("friend_request_sent").await;
    at_ana.expect("friend_request_responded").await;
    let at_cleo = cleo.socket().await;
    at_ana.expect("user_status_change").await;
    at_cleo.close().await;
    at_ana.expect("user_status_change").await;
    let room = ana.room_with(&ben).await;
    at_ana.expect("room_created").await;
    at_ben.expect("room_created").await;
    at_ana.send("send_message", json!({"chat_room_id": room, "content": "Hi Ben!"})).await;
    at_ana.expect("message_sent").await;
    at_ben.expect("new_message").await;
    for frame in ["message_delivered", "message_read"] {
        at_ben.send(frame, json!({"chat_room_id": room, "seq": 1})).await;
        at_ana.expect(&format!("{frame}_receipt")).await;
    }
    for frame in ["typing_start", "typing_stop"] {
        at_ben.send(frame, json!({"chat_room_id": room})).await;
        at_ana.expect("typing_indicator").await;
    }
    let message = ben.message(&room, 1).await;
    ana.edit(&message, "Hello Ben!").await.ok();
    ben.react(&message, "👍").await.ok();
    ben.pin(&message).await.ok();
    let deleted = ana.send_message(&room, "gone").await;
    ana.delete_message(&deleted).await.ok();
    let group = ana.group_with(&[&ben]).await;
    ana.add(&group, &cleo).await.ok();
    ana.set_role(&group, &cleo, "admin").await.ok();
    cleo.remove(&group, &cleo).await.nothing();
    ana.update_room_settings(&group, json!({"is_archived": true})).await.ok();
    ana.delete_room(&group).await.nothing();
    ana.patch("/users/me", json!({"avatar_url": "https://pictures.example.net/ana.jpg"})).await.ok();
    for kind in [
        "message_updated",
        "message_reaction",
        "room_updated",
        "new_message",
        "message_deleted",
        "room_created",
        "participant_joined",
        "new_message",
        "participant_updated",
        "new_message",
        "participant_left",
        "new_message",
        "room_settings_updated",
        "room_deleted",
        "profile_updated",
        "participant_updated",
    ] {
        at_ana.expect(kind).await;
    }
    at_ana.expect_nothing_more().await;
    at_ana.send("dance", json!({})).await;
    at_ana.expect("error").await;
    let blocked_call = proxy.hold(|call| call.caller == "SocketHelloFunction");
    at_ana.send("hello", json!({})).await;
    let _guard = blocked_call.caught().await;
    stack.kill("socket-hello");
    // A late push may come before the answer of the gateway.
    let answer = loop {
        let frame = at_ana.next().await;
        if frame["message"].is_string() {
            break frame;
        }
    };
    assert_eq!(answer["message"], "Internal server error");

    let exercised: BTreeSet<String> = at_ana.exercised.union(&at_ben.exercised).cloned().collect();
    let documented: BTreeSet<String> = FRAMES.sent.union(&FRAMES.received).cloned().collect();
    assert_eq!(exercised, documented);
}
