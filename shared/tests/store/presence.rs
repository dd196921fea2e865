//! Presence: who is online, who is notified, and exactly one notification per change under concurrency.

use futures::future::join_all;
use serde_json::json;
use shared::{
    Error,
    domain::{
        relationships::{Answer, RelationshipAction},
        users::presence::{Connection, Presence},
    },
    id::{ConnectionId, RequestId, UserId},
};

use crate::{
    backend::{Socket, TestBackend},
    call::Call,
    profiles::identity,
};

/// Token expiry. No connection here ends with its token.
const EXPIRES: i64 = i64::MAX;

fn connection(backend: &TestBackend, user_id: UserId, n: usize) -> Connection {
    let id = ConnectionId(format!("device{n:02}"));
    Connection { user_id, id, since: backend.app.now(), device_id: None }
}

/// Connects a device and sends `hello`. Returns once friends are notified.
pub async fn connect(backend: &TestBackend, user: UserId, n: usize) {
    let connection = connection(backend, user, n);
    backend.app.push.register_connection(&connection, EXPIRES).await.unwrap();
    let connections = backend.app.store.confirm_connection(&connection).await.unwrap().unwrap();
    backend.app.push.notify_presence(connections, backend.app.now()).await.unwrap();
}

/// Ends the connection of a device. Returns once friends are notified.
async fn disconnect(backend: &TestBackend, user: UserId, n: usize) {
    backend.app.end_connection(connection(backend, user, n)).await.unwrap();
}

pub async fn pause(milliseconds: u64) {
    tokio::time::sleep(std::time::Duration::from_millis(milliseconds)).await;
}

async fn presence(backend: &TestBackend, user: UserId) -> Presence {
    backend.app.store.presences(&[user], backend.app.now()).await.unwrap().remove(&user).unwrap_or_default()
}

async fn make_friends(backend: &TestBackend, a: UserId, b: UserId) {
    let (now, id) = (backend.app.now(), RequestId::at(backend.app.now()));
    backend.app.store.update_relationship(a, b, RelationshipAction::Request(id), now).await.unwrap();
    backend
        .app
        .store
        .update_relationship(b, a, RelationshipAction::Respond(id, Answer::Accepted), now)
        .await
        .unwrap();
}

/// Takes the `user_status_change` frames: the receiving connection, and whether the user is online.
fn status_changes(backend: &TestBackend) -> Vec<(String, bool)> {
    let frames = backend.frames().into_iter().filter(|(_, frame)| frame["type"] == "user_status_change");
    frames.map(|(to, frame)| (to, frame["data"]["is_online"].as_bool().unwrap())).collect()
}

/// Two friends, of whom the second one has a connection `ben`.
pub async fn friends(backend: &TestBackend) -> (UserId, UserId) {
    let (ana, ben) = (backend.user("ana").await, backend.user("ben").await);
    make_friends(backend, ana, ben).await;
    backend.connect(ben, "ben").await;
    (ana, ben)
}

/// Whether the user is online, as `user_status_change` frames to one friend say.
pub fn notified(backend: &TestBackend) -> Vec<bool> {
    status_changes(backend).into_iter().map(|(_, is_online)| is_online).collect()
}

#[tokio::test(start_paused = true)]
async fn the_first_and_the_last_connection_are_notified_and_no_other() {
    let backend = TestBackend::new();
    let (ana, _) = friends(&backend).await;
    for n in [1, 1, 2] {
        connect(&backend, ana, n).await;
    }
    assert_eq!(notified(&backend), [true]);
    backend.wait(60).await;
    disconnect(&backend, ana, 1).await;
    connect(&backend, ana, 2).await;
    connect(&backend, ana, 3).await;
    disconnect(&backend, ana, 2).await;
    assert!(notified(&backend).is_empty());
    disconnect(&backend, ana, 3).await;
    disconnect(&backend, ana, 3).await;
    assert_eq!(notified(&backend), [false]);
}

