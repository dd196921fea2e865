//! One call at a time completes the deletion of an account.

use shared::{Error, domain::accounts::DeletionProgress, id::UserId};

use crate::{
    backend::TestBackend,
    deletion::{
        LEASE, OVERDUE, complete_deletions, create_group, delete_account, pending_deletions, run_for,
    },
    profiles::identity,
    raw::user_keys,
};

/// A user with a group.
async fn scene() -> (TestBackend, UserId) {
    let backend = TestBackend::new();
    let [ben, zoe] = [backend.user("ben").await, backend.user("zoe").await];
    create_group(&backend, zoe, &[ben]).await.unwrap();
    (backend, zoe)
}

#[tokio::test(start_paused = true)]
async fn forty_concurrent_calls_do_the_work_once_and_the_others_answer_at_once() {
    let (backend, zoe) = scene().await;
    let (alone, zoe_alone) = scene().await;
    alone.calls();
    delete_account(&alone, zoe_alone).await.unwrap();
    let work = alone.calls().len();
    backend.calls();
    let ends = futures::future::join_all((0..40).map(|_| delete_account(&backend, zoe))).await;
    let waiting = ends.iter().filter(|end| matches!(end, Ok(DeletionProgress::InProgress)));
    assert_eq!(waiting.count(), 39, "{ends:?}");
    assert!(backend.calls().len() <= work + 39 * 8, "each of the others makes a few calls");
    assert_eq!(delete_account(&backend, zoe).await.unwrap(), DeletionProgress::Complete);
}

#[tokio::test(start_paused = true)]
async fn a_crashed_deletion_can_be_continued_when_its_lease_has_ended() {
    let (backend, zoe) = scene().await;
    assert!(run_for(5, delete_account(&backend, zoe)).await.is_none());
    assert_eq!(delete_account(&backend, zoe).await.unwrap(), DeletionProgress::InProgress);
    let back = identity(zoe, Some(backend.app.now().seconds()));
    assert!(matches!(backend.app.resume_account(&back).await, Err(Error::Busy(_))));
    backend.wait(LEASE).await;
    assert_eq!(delete_account(&backend, zoe).await.unwrap(), DeletionProgress::Complete);
    assert_eq!(user_keys(&backend, zoe), ["PRESENCE", "PROFILE", "QUOTAS"]);
}

#[tokio::test(start_paused = true)]
async fn a_failed_deletion_can_be_continued_at_once() {
    let (backend, zoe) = scene().await;
    assert!(run_for(2, delete_account(&backend, zoe)).await.is_none());
    backend.set_conflicts("TransactWriteItems", 1000);
    assert!(matches!(delete_account(&backend, zoe).await, Err(Error::Busy(_))));
    backend.set_conflicts("TransactWriteItems", 0);
    assert_eq!(delete_account(&backend, zoe).await.unwrap(), DeletionProgress::Complete);
}

#[tokio::test(start_paused = true)]
async fn the_schedule_leaves_a_deletion_to_the_call_that_is_completing_it() {
    let (backend, zoe) = scene().await;
    assert!(run_for(2, delete_account(&backend, zoe)).await.is_none());
    backend.wait(OVERDUE).await;
    assert!(run_for(3, delete_account(&backend, zoe)).await.is_none());
    backend.app.complete_deletions().await.unwrap();
    assert_eq!(pending_deletions(&backend, "account"), 1, "it stays until it is complete");
    backend.wait(LEASE).await;
    complete_deletions(&backend).await;
    assert_eq!(pending_deletions(&backend, "account"), 0);
    assert_eq!(user_keys(&backend, zoe), ["PRESENCE", "PROFILE", "QUOTAS"]);
}
