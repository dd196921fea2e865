//! Typing indicators: sent to the other members of a room and not stored.

use serde_json::json;

use crate::harness::{TestStack, next_on_each};

#[tokio::test(flavor = "multi_thread")]
async fn only_the_other_members_receive_typing_indicators() {
    let stack = TestStack::new().await;
    let [ana, ben, cleo, eve] = stack.actors(["ana", "ben", "cleo", "eve"]).await;
    let shown = json!({"display_name": "Ana Silva", "avatar_url": "https://pictures.example.net/ana.jpg"});
    ana.patch("/users/me", shown).await.ok();
    let group = ana.group_with(&[&ben, &cleo]).await;
    let (mut phone, mut tablet) = (ana.socket().await, ana.socket().await);
    let (mut at_ben, mut at_ben_tablet) = (ben.socket().await, ben.socket().await);
    let (mut at_cleo, mut at_eve) = (cleo.socket().await, eve.socket().await);
    for (frame, room, is_typing) in [
        ("typing_start", "chat_room_id", true),
        ("typing_start", "room_id", true),
        ("typing_stop", "room_id", false),
    ] {
        phone.send(frame, json!({room: group})).await;
        let expected = json!({
            "chat_room_id": group, "user_id": ana.id, "username": "ana", "display_name": "Ana Silva",
            "avatar_url": "https://pictures.example.net/ana.jpg", "is_typing": is_typing,
        });
        for received in
            next_on_each([&mut at_ben, &mut at_ben_tablet, &mut at_cleo], "typing_indicator").await
        {
            assert_eq!(received, expected);
        }
    }
    for socket in [&mut phone, &mut tablet, &mut at_ben, &mut at_ben_tablet, &mut at_cleo, &mut at_eve] {
        socket.expect_nothing_more().await;
    }
    assert_eq!(
        ben.history(&group).await,
        Vec::<serde_json::Value>::new(),
        "a typing indicator is not a message"
    );
    assert_eq!(ben.room(&group).await.ok()["rev"], 0, "a typing indicator is not a revision");
}

#[tokio::test(flavor = "multi_thread")]
async fn typing_in_a_room_of_others_is_like_typing_in_a_missing_room() {
    let stack = TestStack::new().await;
    let [ana, ben, cleo, eve] = stack.actors(["ana", "ben", "cleo", "eve"]).await;
    let group = ana.group_with(&[&ben, &cleo]).await;
    ana.remove(&group, &cleo).await.nothing();
    let (mut at_ana, mut at_cleo, mut at_eve) = (ana.socket().await, cleo.socket().await, eve.socket().await);
    for frame in ["typing_start", "typing_stop"] {
        at_eve.send(frame, json!({"chat_room_id": uuid::Uuid::new_v4()})).await;
        let missing = at_eve.expect("error").await;
        assert_eq!(missing["data"]["code"], "not_found");
        for socket in [&mut at_eve, &mut at_cleo] {
            socket.send(frame, json!({"chat_room_id": group})).await;
            assert_eq!(socket.expect("error").await, missing, "identical frames");
        }
        for data in [json!({}), json!({"chat_room_id": "gym"}), json!({"chat_room_id": null})] {
            at_eve.send(frame, data).await;
            assert_eq!(at_eve.expect("error").await["data"]["code"], "validation_failed");
        }
        at_ana.send(frame, json!({"chat_room_id": group})).await;
    }
    at_ana.expect_nothing_more().await;
    at_cleo.expect_nothing_more().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn typing_in_a_closed_room_is_rejected() {
    let stack = TestStack::new().await;
    let [ana, ben] = stack.actors(["ana", "ben"]).await;
    let room = ana.room_with(&ben).await;
    let (mut at_ana, mut at_ben) = (ana.socket().await, ben.socket().await);
    stack.close(&room).await;
    at_ana.send("typing_start", json!({"chat_room_id": room})).await;
    assert_eq!(at_ana.expect("error").await["data"]["code"], "not_found");
    at_ben.expect_nothing_more().await;
}
