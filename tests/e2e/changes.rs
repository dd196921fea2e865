//! What becomes of a message after it was sent: other words, or nothing left of it; and what a repeated send then says.

use std::time::Duration;

use local::Options;
use reqwest::Method;
use serde_json::{Value, json};

use crate::harness::{TestStack, as_others_see, next_on_each, path_of};

/// For so long a sender may find other words.
const DAY: Duration = Duration::from_hours(24);

/// A message with some fields as they are now.
fn changed(message: &Value, fields: &Value) -> Value {
    let mut message = message.clone();
    message.as_object_mut().unwrap().extend(fields.as_object().unwrap().clone());
    message
}

#[tokio::test(flavor = "multi_thread")]
async fn an_edited_message_is_the_same_one_in_other_words_on_every_device() {
    let stack = TestStack::new().await;
    let [ana, ben] = stack.actors(["ana", "ben"]).await;
    let room = ana.room_with(&ben).await;
    let said = ana.send_message(&room, "helo").await;
    assert_eq!(
        (&said["is_edited"], &said["edited_at"], &said["rev"]),
        (&json!(false), &Value::Null, &json!(0))
    );
    let (mut phone, mut tablet, mut at_ben) = (ana.socket().await, ana.socket().await, ben.socket().await);

    let edited = ana.edit(&said, "hello").await.ok();
    assert!(edited["edited_at"].is_string(), "{edited}");
    let at = &edited["edited_at"];
    assert_eq!(
        edited,
        changed(&said, &json!({"content": "hello", "is_edited": true, "edited_at": at, "rev": 1}))
    );
    let heard = next_on_each([&mut phone, &mut tablet, &mut at_ben], "message_updated").await;
    assert_eq!(heard, [edited.clone(), edited.clone(), as_others_see(&edited)]);
    assert_eq!(ana.history(&room).await, std::slice::from_ref(&edited));
    assert_eq!(ben.history(&room).await, [as_others_see(&edited)]);
    let rooms = ben.get("/chat/rooms").await.ok();
    assert_eq!((&rooms[0]["last_message"], &rooms[0]["rev"]), (&as_others_see(&edited), &json!(1)));

    // The first try of a repeated edit may have died before it told anyone, so it is told again, and means nothing new.
    assert_eq!(ana.edit(&said, "hello").await.ok(), edited);
    assert_eq!(next_on_each([&mut phone, &mut tablet, &mut at_ben], "message_updated").await, heard);
    let again = ana.edit(&said, "hello, Ben").await.ok();
    assert_eq!((&again["rev"], &again["content"]), (&json!(2), &json!("hello, Ben")));
    next_on_each([&mut phone, &mut tablet, &mut at_ben], "message_updated").await;
    for device in [&mut phone, &mut tablet, &mut at_ben] {
        device.expect_nothing_more().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn only_its_sender_edits_a_message_and_only_to_what_could_be_sent_within_a_day() {
    let stack = TestStack::new().await;
    let [ana, ben, cleo] = stack.actors(["ana", "ben", "cleo"]).await;
    let room = ana.group_with(&[&ben, &cleo]).await;
    let said = ben.send_message(&room, "helo").await;
    let place = json!({"chat_room_id": room, "message_type": "location", "payload": {"latitude": 6.9}});
    let place = ben.post("/chat/messages", place).await.ok();
    let before = ana.history(&room).await;

    for other in [&ana, &cleo] {
        other.edit(&said, "hello").await.problem(403, "not_the_sender");
    }
    for content in ["", " \n", &"é".repeat(4001), "bell\u{7}"] {
        ben.edit(&said, content).await.bad_field("content");
    }
    for body in [json!({}), json!({"content": null}), json!({"content": 7})] {
        ben.call(Method::PATCH, &path_of(&said), Some(body.to_string())).await.bad_field("content");
    }
    ben.call(Method::PATCH, &path_of(&said), Some("[]".into())).await.problem(400, "malformed_json");
    stack.later(&ben, DAY).edit(&said, "hello").await.problem(403, "too_late");
    stack.later(&ben, 30 * DAY).edit(&said, "helo").await.ok();
    assert_eq!(ana.history(&room).await, before, "nothing of it changed anything");

    stack.later(&ben, Duration::from_hours(23)).edit(&said, "hello").await.ok();
    assert_eq!(stack.later(&ben, 2 * DAY).edit(&said, "hello").await.ok()["content"], "hello", "as it is");
    assert_eq!(ben.edit(&place, "").await.ok()["content"], "", "what has something else needs no words");
    assert_eq!(ben.edit(&place, "here").await.ok()["payload"], json!({"latitude": 6.9}));
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_but_its_place_is_left_of_a_deleted_message_on_every_device() {
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

    let gone = ana.delete_message(&full).await.ok();
    let nothing = json!({
        "content": "", "media_url": null, "payload": null, "reply_to_id": null, "reply_to": null,
        "is_deleted": true, "rev": 3
    });
    assert_eq!(gone, changed(&full, &nothing));
    let heard = next_on_each([&mut phone, &mut tablet, &mut at_ben], "message_deleted").await;
    assert_eq!(heard, [gone.clone(), gone.clone(), as_others_see(&gone)]);
    assert_eq!(ana.delete_message(&full).await.ok(), gone);
    assert_eq!(next_on_each([&mut phone, &mut tablet, &mut at_ben], "message_deleted").await, heard);
    assert_eq!(ben.history(&room).await[1], as_others_see(&gone));
    assert_eq!(ana.get("/chat/rooms").await.ok()[0]["last_message"], gone);
    assert_eq!(ben.reactions(&full).await.ok(), json!([]));

    ana.edit(&full, "listen!").await.problem(409, "message_deleted");
    ben.react(&full, "👍").await.problem(409, "message_deleted");
    ben.pin(&full).await.problem(409, "message_deleted");
    assert_eq!(ben.unreact(&full, "👍").await.ok(), as_others_see(&gone));
    assert_eq!(next_on_each([&mut phone, &mut tablet, &mut at_ben], "message_deleted").await, heard);
    for device in [&mut phone, &mut tablet, &mut at_ben] {
        device.expect_nothing_more().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn those_who_run_a_group_delete_what_anyone_said_but_not_what_the_service_said() {
    let stack = TestStack::new().await;
    let [ana, ben, cleo, dana] = stack.actors(["ana", "ben", "cleo", "dana"]).await;
    let room = ana.group_with(&[&ben, &cleo]).await;
    stack.make_admin(&room, &ben).await;
    let mut said = Vec::new();
    for who in [&ana, &ben, &cleo, &cleo] {
        said.push(who.send_message(&room, "words").await);
    }
    for message in &said[..2] {
        cleo.delete_message(message).await.problem(403, "not_allowed");
    }
    for (who, message) in [(&ben, &said[0]), (&ana, &said[1]), (&ben, &said[2]), (&cleo, &said[3])] {
        assert_eq!(who.delete_message(message).await.ok()["is_deleted"], true);
        assert_eq!(cleo.message(&room, message["seq"].as_u64().unwrap()).await["content"], "");
    }
    cleo.delete_message(&said[0]).await.problem(403, "not_allowed");

    ana.add(&room, &dana).await.ok();
    let joined = ana.message(&room, 5).await;
    assert_eq!((&joined["message_type"], &joined["sender_id"]), (&json!("system"), &json!(ana.id)));
    ana.delete_message(&joined).await.problem(403, "not_allowed");
    ana.edit(&joined, "nobody came").await.problem(403, "not_the_sender");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_send_that_is_repeated_later_gets_the_message_as_it_has_become() {
    let stack = TestStack::new().await;
    let [ana, ben] = stack.actors(["ana", "ben"]).await;
    let room = ana.room_with(&ben).await;
    let send = json!({"chat_room_id": room, "content": "helo", "client_message_id": "c-1", "after_seq": 0});
    let said = ana.post("/chat/messages", send.clone()).await.ok();
    ben.react(&said, "👍").await.ok();
    let mut socket = ana.socket().await;
    let edited = ana.edit(&said, "hello").await.ok();
    socket.expect("message_updated").await;
    assert_eq!(edited["reactions"], json!([{"emoji": "👍", "count": 1, "mine": false}]));
    assert_eq!(ana.post("/chat/messages", send.clone()).await.ok(), edited);
    socket.expect("new_message").await;
    socket.send("send_message", send.clone()).await;
    assert_eq!(socket.expect("message_sent").await["data"], edited);
    let deleted = ana.delete_message(&said).await.ok();
    socket.expect("message_deleted").await;
    assert_eq!(stack.later(&ana, 30 * DAY).post("/chat/messages", send.clone()).await.ok(), deleted);
    socket.send("send_message", send).await;
    assert_eq!(socket.expect("message_sent").await["data"], deleted);
    assert_eq!(ben.history(&room).await, [as_others_see(&deleted)]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_change_whose_first_try_died_between_commit_and_push_is_told_by_the_retry() {
    let (stack, proxy) = TestStack::with_proxy().await;
    let [ana, ben] = stack.actors(["ana", "ben"]).await;
    let room = ana.room_with(&ben).await;
    let said = ana.send_message(&room, "helo").await;
    let mut at_ben = ben.socket().await;

    // Presence is read right after the commit: there the function dies.
    let committed = proxy.hold(|call| call.operation == "BatchGetItem" && call.body.contains("PRESENCE"));
    let first = tokio::spawn({
        let (ana, said) = (ana.clone(), said.clone());
        async move { ana.edit(&said, "hello").await }
    });
    let guard = committed.caught().await;
    stack.kill("chat-edit-message");
    assert_eq!(first.await.unwrap().status, 500);
    drop(guard);
    at_ben.expect_nothing_more().await;
    assert_eq!(ben.message(&room, 1).await["content"], "hello", "it is committed although nobody was told");

    let retry = ana.edit(&said, "hello").await.ok();
    assert_eq!(retry["rev"], 1);
    assert_eq!(at_ben.expect("message_updated").await["data"], as_others_see(&retry));
    at_ben.expect_nothing_more().await;
}

/// Every call about one message: method, what follows its path, and body.
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
async fn a_message_that_is_not_theirs_to_see_is_as_one_that_is_not_there() {
    let stack = TestStack::new().await;
    let [ana, ben, eve] = stack.actors(["ana", "ben", "eve"]).await;
    let room = ana.room_with(&ben).await;
    let elsewhere = ben.room_with(&eve).await;
    let said = ana.send_message(&room, "between us").await;
    let foreign = ben.send_message(&elsewhere, "between others").await;
    let [id, foreign] = [&said, &foreign].map(|message| message["id"].as_str().unwrap());
    let (mut at_ben, nothing) = (ben.socket().await, uuid::Uuid::nil().to_string());
    let nowhere = uuid::Uuid::new_v4().to_string();
    for (method, rest, body) in CALLS {
        let call = async |who: &crate::harness::Actor, room: &str, id: &str| {
            let path = format!("/chat/rooms/{room}/messages/{id}{rest}");
            who.call(method.clone(), &path, body.map(str::to_owned)).await
        };
        let hidden = call(&eve, &room, id).await;
        hidden.problem(404, "not_found");
        for (who, room, id) in [
            (&eve, &nowhere, id),
            (&eve, &elsewhere, id),
            (&ana, &room, &nothing),
            (&ana, &room, &nowhere),
            (&ana, &room, foreign),
            (&ana, &elsewhere, foreign),
        ] {
            assert_eq!(call(who, room, id).await.text, hidden.text, "{method} {rest}: byte for byte");
        }
        call(&ana, "gym", id).await.bad_field("room_id");
        call(&ana, &room, "latest").await.bad_field("message_id");
        let path = format!("/chat/rooms/{room}/messages/{id}{rest}");
        let anyone = stack.stranger(None).call(method, &path, body.map(str::to_owned)).await;
        anyone.problem(401, "invalid_token");
    }
    at_ben.expect_nothing_more().await;
    assert_eq!(ana.history(&room).await, [said]);
}
