//! Pushes after a commit: every live connection gets one frame, and a dead peer delays no other connection.

use serde_json::{Value, value::to_raw_value};
use shared::{push::Origin, wire::json::Echo};

use crate::{
    backend::{Socket, TestBackend},
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
async fn every_live_connection_gets_the_message_and_the_sending_one_gets_its_reply() {
    let backend = TestBackend::new();
    let (ana, ben, eve) = (backend.user("ana").await, backend.user("ben").await, backend.user("eve").await);
    let room = room(&backend, ana, &[ben]).await;
    let phone = backend.connect(ana, "ana-phone=").await;
    for (user, id) in [(ana, "ana-laptop"), (ben, "ben-phone"), (ben, "ben-laptop"), (eve, "eve-phone")] {
        backend.connect(user, id).await;
    }
    let sent = backend.app.store.append(&send(room, ana, "hi"), backend.app.now()).await.unwrap();
    let origin = Origin { connection: phone, reference: Echo::new(to_raw_value("7").unwrap()) };
    backend.app.deliver(&sent, Some(&origin)).await;

    let frames = backend.frames();
    let expected = [
        ("ana-laptop", "new_message"),
        ("ana-phone=", "message_sent"),
        ("ben-laptop", "new_message"),
        ("ben-phone", "new_message"),
    ];
    assert_eq!(kinds(&frames), expected);
    let frame = |id: &str| &frames.iter().find(|(to, _)| to == id).unwrap().1;
    assert_eq!(frames[0].0, "ana-phone=", "the reply is sent first");
    assert_eq!((&frame("ana-phone=")["ref"], &frame("ana-laptop")["ref"]), (&Value::from("7"), &Value::Null));
    assert_eq!(frame("ana-phone=")["data"], frame("ana-laptop")["data"]);
    assert_eq!(frame("ana-laptop")["data"]["status"], "sent");
    assert_eq!(frame("ben-phone")["data"]["status"], Value::Null);
    assert_eq!(frame("ben-phone")["data"]["content"], "hi");
}

#[tokio::test(start_paused = true)]
async fn a_gone_connection_is_removed_and_no_other() {
    let backend = TestBackend::new();
    let (ana, ben) = (backend.user("ana").await, backend.user("ben").await);
    let room = room(&backend, ana, &[ben]).await;
    for (user, id) in [(ana, "ana-phone"), (ben, "ben-gone"), (ben, "ben-phone")] {
        backend.connect(user, id).await;
    }
    backend.set_socket("ben-gone", Socket::Gone);
    backend.wait(60).await;
    let sent = backend.app.store.append(&send(room, ana, "hi"), backend.app.now()).await.unwrap();
    backend.app.deliver(&sent, None).await;
    assert_eq!(kinds(&backend.frames()), [("ana-phone", "new_message"), ("ben-phone", "new_message")]);
    let live = backend.app.store.connections(&[ana, ben], backend.app.now()).await.unwrap();
    let mut live: Vec<_> = live.into_iter().map(|connection| connection.id.0).collect();
    live.sort();
    assert_eq!(live, ["ana-phone", "ben-phone"]);
}

#[tokio::test(start_paused = true)]
async fn a_recent_connection_survives_a_410() {
    let backend = TestBackend::new();
    let (ana, ben) = (backend.user("ana").await, backend.user("ben").await);
    let room = room(&backend, ana, &[ben]).await;
    backend.connect(ben, "ben-recent").await;
    backend.set_socket("ben-recent", Socket::Gone);
    let sent = backend.app.store.append(&send(room, ana, "hi"), backend.app.now()).await.unwrap();
    backend.app.deliver(&sent, None).await;
    assert_eq!(backend.app.store.connections(&[ben], backend.app.now()).await.unwrap().len(), 1);
}

#[tokio::test(start_paused = true)]
async fn a_hanging_peer_delays_no_other_connection_and_times_out() {
    let backend = TestBackend::new();
    let (ana, ben) = (backend.user("ana").await, backend.user("ben").await);
    let room = room(&backend, ana, &[ben]).await;
    backend.connect(ben, "ben-hanging").await;
    backend.connect(ben, "ben-phone").await;
    backend.set_socket("ben-hanging", Socket::Hanging);
    let sent = backend.app.store.append(&send(room, ana, "hi"), backend.app.now()).await.unwrap();
    backend.calls();
    let start = backend.elapsed();
    backend.app.deliver(&sent, None).await;
    assert_eq!(kinds(&backend.frames()), [("ben-phone", "new_message")]);
    let post = backend.calls().into_iter().find(|call| call.operation == "POST").unwrap();
    assert_eq!(post.ended - start, 2, "presence, then the push");
    assert_eq!(backend.elapsed() - start, 1 + 3, "presence, then the timeout of a push");
}

#[tokio::test(start_paused = true)]
async fn the_twenty_first_connection_closes_the_oldest() {
    let backend = TestBackend::new();
    let ana = backend.user("ana").await;
    for n in 0..20 {
        let connection = backend.connect(ana, &format!("c{n:02}")).await;
        assert!(backend.app.store.register_connection(&connection, i64::MAX).await.unwrap().is_empty());
    }
    backend.calls();
    let connection = shared::domain::users::presence::Connection {
        user_id: ana,
        id: shared::id::ConnectionId("c20".into()),
        since: backend.app.now(),
        device_id: None,
    };
    backend.app.push.register_connection(&connection, i64::MAX).await.unwrap();
    let last = backend.calls().pop().unwrap();
    assert_eq!((last.operation.as_str(), last.connection.as_deref()), ("DELETE", Some("c00")));
    let live = backend.app.store.connections(&[ana], backend.app.now()).await.unwrap();
    assert_eq!(live.len(), 20);
    assert!(live.iter().all(|connection| connection.id.0 != "c00"));
}

#[tokio::test(start_paused = true)]
async fn a_connection_ends_with_its_token_or_after_two_hours() {
    let backend = TestBackend::new();
    let ana = backend.user("ana").await;
    let now = backend.app.now();
    let connection = |id: &str| shared::domain::users::presence::Connection {
        user_id: ana,
        id: shared::id::ConnectionId(id.into()),
        since: now,
        device_id: None,
    };
    backend.app.store.register_connection(&connection("short"), now.seconds() + 600).await.unwrap();
    backend.app.store.register_connection(&connection("long"), now.seconds() + 100_000).await.unwrap();
    let live = async || backend.app.store.connections(&[ana], backend.app.now()).await.unwrap().len();
    assert_eq!(live().await, 2);
    backend.wait(600).await;
    assert_eq!(live().await, 1);
    backend.wait(2 * 3600).await;
    assert_eq!(live().await, 0);
}

#[tokio::test(start_paused = true)]
async fn a_push_reaches_a_member_who_joined_after_the_senders_read() {
    let backend = TestBackend::new();
    let (ana, ben, eve) = (backend.user("ana").await, backend.user("ben").await, backend.user("eve").await);
    let room = room(&backend, ana, &[ben, eve]).await;
    backend.connect(ben, "ben-phone").await;
    backend.connect(eve, "eve-phone").await;
    let mut sent = backend.app.store.append(&send(room, ana, "hi"), backend.app.now()).await.unwrap();
    // The members as read before Ben joined, at an earlier version.
    sent.room.members.retain(|member| member.shown.user_id != ben);
    sent.room.room.members_version -= 1;
    backend.app.deliver(&sent, None).await;
    assert_eq!(kinds(&backend.frames()), [("ben-phone", "new_message"), ("eve-phone", "new_message")]);
}
