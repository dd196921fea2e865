//! Rate limits: a rejected call has a `Retry-After`, changes nothing, and affects no other user or action.

use std::{collections::BTreeSet, time::Duration};

use serde_json::{Value, json};

use crate::harness::{Actor, Answer, TestStack, make_friends, rate_limited};

/// The `Retry-After` seconds of a rate limited response.
#[track_caller]
fn retry_after(answer: &Answer) -> u64 {
    answer.problem(429, "rate_limited");
    let seconds: u64 = answer.headers["retry-after"].to_str().unwrap().parse().unwrap();
    assert!(seconds > 0);
    seconds
}

async fn try_send(user: &Actor, room: &str, name: &str) -> Answer {
    let message = json!({"chat_room_id": room, "content": name, "client_message_id": name, "after_seq": 0});
    user.post("/chat/messages", message).await
}

#[tokio::test(flavor = "multi_thread")]
async fn messages_over_the_limit_are_rejected_and_a_retry_stores_each_once() {
    let stack = TestStack::with(rate_limited("messages=3/3600s")).await;
    let [ana, ben] = stack.actors(["ana", "ben"]).await;
    let (room, mut at_ben) = (ana.room_with(&ben).await, ben.socket().await);
    for n in 1..=3 {
        try_send(&ana, &room, &format!("m{n}")).await.ok();
        at_ben.expect("new_message").await;
    }
    let seconds = retry_after(&try_send(&ana, &room, "m4").await);
    assert!((1100..=1200).contains(&seconds), "{seconds}");
    // Retries of earlier messages count as well, and so do messages to missing rooms.
    retry_after(&try_send(&ana, &room, "m1").await);
    retry_after(&try_send(&ana, &uuid::Uuid::new_v4().to_string(), "m1").await);
    at_ben.expect_nothing_more().await;

    // Other users and Ana's other actions are not limited.
    try_send(&ben, &room, "from ben").await.ok();
    ana.put(&format!("/chat/rooms/{room}/read")).await.ok();
    ana.get("/friends/search?query=be").await.ok();

    let later = stack.later(&ana, Duration::from_secs(seconds));
    assert_eq!(try_send(&later, &room, "m4").await.ok()["seq"], 5);
    retry_after(&try_send(&later, &room, "m5").await);
    let history = ben.history(&room).await;
    let contents: Vec<_> = history.iter().map(|message| message["content"].as_str().unwrap()).collect();
    assert_eq!(contents, ["m1", "m2", "m3", "from ben", "m4"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn only_the_burst_of_many_concurrent_messages_is_accepted() {
    let stack = TestStack::with(rate_limited("messages=5/3600s")).await;
    let [ana, ben] = stack.actors(["ana", "ben"]).await;
    let room = ana.room_with(&ben).await;
    let names: Vec<String> = (0..16).map(|n| format!("m{n}")).collect();
    let answers = futures::future::join_all(names.iter().map(|name| try_send(&ana, &room, name))).await;
    let (sent, rejected): (Vec<_>, Vec<_>) = answers.iter().partition(|answer| answer.status == 200);
    assert_eq!(sent.len(), 5);
    for answer in rejected {
        retry_after(answer);
    }
    assert_eq!(ben.history(&room).await.len(), 5);
}

#[tokio::test(flavor = "multi_thread")]
async fn messages_over_sockets_and_rest_share_one_limit() {
    let stack = TestStack::with(rate_limited("messages=2/3600s,frames=20/3600s")).await;
    let [ana, ben] = stack.actors(["ana", "ben"]).await;
    let (room, mut at_ana) = (ana.room_with(&ben).await, ana.socket().await);
    let mut at_ben = ben.socket().await;
    ana.send_message(&room, "by rest").await;
    for socket in [&mut at_ana, &mut at_ben] {
        socket.expect("new_message").await;
    }
    let message = json!({"chat_room_id": room, "content": "by socket"});
    at_ana.send("send_message", message.clone()).await;
    at_ana.expect("message_sent").await;
    at_ben.expect("new_message").await;
    at_ana.send_text(&json!({"type": "send_message", "ref": 7, "data": message}).to_string()).await;
    let rejected = at_ana.expect("error").await;
    assert_eq!((&rejected["ref"], &rejected["data"]["code"]), (&json!(7), &json!("rate_limited")));
    let seconds = rejected["data"]["retry_after"].as_u64().unwrap();
    assert!((1700..=1800).contains(&seconds), "{seconds}");
    retry_after(&ana.post("/chat/messages", message).await);
    // The connection stays open, and no other frame was sent.
    at_ana.expect_nothing_more().await;
    at_ben.expect_nothing_more().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn all_frame_types_share_one_limit_separate_from_messages() {
    let stack = TestStack::with(rate_limited("frames=5/3600s")).await;
    let [ana, ben] = stack.actors(["ana", "ben"]).await;
    let room = ana.room_with(&ben).await;
    ben.send_message(&room, "hello").await;
    // The first frame is the `hello` of the connection.
    let mut at_ana = ana.socket().await;
    let data = json!({"chat_room_id": room, "seq": 1});
    at_ana.expect_nothing_more().await;
    at_ana.send("message_delivered", data.clone()).await;
    at_ana.expect("message_delivered_receipt").await;
    at_ana.send("message_read", data.clone()).await;
    at_ana.expect("message_read_receipt").await;
    at_ana.send("dance", json!({})).await;
    assert_eq!(at_ana.expect("error").await["data"]["code"], "unknown_type");
    for (frame, data) in [
        ("hello", json!({})),
        ("ping", json!({})),
        ("message_delivered", data.clone()),
        ("message_read", data.clone()),
        ("typing_start", data.clone()),
        ("typing_stop", data),
        ("dance", json!({})),
    ] {
        at_ana.send(frame, data).await;
        let rejected = at_ana.expect("error").await;
        assert_eq!(rejected["data"]["code"], "rate_limited", "{frame}");
    }
    retry_after(&ana.put(&format!("/chat/rooms/{room}/read")).await);
    at_ana.send("send_message", json!({"chat_room_id": room, "content": "still"})).await;
    at_ana.expect("message_sent").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_rate_limited_call_changes_nothing() {
    let stack =
        TestStack::with(rate_limited("requests=1/3600s,rooms=2/3600s,changes=3/3600s,searches=1/60s")).await;
    let [ana, ben, cleo] = stack.actors(["ana", "ben", "cleo"]).await;
    make_friends(&ana, &ben).await;
    retry_after(&ana.post("/friends/requests", json!({"receiver_id": cleo.id})).await);
    assert_eq!(cleo.get("/friends/requests").await.ok(), json!([]));

    let (direct, group) = (ana.room_with(&ben).await, ana.group_with(&[&ben]).await);
    retry_after(&ana.post("/chat/rooms", json!({"participant_ids": [cleo.id]})).await);
    assert_eq!(cleo.get("/chat/rooms").await.ok(), json!([]));
    assert_eq!(ana.room_with(&ben).await, direct, "an existing room is not created again");

    let message = ana.send_message(&group, "hello").await;
    ana.edit(&message, "hello!").await.ok();
    ana.react(&message, "👍").await.ok();
    ana.pin(&message).await.ok();
    let before = ana.room(&group).await.ok();
    let rejected: Vec<Answer> = vec![
        ana.edit(&message, "hello?").await,
        ana.react(&message, "🔥").await,
        ana.unreact(&message, "👍").await,
        ana.unpin(&message).await,
        ana.delete_message(&message).await,
        ana.add(&group, &cleo).await,
        ana.remove(&group, &ben).await,
    ];
    let waits: BTreeSet<u64> = rejected.iter().map(retry_after).collect();
    assert!(waits.into_iter().all(|seconds| (1100..=1200).contains(&seconds)));
    assert_eq!(ana.room(&group).await.ok(), before);
    let shown = ben.message(&group, 1).await;
    let summary = |message: &Value| [message["content"].clone(), message["reactions"][0]["count"].clone()];
    assert_eq!(summary(&shown), [json!("hello!"), json!(1)]);
    let later = stack.later(&ana, Duration::from_mins(20));
    later.edit(&message, "hello?").await.ok();

    ana.get("/friends/search?query=be").await.ok();
    let seconds = retry_after(&ana.get("/friends/search?query=be").await);
    assert!((50..=60).contains(&seconds), "{seconds}");
    ben.get("/friends/search?query=an").await.ok();
}

#[tokio::test(flavor = "multi_thread")]
async fn invalid_calls_do_not_count() {
    let stack = TestStack::with(rate_limited("messages=1/3600s,searches=1/60s")).await;
    let [ana, ben] = stack.actors(["ana", "ben"]).await;
    let room = ana.room_with(&ben).await;
    for _ in 0..3 {
        ana.post("/chat/messages", json!({"chat_room_id": room})).await.problem(422, "validation_failed");
        ana.get("/friends/search?query=b").await.problem(422, "validation_failed");
    }
    ana.send_message(&room, "hello").await;
    ana.get("/friends/search?query=be").await.ok();
}

#[tokio::test(flavor = "multi_thread")]
async fn reading_is_limited_by_its_cost() {
    // Calls of more than one unit are charged.
    let stack = TestStack::with(rate_limited("reads=600/3600s,rooms=off")).await;
    let [ana, ben] = stack.actors(["ana", "ben"]).await;
    for _ in 0..4 {
        ana.group_with(&[&ben]).await;
    }
    let answers = futures::future::join_all((0..200).map(|_| ana.get("/chat/rooms"))).await;
    let (listed, refused): (Vec<_>, Vec<_>) = answers.iter().partition(|answer| answer.status == 200);
    assert!((5..=150).contains(&listed.len()), "{} of 200 calls were served", listed.len());
    let mut seconds = refused.iter().map(|answer| retry_after(answer)).max().unwrap();
    retry_after(&ana.post("/chat/sync", json!({"rooms": {}})).await);

    // What reads little, changes something, or is another user's, is not limited.
    ana.get("/users/me").await.ok();
    let room = ana.room_with(&ben).await;
    ana.send_message(&room, "hi").await;
    ben.get("/chat/rooms").await.ok();

    // A call that waits as told is served: each refusal includes what the call has paid before.
    let mut answer = stack.later(&ana, Duration::from_secs(seconds)).get("/chat/rooms").await;
    for _ in 0..5 {
        if answer.status == 429 {
            seconds += retry_after(&answer);
            answer = stack.later(&ana, Duration::from_secs(seconds)).get("/chat/rooms").await;
        }
    }
    assert_eq!(answer.ok().as_array().unwrap().len(), 5);
}

#[tokio::test(flavor = "multi_thread")]
async fn users_who_are_no_friends_share_one_limit_of_additions_which_looks_like_the_setting() {
    let stack = TestStack::with(rate_limited("additions=3/3600s")).await;
    let [zoe, ana, ben, friend] = stack.actors(["zoe", "ana", "ben", "friend"]).await;
    make_friends(&friend, &zoe).await;
    let with_zoe = json!({"participant_ids": [zoe.id, friend.id]});
    ana.post("/chat/rooms", with_zoe.clone()).await.ok();
    let group = ben.group_with(&[&friend]).await;
    for _ in 0..2 {
        ben.add(&group, &zoe).await.ok();
        ben.add(&group, &zoe).await.ok();
        ben.remove(&group, &zoe).await.nothing();
    }
    let refused = [ana.post("/chat/rooms", with_zoe).await, ben.add(&group, &zoe).await];
    stack.set_audience(&zoe, "groups_from", "friends").await;
    let by_setting = ben.add(&group, &zoe).await;
    for answer in refused {
        answer.problem(403, "groups_not_allowed");
        assert_eq!(answer.text, by_setting.text);
        assert!(!answer.headers.contains_key("retry-after"));
    }
    for _ in 0..4 {
        friend.group_with(&[&zoe]).await;
    }
    stack.set_audience(&zoe, "groups_from", "everyone").await;
    let later = stack.later(&ben, Duration::from_mins(20));
    later.add(&group, &zoe).await.ok();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_call_counts_as_many_actions_as_its_work_multiplies() {
    let stack = TestStack::with(rate_limited("profiles=100/3600s,rooms=3/3600s")).await;
    let zoe = stack.actor("zoe").await;
    let avatar = |n: u32| json!({"avatar_url": format!("https://pictures.example.net/{n}.jpg")});
    let presence = |audience: &str| json!({"settings": {"online_shown_to": audience}});
    stack.set_quota(&zoe, "rooms", 60).await;
    stack.set_quota(&zoe, "friends", 300).await;
    zoe.patch("/users/me", avatar(1)).await.ok();
    retry_after(&zoe.patch("/users/me", avatar(2)).await);
    assert_eq!(zoe.get("/users/me").await.ok()["avatar_url"], avatar(1)["avatar_url"], "nothing has changed");
    zoe.patch("/users/me", presence("nobody")).await.ok();
    retry_after(&zoe.patch("/users/me", presence("friends")).await);
    // A change that concerns no room and no friend counts once.
    zoe.patch("/users/me", json!({"settings": {"findable_by_email": true}})).await.ok();

    let names: Vec<String> = (0..17).map(|n| format!("p{n}")).collect();
    let others = futures::future::join_all(names.iter().map(|name| stack.actor(name))).await;
    let others: Vec<&Actor> = others.iter().collect();
    let ids: Vec<&str> = others.iter().map(|other| &*other.id).collect();
    let ana = stack.actor("ana").await;
    ana.group_with(&others[..8]).await;
    retry_after(&ana.post("/chat/rooms", json!({"participant_ids": ids})).await);
    ana.group_with(&others[..7]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_connection_is_closed_after_fifty_refused_frames() {
    let stack = TestStack::with(rate_limited("messages=1/3600s,refusals=49/3600s")).await;
    let [ana, ben] = stack.actors(["ana", "ben"]).await;
    let room = ana.room_with(&ben).await;
    let mut socket = ana.socket().await;
    let message = json!({"chat_room_id": room, "content": "hi"});
    ana.send_message(&room, "hi").await;
    socket.expect("new_message").await;
    for n in 1..=50 {
        // Accepted frames of another kind do not count.
        if n == 50 {
            socket.expect_nothing_more().await;
        }
        socket.send("send_message", message.clone()).await;
        assert_eq!(socket.expect("error").await["data"]["code"], "rate_limited", "{n}");
    }
    socket.closed().await;
    assert_eq!(ben.history(&room).await.len(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn invalid_frames_count_as_refused() {
    let stack = TestStack::with(rate_limited("refusals=3/3600s")).await;
    let mut socket = stack.actor("ana").await.socket().await;
    let room = uuid::Uuid::new_v4();
    let unknown_room = json!({"type": "typing_start", "data": {"chat_room_id": room}});
    for frame in ["{", "[]", r#"{"type": "unknown"}"#, &unknown_room.to_string()] {
        socket.expect_nothing_more().await;
        socket.send_text(frame).await;
        socket.expect("error").await;
    }
    socket.closed().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn connections_over_the_limit_are_refused_with_429_and_change_nothing() {
    let stack = TestStack::with(rate_limited("connections=3/3600s")).await;
    let [ana, ben] = stack.actors(["ana", "ben"]).await;
    let mut socket = ana.socket().await;
    for _ in 0..2 {
        ana.socket().await.close().await;
    }
    assert_eq!(ana.try_socket().await.err(), Some(429));
    let newcomer = stack.new_user();
    for status in [None, None, None, Some(429)] {
        assert_eq!(newcomer.try_socket().await.err(), status);
    }
    socket.expect_nothing_more().await;
    ben.socket().await.expect_nothing_more().await;
}
