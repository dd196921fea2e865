//! The creation of groups: with a `client_room_id`, a repeated call creates no second group.

use futures::future::join_all;
use serde_json::{Value, json};

use crate::harness::{Actor, Answer, TestStack};

fn gym(id: &str, others: &[&Actor]) -> Value {
    let ids: Vec<&str> = others.iter().map(|other| other.id.as_str()).collect();
    json!({"participant_ids": ids, "is_group": true, "name": "gym", "client_room_id": id})
}

async fn create(actor: &Actor, body: &Value) -> Answer {
    actor.post("/chat/rooms", body.clone()).await
}

async fn rooms_of(actor: &Actor) -> usize {
    actor.get("/chat/rooms").await.ok().as_array().unwrap().len()
}

#[tokio::test(flavor = "multi_thread")]
async fn repeated_and_concurrent_calls_create_one_group_and_notify_of_it_once() {
    let stack = TestStack::new().await;
    let [ana, ben, cleo] = stack.actors(["ana", "ben", "cleo"]).await;
    let mut at_ben = ben.socket().await;
    let body = gym("form-1", &[&ben, &cleo]);
    let answers = join_all((0..6).map(|_| create(&ana, &body))).await;
    let ids: Vec<Value> = answers.into_iter().map(|answer| answer.ok()["id"].take()).collect();
    assert!(ids.iter().all(|id| *id == ids[0]), "{ids:?}");
    assert_eq!(at_ben.expect("room_created").await["data"]["id"], ids[0]);
    at_ben.expect_nothing_more().await;
    let group = ids[0].as_str().unwrap();
    ana.update_room(group, json!({"name": "run"})).await.ok();
    let message = ben.send_message(group, "hi").await;
    let repeated = create(&ana, &gym("form-1", &[&cleo, &ben, &ana])).await.ok();
    assert_eq!(
        (&repeated["id"], &repeated["name"], &repeated["unread_count"]),
        (&ids[0], &json!("run"), &json!(1))
    );
    assert_eq!(repeated["last_message"]["id"], message["id"]);
    for user in [&ana, &ben, &cleo] {
        assert_eq!(rooms_of(user).await, 1);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn another_body_another_creator_and_another_id_create_no_repeated_group() {
    let stack = TestStack::new().await;
    let [ana, ben, cleo] = stack.actors(["ana", "ben", "cleo"]).await;
    let body = gym("1", &[&ben]);
    let group = create(&ana, &body).await.ok()["id"].take();
    let renamed =
        json!({"participant_ids": [ben.id], "is_group": true, "name": "run", "client_room_id": "1"});
    for other in [renamed, gym("1", &[&cleo]), gym("1", &[&ben, &cleo])] {
        create(&ana, &other).await.problem(409, "client_room_id_used");
    }
    assert_eq!(rooms_of(&cleo).await, 0);
    let others = [create(&ben, &gym("1", &[&ana])).await.ok(), create(&ana, &gym("2", &[&ben])).await.ok()];
    assert!(others[0]["id"] != group && others[1]["id"] != group && others[0]["id"] != others[1]["id"]);
    assert_eq!(create(&ana, &body).await.ok()["id"], group);
    // A direct room needs no id.
    let direct = |id: &str| json!({"participant_ids": [ben.id], "is_group": false, "client_room_id": id});
    let rooms = [create(&ana, &direct("1")).await.ok(), create(&ana, &direct("3")).await.ok()];
    assert_eq!(rooms[0]["id"], rooms[1]["id"]);
    for id in [json!(""), json!("x".repeat(65)), json!("a\nb"), json!(7)] {
        let mut body = gym("", &[&ben]);
        body["client_room_id"] = id;
        create(&ana, &body).await.bad_field("client_room_id");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_refused_call_can_be_repeated_and_a_group_that_is_left_or_deleted_is_not_created_anew() {
    let stack = TestStack::new().await;
    let [ana, ben] = stack.actors(["ana", "ben"]).await;
    stack.set_audience(&ben, "groups_from", "friends").await;
    let body = gym("1", &[&ben]);
    create(&ana, &body).await.problem(403, "groups_not_allowed");
    stack.set_audience(&ben, "groups_from", "everyone").await;
    let group = create(&ana, &body).await.ok()["id"].as_str().unwrap().to_owned();
    assert_eq!(create(&ana, &body).await.ok()["id"], group.as_str());
    ana.remove(&group, &ana).await.nothing();
    create(&ana, &body).await.problem(404, "not_found");
    assert_eq!((rooms_of(&ana).await, rooms_of(&ben).await), (0, 1));

    let second = gym("2", &[&ben]);
    let group = create(&ana, &second).await.ok()["id"].as_str().unwrap().to_owned();
    ana.delete_room(&group).await.nothing();
    create(&ana, &second).await.problem(404, "not_found");
    assert_eq!(rooms_of(&ana).await, 0);
}
