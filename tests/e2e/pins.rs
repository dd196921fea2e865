//! Pinned messages of a room, newest pin first.

use serde_json::{Value, json};

use crate::harness::{Seen, TestStack, as_others_see, each, next_on_each, without_presence};

#[tokio::test(flavor = "multi_thread")]
async fn both_members_of_a_direct_room_can_pin_and_every_device_is_notified() {
    let stack = TestStack::new().await;
    let [ana, ben] = stack.actors(["ana", "ben"]).await;
    let room = ana.room_with(&ben).await;
    let (first, second) = (ana.send_message(&room, "first").await, ana.send_message(&room, "second").await);
    let (mut phone, mut tablet, mut at_ben) = (ana.socket().await, ana.socket().await, ben.socket().await);

    let answer = ana.pin(&second).await.ok();
    assert_eq!((&answer["pinned_message_ids"], &answer["rev"]), (&json!([second["id"]]), &json!(1)));
    assert_eq!(answer, without_presence(ana.room(&room).await.ok()));
    let frame = |rev: u64, ids: Value| {
        json!({
            "chat_room_id": room, "rev": rev, "name": null, "avatar_url": null, "description": null,
            "history_visibility": "joined", "pinned_message_ids": ids
        })
    };
    let frames = next_on_each([&mut phone, &mut tablet, &mut at_ben], "room_updated").await;
    assert_eq!(frames, [(); 3].map(|()| frame(1, json!([second["id"]]))));
    assert_eq!(ana.pin(&second).await.ok(), answer, "pinning a pinned message changes nothing");

    let both = json!([first["id"], second["id"]]);
    assert_eq!(ben.pin(&first).await.ok()["pinned_message_ids"], both, "newest pin first");
    next_on_each([&mut phone, &mut tablet, &mut at_ben], "room_updated").await;
    for user in [&ana, &ben] {
        let rooms = user.get("/chat/rooms").await.ok();
        assert_eq!((&rooms[0]["pinned_message_ids"], &rooms[0]["rev"]), (&both, &json!(2)));
    }
    let [first_seen, second_seen] = [&first, &second].map(as_others_see);
    assert_eq!(ben.pins(&room).await, json!([first_seen, second_seen]));
    assert_eq!(ana.pins(&room).await, json!([first, second]), "pinning does not change a message");

    let answer = ana.unpin(&first).await.ok();
    assert_eq!((&answer["pinned_message_ids"], &answer["rev"]), (&json!([second["id"]]), &json!(3)));
    let frames = next_on_each([&mut phone, &mut tablet, &mut at_ben], "room_updated").await;
    assert_eq!(frames[2], frame(3, json!([second["id"]])));
    assert_eq!(ana.unpin(&first).await.ok(), answer, "unpinning an unpinned message changes nothing");

    // Deleting a message unpins it. One frame announces both.
    let deleted = ana.delete_message(&second).await.ok();
    let frames = next_on_each([&mut phone, &mut tablet, &mut at_ben], "message_deleted").await;
    assert_eq!((&frames[2], &deleted["rev"]), (&as_others_see(&deleted), &json!(4)));
    assert_eq!(ana.room(&room).await.ok()["pinned_message_ids"], json!([]));
    assert_eq!(ben.pins(&room).await, json!([]));
    ben.pin(&second).await.problem(409, "message_deleted");
    for device in [&mut phone, &mut tablet, &mut at_ben] {
        device.expect_nothing_more().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_message_deleted_during_a_pin_call_is_not_pinned() {
    let (stack, proxy) = TestStack::with_proxy().await;
    let [ana, ben] = stack.actors(["ana", "ben"]).await;
    let room = ana.room_with(&ben).await;
    let message = ana.send_message(&room, "gone soon").await;
    // The pin call has read the message when it is deleted.
    let is_pin =
        |call: &Seen| call.caller == "ChatPinMessageFunction" && call.operation == "TransactWriteItems";
    let paused = proxy.hold(is_pin);
    let pinning = tokio::spawn({
        let (ben, message) = (ben.clone(), message.clone());
        async move { ben.pin(&message).await }
    });
    let pin = paused.caught().await;
    ana.delete_message(&message).await.ok();
    drop(pin);
    pinning.await.unwrap().problem(409, "message_deleted");
    assert_eq!(ana.room(&room).await.ok()["pinned_message_ids"], json!([]));
}

#[tokio::test(flavor = "multi_thread")]
async fn only_the_owner_and_admins_of_a_group_pin_and_every_member_sees_the_pins() {
    let stack = TestStack::new().await;
    let [ana, ben, cleo, eve] = stack.actors(["ana", "ben", "cleo", "eve"]).await;
    let room = ana.group_with(&[&ben, &cleo]).await;
    stack.make_admin(&room, &ben).await;
    let (first, second) = (cleo.send_message(&room, "first").await, ana.send_message(&room, "second").await);
    cleo.pin(&first).await.problem(403, "not_allowed");
    ana.pin(&first).await.ok();
    ben.pin(&second).await.ok();
    cleo.unpin(&first).await.problem(403, "not_allowed");
    assert_eq!(each(&cleo.pins(&room).await, "id"), [&second["id"], &first["id"]]);
    ben.unpin(&first).await.ok();
    ana.unpin(&second).await.ok();
    assert_eq!(cleo.pins(&room).await, json!([]));
    let missing = uuid::Uuid::new_v4();
    for (user, room) in [(&eve, room.as_str()), (&ana, &missing.to_string())] {
        user.get(&format!("/chat/rooms/{room}/pins")).await.problem(404, "not_found");
    }
    ana.get("/chat/rooms/gym/pins").await.bad_field("room_id");
    stack.stranger(None).get(&format!("/chat/rooms/{room}/pins")).await.problem(401, "invalid_token");
}

#[tokio::test(flavor = "multi_thread")]
async fn at_most_fifty_messages_are_pinned_in_a_room() {
    let stack = TestStack::new().await;
    let [ana, ben] = stack.actors(["ana", "ben"]).await;
    let room = ana.room_with(&ben).await;
    let mut messages = Vec::new();
    for n in 0..=50 {
        messages.push(ana.send_message(&room, &format!("m{n}")).await);
    }
    let (last, first_fifty) = messages.split_last().unwrap();
    for message in first_fifty {
        ana.pin(message).await.ok();
    }
    ana.pin(last).await.problem(409, "too_many_pins");
    ana.pin(&first_fifty[7]).await.ok();
    let mut newest_first: Vec<&Value> = first_fifty.iter().map(|message| &message["id"]).collect();
    newest_first.reverse();
    assert_eq!(each(&ben.pins(&room).await, "id"), newest_first);
    ben.unpin(&first_fifty[7]).await.ok();
    let full = ben.pin(last).await.ok();
    assert_eq!(full["pinned_message_ids"].as_array().unwrap().len(), 50);
    assert_eq!(full["pinned_message_ids"][0], last["id"]);
}
