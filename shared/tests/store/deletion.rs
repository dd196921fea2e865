//! Helpers for tests of deletions.

use std::time::Duration;

use futures::{FutureExt, future::BoxFuture};
use serde_json::Value;
use shared::{
    Error, Result,
    domain::{accounts::DeletionProgress, rooms::new_room::NewRoom},
    id::{RoomId, UserId},
};

use crate::{backend::TestBackend, endpoints, profiles::identity, raw::items, rooms::invitees};

/// When the tokens of these tests were issued, in Unix seconds.
const ISSUED: i64 = 1_769_999_000;

/// Seconds after which a pending deletion is overdue: longer than any call takes.
pub const OVERDUE: u64 = 11 * 60;

/// Seconds after which another call can continue a deletion whose call has crashed.
pub const LEASE: u64 = 6 * 60;

/// Deletes the account of the user.
pub fn delete_account(backend: &TestBackend, user: UserId) -> BoxFuture<'_, Result<DeletionProgress>> {
    async move { backend.app.delete_account(&identity(user, Some(ISSUED))).await }.boxed()
}

/// Creates a group with the name `gym`.
pub async fn create_group(backend: &TestBackend, creator: UserId, others: &[UserId]) -> Result<RoomId> {
    let new_room = NewRoom::new(creator, others, true, Some("gym"), backend.app.now())?;
    let members: Vec<UserId> = new_room.members.iter().copied().collect();
    let check = || invitees(backend, &members);
    backend.app.store.create_room(&new_room, backend.app.now(), check).await?.ok_or(Error::NotFound)?;
    Ok(new_room.id)
}

/// Makes a recreated account a member of its direct room with `me` again.
pub async fn rejoin_direct_room(backend: &TestBackend, me: UserId, other: UserId) -> Result<()> {
    let (room, users) = (RoomId::direct(me, other), [me, other]);
    backend.app.store.rejoin_direct_room(room, me, &users, backend.app.now()).await.map(drop)
}

/// The number of pending deletions with this kind of target.
pub fn pending_deletions(backend: &TestBackend, kind: &str) -> usize {
    backend.partition("DELETIONS").iter().filter(|deletion| deletion["of"]["M"].get(kind).is_some()).count()
}

/// Whether any item of the room contains the username.
pub fn contains_username(backend: &TestBackend, room: RoomId, username: &str) -> bool {
    items(backend, room, "").iter().any(|item| item.to_string().contains(username))
}

/// Runs the scheduled function when the deletions that are pending now are overdue.
pub async fn complete_deletions(backend: &TestBackend) {
    backend.wait(OVERDUE).await;
    let mut event: Value =
        serde_json::from_str(include_str!("../../../events/maintenance/complete-deletions.json")).unwrap();
    event["time"] = backend.app.now().to_string().into();
    let event = serde_json::from_value(event).unwrap();
    let result = endpoints::call_scheduled(&backend.app, "maintenance-complete-deletions", &event).await;
    assert!(result.is_ok(), "{result:?}");
}

/// Runs a call for `seconds` of its round trips. Returns `None` if it has not ended by then.
pub async fn run_for<T>(seconds: u64, call: impl Future<Output = Result<T>>) -> Option<Result<T>> {
    tokio::time::timeout(Duration::from_millis(seconds * 1000 + 500), call).await.ok()
}
