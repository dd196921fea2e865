//! Display names: wherever a username is, so that a chat shows the user whom a search has found.

use serde_json::{Value, json};

use crate::harness::{Actor, TestStack, make_friends, next_on_each};

async fn set_name(actor: &Actor, name: Value) {
    actor.patch("/users/me", json!({"display_name": name})).await.ok();
}

/// The display name of a participant.
fn participant(room: &Value, user: &Actor) -> Value {
    let participants = room["participants"].as_array().unwrap();
    participants.iter().find(|participant| participant["user_id"] == user.id).unwrap()["display_name"].clone()
}

#[tokio::test(flavor = "multi_thread")]
async fn requests_participants_messages_replies_and_events_have_display_names() {
    let stack = TestStack::new().await;
    let [ana, ben, cleo] = stack.actors(["ana", "bb7yj4l", "cleo"]).await;
    set_name(&ben, json!("Ben Okafor")).await;
    let found = ana.get("/friends/search?query=bb7").await.ok();
    assert_eq!(found[0]["display_name"], "Ben Okafor");
    ben.patch("/users/me", json!({"avatar_url": "https://pictures.example.net/ben.jpg"})).await.ok();

    let request = ben.send_request(&ana).await.ok();
    let of = |side: &str| {
        ["username", "display_name", "avatar_url"].map(|field| request[format!("{side}_{field}")].clone())
    };
    assert_eq!(
        of("sender"),
        [json!("bb7yj4l"), json!("Ben Okafor"), json!("https://pictures.example.net/ben.jpg")]
    );
    assert_eq!(of("receiver"), [json!("ana"), Value::Null, Value::Null]);
    assert_eq!(ana.get("/friends/requests").await.ok(), json!([request]));

    let group = ana.group_with(&[&cleo]).await;
    let mut at_ana = ana.socket().await;
    ana.add(&group, &ben).await.ok();
    let joined = at_ana.expect("participant_joined").await["data"].take();
    assert_eq!(joined["participant"]["display_name"], "Ben Okafor");
    let event = at_ana.expect("new_message").await["data"].take();
    let subject = ["username", "display_name"].map(|field| event["payload"][field].clone());
    assert_eq!(subject, [json!("bb7yj4l"), json!("Ben Okafor")]);
    assert_eq!(event["sender_display_name"], Value::Null, "Ana has none");
    let message = ben.send_message(&group, "hello").await;
    assert_eq!(message["sender_display_name"], "Ben Okafor");
    assert_eq!(at_ana.expect("new_message").await["data"]["sender_display_name"], "Ben Okafor");
    let reply = cleo.reply(&message, "hi").await;
    assert_eq!(reply["reply_to"]["sender_display_name"], "Ben Okafor");
    ana.set_role(&group, &ben, "admin").await.ok();
    let history = ana.history(&group).await;
    let changed = &history.last().unwrap()["payload"];
    assert_eq!(
        (&changed["action"], &changed["display_name"]),
        (&json!("role_changed"), &json!("Ben Okafor"))
    );
    for room in [ana.room(&group).await.ok(), ana.get("/chat/rooms").await.ok()[0].clone()] {
        assert_eq!(participant(&room, &ben), "Ben Okafor");
        assert_eq!(participant(&room, &ana), Value::Null);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_new_display_name_reaches_every_room_and_no_earlier_message() {
    let stack = TestStack::new().await;
    let [ana, ben] = stack.actors(["ana", "ben"]).await;
    make_friends(&ana, &ben).await;
    let (direct, group) = (ana.room_with(&ben).await, ana.group_with(&[&ben]).await);
    let sent = ana.send_message(&direct, "hello").await;
    let (mut phone, mut tablet) = (ben.socket().await, ben.socket().await);
    for name in [json!("Ana Silva"), json!("Ana S."), Value::Null] {
        set_name(&ana, name.clone()).await;
        for _ in [&direct, &group] {
            for frame in next_on_each([&mut phone, &mut tablet], "participant_updated").await {
                assert_eq!(participant(&frame, &ana), name);
                assert_eq!(frame["participants"][0]["username"], "ana");
            }
        }
        for room in [&direct, &group] {
            assert_eq!(participant(&ben.room(room).await.ok(), &ana), name);
        }
        assert_eq!(ben.message(&direct, 1).await["sender_display_name"], sent["sender_display_name"]);
        assert_eq!(ben.get("/friends").await.ok()[0]["display_name"], name);
    }
    // The same name again changes no room.
    set_name(&ana, Value::Null).await;
    for device in [&mut phone, &mut tablet] {
        device.expect_nothing_more().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_deleted_account_has_a_display_name_nowhere() {
    let stack = TestStack::new().await;
    let [ana, ben, cleo] = stack.actors(["ana", "ben", "cleo"]).await;
    set_name(&ana, json!("Ana Silva")).await;
    let (direct, group) = (ana.room_with(&ben).await, ben.group_with(&[&cleo]).await);
    ben.add(&group, &ana).await.ok();
    let message = ana.send_message(&group, "hello").await;
    cleo.reply(&message, "hi").await;
    ana.send_message(&direct, "hello").await;
    ana.remove(&group, &ana).await.nothing();
    let rooms = async |reader: &Actor| {
        let (room, history) = (reader.get("/chat/rooms").await.text, reader.history(&group).await);
        format!("{room} {}", json!(history))
    };
    assert!(rooms(&ben).await.contains("Ana Silva"), "or the last assertion proves nothing");
    ana.delete("/users/me").await.nothing();
    for reader in [&ben, &cleo] {
        let seen = rooms(reader).await;
        assert!(!seen.contains("Silva") && seen.contains("Deleted user"), "{seen}");
    }
}
