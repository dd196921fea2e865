//! Messages through the API: each is stored once and in one order, also with retries and concurrent sends.

use std::{collections::BTreeSet, time::Duration};

use serde_json::{Value, json};

use crate::harness::{Actor, TestStack, as_others_see, path_of};

#[tokio::test(flavor = "multi_thread")]
async fn members_receive_each_message_of_sixteen_concurrent_senders_once_in_one_order() {
    const SENDERS: usize = 16;
    const MESSAGES_EACH: usize = 5;
    let stack = TestStack::new().await;
    let names: Vec<String> = (0..SENDERS).map(|n| format!("sender{n}")).collect();
    let users = futures::future::join_all(names.iter().map(|name| stack.actor(name))).await;
    let room = users[0].group_with(&users[1..].iter().collect::<Vec<_>>()).await;
    let mut sockets = futures::future::join_all(users.iter().map(Actor::socket)).await;

    // Half of the users send over sockets, half over REST. Each waits for the response before the next send.
    let sending = users.iter().zip(&mut sockets).enumerate().map(|(n, (user, socket))| {
        let room = &room;
        async move {
            let mut frames = Vec::new();
            for round in 0..MESSAGES_EACH {
                let content = format!("{n}/{round}");
                if n % 2 == 0 {
                    user.send_message(room, &content).await;
                } else {
                    socket.send("send_message", json!({"chat_room_id": room, "content": content})).await;
                    loop {
                        let frame = socket.next().await;
                        let is_response = frame["type"] == "message_sent";
                        frames.push(frame);
                        if is_response {
                            break;
                        }
                    }
                }
            }
            frames
        }
    });
    let mut received = futures::future::join_all(sending).await;
    for (frames, socket) in received.iter_mut().zip(&mut sockets) {
        while frames.len() < SENDERS * MESSAGES_EACH {
            frames.push(socket.next().await);
        }
        socket.expect_nothing_more().await;
    }

    let history = users[0].history(&room).await;
    let seqs: Vec<u64> = history.iter().map(|message| message["seq"].as_u64().unwrap()).collect();
    assert_eq!(seqs, (1..=(SENDERS * MESSAGES_EACH) as u64).collect::<Vec<_>>(), "no gaps");
    let contents: BTreeSet<_> = history.iter().map(|message| message["content"].as_str().unwrap()).collect();
    assert_eq!(contents.len(), SENDERS * MESSAGES_EACH, "each once");
    for (n, user) in users.iter().enumerate() {
        let own = history.iter().filter(|message| message["sender_id"] == user.id.as_str());
        let own: Vec<_> = own.map(|message| message["content"].as_str().unwrap().to_owned()).collect();
        assert_eq!(
            own,
            (0..MESSAGES_EACH).map(|round| format!("{n}/{round}")).collect::<Vec<_>>(),
            "in the sender's order"
        );
    }
    let ids =
        |messages: Vec<&Value>| messages.into_iter().map(|message| message["id"].clone()).collect::<Vec<_>>();
    let order = ids(history.iter().collect());
    for (n, user) in users.iter().enumerate() {
        assert_eq!(ids(user.history(&room).await.iter().collect()), order);
        let mut by_seq: Vec<&Value> = received[n].iter().map(|frame| &frame["data"]).collect();
        by_seq.sort_by_key(|message| message["seq"].as_u64());
        assert_eq!(ids(by_seq), order, "user {n} received each message once");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_retried_send_returns_the_first_message_at_any_later_time() {
    let stack = TestStack::new().await;
    let [ana, ben] = stack.actors(["ana", "ben"]).await;
    let room = ana.room_with(&ben).await;
    let send = json!({"chat_room_id": room, "content": "once", "client_message_id": "c-1", "after_seq": 0});
    let send_concurrently = async |user: &Actor| {
        let sends = (0..16).map(|_| user.post("/chat/messages", send.clone()));
        let mut answers = futures::future::join_all(sends).await.into_iter().map(|answer| answer.ok());
        let first = answers.next().unwrap();
        assert!(answers.all(|answer| answer == first));
        first
    };
    let first = send_concurrently(&ana).await;
    for hours in [1, 24, 30 * 24] {
        let later = stack.later(&ana, Duration::from_hours(hours));
        assert_eq!(send_concurrently(&later).await, first, "{hours} hours later");
    }
    let other_content = json!({"chat_room_id": room, "content": "twice", "client_message_id": "c-1"});
    assert_eq!(ana.post("/chat/messages", other_content).await.ok(), first);

    let mut socket = ana.socket().await;
    socket.send("send_message", send.clone()).await;
    assert_eq!(socket.expect("message_sent").await["data"], first);
    assert_eq!(ben.history(&room).await.len(), 1);
    let items = stack.database("Scan", json!({"ConsistentRead": true})).await["Items"].take();
    let is_message = |item: &&Value| item["sk"]["S"].as_str().unwrap().starts_with("MSG#");
    assert_eq!(items.as_array().unwrap().iter().filter(is_message).count(), 1, "one item");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_retry_pushes_a_message_whose_first_attempt_failed_after_the_commit() {
    let (stack, proxy) = TestStack::with_proxy().await;
    let [ana, ben] = stack.actors(["ana", "ben"]).await;
    let room = ana.room_with(&ben).await;
    let mut at_ben = ben.socket().await;
    let send = json!({"chat_room_id": room, "content": "hello", "client_message_id": "c-1", "after_seq": 0});

    // The function reads presence right after the commit. The test kills it there.
    let committed = proxy.hold(|call| call.operation == "BatchGetItem" && call.body.contains("PRESENCE"));
    let first = tokio::spawn({
        let (ana, send) = (ana.clone(), send.clone());
        async move { ana.post("/chat/messages", send).await }
    });
    let guard = committed.caught().await;
    stack.kill("chat-send-message");
    assert_eq!(first.await.unwrap().status, 500);
    drop(guard);
    at_ben.expect_nothing_more().await;
    assert_eq!(
        ben.get("/chat/rooms").await.ok()[0]["unread_count"],
        1,
        "committed although no member was notified"
    );

    let retry = ana.post("/chat/messages", send).await.ok();
    assert_eq!(retry["seq"], 1);
    assert_eq!(at_ben.expect("new_message").await["data"]["id"], retry["id"]);
    at_ben.expect_nothing_more().await;
    assert_eq!(ana.history(&room).await.len(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_retry_sends_a_message_whose_first_attempt_failed_before_the_commit() {
    let (stack, proxy) = TestStack::with_proxy().await;
    let [ana, ben] = stack.actors(["ana", "ben"]).await;
    let room = ana.room_with(&ben).await;
    let send = json!({"chat_room_id": room, "content": "hello", "client_message_id": "c-1", "after_seq": 0});
    let held = proxy.hold(|call| call.operation == "PutItem" && call.body.contains("MSG#"));
    let first = tokio::spawn({
        let (ana, send) = (ana.clone(), send.clone());
        async move { ana.post("/chat/messages", send).await }
    });
    let guard = held.caught().await;
    stack.kill("chat-send-message");
    assert_eq!(first.await.unwrap().status, 500);
    let retry = ana.post("/chat/messages", send).await.ok();
    // The delayed write of the killed function finds its slot taken by the same message.
    drop(guard);
    proxy.settled().await;
    assert_eq!(ben.history(&room).await, [as_others_see(&retry)]);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_invalid_message_is_rejected_and_changes_nothing() {
    let stack = TestStack::new().await;
    let [ana, ben, cleo] = stack.actors(["ana", "ben", "cleo"]).await;
    let (room, elsewhere) = (ana.room_with(&ben).await, ana.room_with(&cleo).await);
    let foreign = ana.send_message(&elsewhere, "elsewhere").await;
    let with = |field: &str, value: Value| {
        let mut message = json!({"chat_room_id": room, "content": "hello"});
        message[field] = value;
        message
    };
    for (field, value) in [
        ("chat_room_id", Value::Null),
        ("chat_room_id", json!("gym")),
        ("content", json!("  \n")),
        ("content", json!("é".repeat(4001))),
        ("content", json!("\u{200B}\u{7}")),
        ("content", json!(7)),
        ("message_type", json!("system")),
        ("message_type", json!("poem")),
        ("media_url", json!("https://evil.example/a.jpg")),
        ("reply_to_id", foreign["id"].clone()),
        ("reply_to_id", json!(uuid::Uuid::new_v4())),
        ("payload", json!([])),
        ("client_message_id", json!("")),
        ("client_message_id", json!("x".repeat(65))),
        ("after_seq", json!(-1)),
        ("after_seq", json!("0")),
    ] {
        let problem = ana.post("/chat/messages", with(field, value)).await.problem(422, "validation_failed");
        assert_eq!(problem["errors"][0]["field"], field);
    }
    ana.post("/chat/messages", with("after_seq", json!(1))).await.problem(422, "bad_position");
    let invalid = json!({"chat_room_id": 1, "content": "", "message_type": "poem", "after_seq": "x"});
    let all = ana.post("/chat/messages", invalid).await.problem(422, "validation_failed");
    assert_eq!(all["errors"].as_array().unwrap().len(), 4, "every invalid field in one response: {all}");
    assert_eq!(ana.history(&room).await, Vec::<Value>::new());
}

#[tokio::test(flavor = "multi_thread")]
async fn history_pages_in_both_directions_within_its_limits() {
    let stack = TestStack::new().await;
    let [ana, ben] = stack.actors(["ana", "ben"]).await;
    let room = ana.room_with(&ben).await;
    for n in 1..=7 {
        ana.send_message(&room, &format!("m{n}")).await;
    }
    let seqs = async |query: &str| {
        let page = ben.get(&format!("/chat/rooms/{room}/messages{query}")).await.ok();
        page.as_array().unwrap().iter().map(|message| message["seq"].as_u64().unwrap()).collect::<Vec<_>>()
    };
    assert_eq!(seqs("").await, [7, 6, 5, 4, 3, 2, 1]);
    assert_eq!(seqs("?limit=3&offset=2").await, [5, 4, 3]);
    assert_eq!(seqs("?limit=2&before_seq=4").await, [3, 2]);
    assert_eq!(seqs("?limit=2&after_seq=4").await, [6, 5]);
    assert_eq!(seqs("?offset=18446744073709551615").await, [0; 0]);
    assert_eq!(seqs("?limit=3&around_seq=4").await, [5, 4, 3]);
    assert_eq!(seqs("?limit=3&around_seq=1").await, [3, 2, 1]);
    assert_eq!(seqs("?limit=3&around_seq=7").await, [7, 6]);
    assert_eq!(seqs("?around_seq=18446744073709551615").await, [0; 0]);
    for query in [
        "limit=0",
        "limit=101",
        "offset=-1",
        "offset=1&after_seq=1",
        "before_seq=1&after_seq=1",
        "around_seq=1&after_seq=1",
        "around_seq=1&offset=0",
        "around_seq=x",
        "limit=x",
    ] {
        ben.get(&format!("/chat/rooms/{room}/messages?{query}")).await.problem(422, "validation_failed");
    }
    ben.get("/chat/rooms/gym/messages").await.problem(422, "validation_failed");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_message_is_returned_by_its_id_to_those_who_see_it() {
    let stack = TestStack::new().await;
    let [ana, ben, cleo] = stack.actors(["ana", "ben", "cleo"]).await;
    let (room, other) = (ana.group_with(&[&ben]).await, ana.room_with(&ben).await);
    let message = ana.send_message(&room, "hello").await;
    let reply = ben.reply(&message, "hi").await;
    ana.react(&reply, "👍").await.ok();
    for user in [&ana, &ben] {
        assert_eq!(user.get(&path_of(&reply)).await.ok(), user.message(&room, 2).await);
        assert_eq!(user.get(&path_of(&message)).await.ok(), user.message(&room, 1).await);
    }
    ben.delete_message(&reply).await.ok();
    assert_eq!(ana.get(&path_of(&reply)).await.ok()["is_deleted"], true);

    let id = message["id"].as_str().unwrap();
    let unknown = uuid::Uuid::new_v4();
    for path in [
        format!("/chat/rooms/{other}/messages/{id}"),
        format!("/chat/rooms/{room}/messages/{unknown}"),
        format!("/chat/rooms/{unknown}/messages/{id}"),
    ] {
        ana.get(&path).await.problem(404, "not_found");
    }
    cleo.get(&path_of(&message)).await.problem(404, "not_found");
    // A new member sees neither the messages before the join nor the preview of one.
    ana.add(&room, &cleo).await.ok();
    let late = ben.reply(&message, "late").await;
    cleo.get(&path_of(&message)).await.problem(404, "not_found");
    assert_eq!(cleo.get(&path_of(&late)).await.ok()["reply_to"], Value::Null);
    ana.remove(&room, &cleo).await.nothing();
    cleo.get(&path_of(&late)).await.problem(404, "not_found");
}

#[tokio::test(flavor = "multi_thread")]
async fn media_of_an_allowed_origin_can_be_sent_over_rest_and_over_a_socket() {
    let mut options = local::Options::default();
    options.env.insert("MEDIA_ORIGINS".to_owned(), "https://media.example.com".to_owned());
    let stack = TestStack::with(options).await;
    let [ana, ben] = stack.actors(["ana", "ben"]).await;
    let room = ana.room_with(&ben).await;
    let mut socket = ana.socket().await;
    let url = "https://media.example.com/run.jpg";
    let image = json!({"chat_room_id": room, "content": "", "message_type": "image", "media_url": url});
    assert_eq!(ana.post("/chat/messages", image.clone()).await.ok()["media_url"], url);
    socket.expect("new_message").await;
    socket.send("send_message", image).await;
    assert_eq!(socket.expect("message_sent").await["data"]["media_url"], url);
}

#[tokio::test(flavor = "multi_thread")]
async fn system_messages_and_deleted_messages_do_not_count_as_unread() {
    let stack = TestStack::new().await;
    let [ana, ben] = stack.actors(["ana", "ben"]).await;
    let group = ana.group_with(&[&ben]).await;
    let unread = async || ben.get("/chat/rooms").await.ok()[0]["unread_count"].clone();
    for name in ["Sunday run", "Monday run", "Tuesday run"] {
        ana.update_room(&group, json!({"name": name})).await.ok();
    }
    assert_eq!(unread().await, 0);
    let first = ana.send_message(&group, "first").await;
    ana.send_message(&group, "second").await;
    assert_eq!(unread().await, 2);
    ana.delete_message(&first).await.ok();
    assert_eq!(unread().await, 1);
    let sync = ben.sync(json!({})).await;
    assert_eq!(sync["rooms"][0]["room"]["unread_count"], 1);
    ben.put(&format!("/chat/rooms/{group}/read")).await.ok();
    assert_eq!(unread().await, 0);
}
