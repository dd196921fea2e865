//! Nobody sees, or learns the existence of, what is not theirs.

use serde_json::json;

use crate::{harness::TestStack, probes::probes};

#[tokio::test(flavor = "multi_thread")]
async fn a_room_that_is_not_theirs_answers_an_outsider_as_one_that_does_not_exist() {
    let stack = TestStack::new().await;
    let [ana, ben, eve] = stack.actors(["ana", "ben", "eve"]).await;
    let room = ana.room_with(&ben).await;
    ana.send_message(&room, "between us").await;
    let (mut at_ben, mut at_eve) = (ben.socket().await, eve.socket().await);
    let nowhere = uuid::Uuid::new_v4().to_string();

    let message = |room: &str| json!({"chat_room_id": room, "content": "let me in"});
    let here = [
        eve.get(&format!("/chat/rooms/{room}/messages")).await,
        eve.put(&format!("/chat/rooms/{room}/read")).await,
        eve.post("/chat/messages", message(&room)).await,
        eve.room(&room).await,
        eve.get(&format!("/chat/rooms/{room}/pins")).await,
        eve.add(&room, &eve).await,
        eve.remove(&room, &ben).await,
    ];
    let there = [
        eve.get(&format!("/chat/rooms/{nowhere}/messages")).await,
        eve.put(&format!("/chat/rooms/{nowhere}/read")).await,
        eve.post("/chat/messages", message(&nowhere)).await,
        eve.room(&nowhere).await,
        eve.get(&format!("/chat/rooms/{nowhere}/pins")).await,
        eve.add(&nowhere, &eve).await,
        eve.remove(&nowhere, &ben).await,
    ];
    for (here, there) in here.iter().zip(&there) {
        here.problem(404, "not_found");
        assert_eq!(here.text, there.text, "byte for byte");
    }
    at_eve.send("send_message", message(&room)).await;
    let refused = at_eve.expect("error").await;
    at_eve.send("send_message", message(&nowhere)).await;
    assert_eq!(at_eve.expect("error").await, refused);

    ana.send_message(&room, "still between us").await;
    assert_eq!(at_ben.expect("new_message").await["data"]["content"], "still between us");
    at_ben.expect_nothing_more().await;
    at_eve.expect_nothing_more().await;
    assert_eq!(eve.get("/chat/rooms").await.ok(), json!([]));
    assert_eq!(ana.history(&room).await.len(), 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_request_that_is_not_theirs_answers_an_outsider_as_one_that_does_not_exist() {
    let stack = TestStack::new().await;
    let [ana, ben, eve] = stack.actors(["ana", "ben", "eve"]).await;
    let request = ana.post("/friends/requests", json!({"receiver_id": ben.id})).await.ok();
    let answer = |id: &str| format!("/friends/requests/{id}?action=accepted");
    let theirs = eve.put(&answer(request["id"].as_str().unwrap())).await;
    let none = eve.put(&answer(&uuid::Uuid::new_v4().to_string())).await;
    theirs.problem(404, "not_found");
    assert_eq!(theirs.text, none.text, "byte for byte");
    assert_eq!(ben.get("/friends/requests").await.ok(), json!([request]));
    assert_eq!(eve.get("/friends/requests").await.ok(), json!([]));
}

#[tokio::test(flavor = "multi_thread")]
async fn no_call_is_answered_without_a_token() {
    let stack = TestStack::new().await;
    for probe in probes(&uuid::Uuid::new_v4().to_string()) {
        probe.call(&stack.stranger(None)).await.problem(401, "invalid_token");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_caller_may_not_set_is_ignored() {
    let stack = TestStack::new().await;
    let [ana, ben, eve] = stack.actors(["ana", "ben", "eve"]).await;
    let room = ana.room_with(&ben).await;
    let forged = json!({"chat_room_id": room, "content": "hi", "sender_id": ben.id, "sender_username": "ben", "seq": 99,
        "id": uuid::Uuid::new_v4(), "created_at": "1999-01-01T00:00:00Z", "status": "read", "rev": 7, "is_edited": true});
    let said = ana.post("/chat/messages", forged).await.ok();
    assert_eq!((&said["sender_id"], &said["sender_username"]), (&json!(ana.id), &json!("ana")));
    assert_eq!(
        (&said["seq"], &said["rev"], &said["is_edited"], &said["status"]),
        (&json!(1), &json!(0), &json!(false), &json!("sent"))
    );
    assert!(said["created_at"].as_str().unwrap() > "2026");
    let forged = json!({"receiver_id": eve.id, "sender_id": ben.id, "status": "accepted"});
    let request = ana.post("/friends/requests", forged).await.ok();
    assert_eq!((&request["sender_id"], &request["status"]), (&json!(ana.id), &json!("pending")));
}
