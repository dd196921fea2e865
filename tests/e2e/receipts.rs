//! Receipts and the status of a message: sent, delivered, read.

use serde_json::{Value, json};

use crate::harness::{Actor, TestStack};

/// The status of every message in a room, oldest first. `null` for messages of other users.
async fn statuses(user: &Actor, room: &str) -> Vec<Value> {
    user.history(room).await.iter().map(|message| message["status"].clone()).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_message_is_sent_then_delivered_then_read() {
    let stack = TestStack::new().await;
    let [ana, ben] = stack.actors(["ana", "ben"]).await;
    let room = ana.room_with(&ben).await;
    let (mut at_ana, mut at_ben) = (ana.socket().await, ben.socket().await);
    for n in 1..=3 {
        ana.send_message(&room, &format!("m{n}")).await;
        at_ana.expect("new_message").await;
        at_ben.expect("new_message").await;
    }
    assert_eq!(statuses(&ana, &room).await, ["sent", "sent", "sent"]);

    at_ben.send("message_delivered", json!({"chat_room_id": room, "seq": 2})).await;
    let receipt = json!({"chat_room_id": room, "user_id": ben.id, "seq": 2, "message_ids": []});
    assert_eq!(at_ana.expect("message_delivered_receipt").await["data"], receipt);
    assert_eq!(
        at_ben.expect("message_delivered_receipt").await["data"],
        receipt,
        "the reader's devices also receive the receipt"
    );
    assert_eq!(statuses(&ana, &room).await, ["delivered", "delivered", "sent"]);

    at_ben.send("message_read", json!({"room_id": room, "seq": 1})).await;
    assert_eq!(at_ana.expect("message_read_receipt").await["data"]["seq"], 1);
    assert_eq!(statuses(&ana, &room).await, ["read", "delivered", "sent"]);
    assert_eq!(ben.get("/chat/rooms").await.ok()[0]["unread_count"], 2);
    let seen = ana.get("/chat/rooms").await.ok()[0]["participants"][0].clone();
    assert_eq!((&seen["read_seq"], &seen["delivered_seq"]), (&json!(1), &json!(2)));
    assert!(seen["last_read_at"].is_string());
    assert_eq!(statuses(&ben, &room).await, [Value::Null, Value::Null, Value::Null]);
}

#[tokio::test(flavor = "multi_thread")]
async fn one_receipt_marks_many_messages_and_positions_never_move_back() {
    let stack = TestStack::new().await;
    let [ana, ben] = stack.actors(["ana", "ben"]).await;
    let room = ana.room_with(&ben).await;
    let mut ids = Vec::new();
    for n in 0..50 {
        ids.push(ana.send_message(&room, &format!("m{n}")).await["id"].clone());
    }
    let (mut at_ana, mut at_ben) = (ana.socket().await, ben.socket().await);
    at_ben.send("message_read", json!({"chat_room_id": room, "message_ids": ids})).await;
    assert_eq!(at_ana.expect("message_read_receipt").await["data"]["seq"], 50);
    assert_eq!(at_ben.expect("message_read_receipt").await["data"]["seq"], 50);
    // A receipt at or below the read position sends no frame, in any form.
    for (frame, data) in [
        ("message_read", json!({"chat_room_id": room, "seq": 3})),
        ("message_read", json!({"chat_room_id": room, "message_ids": [ids[7]]})),
        ("message_read", json!({"chat_room_id": room})),
        ("message_read", json!({"chat_room_id": room, "seq": u64::MAX})),
        ("message_delivered", json!({"chat_room_id": room, "seq": 50})),
    ] {
        at_ben.send(frame, data).await;
        at_ben.expect_nothing_more().await;
    }
    ben.put(&format!("/chat/rooms/{room}/read")).await.ok();
    at_ana.expect_nothing_more().await;
    assert_eq!(ben.get("/chat/rooms").await.ok()[0]["unread_count"], 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_group_message_is_read_when_every_other_member_has_read_it() {
    let stack = TestStack::new().await;
    let [ana, ben, cleo] = stack.actors(["ana", "ben", "cleo"]).await;
    let room = ana.group_with(&[&ben, &cleo]).await;
    ana.send_message(&room, "hello").await;
    let mut at_ana = ana.socket().await;
    ben.put(&format!("/chat/rooms/{room}/read")).await.ok();
    at_ana.expect("message_read_receipt").await;
    assert_eq!(statuses(&ana, &room).await, ["sent"]);
    cleo.send_message(&room, "posting is reading").await;
    at_ana.expect("new_message").await;
    assert_eq!(statuses(&ana, &room).await, [json!("read"), Value::Null]);
}

#[tokio::test(flavor = "multi_thread")]
async fn receipts_that_are_invalid_or_in_rooms_of_others_are_rejected() {
    let stack = TestStack::new().await;
    let [ana, ben, eve] = stack.actors(["ana", "ben", "eve"]).await;
    let room = ana.room_with(&ben).await;
    ana.send_message(&room, "hello").await;
    let (mut at_ana, mut at_eve) = (ana.socket().await, eve.socket().await);
    for frame in ["message_read", "message_delivered"] {
        for (data, code) in [
            (json!({"seq": 1}), "validation_failed"),
            (json!({"chat_room_id": room, "seq": -1}), "validation_failed"),
            (json!({"chat_room_id": room, "seq": 1}), "not_found"),
            (json!({"chat_room_id": uuid::Uuid::new_v4(), "seq": 1}), "not_found"),
        ] {
            at_eve.send(frame, data).await;
            assert_eq!(at_eve.expect("error").await["data"]["code"], code);
        }
    }
    let ids = vec![uuid::Uuid::new_v4().to_string(); 101];
    for ids in [json!(["latest"]), json!(ids), json!({})] {
        for frame in ["message_read", "message_delivered"] {
            at_eve.send(frame, json!({"chat_room_id": room, "message_ids": ids})).await;
            assert_eq!(at_eve.expect("error").await["data"]["code"], "validation_failed", "{ids}");
        }
        let answer = ben.put_json(&format!("/chat/rooms/{room}/read"), json!({"message_ids": ids})).await;
        answer.problem(422, "validation_failed");
    }
    at_eve.send("message_delivered", json!({"chat_room_id": room})).await;
    assert_eq!(at_eve.expect("error").await["data"]["code"], "validation_failed");
    at_ana.expect_nothing_more().await;
    assert_eq!(statuses(&ana, &room).await, ["sent"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_receipt_covers_only_named_messages_that_the_member_sees_in_the_room() {
    let stack = TestStack::new().await;
    let [ana, ben, cleo] = stack.actors(["ana", "ben", "cleo"]).await;
    let (room, other) = (ana.group_with(&[&ben]).await, ana.room_with(&ben).await);
    let mut ids = Vec::new();
    for n in 0..6 {
        ids.push(ana.send_message(&room, &format!("m{n}")).await["id"].clone());
        ana.send_message(&other, "elsewhere").await;
    }
    let elsewhere = ben.message(&other, 4).await["id"].clone();
    // Random, but at a position that exists in the room.
    let guessed = format!("{}{}", &elsewhere.as_str().unwrap()[..33], "abc");
    let mut unknown = vec![json!(uuid::Uuid::new_v4()); 98];
    unknown.extend([elsewhere, json!(guessed)]);
    let (mut at_ana, mut at_ben) = (ana.socket().await, ben.socket().await);
    let path = format!("/chat/rooms/{room}/read");
    for ids in [json!([]), json!(unknown)] {
        for frame in ["message_read", "message_delivered"] {
            at_ben.send(frame, json!({"chat_room_id": room, "message_ids": ids})).await;
            at_ben.expect_nothing_more().await;
        }
        ben.put_json(&path, json!({"message_ids": ids})).await.ok();
    }
    at_ana.expect_nothing_more().await;
    assert_eq!(statuses(&ana, &room).await, vec![json!("sent"); 6]);

    unknown.truncate(97);
    unknown.extend([ids[0].clone(), ids[2].clone(), ids[1].clone()]);
    at_ben.send("message_delivered", json!({"chat_room_id": room, "message_ids": unknown})).await;
    assert_eq!(at_ana.expect("message_delivered_receipt").await["data"]["seq"], 3);
    unknown.truncate(98);
    at_ben.send("message_read", json!({"chat_room_id": room, "message_ids": unknown})).await;
    assert_eq!(at_ana.expect("message_read_receipt").await["data"]["seq"], 1);
    ben.put_json(&path, json!({"message_ids": [ids[1]], "seq": 1})).await.ok();
    assert_eq!(at_ana.expect("message_read_receipt").await["data"]["seq"], 2);
    ben.put_json(&path, json!({"seq": 4})).await.ok();
    assert_eq!(at_ana.expect("message_read_receipt").await["data"]["seq"], 4);
    ben.put_json(&path, json!({})).await.ok();
    assert_eq!(at_ana.expect("message_read_receipt").await["data"]["seq"], 6);

    // A new member does not see the messages from before joining.
    ana.add(&room, &cleo).await.ok();
    at_ana.expect("participant_joined").await;
    at_ana.expect("new_message").await;
    cleo.put_json(&path, json!({"message_ids": ids})).await.ok();
    at_ana.expect_nothing_more().await;
}
