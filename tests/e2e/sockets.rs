//! The WebSocket's own rules: frames, answers, limits, connections that die.

use std::time::Duration;

use local::{Clock, Options};
use serde_json::{Value, json};

use crate::harness::{TestStack, in_seconds, next_on_each, rate_limited, signed};

#[tokio::test(flavor = "multi_thread")]
async fn every_frame_gets_its_answer_with_its_reference() {
    let stack = TestStack::new().await;
    let [ana] = stack.actors(["ana"]).await;
    let mut socket = ana.socket().await;
    socket.send_text(r#"{"type":"ping","ref":"a","data":{"timestamp":17}}"#).await;
    assert_eq!(socket.next().await, json!({"type": "pong", "data": {"timestamp": 17}, "ref": "a"}));
    socket.send_text(r#"{"type":"ping","ref":7}"#).await;
    assert_eq!(socket.next().await, json!({"type": "pong", "data": {"timestamp": null}, "ref": 7}));
    for (frame, code) in [
        (r#"{"type":"dance","ref":"b"}"#, "unknown_type"),
        (r#"{"type":7,"ref":"b"}"#, "unknown_type"),
        (r#"{"ref":"b"}"#, "unknown_type"),
        (r#"{"type":"send_message","ref":"b"}"#, "validation_failed"),
        (r#"{"type":"send_message","ref":"b","data":[]}"#, "validation_failed"),
        (r#"{"type":"send_message","ref":"b","data":{"chat_room_id":"gym"}}"#, "validation_failed"),
        (r#"{"type":"ping","ref":"b","data":{"timestamp":{}}}"#, "validation_failed"),
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
async fn binary_and_oversized_frames_end_the_connection() {
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
    // Four bytes a character, and a payload at its bound.
    let payload = json!({"note": "y".repeat(4080)});
    let message = json!({"chat_room_id": room, "content": "🏃".repeat(4000), "message_type": "workout", "payload": payload});
    let said = ana.post("/chat/messages", message).await.ok();
    assert_eq!(at_ben.expect("new_message").await["data"]["id"], said["id"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stale_connection_among_live_ones_is_forgotten_and_harms_nobody() {
    let stack = TestStack::new().await;
    let [ana, ben] = stack.actors(["ana", "ben"]).await;
    let room = ana.room_with(&ben).await;
    let (mut at_ana, mut phone, mut tablet) = (ana.socket().await, ben.socket().await, ben.socket().await);
    // One whose end nobody has told, because the gateway does that only as well as it can.
    let presence = json!({"pk": {"S": format!("USER#{}", ben.id)}, "sk": {"S": "PRESENCE"}});
    let known = json!({"M": {"since": {"N": "1770000000"}, "expires": {"N": "4000000000"}}});
    stack
        .database(
            "UpdateItem",
            json!({
                "Key": presence,
                "UpdateExpression": "SET #stale = :known",
                "ExpressionAttributeNames": {"#stale": "connection:stale="},
                "ExpressionAttributeValues": {":known": known},
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
        let left = connections().await;
        assert_eq!(left.len(), 2, "{left:?}");
        assert!(!left.contains(&"connection:stale=".to_owned()));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_connection_that_was_cut_is_told_nothing_more() {
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
async fn a_frame_after_the_end_of_the_token_is_refused_and_the_connection_closed() {
    // A fast machine sends more pings in two seconds than anybody may.
    let stack = TestStack::with(rate_limited("off")).await;
    let claims = json!({"sub": uuid::Uuid::new_v4(), "exp": in_seconds(2)});
    let brief = stack.stranger(Some(&signed(stack.local.jwt_secret(), &claims)));
    let mut socket = brief.try_socket().await.unwrap_or_else(|status| panic!("refused with {status}"));
    let refusal = loop {
        socket.send_text(r#"{"type":"ping","ref":1}"#).await;
        let answer = socket.next().await;
        if answer["type"] != "pong" {
            break answer;
        }
    };
    assert_eq!((&refusal["type"], &refusal["data"]["code"]), (&json!("error"), &json!("token_expired")));
    assert_eq!(refusal["ref"], 1);
    socket.closed().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_is_pushed_to_a_connection_whose_token_is_over() {
    let stack = TestStack::new().await;
    let [ana, ben] = stack.actors(["ana", "ben"]).await;
    let room = ana.room_with(&ben).await;
    let claims = json!({"sub": ben.id, "exp": in_seconds(300)});
    let mut brief = ben.clone();
    brief.token = Some(signed(stack.local.jwt_secret(), &claims));
    let (mut at_brief, mut at_ben) = (brief.socket().await, ben.socket().await);
    ana.send_message(&room, "to both").await;
    next_on_each([&mut at_brief, &mut at_ben], "new_message").await;
    stack.later(&ana, Duration::from_secs(301)).send_message(&room, "to one").await;
    assert_eq!(at_ben.expect("new_message").await["data"]["content"], "to one");
    at_brief.expect_nothing_more().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn who_closes_in_order_is_told_nothing_more_and_may_come_back() {
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
async fn idle_and_old_connections_are_closed_when_their_time_is_over() {
    let clock = Clock::default();
    let stack = TestStack::with(Options { clock: clock.clone(), ..Options::default() }).await;
    let [ana] = stack.actors(["ana"]).await;
    let mut idle = ana.socket().await;
    stack.local.settle().await;
    clock.advance(Duration::from_mins(10));
    assert_eq!(idle.closed().await, 1001);

    let mut old = ana.socket().await;
    for _ in 0..12 {
        // The function that answered may still be returning, and its own time would be over too.
        stack.local.settle().await;
        clock.advance(Duration::from_secs(9 * 60 + 59));
        old.expect_nothing_more().await;
    }
    stack.local.settle().await;
    clock.advance(Duration::from_mins(1));
    assert_eq!(old.closed().await, 1001, "two hours");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_room_may_be_called_room_id_in_a_frame() {
    let stack = TestStack::new().await;
    let [ana, ben] = stack.actors(["ana", "ben"]).await;
    let room = ana.room_with(&ben).await;
    let mut socket = ana.socket().await;
    socket.send("send_message", json!({"room_id": room.to_uppercase(), "content": "hi"})).await;
    assert_eq!(socket.expect("message_sent").await["data"]["chat_room_id"], room.as_str());
    socket.send("send_message", json!({"room_id": uuid::Uuid::new_v4(), "content": "hi"})).await;
    let refused: Value = socket.expect("error").await;
    assert_eq!(refused["data"]["code"], "not_found");
}
