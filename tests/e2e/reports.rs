//! Reports to the moderators.

use serde_json::{Value, json};

use crate::harness::{Actor, Answer, TestStack};

async fn report(user: &Actor, message: &Value) -> Answer {
    let (room, id) = (&message["chat_room_id"], &message["id"]);
    let body = json!({"chat_room_id": room, "message_id": id, "reason": "harassment", "text": "look"});
    user.post("/reports", body).await
}

/// All reports of the day of the given report, as moderators query them.
async fn found_by_moderators(stack: &TestStack, reported: &Value) -> Vec<Value> {
    let day = format!("REPORT#{}", &reported["created_at"].as_str().unwrap()[..10]);
    let query = json!({
        "KeyConditionExpression": "pk = :day",
        "ExpressionAttributeValues": {":day": {"S": day}},
    });
    stack.database("Query", query).await["Items"].as_array().unwrap().clone()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_report_keeps_the_content_of_a_message_that_is_deleted_later() {
    let stack = TestStack::new().await;
    let [ana, ben] = stack.actors(["ana", "ben"]).await;
    let room = ana.room_with(&ben).await;
    ana.send_message(&room, "please stop").await;
    let message = ben.send_message(&room, "insult").await;
    let mut at_ben = ben.socket().await;
    let reported = report(&ana, &message).await.ok();
    assert_eq!(report(&ana, &message).await.ok(), reported, "idempotent");
    at_ben.expect_nothing_more().await;
    ben.delete_message(&message).await.ok();
    assert_eq!(report(&ana, &message).await.ok(), reported);

    let found = found_by_moderators(&stack, &reported).await;
    assert_eq!(found.len(), 1);
    let evidence = &found[0]["evidence"]["M"];
    assert_eq!(found[0]["id"]["S"], reported["id"]);
    assert_eq!(found[0]["text"]["S"], "look");
    assert_eq!(evidence["message"]["M"]["content"]["S"], "insult");
    assert_eq!(evidence["before"]["L"][0]["M"]["content"]["S"], "please stop");
}

#[tokio::test(flavor = "multi_thread")]
async fn reporting_a_hidden_message_is_like_reporting_a_missing_one() {
    let stack = TestStack::new().await;
    let [ana, ben, eve] = stack.actors(["ana", "ben", "eve"]).await;
    let group = ana.group_with(&[&ben]).await;
    let message = ben.send_message(&group, "hello").await;
    let missing = json!({"chat_room_id": uuid::Uuid::new_v4(), "id": uuid::Uuid::new_v4()});
    let hidden = report(&eve, &message).await;
    hidden.problem(404, "not_found");
    assert_eq!(hidden.text, report(&eve, &missing).await.text);
    // A new member does not see the earlier message either.
    ana.add(&group, &eve).await.ok();
    assert_eq!(report(&eve, &message).await.text, hidden.text);
    let missing_user = json!({"user_id": uuid::Uuid::new_v4(), "reason": "spam"});
    assert_eq!(eve.post("/reports", missing_user).await.text, hidden.text);
    report(&ben, &message).await.problem(400, "cannot_report_yourself");
    ben.post("/reports", json!({"user_id": ben.id, "reason": "spam"}))
        .await
        .problem(400, "cannot_report_yourself");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_block_does_not_prevent_a_report_and_does_not_reveal_users() {
    let stack = TestStack::new().await;
    let [ana, ben, cleo, dev] = stack.actors(["ana", "ben", "cleo", "dev"]).await;
    let about = |user: &str| json!({"user_id": user, "reason": "harassment"});
    let missing = uuid::Uuid::new_v4().to_string();
    let not_found = ana.post("/reports", about(&missing)).await;
    not_found.problem(404, "not_found");
    // A user who has blocked Ana is like a missing user to her, also after Ana blocks them.
    dev.block(&ana).await.nothing();
    assert_eq!(ana.post("/reports", about(&dev.id)).await.text, not_found.text);
    for other in [&dev.id, &missing] {
        ana.put(&format!("/friends/blocks/{other}")).await.nothing();
        assert_eq!(ana.post("/reports", about(other)).await.text, not_found.text);
    }
    // Ana can report a user whom she has blocked, also after that user blocks her.
    ana.block(&cleo).await.nothing();
    let reported = ana.post("/reports", about(&cleo.id)).await.ok();
    cleo.block(&ana).await.nothing();
    assert_eq!(ana.post("/reports", about(&cleo.id)).await.ok(), reported);
    // Ana can report a member of a shared group as long as both are members.
    let group = ben.group_with(&[&ana]).await;
    ben.block(&ana).await.nothing();
    let reported = ana.post("/reports", about(&ben.id)).await.ok();
    let found = found_by_moderators(&stack, &reported).await;
    let of_ben = found.iter().find(|report| report["id"]["S"] == reported["id"]).unwrap();
    assert_eq!(of_ben["evidence"]["M"]["profile"]["M"]["username"]["S"], "ben");
    ana.remove(&group, &ana).await.nothing();
    assert_eq!(ana.post("/reports", about(&ben.id)).await.text, not_found.text);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_report_has_exactly_one_target_and_one_reason() {
    let stack = TestStack::new().await;
    let [ana, ben] = stack.actors(["ana", "ben"]).await;
    let id = uuid::Uuid::new_v4();
    for (body, field) in [
        (json!({"reason": "spam"}), "user_id"),
        (json!({"reason": "spam", "user_id": ben.id, "message_id": id}), "user_id"),
        (json!({"reason": "spam", "chat_room_id": id}), "message_id"),
        (json!({"reason": "spam", "message_id": id}), "chat_room_id"),
        (json!({"reason": "spam", "user_id": "ben"}), "user_id"),
        (json!({"user_id": ben.id}), "reason"),
        (json!({"user_id": ben.id, "reason": "boring"}), "reason"),
        (json!({"user_id": ben.id, "reason": "other", "text": "x".repeat(1001)}), "text"),
    ] {
        ana.post("/reports", body).await.bad_field(field);
    }
    ana.post("/reports", json!({"user_id": ben.id, "reason": "other", "text": "é".repeat(1000)})).await.ok();
}
