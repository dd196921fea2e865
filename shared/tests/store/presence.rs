//! Presence: who is online, who is notified, and exactly one notification per change under concurrency.

use futures::future::join_all;
use serde_json::json;
use shared::{
    Error,
    domain::{
        relationships::{Answer, RelationshipAction, access::Audience},
        users::{
            presence::{Connection, Presence},
            profile::ProfileChange,
            settings::SettingsChange,
        },
    },
    id::{ConnectionId, RequestId, UserId},
};

use crate::{
    backend::{Socket, TestBackend},
    profiles::identity,
    raw::set_audience,
};

/// Token expiry. No connection here ends with its token.
const EXPIRES: i64 = i64::MAX;

fn connection(backend: &TestBackend, user_id: UserId, n: usize) -> Connection {
    let id = ConnectionId(format!("device{n:02}"));
    Connection { user_id, id, since: backend.app.now(), device_id: None }
}

/// Connects a device and sends `hello`. Returns whether the user came online.
async fn connect(backend: &TestBackend, user: UserId, n: usize) -> bool {
    let store = backend.another_store();
    store.register_connection(&connection(backend, user, n), EXPIRES).await.unwrap();
    store.mark_online(&connection(backend, user, n), EXPIRES).await.unwrap().1
}

/// Ends the connection of a device. Returns whether the user went offline.
async fn disconnect(backend: &TestBackend, user: UserId, n: usize) -> bool {
    let id = connection(backend, user, n).id;
    backend.another_store().remove_ended_connections(user, &[id], backend.app.now()).await.unwrap()
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

#[tokio::test(start_paused = true)]
async fn of_sixteen_concurrent_devices_one_brings_the_user_online_and_one_offline() {
    let backend = TestBackend::new();
    let ana = backend.user("ana").await;
    for _ in 0..4 {
        let connected = join_all((0..16).map(|n| connect(&backend, ana, n))).await;
        assert_eq!(connected.iter().filter(|has_changed| **has_changed).count(), 1);
        assert!(presence(&backend, ana).await.is_online);
        let disconnected = join_all((0..16).map(|n| disconnect(&backend, ana, n))).await;
        assert_eq!(disconnected.iter().filter(|has_changed| **has_changed).count(), 1);
        assert!(!presence(&backend, ana).await.is_online);
    }
}

#[tokio::test(start_paused = true)]
async fn concurrent_connects_and_disconnects_report_the_final_presence() {
    for seed in 0..40 {
        let backend = TestBackend::new();
        let ana = backend.user("ana").await;
        let mut random = fastrand::Rng::with_seed(seed);
        let mut reported = 0;
        let mut live = [false; 16];
        for _ in 0..8 {
            let devices: Vec<usize> = (0..16).filter(|_| random.bool()).collect();
            let changes = join_all(devices.iter().map(|n| {
                let (backend, is_live, delay) = (&backend, live[*n], random.u64(0..4));
                async move {
                    tokio::time::sleep(std::time::Duration::from_millis(delay * 300)).await;
                    if is_live {
                        -i32::from(disconnect(backend, ana, *n).await)
                    } else {
                        i32::from(connect(backend, ana, *n).await)
                    }
                }
            }));
            reported += changes.await.iter().sum::<i32>();
            for n in devices {
                live[n] = !live[n];
            }
            let is_online = live.contains(&true);
            assert_eq!(presence(&backend, ana).await.is_online, is_online);
            assert_eq!(reported, i32::from(is_online), "seed {seed}");
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_second_device_and_a_second_hello_change_nothing() {
    let backend = TestBackend::new();
    let ana = backend.user("ana").await;
    assert!(connect(&backend, ana, 1).await);
    assert!(!connect(&backend, ana, 1).await);
    assert!(!connect(&backend, ana, 2).await);
    assert!(!disconnect(&backend, ana, 1).await);
    assert!(!connect(&backend, ana, 2).await);
    assert!(!connect(&backend, ana, 3).await);
    assert!(!disconnect(&backend, ana, 2).await);
    assert!(disconnect(&backend, ana, 3).await);
    assert!(!disconnect(&backend, ana, 3).await, "reported once");
}

#[tokio::test(start_paused = true)]
async fn a_user_who_went_offline_unreported_is_reported_online_on_return() {
    let backend = TestBackend::new();
    let ana = backend.user("ana").await;
    let short = connection(&backend, ana, 1);
    assert!(backend.app.store.mark_online(&short, short.since.seconds() + 600).await.unwrap().1);
    backend.wait(700).await;
    assert!(connect(&backend, ana, 2).await);
    assert!(!connect(&backend, ana, 3).await);
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
    assert!(!disconnect(&backend, ana, 1).await);
    let items = backend.partition(&format!("USER#{ana}"));
    assert!(items.iter().all(|item| item["sk"] != json!({"S": "PRESENCE"})), "{items:?}");
}

#[tokio::test(start_paused = true)]
async fn the_last_of_concurrent_notifications_is_the_current_presence() {
    for seed in 0..20 {
        let backend = TestBackend::new();
        let (ana, ben) = (backend.user("ana").await, backend.user("ben").await);
        make_friends(&backend, ana, ben).await;
        backend.connect(ben, "ben").await;
        let mut random = fastrand::Rng::with_seed(seed);
        let sessions = (0..8).map(|n| {
            let (backend, delays) = (&backend, [random.u64(0..6), random.u64(0..9)]);
            async move {
                let notify = async |has_changed| {
                    if has_changed {
                        backend.app.push.notify_status(ana, backend.app.now()).await.unwrap();
                    }
                };
                tokio::time::sleep(std::time::Duration::from_millis(delays[0] * 700)).await;
                notify(connect(backend, ana, n).await).await;
                tokio::time::sleep(std::time::Duration::from_millis(delays[1] * 700)).await;
                if n > 0 {
                    notify(disconnect(backend, ana, n).await).await;
                }
            }
        });
        join_all(sessions).await;
        assert_eq!(status_changes(&backend).last(), Some(&("ben".to_owned(), true)), "seed {seed}");
        if disconnect(&backend, ana, 0).await {
            backend.app.push.notify_status(ana, backend.app.now()).await.unwrap();
        }
        assert_eq!(status_changes(&backend), [("ben".to_owned(), false)]);
    }
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
    let event = shared::wire::socket::Event::Pong { timestamp: None };
    backend.app.push.notify(&[ana], &event, backend.app.now()).await.unwrap();
    assert_eq!(status_changes(&backend), [("cleo".to_owned(), false)]);
    assert!(!presence(&backend, ana).await.is_online && !presence(&backend, ben).await.is_online);
}

#[tokio::test(start_paused = true)]
async fn friends_are_notified_when_a_setting_shows_or_hides_the_online_status() {
    let backend = TestBackend::new();
    let (ana, ben) = (backend.user("ana").await, backend.user("ben").await);
    make_friends(&backend, ana, ben).await;
    backend.connect(ben, "ben").await;
    connect(&backend, ana, 1).await;
    let set_and_notify = async |audience| {
        set_audience(&backend, ana, "online_shown_to", audience).await;
        backend.app.push.notify_presence_settings(ana, backend.app.now()).await.unwrap();
        status_changes(&backend).into_iter().map(|(_, is_online)| is_online).collect::<Vec<_>>()
    };
    assert_eq!(set_and_notify("nobody").await, [false]);
    assert_eq!(set_and_notify("everyone").await, [true]);
    assert_eq!(
        set_and_notify("friends").await,
        [true],
        "the call that made the previous change may have been aborted"
    );
}

#[tokio::test(start_paused = true)]
async fn a_user_who_hides_their_status_while_coming_online_is_hidden() {
    for (hide_delay, connect_delay) in (0..8).flat_map(|hide| (0..8).map(move |connect| (hide, connect))) {
        let backend = TestBackend::new();
        let (ana, ben) = (backend.user("ana").await, backend.user("ben").await);
        make_friends(&backend, ana, ben).await;
        backend.connect(ben, "ben").await;
        let pause =
            |half_seconds: u64| tokio::time::sleep(std::time::Duration::from_millis(half_seconds * 500));
        let hide = async {
            pause(hide_delay).await;
            let settings =
                SettingsChange { online_shown_to: Some(Audience::Nobody), ..SettingsChange::default() };
            let change = ProfileChange { settings, ..ProfileChange::default() };
            backend.app.change_profile(ana, &change).await.unwrap();
        };
        let come_online = async {
            pause(connect_delay).await;
            if connect(&backend, ana, 1).await {
                backend.app.push.notify_status(ana, backend.app.now()).await.unwrap();
            }
        };
        tokio::join!(hide, come_online);
        let last = status_changes(&backend).pop();
        assert_eq!(last, Some(("ben".to_owned(), false)), "{hide_delay}, {connect_delay}");
    }
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
    assert!(matches!(backend.app.push.mark_online(&late, expires).await, Err(Error::InvalidToken(_))));
    disconnect(&backend, ana, 1).await;
    assert_eq!(presence(&backend, ana).await, Presence::default());
    backend.wait(10).await;
    let back = identity(ana, Some(backend.app.now().seconds()));
    backend.app.ensure_profile(&back).await.unwrap();
    assert!(backend.app.push.mark_online(&late, expires).await.unwrap());
}
