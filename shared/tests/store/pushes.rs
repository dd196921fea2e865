//! What follows a commit: everyone present gets it once, and a dead peer costs nobody else anything.

use serde_json::Value;
use shared::push::Origin;

use crate::{
    cloud::{Cloud, Socket},
    log::send,
    rooms::room,
};

fn kinds(frames: &[(String, Value)]) -> Vec<(&str, &str)> {
    let mut kinds: Vec<_> =
        frames.iter().map(|(id, frame)| (id.as_str(), frame["type"].as_str().unwrap())).collect();
    kinds.sort_unstable();
    kinds
}

#[tokio::test(start_paused = true)]
async fn every_live_connection_gets_the_message_and_the_sending_one_its_answer() {
    let cloud = Cloud::new();
    let (ana, ben, eve) = (cloud.person("ana").await, cloud.person("ben").await, cloud.person("eve").await);
    let room = room(&cloud, ana, &[ben]).await;
    let phone = cloud.connect(ana, "ana-phone=").await;
    for (user, id) in [(ana, "ana-laptop"), (ben, "ben-phone"), (ben, "ben-laptop"), (eve, "eve-phone")] {
        cloud.connect(user, id).await;
    }
    let sent = cloud.app.store.append(&send(room, ana, "hi"), cloud.app.now()).await.unwrap();
    let origin = Origin { connection: phone, reference: Some("7".into()) };
    cloud.app.deliver(&sent, Some(&origin)).await;

    let frames = cloud.frames();
    let expected = [
        ("ana-laptop", "new_message"),
        ("ana-phone=", "message_sent"),
        ("ben-laptop", "new_message"),
        ("ben-phone", "new_message"),
    ];
    assert_eq!(kinds(&frames), expected);
    let frame = |id: &str| &frames.iter().find(|(to, _)| to == id).unwrap().1;
    assert_eq!(frames[0].0, "ana-phone=", "the answer goes first");
    assert_eq!((&frame("ana-phone=")["ref"], &frame("ana-laptop")["ref"]), (&Value::from("7"), &Value::Null));
    assert_eq!(frame("ana-phone=")["data"], frame("ana-laptop")["data"]);
    assert_eq!(frame("ana-laptop")["data"]["status"], "sent");
    assert_eq!(frame("ben-phone")["data"]["status"], Value::Null);
    assert_eq!(frame("ben-phone")["data"]["content"], "hi");
}

#[tokio::test(start_paused = true)]
async fn a_gone_connection_is_forgotten_and_no_other_one() {
    let cloud = Cloud::new();
    let (ana, ben) = (cloud.person("ana").await, cloud.person("ben").await);
    let room = room(&cloud, ana, &[ben]).await;
    for (user, id) in [(ana, "ana-phone"), (ben, "ben-gone"), (ben, "ben-phone")] {
        cloud.connect(user, id).await;
    }
    cloud.set_socket("ben-gone", Socket::Gone);
    cloud.wait(60).await;
    let sent = cloud.app.store.append(&send(room, ana, "hi"), cloud.app.now()).await.unwrap();
    cloud.app.deliver(&sent, None).await;
    assert_eq!(kinds(&cloud.frames()), [("ana-phone", "new_message"), ("ben-phone", "new_message")]);
    let live = cloud.app.store.connections(&[ana, ben], cloud.app.now()).await.unwrap();
    let mut live: Vec<_> = live.into_iter().map(|connection| connection.id.0).collect();
    live.sort();
    assert_eq!(live, ["ana-phone", "ben-phone"]);
}

#[tokio::test(start_paused = true)]
async fn a_young_connection_survives_a_410() {
    let cloud = Cloud::new();
    let (ana, ben) = (cloud.person("ana").await, cloud.person("ben").await);
    let room = room(&cloud, ana, &[ben]).await;
    cloud.connect(ben, "ben-young").await;
    cloud.set_socket("ben-young", Socket::Gone);
    let sent = cloud.app.store.append(&send(room, ana, "hi"), cloud.app.now()).await.unwrap();
    cloud.app.deliver(&sent, None).await;
    assert_eq!(cloud.app.store.connections(&[ben], cloud.app.now()).await.unwrap().len(), 1);
}

