//! Creation, listing and limits of rooms.

use std::collections::BTreeSet;

use futures::{StreamExt, TryStreamExt};
use serde_json::{Value, json};

use crate::harness::{Actor, TestStack, each};

#[tokio::test(flavor = "multi_thread")]
async fn two_users_who_create_their_direct_room_concurrently_get_one_room() {
    let stack = TestStack::new().await;
    let stack = &stack;
    let tries = futures::stream::iter(0..100).map(|n| async move {
        let (ana, ben) = (stack.actor(&format!("ana{n}")).await, stack.actor(&format!("ben{n}")).await);
        let (ana_room, ben_room) = tokio::join!(ana.room_with(&ben), ben.room_with(&ana));
        assert_eq!(ana_room, ben_room);
        for (user, other) in [(&ana, &ben), (&ben, &ana)] {
            let rooms = user.get("/chat/rooms").await.ok();
            assert_eq!(rooms.as_array().unwrap().len(), 1);
            assert_eq!(rooms[0]["participants"][0]["username"], other.name.as_str());
        }
        ana_room
    });
    let rooms: BTreeSet<String> = tries.buffer_unordered(8).collect().await;
    assert_eq!(rooms.len(), 100);
}

#[tokio::test(flavor = "multi_thread")]
async fn two_users_can_have_a_group_and_three_users_always_get_a_group() {
    let stack = TestStack::new().await;
    let [ana, ben, cleo] = stack.actors(["ana", "ben", "cleo"]).await;
    let two = ana
        .post("/chat/rooms", json!({"participant_ids": [ben.id], "is_group": true, "name": " "}))
        .await
        .ok();
    assert_eq!(
        (&two["is_group"], &two["name"], &two["participant_count"]),
        (&json!(true), &Value::Null, &json!(2))
    );
    let three =
        json!({"participant_ids": [ben.id, cleo.id, ana.id, ben.id], "is_group": false, "name": "gym"});
    let three = ana.post("/chat/rooms", three).await.ok();
    assert_eq!(
        (&three["is_group"], &three["name"], &three["participant_count"]),
        (&json!(true), &json!("gym"), &json!(3))
    );
    assert_eq!(three["participants"][2]["username"], "ana", "the caller is last");
    let roles: Vec<_> = three["participants"].as_array().unwrap().iter().map(|user| &user["role"]).collect();
    assert_eq!(roles, ["member", "member", "owner"]);
    assert_eq!(cleo.get("/chat/rooms").await.ok().as_array().unwrap().len(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_room_without_participants_with_too_many_or_with_unknown_users_is_rejected() {
    let stack = TestStack::new().await;
    let [ana] = stack.actors(["ana"]).await;
    let unknown = uuid::Uuid::new_v4().to_string();
    let many: Vec<String> = (0..33).map(|_| uuid::Uuid::new_v4().to_string()).collect();
    for ids in [json!([]), json!([ana.id]), json!(many), json!("ana"), json!([7]), Value::Null] {
        ana.post("/chat/rooms", json!({"participant_ids": ids})).await.problem(422, "validation_failed");
    }
    ana.post("/chat/rooms", json!({"participant_ids": [unknown]})).await.problem(404, "not_found");
    assert_eq!(ana.get("/chat/rooms").await.ok(), json!([]));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_user_is_in_at_most_two_thousand_rooms() {
    let stack = TestStack::new().await;
    let [ana, ben, cleo] = stack.actors(["ana", "ben", "cleo"]).await;
    let (group, direct) = (ana.group_with(&[&cleo]).await, ana.room_with(&ben).await);
    stack.set_quota(&ben, "rooms", 2_000).await;
    let with = |other: &Actor| json!({"participant_ids": [other.id]});
    ben.post("/chat/rooms", with(&cleo)).await.problem(409, "too_many_rooms");
    cleo.post("/chat/rooms", with(&ben)).await.problem(409, "other_has_too_many_rooms");
    ana.add(&group, &ben).await.problem(409, "other_has_too_many_rooms");
    assert_eq!(ana.room_with(&ben).await, direct, "an existing room is returned");
    stack.set_quota(&ben, "rooms", 1_999).await;
    ana.add(&group, &ben).await.ok();
    ben.post("/chat/rooms", with(&cleo)).await.problem(409, "too_many_rooms");
    ben.remove(&group, &ben).await.nothing();
    ben.post("/chat/rooms", with(&cleo)).await.ok();
}

#[tokio::test(flavor = "multi_thread")]
async fn rooms_are_listed_in_pages_by_latest_activity() {
    let stack = TestStack::new().await;
    let [ana, ben, cleo, dana] = stack.actors(["ana", "ben", "cleo", "dana"]).await;
    let mut rooms = Vec::new();
    for other in [&ben, &cleo, &dana] {
        rooms.push(ana.room_with(other).await);
    }
    for (room, text) in [(&rooms[1], "one"), (&rooms[2], "two"), (&rooms[0], "three")] {
        ana.send_message(room, text).await;
    }
    let order = [0, 2, 1].map(|index: usize| json!(rooms[index]));
    let ids =
        |list: &Value| list.as_array().unwrap().iter().map(|room| room["id"].clone()).collect::<Vec<_>>();
    assert_eq!(ids(&ana.get("/chat/rooms").await.ok()), order);
    let first = ana.get("/chat/rooms?limit=2").await;
    let cursor = first.headers["x-next-cursor"].to_str().unwrap();
    let second = ana.get(&format!("/chat/rooms?limit=2&cursor={cursor}")).await;
    assert!(!second.headers.contains_key("x-next-cursor"));
    assert_eq!([ids(&first.ok()), ids(&second.ok())].concat(), order);
    ana.get("/chat/rooms?cursor=nonsense").await.problem(422, "validation_failed");
    // A message moves the room of the second page to the first place.
    let last = second.ok()[0]["id"].clone();
    ana.send_message(last.as_str().unwrap(), "moved").await;
    let second = ana.get(&format!("/chat/rooms?limit=2&cursor={cursor}")).await.ok();
    assert_eq!(each(&second, "id"), [&last]);
    assert_eq!(second[0]["last_message"]["content"], "moved");
}

#[tokio::test(flavor = "multi_thread")]
async fn every_member_is_notified_of_a_new_group_and_its_messages() {
    let stack = TestStack::new().await;
    let names: Vec<String> = (0..10).map(|n| format!("member{n}")).collect();
    let users: Vec<_> = futures::stream::iter(&names).then(|name| stack.actor(name)).collect().await;
    let sockets = futures::stream::iter(&users).then(async |user| Ok::<_, ()>(user.socket().await));
    let mut sockets: Vec<_> = sockets.try_collect().await.unwrap();
    let room = users[0].group_with(&users[1..].iter().collect::<Vec<_>>()).await;
    for socket in &mut sockets {
        assert_eq!(socket.expect("room_created").await["data"]["participant_count"], 10);
    }
    let message = users[3].send_message(&room, "hello all").await;
    for socket in &mut sockets {
        assert_eq!(socket.expect("new_message").await["data"]["id"], message["id"]);
    }
    let listed = users[9].get("/chat/rooms").await.ok();
    assert_eq!(listed[0]["participants"].as_array().unwrap().len(), 9, "8 others and the caller");
    let room = users[9].room(&room).await.ok();
    let mut names = each(&room["participants"], "username");
    assert_eq!(names.pop().unwrap(), "member9", "the caller is last");
    assert_eq!(names.len(), 9, "all other members");
    for field in ["id", "name", "last_message", "unread_count", "participant_count", "seq", "rev"] {
        assert_eq!(room[field], listed[0][field], "{field}");
    }
}
