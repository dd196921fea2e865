//! Edited and deleted messages, and repeated sends of them.

use std::time::Duration;

use local::Options;
use reqwest::Method;
use serde_json::{Value, json};

use crate::harness::{TestStack, as_others_see, next_on_each, path_of};

/// The time for which a message can be edited.
const DAY: Duration = Duration::from_hours(24);

/// A message with some changed fields.
fn with_fields(message: &Value, fields: &Value) -> Value {
    let mut message = message.clone();
    message.as_object_mut().unwrap().extend(fields.as_object().unwrap().clone());
    message
}

#[tokio::test(flavor = "multi_thread")]
async fn an_edit_changes_the_message_on_every_device() {
    let stack = TestStack::new().await;
    let [ana, ben] = stack.actors(["ana", "ben"]).await;
    let room = ana.room_with(&ben).await;
    let message = ana.send_message(&room, "helo").await;
    assert_eq!(
        (&message["is_edited"], &message["edited_at"], &message["rev"]),
        (&json!(false), &Value::Null, &json!(0))
    );
    let (mut phone, mut tablet, mut at_ben) = (ana.socket().await, ana.socket().await, ben.socket().await);

    let edited = ana.edit(&message, "hello").await.ok();
    assert!(edited["edited_at"].is_string(), "{edited}");
    let at = &edited["edited_at"];
    assert_eq!(
        edited,
        with_fields(&message, &json!({"content": "hello", "is_edited": true, "edited_at": at, "rev": 1}))
    );
    let frames = next_on_each([&mut phone, &mut tablet, &mut at_ben], "message_updated").await;
    assert_eq!(frames, [edited.clone(), edited.clone(), as_others_see(&edited)]);
    assert_eq!(ana.history(&room).await, std::slice::from_ref(&edited));
    assert_eq!(ben.history(&room).await, [as_others_see(&edited)]);
    let rooms = ben.get("/chat/rooms").await.ok();
    assert_eq!((&rooms[0]["last_message"], &rooms[0]["rev"]), (&as_others_see(&edited), &json!(1)));

    // The first try may have failed before it notified anyone, so a repeated edit notifies again.
    assert_eq!(ana.edit(&message, "hello").await.ok(), edited);
    assert_eq!(next_on_each([&mut phone, &mut tablet, &mut at_ben], "message_updated").await, frames);
    let again = ana.edit(&message, "hello, Ben").await.ok();
    assert_eq!((&again["rev"], &again["content"]), (&json!(2), &json!("hello, Ben")));
    next_on_each([&mut phone, &mut tablet, &mut at_ben], "message_updated").await;
    for device in [&mut phone, &mut tablet, &mut at_ben] {
        device.expect_nothing_more().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn only_the_sender_edits_a_message_with_valid_content_for_one_day() {
    let stack = TestStack::new().await;
    let [ana, ben, cleo] = stack.actors(["ana", "ben", "cleo"]).await;
    let room = ana.group_with(&[&ben, &cleo]).await;
    let message = ben.send_message(&room, "helo").await;
    let location = json!({"chat_room_id": room, "message_type": "location", "payload": {"latitude": 6.9}});
    let location = ben.post("/chat/messages", location).await.ok();
    let before = ana.history(&room).await;

    for other in [&ana, &cleo] {
        other.edit(&message, "hello").await.problem(403, "not_the_sender");
    }
    for content in ["", " \n", &"é".repeat(4001), "\u{200B}\u{7}"] {
        ben.edit(&message, content).await.bad_field("content");
    }
    for body in [json!({}), json!({"content": null}), json!({"content": 7})] {
        ben.call(Method::PATCH, &path_of(&message), Some(body.to_string())).await.bad_field("content");
    }
    ben.call(Method::PATCH, &path_of(&message), Some("[]".into())).await.problem(400, "malformed_json");
    stack.later(&ben, DAY).edit(&message, "hello").await.problem(403, "too_late");
    stack.later(&ben, 30 * DAY).edit(&message, "helo").await.ok();
    assert_eq!(ana.history(&room).await, before, "rejected edits change nothing");

    stack.later(&ben, Duration::from_hours(23)).edit(&message, "hello").await.ok();
    assert_eq!(
        stack.later(&ben, 2 * DAY).edit(&message, "hello").await.ok()["content"],
        "hello",
        "an edit without a change is accepted later"
    );
    assert_eq!(
        ben.edit(&location, "").await.ok()["content"],
        "",
        "a message with a payload needs no content"
    );
    assert_eq!(ben.edit(&location, "here").await.ok()["payload"], json!({"latitude": 6.9}));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_deleted_message_keeps_only_its_position_on_every_device() {
    let mut options = Options::default();
    options.env.insert("MEDIA_ORIGINS".to_owned(), "https://media.example.com".to_owned());
    let stack = TestStack::with(options).await;
    let [ana, ben] = stack.actors(["ana", "ben"]).await;
    let room = ana.room_with(&ben).await;
    let first = ben.send_message(&room, "first").await;
    let full = json!({
        "chat_room_id": room, "content": "listen", "message_type": "voice", "payload": {"seconds": 3},
        "media_url": "https://media.example.com/run.ogg", "reply_to_id": first["id"], "client_message_id": "c-1"
    });
    let full = ana.post("/chat/messages", full).await.ok();
    ben.react(&full, "👍").await.ok();
    ana.edit(&full, "listen!").await.ok();
    ben.delete_message(&full).await.problem(403, "not_allowed");
    let (mut phone, mut tablet, mut at_ben) = (ana.socket().await, ana.socket().await, ben.socket().await);

    let deleted = ana.delete_message(&full).await.ok();
    let cleared = json!({
        "content": "", "media_url": null, "payload": null, "reply_to_id": null, "reply_to": null,
        "is_deleted": true, "rev": 3
    });
    assert_eq!(deleted, with_fields(&full, &cleared));
    let frames = next_on_each([&mut phone, &mut tablet, &mut at_ben], "message_deleted").await;
    assert_eq!(frames, [deleted.clone(), deleted.clone(), as_others_see(&deleted)]);
    assert_eq!(ana.delete_message(&full).await.ok(), deleted);
    assert_eq!(next_on_each([&mut phone, &mut tablet, &mut at_ben], "message_deleted").await, frames);
    assert_eq!(ben.history(&room).await[1], as_others_see(&deleted));
    assert_eq!(ana.get("/chat/rooms").await.ok()[0]["last_message"], deleted);
    assert_eq!(ben.reactions(&full).await.ok(), json!([]));

    ana.edit(&full, "listen!").await.problem(409, "message_deleted");
    ben.react(&full, "👍").await.problem(409, "message_deleted");
    ben.pin(&full).await.problem(409, "message_deleted");
    assert_eq!(ben.unreact(&full, "👍").await.ok(), as_others_see(&deleted));
    assert_eq!(next_on_each([&mut phone, &mut tablet, &mut at_ben], "message_deleted").await, frames);
    for device in [&mut phone, &mut tablet, &mut at_ben] {
        device.expect_nothing_more().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn group_managers_delete_any_message_except_system_messages() {
    let stack = TestStack::new().await;
    let [ana, ben, cleo, dana] = stack.actors(["ana", "ben", "cleo", "dana"]).await;
    let room = ana.group_with(&[&ben, &cleo]).await;
    stack.make_admin(&room, &ben).await;
    let mut messages = Vec::new();
    for user in [&ana, &ben, &cleo, &cleo] {
        messages.push(user.send_message(&room, "words").await);
    }
    for message in &messages[..2] {
        cleo.delete_message(message).await.problem(403, "not_allowed");
    }
    for (user, message) in
        [(&ben, &messages[0]), (&ana, &messages[1]), (&ben, &messages[2]), (&cleo, &messages[3])]
    {
        assert_eq!(user.delete_message(message).await.ok()["is_deleted"], true);
        assert_eq!(cleo.message(&room, message["seq"].as_u64().unwrap()).await["content"], "");
    }
    cleo.delete_message(&messages[0]).await.problem(403, "not_allowed");

    ana.add(&room, &dana).await.ok();
    let joined = ana.message(&room, 5).await;
    assert_eq!((&joined["message_type"], &joined["sender_id"]), (&json!("system"), &json!(ana.id)));
    ana.delete_message(&joined).await.problem(403, "not_allowed");
    ana.edit(&joined, "nobody came").await.problem(403, "not_the_sender");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_repeated_send_returns_the_current_message() {
    let stack = TestStack::new().await;
    let [ana, ben] = stack.actors(["ana", "ben"]).await;
    let room = ana.room_with(&ben).await;
    let send = json!({"chat_room_id": room, "content": "helo", "client_message_id": "c-1", "after_seq": 0});
    let message = ana.post("/chat/messages", send.clone()).await.ok();
    ben.react(&message, "👍").await.ok();
    let mut socket = ana.socket().await;
    let edited = ana.edit(&message, "hello").await.ok();
    socket.expect("message_updated").await;
    assert_eq!(edited["reactions"], json!([{"emoji": "👍", "count": 1, "mine": false}]));
    assert_eq!(ana.post("/chat/messages", send.clone()).await.ok(), edited);
    socket.expect("new_message").await;
    socket.send("send_message", send.clone()).await;
    assert_eq!(socket.expect("message_sent").await["data"], edited);
    let deleted = ana.delete_message(&message).await.ok();
    socket.expect("message_deleted").await;
    assert_eq!(stack.later(&ana, 30 * DAY).post("/chat/messages", send.clone()).await.ok(), deleted);
    socket.send("send_message", send).await;
    assert_eq!(socket.expect("message_sent").await["data"], deleted);
    assert_eq!(ben.history(&room).await, [as_others_see(&deleted)]);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_retry_of_an_edit_killed_between_commit_and_push_notifies_the_room() {
    let (stack, proxy) = TestStack::with_proxy().await;
    let [ana, ben] = stack.actors(["ana", "ben"]).await;
    let room = ana.room_with(&ben).await;
    let message = ana.send_message(&room, "helo").await;
    let mut at_ben = ben.socket().await;

    // The function reads presence right after the commit. The test kills it there.
    let blocked_call = proxy.hold(|call| call.operation == "BatchGetItem" && call.body.contains("PRESENCE"));
    let first = tokio::spawn({
        let (ana, message) = (ana.clone(), message.clone());
        async move { ana.edit(&message, "hello").await }
    });
    let guard = blocked_call.caught().await;
    stack.kill("chat-edit-message");
    assert_eq!(first.await.unwrap().status, 500);
    drop(guard);
    at_ben.expect_nothing_more().await;
    assert_eq!(
        ben.message(&room, 1).await["content"],
        "hello",
        "the edit is committed, but nobody was notified"
    );

    let retry = ana.edit(&message, "hello").await.ok();
    assert_eq!(retry["rev"], 1);
    assert_eq!(at_ben.expect("message_updated").await["data"], as_others_see(&retry));
    at_ben.expect_nothing_more().await;
}

/// Every call about one message: method, suffix of its path, and body.
const CALLS: [(Method, &str, Option<&str>); 7] = [
    (Method::PATCH, "", Some(r#"{"content":"mine"}"#)),
    (Method::DELETE, "", None),
    (Method::PUT, "/reactions/👍", None),
    (Method::DELETE, "/reactions/👍", None),
    (Method::GET, "/reactions", None),
    (Method::PUT, "/pin", None),
    (Method::DELETE, "/pin", None),
];

#[tokio::test(flavor = "multi_thread")]
async fn a_hidden_message_gets_the_same_answers_as_an_unknown_one() {
    let stack = TestStack::new().await;
    let [ana, ben, eve] = stack.actors(["ana", "ben", "eve"]).await;
    let room = ana.room_with(&ben).await;
    let elsewhere = ben.room_with(&eve).await;
    let message = ana.send_message(&room, "between us").await;
    let foreign = ben.send_message(&elsewhere, "between others").await;
    let [id, foreign] = [&message, &foreign].map(|message| message["id"].as_str().unwrap());
    let (mut at_ben, nil) = (ben.socket().await, uuid::Uuid::nil().to_string());
    let nowhere = uuid::Uuid::new_v4().to_string();
    for (method, suffix, body) in CALLS {
        let call = async |user: &crate::harness::Actor, room: &str, id: &str| {
            let path = format!("/chat/rooms/{room}/messages/{id}{suffix}");
            user.call(method.clone(), &path, body.map(str::to_owned)).await
        };
        let hidden = call(&eve, &room, id).await;
        hidden.problem(404, "not_found");
        for (user, room, id) in [
            (&eve, &nowhere, id),
            (&eve, &elsewhere, id),
            (&ana, &room, &nil),
            (&ana, &room, &nowhere),
            (&ana, &room, foreign),
            (&ana, &elsewhere, foreign),
        ] {
            assert_eq!(call(user, room, id).await.text, hidden.text, "{method} {suffix}: identical bytes");
        }
        call(&ana, "gym", id).await.bad_field("room_id");
        call(&ana, &room, "latest").await.bad_field("message_id");
        let path = format!("/chat/rooms/{room}/messages/{id}{suffix}");
        let anonymous = stack.stranger(None).call(method, &path, body.map(str::to_owned)).await;
        anonymous.problem(401, "invalid_token");
    }
    at_ben.expect_nothing_more().await;
    assert_eq!(ana.history(&room).await, [message]);
}
