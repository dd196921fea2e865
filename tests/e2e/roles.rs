//! Roles in groups: permission to change them, the resulting frames, and the invariant of exactly one owner.

use serde_json::{Value, json};

use crate::harness::{Actor, TestStack, each, next_on_each, without_presence};

/// The role of a member in a room.
async fn role(reader: &Actor, room: &str, user: &Actor) -> Value {
    let participants = reader.room(room).await.ok()["participants"].take();
    let participants = participants.as_array().unwrap();
    participants.iter().find(|participant| participant["user_id"] == user.id.as_str()).unwrap()["role"]
        .clone()
}

#[tokio::test(flavor = "multi_thread")]
async fn every_device_is_notified_when_the_owner_promotes_an_admin_or_a_new_owner() {
    let stack = TestStack::new().await;
    let [ana, ben, cleo] = stack.actors(["ana", "ben", "cleo"]).await;
    let room = ana.group_with(&[&ben, &cleo]).await;
    let (mut at_ana, mut at_ben, mut at_cleo) = (ana.socket().await, ben.socket().await, cleo.socket().await);

    let answer = ana.set_role(&room, &ben, "admin").await.ok();
    assert_eq!(answer, without_presence(ana.room(&room).await.ok()));
    let message = &answer["last_message"];
    assert_eq!(message["content"], "ana made ben an admin");
    let payload = json!({
        "action": "role_changed", "user_id": ben.id, "username": "ben", "display_name": null, "role": "admin",
    });
    assert_eq!((&message["message_type"], &message["payload"]), (&json!("system"), &payload));
    for frame in next_on_each([&mut at_ana, &mut at_ben, &mut at_cleo], "participant_updated").await {
        assert_eq!((&frame["chat_room_id"], &frame["rev"]), (&json!(room), &json!(1)));
        assert_eq!(each(&frame["participants"], "user_id"), [&json!(ben.id)]);
        assert_eq!(each(&frame["participants"], "role"), ["admin"]);
    }
    next_on_each([&mut at_ana, &mut at_ben, &mut at_cleo], "new_message").await;
    assert_eq!(ana.set_role(&room, &ben, "admin").await.ok(), answer, "idempotent");

    let answer = ana.set_role(&room, &cleo, "owner").await.ok();
    assert_eq!(answer["last_message"]["content"], "ana made cleo the owner");
    for frame in next_on_each([&mut at_ana, &mut at_ben, &mut at_cleo], "participant_updated").await {
        assert_eq!(frame["rev"], 2);
        let mut roles: Vec<(Value, Value)> = Vec::new();
        for participant in frame["participants"].as_array().unwrap() {
            roles.push((participant["username"].clone(), participant["role"].clone()));
        }
        roles.sort_by_key(|(name, _)| name.to_string());
        let expected = [("ana", "admin"), ("cleo", "owner")].map(|(name, role)| (json!(name), json!(role)));
        assert_eq!(roles, expected);
    }
    next_on_each([&mut at_ana, &mut at_ben, &mut at_cleo], "new_message").await;
    // A retry by the former owner changes nothing.
    assert_eq!(ana.set_role(&room, &cleo, "owner").await.ok(), answer);
    for device in [&mut at_ana, &mut at_ben, &mut at_cleo] {
        device.expect_nothing_more().await;
    }
    for (user, expected) in [(&ana, "admin"), (&ben, "admin"), (&cleo, "owner")] {
        assert_eq!(role(&ben, &room, user).await, expected);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn only_the_owner_changes_roles_and_a_group_always_has_an_owner() {
    let stack = TestStack::new().await;
    let [ana, ben, cleo, dana, eve] = stack.actors(["ana", "ben", "cleo", "dana", "eve"]).await;
    let room = ana.group_with(&[&ben, &cleo]).await;
    ana.set_role(&room, &ben, "admin").await.ok();
    let before = ana.room(&room).await.ok();
    for (user, other, role) in [
        (&ben, &cleo, "admin"),
        (&ben, &cleo, "owner"),
        (&ben, &ana, "member"),
        (&ben, &ben, "owner"),
        (&ben, &ben, "member"),
        (&ben, &dana, "admin"),
        (&cleo, &cleo, "owner"),
        (&cleo, &ben, "member"),
        (&cleo, &cleo, "member"),
    ] {
        user.set_role(&room, other, role).await.problem(403, "not_allowed");
    }
    for role in ["admin", "member"] {
        ana.set_role(&room, &ana, role).await.problem(409, "owner_needed");
    }
    ana.set_role(&room, &dana, "owner").await.problem(409, "not_in_room");
    ana.set_role(&room, &ben, "king").await.bad_field("role");
    let direct = ana.room_with(&ben).await;
    ana.set_role(&direct, &ben, "owner").await.problem(403, "direct_room");
    let missing = uuid::Uuid::new_v4().to_string();
    let hidden = eve.set_role(&room, &eve, "owner").await;
    hidden.problem(404, "not_found");
    assert_eq!(eve.set_role(&missing, &eve, "owner").await.text, hidden.text, "identical bodies");
    assert_eq!(ana.room(&room).await.ok(), before);

    // Only the owner can add a new member as an admin.
    let mut at_ben = ben.socket().await;
    let answer = ana.set_role(&room, &dana, "admin").await.ok();
    assert_eq!(answer["last_message"]["content"], "ana added dana as an admin");
    let joined = at_ben.expect("participant_joined").await["data"]["participant"].take();
    assert_eq!((&joined["user_id"], &joined["role"]), (&json!(dana.id), &json!("admin")));
    at_ben.expect("new_message").await;
    ben.set_role(&room, &eve, "member").await.ok();
    assert_eq!(role(&ana, &room, &eve).await, "member");
    ana.set_role(&room, &dana, "member").await.ok();
    assert_eq!(role(&dana, &room, &dana).await, "member");
}