#[tokio::test(start_paused = true)]
async fn of_sixteen_concurrent_devices_one_call_notifies_of_the_first_and_one_of_the_last() {
    let backend = TestBackend::new();
    let (ana, _) = friends(&backend).await;
    for _ in 0..4 {
        join_all((0..16).map(|n| connect(&backend, ana, n))).await;
        assert_eq!(notified(&backend), [true]);
        backend.wait(60).await;
        join_all((0..16).map(|n| disconnect(&backend, ana, n))).await;
        assert_eq!(notified(&backend), [false]);
        backend.wait(60).await;
    }
}

#[tokio::test(start_paused = true)]
async fn twenty_reconnects_are_notified_at_most_every_ten_seconds_and_end_with_the_last_state() {
    for ends_online in [false, true] {
        let backend = TestBackend::new();
        let (ana, _) = friends(&backend).await;
        let start = backend.elapsed();
        let reconnects = (0..20).map(|n| {
            let backend = &backend;
            async move {
                pause(1500 * n).await;
                let n = usize::try_from(n).unwrap();
                connect(backend, ana, n).await;
                if n < 19 || !ends_online {
                    disconnect(backend, ana, n).await;
                }
            }
        });
        join_all(reconnects).await;
        let frames = notified(&backend);
        let periods = usize::try_from((backend.elapsed() - start) / 10 + 1).unwrap();
        assert!(frames.len() <= periods, "{} frames in {periods} periods", frames.len());
        assert_eq!(frames.last(), Some(&ends_online));
        assert_eq!(presence(&backend, ana).await.is_online, ends_online);
    }
}

#[tokio::test(start_paused = true)]
async fn a_change_that_is_undone_within_ten_seconds_is_notified_once_more() {
    let backend = TestBackend::new();
    let (ana, _) = friends(&backend).await;
    connect(&backend, ana, 1).await;
    assert_eq!(notified(&backend), [true]);
    let reconnect = async {
        pause(500).await;
        connect(&backend, ana, 2).await;
        assert!(notified(&backend).is_empty(), "the call that ended the connection waits");
    };
    tokio::join!(disconnect(&backend, ana, 1), reconnect);
    assert_eq!(notified(&backend), [true], "a friend may have loaded the list meanwhile");
}

#[tokio::test(start_paused = true)]
async fn the_last_notification_is_the_current_presence_whatever_the_order() {
    for seed in 0..30 {
        let backend = TestBackend::new();
        let (ana, _) = friends(&backend).await;
        let mut random = fastrand::Rng::with_seed(seed);
        let mut live = [false; 8];
        let start = backend.elapsed();
        let mut frames = Vec::new();
        for _ in 0..4 {
            let devices: Vec<usize> = (0..8).filter(|_| random.bool()).collect();
            let changes = devices.iter().map(|n| {
                let (backend, is_live, delay) = (&backend, live[*n], random.u64(0..40));
                async move {
                    pause(delay * 300).await;
                    if is_live {
                        disconnect(backend, ana, *n).await;
                    } else {
                        connect(backend, ana, *n).await;
                    }
                }
            });
            join_all(changes).await;
            for n in devices {
                live[n] = !live[n];
            }
            frames.extend(notified(&backend));
            let is_online = live.contains(&true);
            assert_eq!(presence(&backend, ana).await.is_online, is_online);
            assert_eq!(frames.last().copied().unwrap_or(false), is_online, "seed {seed}");
        }
        assert!(frames.len() as u64 <= (backend.elapsed() - start) / 10 + 1, "seed {seed}");
    }
}

#[tokio::test(start_paused = true)]
async fn the_next_change_takes_over_from_a_waiting_call_that_failed() {
    let backend = TestBackend::new();
    let (ana, _) = friends(&backend).await;
    connect(&backend, ana, 1).await;
    let stopped = tokio::time::timeout(std::time::Duration::from_secs(5), disconnect(&backend, ana, 1)).await;
    assert!(stopped.is_err());
    backend.wait(60).await;
    assert_eq!(notified(&backend), [true]);
    connect(&backend, ana, 2).await;
    assert_eq!(notified(&backend), [true]);
}

