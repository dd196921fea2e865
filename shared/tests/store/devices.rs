//! Devices: how many there may be, and that a push token is one device's, whoever comes at the same moment.

use futures::future::join_all;
use shared::{
    Error, Result,
    domain::users::device::{Device, Platform},
    id::{DeviceId, UserId},
};
use uuid::Uuid;

use crate::cloud::Cloud;

fn device(cloud: &Cloud, n: u128, push_token: Option<&str>) -> Device {
    let (id, push_token) = (DeviceId::from(Uuid::from_u128(n)), push_token.map(str::to_owned));
    Device { id, platform: Platform::Ios, push_token, registered_at: cloud.app.now() }
}

async fn register(cloud: &Cloud, user: UserId, n: u128, push_token: Option<&str>) -> Result<()> {
    cloud.another_store().register_device(user, &device(cloud, n, push_token)).await
}

async fn forget(cloud: &Cloud, user: UserId, n: u128) {
    cloud.another_store().forget_device(user, Uuid::from_u128(n).into()).await.unwrap();
}

/// How many devices somebody has, and the push tokens of those that have one.
fn devices(cloud: &Cloud, user: UserId) -> (usize, Vec<String>) {
    let items = cloud.partition(&format!("USER#{user}"));
    let devices: Vec<_> =
        items.iter().filter(|item| item["sk"]["S"].as_str().unwrap().starts_with("DEVICE#")).collect();
    let tokens = devices.iter().filter_map(|item| item["push_token"]["S"].as_str().map(str::to_owned));
    (devices.len(), tokens.collect())
}

#[tokio::test(start_paused = true)]
async fn of_sixteen_devices_at_once_as_many_are_registered_as_there_is_room_for() {
    let cloud = Cloud::new();
    let ana = cloud.person("ana").await;
    for n in 0..12 {
        register(&cloud, ana, n, None).await.unwrap();
    }
    let outcomes = join_all((100..116).map(|n| register(&cloud, ana, n, None))).await;
    assert_eq!(outcomes.iter().filter(|outcome| outcome.is_ok()).count(), 8);
    let refused =
        |error: &Error| matches!(error, Error::Refused(refusal) if refusal.code == "too_many_devices");
    assert!(outcomes.iter().filter_map(|outcome| outcome.as_ref().err()).all(refused));
    assert_eq!(devices(&cloud, ana).0, 20);
    register(&cloud, ana, 3, Some("token")).await.unwrap();
    join_all([3, 3, 4].map(|n| forget(&cloud, ana, n))).await;
    let outcomes = join_all((200..216).map(|n| register(&cloud, ana, n, None))).await;
    assert_eq!(outcomes.iter().filter(|outcome| outcome.is_ok()).count(), 2);
}

#[tokio::test(start_paused = true)]
async fn a_push_token_that_sixteen_register_at_once_is_one_device_s() {
    let cloud = Cloud::new();
    let mut people = Vec::new();
    for n in 0..16 {
        people.push(cloud.person(&format!("person{n}")).await);
    }
    let calls = people.iter().map(|user| register(&cloud, *user, 1, Some("phone")));
    let outcomes = join_all(calls).await;
    assert!(outcomes.iter().any(Result::is_ok));
    let holders: Vec<UserId> =
        people.iter().copied().filter(|user| devices(&cloud, *user).1 == ["phone"]).collect();
    assert_eq!(holders.len(), 1, "{holders:?}");
    // Whoever had it does not free it, and whoever has it does.
    for user in people.iter().filter(|user| **user != holders[0]) {
        forget(&cloud, *user, 1).await;
    }
    assert_eq!(devices(&cloud, holders[0]).1, ["phone"]);
    forget(&cloud, holders[0], 1).await;
    register(&cloud, people[0], 2, Some("phone")).await.unwrap();
    assert_eq!(devices(&cloud, people[0]), (1, vec!["phone".to_owned()]));
}

#[tokio::test(start_paused = true)]
async fn the_same_again_writes_nothing_and_another_token_frees_the_first() {
    let cloud = Cloud::new();
    let (ana, ben) = (cloud.person("ana").await, cloud.person("ben").await);
    register(&cloud, ana, 1, Some("first")).await.unwrap();
    cloud.calls();
    register(&cloud, ana, 1, Some("first")).await.unwrap();
    assert!(cloud.calls().iter().all(|call| call.operation == "GetItem"));
    register(&cloud, ana, 1, Some("second")).await.unwrap();
    register(&cloud, ben, 1, Some("first")).await.unwrap();
    assert_eq!([ana, ben].map(|user| devices(&cloud, user).1), [["second"], ["first"]]);
    register(&cloud, ana, 1, None).await.unwrap();
    register(&cloud, ben, 1, Some("second")).await.unwrap();
    assert_eq!(devices(&cloud, ana), (1, Vec::new()));
    assert_eq!(devices(&cloud, ben).1, ["second"]);
}
