//! Users without access can neither read a resource nor learn that it exists.

use serde_json::json;

use crate::{harness::TestStack, probes::probes};

#[tokio::test(flavor = "multi_thread")]
async fn a_room_of_others_is_indistinguishable_from_a_missing_room() {
    let stack = TestStack::new().await;
    let [ana, ben, eve] = stack.actors(["ana", "ben", "eve"]).await;
    let room = ana.room_with(&ben).await;
    ana.send_message(&room, "between us").await;
    let (mut at_ben, mut at_eve) = (ben.socket().await, eve.socket().await);
    let missing_id = uuid::Uuid::new_v4().to_string();

    let message = |room: &str| json!({"chat_room_id": room, "content": "let me in"});
    let existing = [
        eve.get(&format!("/chat/rooms/{room}/messages")).await,
        eve.put(&format!("/chat/rooms/{room}/read")).await,
        eve.post("/chat/messages", message(&room)).await,
        eve.room(&room).await,
        eve.get(&format!("/chat/rooms/{room}/pins")).await,
        eve.add(&room, &eve).await,
        eve.remove(&room, &ben).await,
    ];
    let missing = [
        eve.get(&format!("/chat/rooms/{missing_id}/messages")).await,
        eve.put(&format!("/chat/rooms/{missing_id}/read")).await,
        eve.post("/chat/messages", message(&missing_id)).await,
        eve.room(&missing_id).await,
        eve.get(&format!("/chat/rooms/{missing_id}/pins")).await,
        eve.add(&missing_id, &eve).await,
        eve.remove(&missing_id, &ben).await,
    ];
    for (existing, missing) in existing.iter().zip(&missing) {
        existing.problem(404, "not_found");
        assert_eq!(existing.text, missing.text, "identical bodies");
    }
    at_eve.send("send_message", message(&room)).await;
    let rejection = at_eve.expect("error").await;
    at_eve.send("send_message", message(&missing_id)).await;
    assert_eq!(at_eve.expect("error").await, rejection);

    ana.send_message(&room, "still between us").await;
    assert_eq!(at_ben.expect("new_message").await["data"]["content"], "still between us");
    at_ben.expect_nothing_more().await;
    at_eve.expect_nothing_more().await;
    assert_eq!(eve.get("/chat/rooms").await.ok(), json!([]));
    assert_eq!(ana.history(&room).await.len(), 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_friend_request_of_others_is_indistinguishable_from_a_missing_request() {
    let stack = TestStack::new().await;
    let [ana, ben, eve] = stack.actors(["ana", "ben", "eve"]).await;
    let request = ana.post("/friends/requests", json!({"receiver_id": ben.id})).await.ok();
    let answer = |id: &str| format!("/friends/requests/{id}?action=accepted");
    let existing = eve.put(&answer(request["id"].as_str().unwrap())).await;
    let missing = eve.put(&answer(&uuid::Uuid::new_v4().to_string())).await;
    existing.problem(404, "not_found");
    assert_eq!(existing.text, missing.text, "identical bodies");
    assert_eq!(ben.get("/friends/requests").await.ok(), json!([request]));
    assert_eq!(eve.get("/friends/requests").await.ok(), json!([]));
}

#[tokio::test(flavor = "multi_thread")]
async fn every_operation_requires_a_token() {
    let stack = TestStack::new().await;
    for probe in probes(&uuid::Uuid::new_v4().to_string()) {
        probe.call(&stack.stranger(None)).await.problem(401, "invalid_token");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn read_only_fields_in_a_request_are_ignored() {
    let stack = TestStack::new().await;
    let [ana, ben, eve] = stack.actors(["ana", "ben", "eve"]).await;
    let room = ana.room_with(&ben).await;
    let forged = json!({"chat_room_id": room, "content": "hi", "sender_id": ben.id, "sender_username": "ben", "seq": 99,
        "id": uuid::Uuid::new_v4(), "created_at": "1999-01-01T00:00:00Z", "status": "read", "rev": 7, "is_edited": true});
    let sent = ana.post("/chat/messages", forged).await.ok();
    assert_eq!((&sent["sender_id"], &sent["sender_username"]), (&json!(ana.id), &json!("ana")));
    assert_eq!(
        (&sent["seq"], &sent["rev"], &sent["is_edited"], &sent["status"]),
        (&json!(1), &json!(0), &json!(false), &json!("sent"))
    );
    assert!(sent["created_at"].as_str().unwrap() > "2026");
    let forged = json!({"receiver_id": eve.id, "sender_id": ben.id, "status": "accepted"});
    let request = ana.post("/friends/requests", forged).await.ok();
    assert_eq!((&request["sender_id"], &request["status"]), (&json!(ana.id), &json!("pending")));
}