#[tokio::test(start_paused = true)]
async fn a_hanging_peer_delays_nobody_else_and_is_given_up_within_its_bound() {
    let cloud = Cloud::new();
    let (ana, ben) = (cloud.person("ana").await, cloud.person("ben").await);
    let room = room(&cloud, ana, &[ben]).await;
    cloud.connect(ben, "ben-hanging").await;
    cloud.connect(ben, "ben-phone").await;
    cloud.set_socket("ben-hanging", Socket::Hanging);
    let sent = cloud.app.store.append(&send(room, ana, "hi"), cloud.app.now()).await.unwrap();
    cloud.calls();
    let start = cloud.elapsed();
    cloud.app.deliver(&sent, None).await;
    assert_eq!(kinds(&cloud.frames()), [("ben-phone", "new_message")]);
    let post = cloud.calls().into_iter().find(|call| call.operation == "POST").unwrap();
    assert_eq!(post.ended - start, 2, "presence, then the push");
    assert_eq!(cloud.elapsed() - start, 1 + 3, "presence, then the bound of a push");
}

#[tokio::test(start_paused = true)]
async fn the_twenty_first_connection_closes_the_oldest() {
    let cloud = Cloud::new();
    let ana = cloud.person("ana").await;
    for n in 0..20 {
        let connection = cloud.connect(ana, &format!("c{n:02}")).await;
        assert!(cloud.app.store.connected(&connection, i64::MAX).await.unwrap().is_empty());
    }
    cloud.calls();
    let connection = shared::domain::users::presence::Connection {
        user_id: ana,
        id: shared::id::ConnectionId("c20".into()),
        since: cloud.app.now(),
        device_id: None,
    };
    cloud.app.push.register_connection(&connection, i64::MAX).await.unwrap();
    let last = cloud.calls().pop().unwrap();
    assert_eq!((last.operation.as_str(), last.connection.as_deref()), ("DELETE", Some("c00")));
    let live = cloud.app.store.connections(&[ana], cloud.app.now()).await.unwrap();
    assert_eq!(live.len(), 20);
    assert!(live.iter().all(|connection| connection.id.0 != "c00"));
}

#[tokio::test(start_paused = true)]
async fn a_connection_ends_with_its_token_or_after_two_hours() {
    let cloud = Cloud::new();
    let ana = cloud.person("ana").await;
    let now = cloud.app.now();
    let connection = |id: &str| shared::domain::users::presence::Connection {
        user_id: ana,
        id: shared::id::ConnectionId(id.into()),
        since: now,
        device_id: None,
    };
    cloud.app.store.connected(&connection("short"), now.seconds() + 600).await.unwrap();
    cloud.app.store.connected(&connection("long"), now.seconds() + 100_000).await.unwrap();
    let live = async || cloud.app.store.connections(&[ana], cloud.app.now()).await.unwrap().len();
    assert_eq!(live().await, 2);
    cloud.wait(600).await;
    assert_eq!(live().await, 1);
    cloud.wait(2 * 3600).await;
    assert_eq!(live().await, 0);
}

#[tokio::test(start_paused = true)]
async fn whoever_joins_or_leaves_between_authorisation_and_push_is_treated_as_present_or_absent() {
    let cloud = Cloud::new();
    let (ana, ben, eve) = (cloud.person("ana").await, cloud.person("ben").await, cloud.person("eve").await);
    let room = room(&cloud, ana, &[ben, eve]).await;
    cloud.connect(ben, "ben-phone").await;
    cloud.connect(eve, "eve-phone").await;
    let mut sent = cloud.app.store.append(&send(room, ana, "hi"), cloud.app.now()).await.unwrap();
    // As if the roster had been read without Ben, at an earlier version.
    sent.room.members.retain(|member| member.shown.user_id != ben);
    sent.room.room.members_version -= 1;
    cloud.app.deliver(&sent, None).await;
    assert_eq!(kinds(&cloud.frames()), [("ben-phone", "new_message"), ("eve-phone", "new_message")]);
}
