//! Room settings of a user: shared by all of their devices, invisible to other members.

use serde_json::{Value, json};

use crate::harness::{TestStack, next_on_each};

#[tokio::test(flavor = "multi_thread")]
async fn settings_are_private_and_the_same_on_every_device_and_in_every_response() {
    let stack = TestStack::new().await;
    let [ana, ben] = stack.actors(["ana", "ben"]).await;
    let room = ana.room_with(&ben).await;
    let (mut phone, mut tablet, mut at_ben) = (ana.socket().await, ana.socket().await, ben.socket().await);
    let defaults =
        json!({"muted_until": null, "is_pinned": false, "is_archived": false, "theme": null, "version": 0});
    assert_eq!(ana.room(&room).await.ok()["settings"], defaults);

    let patch = json!({"muted_until": "2030-01-01T10:00:00+01:00", "is_pinned": true, "theme": "ocean-2"});
    let updated = ana.update_room_settings(&room, patch).await.ok();
    let expected = json!({
        "muted_until": "2030-01-01T09:00:00.000Z", "is_pinned": true, "is_archived": false, "theme": "ocean-2",
        "version": 1
    });
    assert_eq!(updated, expected);
    for frame in next_on_each([&mut phone, &mut tablet], "room_settings_updated").await {
        assert_eq!(frame, json!({"chat_room_id": room, "settings": expected}));
    }
    let opened = ana.post("/chat/rooms", json!({"participant_ids": [ben.id]})).await.ok();
    let listed = ana.get("/chat/rooms").await.ok()[0].take();
    let synced = ana.sync(json!({})).await["rooms"][0]["room"].take();
    for room in [opened, listed, synced, ana.room(&room).await.ok()] {
        assert_eq!(room["settings"], expected);
    }
    assert_eq!(ben.room(&room).await.ok()["settings"], defaults);

    let archived =
        ana.update_room_settings(&room, json!({"is_archived": true, "muted_until": null})).await.ok();
    assert_eq!(archived["muted_until"], Value::Null);
    ben.send_message(&room, "hello").await;
    let listed = ana.get("/chat/rooms").await.ok()[0].take();
    assert_eq!(listed["settings"]["is_archived"], true, "a new message does not unarchive the room");
    for kind in ["room_settings_updated", "new_message"] {
        next_on_each([&mut phone, &mut tablet], kind).await;
    }
    at_ben.expect("new_message").await;
    at_ben.expect_nothing_more().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn concurrent_updates_of_different_settings_all_apply() {
    let stack = TestStack::new().await;
    let [ana, ben] = stack.actors(["ana", "ben"]).await;
    let room = ana.room_with(&ben).await;
    let changes = [json!({"is_pinned": true}), json!({"is_archived": true}), json!({"theme": "dark"})];
    for answer in
        futures::future::join_all(changes.map(|change| ana.update_room_settings(&room, change))).await
    {
        answer.ok();
    }
    let settings = ana.room(&room).await.ok()["settings"].take();
    let expected =
        json!({"muted_until": null, "is_pinned": true, "is_archived": true, "theme": "dark", "version": 3});
    assert_eq!(settings, expected);
}

#[tokio::test(flavor = "multi_thread")]
async fn only_members_have_room_settings_and_a_returning_member_has_defaults() {
    let stack = TestStack::new().await;
    let [ana, ben, eve] = stack.actors(["ana", "ben", "eve"]).await;
    let room = ana.group_with(&[&ben]).await;
    for (field, invalid) in [
        ("muted_until", json!("tomorrow")),
        ("muted_until", json!("9999-12-31T23:59:59-05:00")),
        ("is_pinned", json!("yes")),
        ("is_archived", json!(1)),
        ("theme", json!("Dark!")),
    ] {
        ben.update_room_settings(&room, json!({field: invalid})).await.bad_field(field);
    }
    let hidden = eve.update_room_settings(&room, json!({"is_pinned": true})).await;
    hidden.problem(404, "not_found");
    let missing = uuid::Uuid::new_v4().to_string();
    assert_eq!(eve.update_room_settings(&missing, json!({"is_pinned": true})).await.text, hidden.text);
    ben.update_room_settings(&room, json!({"is_pinned": true})).await.ok();
    ben.remove(&room, &ben).await.nothing();
    ben.update_room_settings(&room, json!({"is_pinned": true})).await.problem(404, "not_found");
    assert_eq!(ben.get("/chat/rooms").await.ok(), json!([]), "the call creates no membership");
    ana.add(&room, &ben).await.ok();
    let settings = ben.room(&room).await.ok()["settings"].take();
    assert_eq!((&settings["is_pinned"], &settings["version"]), (&json!(false), &json!(0)));
}
