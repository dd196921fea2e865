//! Devices: at most 20 per user, and a push token belongs to one device, also under concurrent registrations.

use futures::future::join_all;
use shared::{
    Error, Result,
    domain::users::device::{Device, Platform},
    id::{DeviceId, UserId},
};
use uuid::Uuid;

use crate::backend::TestBackend;

fn device(backend: &TestBackend, n: u128, push_token: Option<&str>) -> Device {
    let (id, push_token) = (DeviceId::from(Uuid::from_u128(n)), push_token.map(str::to_owned));
    Device { id, platform: Platform::Ios, push_token, registered_at: backend.app.now() }
}

async fn register(backend: &TestBackend, user: UserId, n: u128, push_token: Option<&str>) -> Result<()> {
    backend.another_store().register_device(user, &device(backend, n, push_token)).await
}

async fn forget(backend: &TestBackend, user: UserId, n: u128) {
    backend.another_store().delete_device(user, Uuid::from_u128(n).into()).await.unwrap();
}

/// The number of devices of a user, and their push tokens.
fn devices(backend: &TestBackend, user: UserId) -> (usize, Vec<String>) {
    let items = backend.partition(&format!("USER#{user}"));
    let devices: Vec<_> =
        items.iter().filter(|item| item["sk"]["S"].as_str().unwrap().starts_with("DEVICE#")).collect();
    let tokens = devices.iter().filter_map(|item| item["push_token"]["S"].as_str().map(str::to_owned));
    (devices.len(), tokens.collect())
}

#[tokio::test(start_paused = true)]
async fn concurrent_registrations_stop_at_the_device_limit() {
    let backend = TestBackend::new();
    let ana = backend.user("ana").await;
    for n in 0..12 {
        register(&backend, ana, n, None).await.unwrap();
    }
    let outcomes = join_all((100..116).map(|n| register(&backend, ana, n, None))).await;
    assert_eq!(outcomes.iter().filter(|outcome| outcome.is_ok()).count(), 8);
    let refused =
        |error: &Error| matches!(error, Error::Refused(refusal) if refusal.code == "too_many_devices");
    assert!(outcomes.iter().filter_map(|outcome| outcome.as_ref().err()).all(refused));
    assert_eq!(devices(&backend, ana).0, 20);
    register(&backend, ana, 3, Some("token")).await.unwrap();
    join_all([3, 3, 4].map(|n| forget(&backend, ana, n))).await;
    let outcomes = join_all((200..216).map(|n| register(&backend, ana, n, None))).await;
    assert_eq!(outcomes.iter().filter(|outcome| outcome.is_ok()).count(), 2);
}

#[tokio::test(start_paused = true)]
async fn a_push_token_registered_concurrently_belongs_to_one_device() {
    let backend = TestBackend::new();
    let mut users = Vec::new();
    for n in 0..16 {
        users.push(backend.user(&format!("user{n}")).await);
    }
    let calls = users.iter().map(|user| register(&backend, *user, 1, Some("phone")));
    let outcomes = join_all(calls).await;
    assert!(outcomes.iter().any(Result::is_ok));
    let holders: Vec<UserId> =
        users.iter().copied().filter(|user| devices(&backend, *user).1 == ["phone"]).collect();
    assert_eq!(holders.len(), 1, "{holders:?}");
    // Only the current holder releases the token.
    for user in users.iter().filter(|user| **user != holders[0]) {
        forget(&backend, *user, 1).await;
    }
    assert_eq!(devices(&backend, holders[0]).1, ["phone"]);
    forget(&backend, holders[0], 1).await;
    register(&backend, users[0], 2, Some("phone")).await.unwrap();
    assert_eq!(devices(&backend, users[0]), (1, vec!["phone".to_owned()]));
}

#[tokio::test(start_paused = true)]
async fn a_repeated_registration_writes_nothing_and_a_new_token_releases_the_old_one() {
    let backend = TestBackend::new();
    let (ana, ben) = (backend.user("ana").await, backend.user("ben").await);
    register(&backend, ana, 1, Some("first")).await.unwrap();
    backend.calls();
    register(&backend, ana, 1, Some("first")).await.unwrap();
    assert!(backend.calls().iter().all(|call| call.operation == "GetItem"));
    register(&backend, ana, 1, Some("second")).await.unwrap();
    register(&backend, ben, 1, Some("first")).await.unwrap();
    assert_eq!([ana, ben].map(|user| devices(&backend, user).1), [["second"], ["first"]]);
    register(&backend, ana, 1, None).await.unwrap();
    register(&backend, ben, 1, Some("second")).await.unwrap();
    assert_eq!(devices(&backend, ana), (1, Vec::new()));
    assert_eq!(devices(&backend, ben).1, ["second"]);
}
