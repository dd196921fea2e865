//! The WebSocket API: frames, responses, size and time limits, and broken connections.

use std::time::Duration;

use local::{Clock, Options};
use serde_json::{Value, json};

use crate::harness::{Seen, TestStack, in_seconds, make_friends, next_on_each, rate_limited, signed};

#[tokio::test(flavor = "multi_thread")]
async fn every_response_frame_has_the_ref_of_its_request() {
    let stack = TestStack::new().await;
    let [ana] = stack.actors(["ana"]).await;
    let mut socket = ana.socket().await;
    socket.send_text(r#"{"type":"ping","ref":"a","data":{"timestamp":17}}"#).await;
    assert_eq!(socket.next().await, json!({"type": "pong", "data": {"timestamp": 17}, "ref": "a"}));
    socket.send_text(r#"{"type":"ping","ref":7}"#).await;
    assert_eq!(socket.next().await, json!({"type": "pong", "data": {"timestamp": null}, "ref": 7}));
    socket.send_text(r#"{"type":"ping","ref":"a\ud83d","data":{"timestamp":"\ud83d"}}"#).await;
    let pong = json!({"type": "pong", "data": {"timestamp": "\u{fffd}"}, "ref": "a\u{fffd}"});
    assert_eq!(socket.next().await, pong, "a lone surrogate");
    let deep = format!(
        r#"{{"type":"ping","data":{{"timestamp":{}}},"ref":"b"}}"#,
        "[".repeat(10_000) + &"]".repeat(10_000)
    );
    for (frame, code) in [
        (r#"{"type":"dance","ref":"b"}"#, "unknown_type"),
        (r#"{"type":7,"ref":"b"}"#, "unknown_type"),
        (r#"{"ref":"b"}"#, "unknown_type"),
        (r#"{"type":"send_message","ref":"b"}"#, "validation_failed"),
        (r#"{"type":"send_message","ref":"b","data":[]}"#, "validation_failed"),
        (r#"{"type":"send_message","ref":"b","data":{"chat_room_id":"gym"}}"#, "validation_failed"),
        (r#"{"type":"ping","ref":"b","data":{"timestamp":{}}}"#, "validation_failed"),
        (r#"{"type":"send_message","data":{"content":1e400},"ref":"b"}"#, "validation_failed"),
        (r#"{"type":"send_message","data":{"content":NaN},"ref":"b"}"#, "malformed_json"),
        (&deep, "validation_failed"),
    ] {
        socket.send_text(frame).await;
        let answer = socket.expect("error").await;
        assert_eq!((&answer["data"]["code"], &answer["ref"]), (&json!(code), &json!("b")), "{frame}");
        assert!(!answer["data"]["message"].as_str().unwrap().is_empty());
    }
    for text in ["hello?", "[]", "\"ping\"", "{", ""] {
        socket.send_text(text).await;
        let answer = socket.expect("error").await;
        assert_eq!((&answer["data"]["code"], answer.get("ref")), (&json!("malformed_json"), None), "{text}");
    }
    socket.expect_nothing_more().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn binary_and_oversized_frames_close_the_connection() {
    let stack = TestStack::new().await;
    let [ana] = stack.actors(["ana"]).await;
    let mut socket = ana.socket().await;
    socket.send_binary(vec![1, 2, 3]).await;
    assert_eq!(socket.closed().await, 1003);
    let mut socket = ana.socket().await;
    socket.send("ping", json!({"timestamp": "x".repeat(40 * 1024)})).await;
    assert_eq!(socket.closed().await, 1009);
    let mut socket = ana.socket().await;
    socket.send("ping", json!({"timestamp": "x".repeat(30 * 1024)})).await;
    socket.expect("pong").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_longest_message_fits_a_frame() {
    let stack = TestStack::new().await;
    let [ana, ben] = stack.actors(["ana", "ben"]).await;
    let room = ana.room_with(&ben).await;
    let mut at_ben = ben.socket().await;
    // Four bytes per character, and a payload of the maximum size.
    let payload = json!({"note": "y".repeat(4080)});
    let longest = json!({"chat_room_id": room, "content": "🏃".repeat(4000), "message_type": "workout", "payload": payload});
    let message = ana.post("/chat/messages", longest).await.ok();
    assert_eq!(at_ben.expect("new_message").await["data"]["id"], message["id"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_push_removes_a_stale_connection_and_reaches_the_live_ones() {
    let stack = TestStack::new().await;
    let [ana, ben] = stack.actors(["ana", "ben"]).await;
    let room = ana.room_with(&ben).await;
    let (mut at_ana, mut phone, mut tablet) = (ana.socket().await, ben.socket().await, ben.socket().await);
    stack.local.settle().await;
    stack.age_notification(&ben).await;
    // A connection without a disconnect event, because the gateway sends these on a best-effort basis.
    let presence = json!({"pk": {"S": format!("USER#{}", ben.id)}, "sk": {"S": "PRESENCE"}});
    let connection = json!({"M": {"since": {"N": "1770000000"}, "expires": {"N": "4000000000"}}});
    stack
        .database(
            "UpdateItem",
            json!({
                "Key": presence,
                "UpdateExpression": "SET #stale = :connection",
                "ExpressionAttributeNames": {"#stale": "connection:stale="},
                "ExpressionAttributeValues": {":connection": connection},
            }),
        )
        .await;
    let connections = async || {
        let item = stack.database("GetItem", json!({"Key": presence})).await;
        let attributes =
            item["Item"].as_object().unwrap().keys().filter(|name| name.starts_with("connection:"));
        attributes.cloned().collect::<Vec<_>>()
    };
    assert_eq!(connections().await.len(), 3);
    for n in 0..3 {
        at_ana.send("send_message", json!({"chat_room_id": room, "content": format!("m{n}")})).await;
        assert_eq!(at_ana.expect("message_sent").await["data"]["seq"], n + 1);
        for socket in [&mut phone, &mut tablet] {
            assert_eq!(socket.expect("new_message").await["data"]["seq"], n + 1);
        }
        stack.local.settle().await;
        let remaining = connections().await;
        assert_eq!(remaining.len(), 2, "{remaining:?}");
        assert!(!remaining.contains(&"connection:stale=".to_owned()));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_cut_connection_does_not_affect_pushes_to_a_new_one() {
    let stack = TestStack::new().await;
    let [ana, ben] = stack.actors(["ana", "ben"]).await;
    let room = ana.room_with(&ben).await;
    ben.socket().await.cut();
    let mut again = ben.socket().await;
    ana.send_message(&room, "back?").await;
    assert_eq!(again.expect("new_message").await["data"]["content"], "back?");
    again.expect_nothing_more().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_frame_after_the_token_expired_is_rejected_and_the_connection_closed() {
    // Without limits, because a fast machine exceeds the frame limit within two seconds.
    let stack = TestStack::with(rate_limited("off")).await;
    let claims = json!({"sub": uuid::Uuid::new_v4(), "exp": in_seconds(2)});
    let expiring = stack.stranger(Some(&signed(stack.local.jwt_secret(), &claims)));
    let mut socket = expiring.try_socket().await.unwrap_or_else(|status| panic!("refused with {status}"));
    let rejection = loop {
        socket.send_text(r#"{"type":"ping","ref":1}"#).await;
        let answer = socket.next().await;
        if answer["type"] != "pong" {
            break answer;
        }
    };
    assert_eq!((&rejection["type"], &rejection["data"]["code"]), (&json!("error"), &json!("token_expired")));
    assert_eq!(rejection["ref"], 1);
    socket.closed().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_connection_with_an_expired_token_receives_no_pushes() {
    let stack = TestStack::new().await;
    let [ana, ben] = stack.actors(["ana", "ben"]).await;
    let room = ana.room_with(&ben).await;
    let claims = json!({"sub": ben.id, "exp": in_seconds(300)});
    let mut expiring = ben.clone();
    expiring.token = Some(signed(stack.local.jwt_secret(), &claims));
    let (mut at_expiring, mut at_ben) = (expiring.socket().await, ben.socket().await);
    ana.send_message(&room, "to both").await;
    next_on_each([&mut at_expiring, &mut at_ben], "new_message").await;
    stack.later(&ana, Duration::from_secs(301)).send_message(&room, "to one").await;
    assert_eq!(at_ben.expect("new_message").await["data"]["content"], "to one");
    at_expiring.expect_nothing_more().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_user_can_reconnect_after_a_clean_close() {
    let stack = TestStack::new().await;
    let [ana, ben] = stack.actors(["ana", "ben"]).await;
    let room = ana.room_with(&ben).await;
    ben.socket().await.close().await;
    ana.send_message(&room, "missed").await;
    let mut at_ben = ben.socket().await;
    ana.send_message(&room, "heard").await;
    assert_eq!(at_ben.expect("new_message").await["data"]["content"], "heard");
    assert_eq!(ben.history(&room).await.len(), 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn idle_connections_close_after_ten_minutes_and_all_after_two_hours() {
    let clock = Clock::default();
    let stack = TestStack::with(Options { clock: clock.clone(), ..Options::default() }).await;
    let [ana] = stack.actors(["ana"]).await;
    let mut idle = ana.socket().await;
    stack.local.settle().await;
    clock.advance(Duration::from_mins(10));
    assert_eq!(idle.closed().await, 1001);

    let mut old = ana.socket().await;
    for _ in 0..12 {
        // The invocation may not have returned yet, and it would exceed its own timeout.
        stack.local.settle().await;
        clock.advance(Duration::from_secs(9 * 60 + 59));
        old.expect_nothing_more().await;
    }
    stack.local.settle().await;
    clock.advance(Duration::from_mins(1));
    assert_eq!(old.closed().await, 1001, "two hours");
}

#[tokio::test(flavor = "multi_thread")]
async fn frames_accept_room_id_as_an_alias_of_chat_room_id() {
    let stack = TestStack::new().await;
    let [ana, ben] = stack.actors(["ana", "ben"]).await;
    let room = ana.room_with(&ben).await;
    let mut socket = ana.socket().await;
    socket.send("send_message", json!({"room_id": room.to_uppercase(), "content": "hi"})).await;
    assert_eq!(socket.expect("message_sent").await["data"]["chat_room_id"], room.as_str());
    socket.send("send_message", json!({"room_id": uuid::Uuid::new_v4(), "content": "hi"})).await;
    let rejection: Value = socket.expect("error").await;
    assert_eq!(rejection["data"]["code"], "not_found");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_connection_that_ends_right_after_hello_leaves_the_user_offline() {
    let (stack, proxy) = TestStack::with_proxy().await;
    let [ana, ben] = stack.actors(["ana", "ben"]).await;
    make_friends(&ana, &ben).await;
    let mut at_ben = ben.socket().await;
    stack.local.settle().await;
    // `hello` is overtaken by `$disconnect`: before it confirms the connection, and before it answers.
    for operation in ["UpdateItem", "POST"] {
        let held =
            proxy.hold(move |call| call.caller == "SocketHelloFunction" && call.operation == operation);
        let mut phone = ana.try_socket().await.unwrap_or_else(|status| panic!("{status}"));
        phone.send("hello", json!({})).await;
        let held = held.caught().await;
        let disconnected = proxy.hold(|call| call.caller == "SocketDisconnectFunction");
        phone.close().await;
        drop(disconnected.caught().await);
        drop(held);
        stack.local.settle().await;
        let friends = ben.get("/friends").await.ok();
        assert_eq!(friends[0]["is_online"], false, "{operation}");
    }
    at_ben.expect_nothing_more().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn of_many_parallel_connects_every_open_connection_is_registered_or_closed_by_its_next_frame() {
    let stack = TestStack::with(rate_limited("connections=100/60s")).await;
    let [ana] = stack.actors(["ana"]).await;
    let connects = futures::future::join_all((0..60).map(|_| ana.try_socket())).await;
    let (mut open, mut refused) = (Vec::new(), 0);
    for connect in connects {
        match connect {
            Ok(socket) => open.push(socket),
            Err(status) => {
                assert_eq!(status, 429);
                refused += 1;
            }
        }
    }
    assert_eq!((open.len(), refused), (20, 40));
    for socket in &mut open {
        socket.expect_nothing_more().await;
    }
    // No connection survives the account.
    ana.delete("/users/me").await.nothing();
    for socket in &mut open {
        socket.closed().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_frame_of_a_connection_that_was_forgotten_is_handled_and_the_connection_closed() {
    let stack = TestStack::new().await;
    let [ana, ben] = stack.actors(["ana", "ben"]).await;
    let room = ana.room_with(&ben).await;
    let mut socket = ana.socket().await;
    let presence = json!({"pk": {"S": format!("USER#{}", ana.id)}, "sk": {"S": "PRESENCE"}});
    stack.database("DeleteItem", json!({"Key": presence})).await;
    socket.send("send_message", json!({"chat_room_id": room, "content": "last words"})).await;
    socket.expect("message_sent").await;
    socket.closed().await;
    assert_eq!(ben.history(&room).await.len(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_connection_whose_push_times_out_is_closed_and_delays_no_other_send() {
    let (stack, proxy) = TestStack::with_proxy().await;
    let [ana, ben] = stack.actors(["ana", "ben"]).await;
    let room = ana.room_with(&ben).await;
    let mut at_ben = ben.socket().await;
    let posts = |call: &Seen| call.caller == "ChatSendMessageFunction" && call.operation == "POST";
    let unanswered = proxy.hold(posts);
    let (message, unanswered) = tokio::join!(ana.send_message(&room, "first"), unanswered.caught());
    assert_eq!(message["seq"], 1, "the sender is answered although the push is not");
    at_ben.closed().await;
    drop(unanswered);
    let pushes = proxy.seen().iter().filter(|call| posts(call)).count();
    ana.send_message(&room, "second").await;
    assert_eq!(proxy.seen().iter().filter(|call| posts(call)).count(), pushes, "nothing is pushed to it");
    let mut again = ben.socket().await;
    ana.send_message(&room, "third").await;
    assert_eq!(again.expect("new_message").await["data"]["seq"], 3);
}