#[tokio::test(start_paused = true)]
async fn a_user_without_friends_waits_for_no_notification() {
    let backend = TestBackend::new();
    let ana = backend.user("ana").await;
    connect(&backend, ana, 1).await;
    let start = backend.elapsed();
    disconnect(&backend, ana, 1).await;
    assert_eq!(backend.elapsed() - start, 2, "the removal and the list of friends");
}

#[tokio::test(start_paused = true)]
async fn a_user_whose_connection_expired_unnoticed_is_notified_on_return() {
    for a_silent_device_was_first in [false, true] {
        let backend = TestBackend::new();
        let (ana, _) = friends(&backend).await;
        let short = connection(&backend, ana, 1);
        backend.app.push.register_connection(&short, short.since.seconds() + 600).await.unwrap();
        let connections = backend.app.store.confirm_connection(&short).await.unwrap().unwrap();
        backend.app.push.notify_presence(connections, backend.app.now()).await.unwrap();
        backend.wait(700).await;
        if a_silent_device_was_first {
            let silent = connection(&backend, ana, 9);
            backend.app.push.register_connection(&silent, EXPIRES).await.unwrap();
        }
        connect(&backend, ana, 2).await;
        connect(&backend, ana, 3).await;
        assert_eq!(notified(&backend), [true, true], "friends may have seen that the user was offline");
    }
}

#[tokio::test(start_paused = true)]
async fn a_lost_connection_is_removed_once_its_end_can_be_notified() {
    let backend = TestBackend::new();
    let (ana, _) = friends(&backend).await;
    let idle = connection(&backend, ana, 1);
    backend.app.push.register_connection(&idle, EXPIRES).await.unwrap();
    backend.wait(60).await;
    let connections = backend.app.store.confirm_connection(&idle).await.unwrap().unwrap();
    backend.app.push.notify_presence(connections, backend.app.now()).await.unwrap();
    backend.set_socket("device01", Socket::Gone);
    let event = shared::wire::socket::Event::Pong { timestamp: None };
    for (wait, frames) in [(0, &[true] as &[bool]), (10, &[false])] {
        backend.wait(wait).await;
        backend.app.push.notify(&[ana], &event, backend.app.now()).await.unwrap();
        assert_eq!(notified(&backend), frames);
    }
}

#[tokio::test(start_paused = true)]
async fn a_hello_whose_connection_has_ended_leaves_the_user_offline() {
    for disconnect_comes_first in [false, true] {
        let backend = TestBackend::new();
        let (ana, _) = friends(&backend).await;
        backend.connect(ana, "phone").await;
        backend.set_socket("phone", Socket::Gone);
        if disconnect_comes_first {
            Call::of("socket-disconnect").send(&backend, ana, "phone").await;
        }
        Call::of("socket-hello").send(&backend, ana, "phone").await;
        assert!(!presence(&backend, ana).await.is_online);
        assert!(notified(&backend).is_empty());
    }
}

#[tokio::test(start_paused = true)]
async fn a_frame_of_an_unregistered_connection_closes_it() {
    let backend = TestBackend::new();
    let ana = backend.user("ana").await;
    let phone = backend.connect(ana, "phone").await;
    let closed = async |frame, id: &str| {
        backend.calls();
        Call::of(frame).send(&backend, ana, id).await;
        backend.calls().into_iter().any(|call| call.operation == "DELETE")
    };
    for frame in ["socket-hello", "socket-ping", "socket-unknown"] {
        assert_eq!(
            [closed(frame, "phone").await, closed(frame, "forgotten").await],
            [false, true],
            "{frame}"
        );
    }
    backend.app.end_connection(phone).await.unwrap();
    assert!(closed("socket-ping", "phone").await);
    assert!(!presence(&backend, ana).await.is_online, "no frame registers a connection");
}

