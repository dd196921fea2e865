//! Rooms through the API.

use std::collections::BTreeSet;

use futures::{StreamExt, TryStreamExt};
use serde_json::{Value, json};

use crate::harness::{Actor, TestStack, each};

#[tokio::test(flavor = "multi_thread")]
async fn two_people_who_open_their_room_at_once_get_one_room() {
    let stack = TestStack::new().await;
    let stack = &stack;
    let tries = futures::stream::iter(0..100).map(|n| async move {
        let (ana, ben) = (stack.actor(&format!("ana{n}")).await, stack.actor(&format!("ben{n}")).await);
        let (anas, bens) = tokio::join!(ana.room_with(&ben), ben.room_with(&ana));
        assert_eq!(anas, bens);
        for (person, other) in [(&ana, &ben), (&ben, &ana)] {
            let rooms = person.get("/chat/rooms").await.ok();
            assert_eq!(rooms.as_array().unwrap().len(), 1);
            assert_eq!(rooms[0]["participants"][0]["username"], other.name.as_str());
        }
        anas
    });
    let rooms: BTreeSet<String> = tries.buffer_unordered(8).collect().await;
    assert_eq!(rooms.len(), 100);
}

#[tokio::test(flavor = "multi_thread")]
async fn two_who_ask_for_a_group_and_any_three_get_a_group() {
    let stack = TestStack::new().await;
    let [ana, ben, cleo] = stack.actors(["ana", "ben", "cleo"]).await;
    let pair = ana
        .post("/chat/rooms", json!({"participant_ids": [ben.id], "is_group": true, "name": " "}))
        .await
        .ok();
    assert_eq!(
        (&pair["is_group"], &pair["name"], &pair["participant_count"]),
        (&json!(true), &Value::Null, &json!(2))
    );
    let three =
        json!({"participant_ids": [ben.id, cleo.id, ana.id, ben.id], "is_group": false, "name": "gym"});
    let three = ana.post("/chat/rooms", three).await.ok();
    assert_eq!(
        (&three["is_group"], &three["name"], &three["participant_count"]),
        (&json!(true), &json!("gym"), &json!(3))
    );
    assert_eq!(three["participants"][2]["username"], "ana", "the caller comes last");
    let owner: Vec<_> =
        three["participants"].as_array().unwrap().iter().map(|person| &person["role"]).collect();
    assert_eq!(owner, ["member", "member", "owner"]);
    assert_eq!(cleo.get("/chat/rooms").await.ok().as_array().unwrap().len(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_room_of_nobody_or_of_too_many_or_of_nobody_real_is_refused() {
    let stack = TestStack::new().await;
    let [ana] = stack.actors(["ana"]).await;
    let nobody = uuid::Uuid::new_v4().to_string();
    let many: Vec<String> = (0..33).map(|_| uuid::Uuid::new_v4().to_string()).collect();
    for ids in [json!([]), json!([ana.id]), json!(many), json!("ana"), json!([7]), Value::Null] {
        ana.post("/chat/rooms", json!({"participant_ids": ids})).await.problem(422, "validation_failed");
    }
    ana.post("/chat/rooms", json!({"participant_ids": [nobody]})).await.problem(404, "not_found");
    assert_eq!(ana.get("/chat/rooms").await.ok(), json!([]));
}

#[tokio::test(flavor = "multi_thread")]
async fn nobody_is_in_more_rooms_than_there_may_be() {
    let stack = TestStack::new().await;
    let [ana, ben, cleo] = stack.actors(["ana", "ben", "cleo"]).await;
    let (group, pair) = (ana.group_with(&[&cleo]).await, ana.room_with(&ben).await);
    stack.set_quota(&ben, "rooms", 2_000).await;
    let with = |other: &Actor| json!({"participant_ids": [other.id]});
    ben.post("/chat/rooms", with(&cleo)).await.problem(409, "too_many_rooms");
    cleo.post("/chat/rooms", with(&ben)).await.problem(409, "other_has_too_many_rooms");
    ana.add(&group, &ben).await.problem(409, "other_has_too_many_rooms");
    assert_eq!(ana.room_with(&ben).await, pair, "a room that is there is opened");
    stack.set_quota(&ben, "rooms", 1_999).await;
    ana.add(&group, &ben).await.ok();
    ben.post("/chat/rooms", with(&cleo)).await.problem(409, "too_many_rooms");
    ben.remove(&group, &ben).await.nothing();
    ben.post("/chat/rooms", with(&cleo)).await.ok();
}

#[tokio::test(flavor = "multi_thread")]
async fn rooms_come_newest_activity_first_and_page_by_page() {
    let stack = TestStack::new().await;
    let [ana, ben, cleo, dana] = stack.actors(["ana", "ben", "cleo", "dana"]).await;
    let mut rooms = Vec::new();
    for other in [&ben, &cleo, &dana] {
        rooms.push(ana.room_with(other).await);
    }
    for (room, text) in [(&rooms[1], "one"), (&rooms[2], "two"), (&rooms[0], "three")] {
        ana.send_message(room, text).await;
    }
    let order = [0, 2, 1].map(|at: usize| json!(rooms[at]));
    let ids =
        |list: &Value| list.as_array().unwrap().iter().map(|room| room["id"].clone()).collect::<Vec<_>>();
    assert_eq!(ids(&ana.get("/chat/rooms").await.ok()), order);
    let first = ana.get("/chat/rooms?limit=2").await;
    let cursor = first.headers["x-next-cursor"].to_str().unwrap();
    let second = ana.get(&format!("/chat/rooms?limit=2&cursor={cursor}")).await;
    assert!(!second.headers.contains_key("x-next-cursor"));
    assert_eq!([ids(&first.ok()), ids(&second.ok())].concat(), order);
    ana.get("/chat/rooms?cursor=nonsense").await.problem(422, "validation_failed");
}

#[tokio::test(flavor = "multi_thread")]
async fn every_member_of_a_group_hears_of_it_and_of_what_is_said() {
    let stack = TestStack::new().await;
    let names: Vec<String> = (0..10).map(|n| format!("member{n}")).collect();
    let people: Vec<_> = futures::stream::iter(&names).then(|name| stack.actor(name)).collect().await;
    let sockets = futures::stream::iter(&people).then(async |person| Ok::<_, ()>(person.socket().await));
    let mut sockets: Vec<_> = sockets.try_collect().await.unwrap();
    let room = people[0].group_with(&people[1..].iter().collect::<Vec<_>>()).await;
    for socket in &mut sockets {
        assert_eq!(socket.expect("room_created").await["data"]["participant_count"], 10);
    }
    let said = people[3].send_message(&room, "hello all").await;
    for socket in &mut sockets {
        assert_eq!(socket.expect("new_message").await["data"]["id"], said["id"]);
    }
    let shown = people[9].get("/chat/rooms").await.ok();
    assert_eq!(shown[0]["participants"].as_array().unwrap().len(), 9, "eight others and the caller");
    let whole = people[9].room(&room).await.ok();
    let mut names = each(&whole["participants"], "username");
    assert_eq!(names.pop().unwrap(), "member9", "the caller comes last");
    assert_eq!(names.len(), 9, "everyone else");
    for field in ["id", "name", "last_message", "unread_count", "participant_count", "seq", "rev"] {
        assert_eq!(whole[field], shown[0][field], "{field}");
    }
}
