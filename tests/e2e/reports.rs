//! Reports to the moderators.

use serde_json::{Value, json};

use crate::harness::{Actor, Answer, TestStack};

async fn report(who: &Actor, message: &Value) -> Answer {
    let (room, id) = (&message["chat_room_id"], &message["id"]);
    let body = json!({"chat_room_id": room, "message_id": id, "reason": "harassment", "text": "look"});
    who.post("/reports", body).await
}

/// What moderators find of the day on which this report was made.
async fn found_by_moderators(stack: &TestStack, reported: &Value) -> Vec<Value> {
    let day = format!("REPORT#{}", &reported["created_at"].as_str().unwrap()[..10]);
    let query = json!({
        "KeyConditionExpression": "pk = :day",
        "ExpressionAttributeValues": {":day": {"S": day}},
    });
    stack.database("Query", query).await["Items"].as_array().unwrap().clone()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_reported_message_stays_with_the_moderators_whatever_becomes_of_it() {
    let stack = TestStack::new().await;
    let [ana, ben] = stack.actors(["ana", "ben"]).await;
    let room = ana.room_with(&ben).await;
    ana.send_message(&room, "please stop").await;
    let said = ben.send_message(&room, "insult").await;
    let mut at_ben = ben.socket().await;
    let reported = report(&ana, &said).await.ok();
    assert_eq!(report(&ana, &said).await.ok(), reported, "once, however often it is made");
    at_ben.expect_nothing_more().await;
    ben.delete_message(&said).await.ok();
    assert_eq!(report(&ana, &said).await.ok(), reported);

    let found = found_by_moderators(&stack, &reported).await;
    assert_eq!(found.len(), 1);
    let evidence = &found[0]["evidence"]["M"];
    assert_eq!(found[0]["id"]["S"], reported["id"]);
    assert_eq!(found[0]["text"]["S"], "look");
    assert_eq!(evidence["message"]["M"]["content"]["S"], "insult");
    assert_eq!(evidence["before"]["L"][0]["M"]["content"]["S"], "please stop");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_one_does_not_see_is_reported_as_what_does_not_exist() {
    let stack = TestStack::new().await;
    let [ana, ben, eve] = stack.actors(["ana", "ben", "eve"]).await;
    let group = ana.group_with(&[&ben]).await;
    let said = ben.send_message(&group, "hello").await;
    let nothing = json!({"chat_room_id": uuid::Uuid::new_v4(), "id": uuid::Uuid::new_v4()});
    let hidden = report(&eve, &said).await;
    hidden.problem(404, "not_found");
    assert_eq!(hidden.text, report(&eve, &nothing).await.text);
    // Who comes later does not see it either.
    ana.add(&group, &eve).await.ok();
    assert_eq!(report(&eve, &said).await.text, hidden.text);
    let nobody = json!({"user_id": uuid::Uuid::new_v4(), "reason": "spam"});
    assert_eq!(eve.post("/reports", nobody).await.text, hidden.text);
    report(&ben, &said).await.problem(400, "cannot_report_yourself");
    ben.post("/reports", json!({"user_id": ben.id, "reason": "spam"}))
        .await
        .problem(400, "cannot_report_yourself");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_block_puts_nobody_out_of_reach_and_tells_nothing_of_anybody_else() {
    let stack = TestStack::new().await;
    let [ana, ben, cleo, dev] = stack.actors(["ana", "ben", "cleo", "dev"]).await;
    let about = |user: &str| json!({"user_id": user, "reason": "harassment"});
    let nobody = uuid::Uuid::new_v4().to_string();
    let nothing = ana.post("/reports", about(&nobody)).await;
    nothing.problem(404, "not_found");
    // Who blocks her first is as somebody who does not exist, also once she blocks them.
    dev.block(&ana).await.nothing();
    assert_eq!(ana.post("/reports", about(&dev.id)).await.text, nothing.text);
    for other in [&dev.id, &nobody] {
        ana.put(&format!("/friends/blocks/{other}")).await.nothing();
        assert_eq!(ana.post("/reports", about(other)).await.text, nothing.text);
    }
    // Whom she sees and blocks she can report, also once they block her.
    ana.block(&cleo).await.nothing();
    let reported = ana.post("/reports", about(&cleo.id)).await.ok();
    cleo.block(&ana).await.nothing();
    assert_eq!(ana.post("/reports", about(&cleo.id)).await.ok(), reported);
    // And whoever is in a group with her, for as long as they are.
    let group = ben.group_with(&[&ana]).await;
    ben.block(&ana).await.nothing();
    let reported = ana.post("/reports", about(&ben.id)).await.ok();
    let found = found_by_moderators(&stack, &reported).await;
    let of_ben = found.iter().find(|report| report["id"]["S"] == reported["id"]).unwrap();
    assert_eq!(of_ben["evidence"]["M"]["profile"]["M"]["username"]["S"], "ben");
    ana.remove(&group, &ana).await.nothing();
    assert_eq!(ana.post("/reports", about(&ben.id)).await.text, nothing.text);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_report_is_of_one_thing_for_one_reason() {
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