#[tokio::test(start_paused = true)]
async fn last_seen_is_the_end_of_the_last_connection_also_when_it_expired() {
    let backend = TestBackend::new();
    let ana = backend.user("ana").await;
    assert_eq!(presence(&backend, ana).await, Presence::default());
    let short = connection(&backend, ana, 1);
    let end = short.since.plus(chrono::Duration::seconds(600));
    backend.app.store.register_connection(&short, end.seconds()).await.unwrap();
    assert_eq!(presence(&backend, ana).await, Presence { is_online: true, last_seen: None });
    backend.wait(900).await;
    assert_eq!(presence(&backend, ana).await, Presence { is_online: false, last_seen: Some(end) });
    // The next connection removes the expired one and keeps `last_seen`.
    connect(&backend, ana, 2).await;
    assert_eq!(presence(&backend, ana).await, Presence { is_online: true, last_seen: Some(end) });
    let before = backend.app.now();
    disconnect(&backend, ana, 2).await;
    let after = presence(&backend, ana).await;
    assert!(!after.is_online && after.last_seen >= Some(before));
}

#[tokio::test(start_paused = true)]
async fn ending_an_unknown_connection_creates_no_presence_item() {
    let backend = TestBackend::new();
    let ana = backend.user("ana").await;
    disconnect(&backend, ana, 1).await;
    let items = backend.partition(&format!("USER#{ana}"));
    assert!(items.iter().all(|item| item["sk"] != json!({"S": "PRESENCE"})), "{items:?}");
}

#[tokio::test(start_paused = true)]
async fn a_user_whose_connection_is_gone_is_offline_to_their_friends() {
    let backend = TestBackend::new();
    let (ana, ben, cleo) = (backend.user("ana").await, backend.user("ben").await, backend.user("cleo").await);
    make_friends(&backend, ana, ben).await;
    make_friends(&backend, ben, cleo).await;
    connect(&backend, ana, 1).await;
    connect(&backend, ben, 2).await;
    backend.connect(cleo, "cleo").await;
    // Both connections are gone without a disconnect. The push finds Ana's, the notification finds Ben's.
    backend.set_socket("device01", Socket::Gone);
    backend.set_socket("device02", Socket::Gone);
    backend.wait(60).await;
    backend.frames();
    let event = shared::wire::socket::Event::Pong { timestamp: None };
    backend.app.push.notify(&[ana], &event, backend.app.now()).await.unwrap();
    assert_eq!(status_changes(&backend), [("cleo".to_owned(), false)]);
    assert!(!presence(&backend, ana).await.is_online && !presence(&backend, ben).await.is_online);
}

#[tokio::test(start_paused = true)]
async fn a_deleted_account_cannot_come_online_with_an_earlier_connection() {
    let backend = TestBackend::new();
    let ana = backend.user("ana").await;
    let late = Connection {
        user_id: ana,
        id: ConnectionId("late".into()),
        since: backend.app.now(),
        device_id: None,
    };
    connect(&backend, ana, 1).await;
    backend.app.delete_account(&identity(ana, Some(1_769_999_000))).await.unwrap();
    let expires = backend.app.now().seconds() + 3600;
    assert!(matches!(
        backend.app.push.register_connection(&late, expires).await,
        Err(Error::InvalidToken(_))
    ));
    assert!(matches!(backend.app.store.confirm_connection(&late).await, Err(Error::InvalidToken(_))));
    disconnect(&backend, ana, 1).await;
    assert_eq!(presence(&backend, ana).await, Presence::default());
    backend.wait(10).await;
    let back = identity(ana, Some(backend.app.now().seconds()));
    backend.app.ensure_profile(&back).await.unwrap();
    assert!(backend.app.store.confirm_connection(&late).await.unwrap().is_none());
}
