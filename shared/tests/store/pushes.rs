//! Pushes after a commit: every live connection gets one frame, and a dead peer delays no other connection.

use serde_json::{Value, value::to_raw_value};
use shared::{
    Error,
    domain::users::presence::Connection,
    id::{ConnectionId, UserId},
    push::Origin,
    wire::json::Echo,
};

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
async fn a_client_that_does_not_read_delays_one_push_and_is_closed() {
    let backend = TestBackend::new();
    let (ana, ben) = (backend.user("ana").await, backend.user("ben").await);
    let room = room(&backend, ana, &[ben]).await;
    let phone = backend.connect(ana, "ana-phone").await;
    for id in ["ben-hanging", "ben-phone"] {
        backend.connect(ben, id).await;
    }
    backend.set_socket("ben-hanging", Socket::Hanging);
    let push = async |text: &str| {
        let sent = backend.app.store.append(&send(room, ana, text), backend.app.now()).await.unwrap();
        let origin = Origin { connection: phone.clone(), reference: None };
        backend.calls();
        let start = backend.elapsed();
        backend.app.deliver(&sent, Some(&origin)).await;
        let calls = backend.calls().into_iter().filter(|call| call.connection.is_some());
        let calls = calls.map(|call| (call.operation, call.connection.unwrap(), call.ended - start));
        (calls.collect::<Vec<_>>(), backend.elapsed() - start)
    };
    let call = |operation: &str, id: &str, ended| (operation.to_owned(), id.to_owned(), ended);
    let (calls, elapsed) = push("first").await;
    // The reply to the sender and the other frames do not wait for the client that does not read.
    let others = [call("POST", "ana-phone", 2), call("POST", "ben-phone", 2)];
    assert_eq!(calls[..2], others);
    assert_eq!(calls[2..], [call("DELETE", "ben-hanging", 3)], "after the timeout of the post");
    assert_eq!(elapsed, 4, "presence, the timeout, closing and removing");
    assert_eq!(push("second").await, (others.to_vec(), 2));
    assert_eq!(kinds(&backend.frames()).len(), 4);
}

#[tokio::test(start_paused = true)]
async fn a_connection_that_cannot_be_closed_stays_registered() {
    let backend = TestBackend::new();
    let (ana, ben) = (backend.user("ana").await, backend.user("ben").await);
    let room = room(&backend, ana, &[ben]).await;
    backend.connect(ben, "ben-phone").await;
    backend.set_socket("ben-phone", Socket::Unreachable);
    let sent = backend.app.store.append(&send(room, ana, "hi"), backend.app.now()).await.unwrap();
    backend.app.deliver(&sent, None).await;
    assert_eq!(backend.app.store.connections(&[ben], backend.app.now()).await.unwrap().len(), 1);
}

fn connection(backend: &TestBackend, user_id: UserId, n: usize) -> Connection {
    let id = ConnectionId(format!("c{n:02}"));
    Connection { user_id, id, since: backend.app.now(), device_id: None }
}

#[tokio::test(start_paused = true)]
async fn of_many_concurrent_connects_every_accepted_one_is_registered() {
    let backend = TestBackend::new();
    let ana = backend.user("ana").await;
    let connections: Vec<Connection> = (0..50).map(|n| connection(&backend, ana, n)).collect();
    let registered = connections.iter().map(|new| backend.app.push.register_connection(new, i64::MAX));
    let registered = futures::future::join_all(registered).await;
    let mut accepted: Vec<&ConnectionId> = Vec::new();
    for (connection, registered) in connections.iter().zip(registered) {
        match registered {
            Ok(()) => accepted.push(&connection.id),
            Err(error) => assert!(matches!(error, Error::RateLimited { .. }), "{error}"),
        }
    }
    let live = backend.app.store.connections(&[ana], backend.app.now()).await.unwrap();
    assert_eq!(live.iter().map(|connection| &connection.id).collect::<Vec<_>>(), accepted);
    assert_eq!(accepted.len(), 20);
    assert!(backend.calls().iter().all(|call| call.operation != "DELETE"), "they may not be open yet");
}

#[tokio::test(start_paused = true)]
async fn the_twenty_first_connection_closes_the_oldest() {
    let backend = TestBackend::new();
    let ana = backend.user("ana").await;
    let connect =
        async |n| backend.app.push.register_connection(&connection(&backend, ana, n), i64::MAX).await;
    for n in 0..20 {
        connect(n).await.unwrap();
    }
    backend.wait(60).await;
    backend.set_socket("c00", Socket::Unreachable);
    connect(20).await.unwrap();
    backend.set_socket("c00", Socket::Open);
    backend.calls();
    connect(21).await.unwrap();
    let closed = backend.calls().into_iter().filter(|call| call.operation == "DELETE");
    let mut closed: Vec<_> = closed.filter_map(|call| call.connection).collect();
    closed.sort();
    assert_eq!(closed, ["c00", "c01"], "also the one that could not be closed before");
    let live = backend.app.store.connections(&[ana], backend.app.now()).await.unwrap();
    assert_eq!(live.iter().map(|live| live.id.0.as_str()).min(), Some("c02"));
    assert_eq!(live.len(), 20);
}

#[tokio::test(start_paused = true)]
async fn a_connection_ends_with_its_token_or_after_two_hours() {
    let backend = TestBackend::new();
    let ana = backend.user("ana").await;
    let now = backend.app.now();
    let connection =
        |id: &str| Connection { user_id: ana, id: ConnectionId(id.into()), since: now, device_id: None };
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
