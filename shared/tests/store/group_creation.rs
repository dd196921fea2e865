//! The creation of groups with a client id: one group, also of concurrent calls and after a failed one.

use futures::future::join_all;
use shared::{
    Error, Result,
    domain::rooms::new_room::{GroupCreation, NewRoom},
    id::UserId,
};

use crate::{
    backend::TestBackend,
    profiles::identity,
    raw::{number, user_keys},
};

/// The sort key of the item that fixes the id of the group.
const KEY: &str = "GROUP_CREATION#form 1";

fn gym(backend: &TestBackend, creator: UserId, others: &[UserId]) -> NewRoom {
    let new = NewRoom::new(creator, others, true, Some("gym"), backend.app.now()).unwrap();
    new.with_client_id(Some("form 1".to_owned()))
}

/// Creates the group as the API does, and returns its id.
async fn create(backend: &TestBackend, creator: UserId, others: &[UserId]) -> Result<String> {
    let room = backend.app.create_room(gym(backend, creator, others)).await?;
    Ok(serde_json::to_value(room).unwrap()["id"].as_str().unwrap().to_owned())
}

#[tokio::test(start_paused = true)]
async fn concurrent_calls_create_one_group_and_store_its_id_for_a_week() {
    for _ in 0..50 {
        let backend = TestBackend::new();
        let (ana, ben) = (backend.user("ana").await, backend.user("ben").await);
        let others = [ben];
        let ids = join_all((0..5).map(|_| create(&backend, ana, &others))).await;
        let ids: Vec<String> = ids.into_iter().map(Result::unwrap).collect();
        assert!(ids.iter().all(|id| *id == ids[0]), "{ids:?}");
        let items = backend.partition(&format!("USER#{ana}"));
        let rooms = items.iter().filter(|item| item["sk"]["S"].as_str().unwrap().starts_with("ROOM#"));
        assert_eq!(rooms.count(), 1);
        let begun = items.iter().find(|item| item["sk"]["S"] == KEY).unwrap();
        let expires_at = backend.app.now().plus(GroupCreation::RETENTION).seconds();
        assert!(number(begun, "expires_at").abs_diff(u64::try_from(expires_at).unwrap()) < 60, "{begun}");
        assert_eq!(begun["room_id"]["S"], ids[0].as_str());
        assert!(!begun.to_string().contains("gym"), "{begun}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_call_after_one_that_failed_before_the_room_was_written_creates_that_room() {
    let backend = TestBackend::new();
    let (ana, ben) = (backend.user("ana").await, backend.user("ben").await);
    let begun = backend.app.store.begin_group(&gym(&backend, ana, &[ben]), backend.app.now()).await.unwrap();
    backend.wait(5).await;
    assert_eq!(create(&backend, ana, &[ben]).await.unwrap(), begun.to_string());
    let other = backend.app.store.begun_group(&gym(&backend, ana, &[ana, ben])).await;
    assert_eq!(other.unwrap(), Some(begun), "the creator is always a member");
}

#[tokio::test(start_paused = true)]
async fn a_deleted_account_keeps_no_begun_group_and_begins_none() {
    let backend = TestBackend::new();
    let (ana, ben) = (backend.user("ana").await, backend.user("ben").await);
    create(&backend, ana, &[ben]).await.unwrap();
    assert!(user_keys(&backend, ana).contains(&KEY.to_owned()));
    backend.app.delete_account(&identity(ana, Some(1_769_999_000))).await.unwrap();
    let late = backend.app.store.begin_group(&gym(&backend, ana, &[ben]), backend.app.now()).await;
    assert!(matches!(late, Err(Error::InvalidToken(_) | Error::NotFound)), "{late:?}");
    assert_eq!(user_keys(&backend, ana), ["PRESENCE", "PROFILE", "QUOTAS", "RATE#rooms"]);
}
