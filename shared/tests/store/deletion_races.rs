//! Account deletion with concurrent actions, and deletions whose call is aborted.

use std::{collections::BTreeSet, pin::pin, time::Duration};

use futures::{FutureExt, future::BoxFuture};
use shared::{
    Error, Result,
    domain::{
        relationships::{Answer, RelationshipAction},
        rooms::new_room::NewRoom,
        users::device::{Device, Platform},
    },
    id::{DeviceId, RoomId, UserId},
    store::db::keys,
};

use crate::{
    backend::TestBackend,
    deletion::{
        LEASE, complete_deletions, contains_username, create_group, delete_account, pending_deletions,
        rejoin_direct_room, run_for,
    },
    group_state::{rooms_counted, rooms_listed},
    log::send,
    profiles::identity,
    raw::{items, meta, set, user_keys},
    relationship_lists::{ask, code},
    rooms::{invitees, room},
};

/// An upper bound of the sequential calls of these deletions.
const MAX_CALLS: u64 = 60;

/// The number of rooms in the user's list, and the value of their room quota.
fn room_counts(backend: &TestBackend, user: UserId) -> (usize, usize) {
    (rooms_listed(backend, user), rooms_counted(backend, user))
}

/// Waits for `seconds`; not at all if the number is negative.
async fn pause(seconds: i64) {
    tokio::time::sleep(Duration::from_secs(u64::try_from(seconds).unwrap_or_default())).await;
}

fn phone(backend: &TestBackend) -> Device {
    Device {
        id: DeviceId::from(uuid::Uuid::from_u128(7)),
        platform: Platform::Ios,
        push_token: Some("token".to_owned()),
        registered_at: backend.app.now(),
    }
}

/// An action of Ben, or of Zoe on another device, that is concurrent with the deletion of her account.
#[derive(Clone, Copy, Debug)]
enum ConcurrentAction {
    OpenDirectRoom,
    CreateGroup,
    AddToGroup,
    SendRequest,
    AcceptRequest,
    RejoinDirectRoom,
    RegisterDevice,
}

impl ConcurrentAction {
    const ALL: [Self; 7] = [
        Self::OpenDirectRoom,
        Self::CreateGroup,
        Self::AddToGroup,
        Self::SendRequest,
        Self::AcceptRequest,
        Self::RejoinDirectRoom,
        Self::RegisterDevice,
    ];

    /// Creates the preconditions. Returns the room that is affected, and the action.
    async fn prepare(
        self,
        backend: &TestBackend,
        ben: UserId,
        zoe: UserId,
    ) -> (Option<RoomId>, BoxFuture<'_, Result<()>>) {
        let store = &backend.app.store;
        match self {
            Self::OpenDirectRoom => {
                let room = RoomId::direct(ben, zoe);
                (
                    Some(room),
                    async move { crate::rooms::try_room(backend, ben, &[zoe]).await.map(|_| ()) }.boxed(),
                )
            }
            Self::CreateGroup => {
                (None, async move { create_group(backend, ben, &[zoe]).await.map(drop) }.boxed())
            }
            Self::AddToGroup => {
                let gym = create_group(backend, ben, &[backend.user("cleo").await]).await.unwrap();
                let add = async move { backend.app.put_participant(gym, ben, zoe, None).await.map(drop) };
                (Some(gym), add.boxed())
            }
            Self::SendRequest => {
                let ask = async move {
                    backend.app.check_may_request(ben, zoe, backend.app.now()).await?;
                    ask(backend, ben, zoe).await.map(drop)
                };
                (None, ask.boxed())
            }
            Self::AcceptRequest => {
                let asked = ask(backend, zoe, ben).await.unwrap();
                let accept = RelationshipAction::Respond(asked.request_id, Answer::Accepted);
                (
                    None,
                    async move { backend.app.update_relationship(ben, zoe, accept).await.map(drop) }.boxed(),
                )
            }
            Self::RejoinDirectRoom => {
                let direct = room(backend, ben, &[zoe]).await;
                delete_account(backend, zoe).await.unwrap();
                let back = identity(zoe, Some(backend.app.now().seconds() + 1));
                backend.wait(2).await;
                backend.app.ensure_profile(&back).await.unwrap();
                let again = async move { rejoin_direct_room(backend, ben, zoe).await };
                (Some(direct), again.boxed())
            }
            Self::RegisterDevice => {
                let device = phone(backend);
                (None, async move { store.register_device(zoe, &device).await }.boxed())
            }
        }
    }
}

#[tokio::test(start_paused = true)]
async fn concurrent_actions_add_nothing_to_an_account_that_is_being_deleted() {
    for action in ConcurrentAction::ALL {
        let mut outcomes = [0, 0];
        for ahead in -8_i64..12 {
            let backend = TestBackend::new();
            let (ben, zoe) = (backend.user("ben").await, backend.user("zoe-the-first").await);
            let (room, call) = action.prepare(&backend, ben, zoe).await;
            let call = async {
                pause(-ahead).await;
                call.await
            };
            let delete = async {
                pause(ahead).await;
                let issued = backend.app.now().seconds() + 1;
                backend.app.delete_account(&identity(zoe, Some(issued))).await
            };
            let (outcome, deleted) = tokio::join!(call, delete);
            let when = format!("{action:?}, {ahead} s before: {outcome:?}");
            assert!(deleted.is_ok(), "{when}: {deleted:?}");
            outcomes[usize::from(outcome.is_ok())] += 1;
            assert_eq!(user_keys(&backend, zoe), ["PRESENCE", "PROFILE", "QUOTAS"], "{when}");
            let items = backend.partition(&format!("USER#{zoe}"));
            for item in items.iter().filter(|item| item["sk"]["S"] != "PROFILE") {
                assert_eq!(item.as_object().unwrap().len(), 3, "the key and the deletion: {item}");
            }
            let remaining = user_keys(&backend, ben);
            assert!(
                !remaining.iter().any(|sk| sk.starts_with("FRIEND#") || sk.starts_with("REQUEST#")),
                "{when}: {remaining:?}"
            );
            assert_eq!(pending_deletions(&backend, "account"), 0, "{when}");
            for room in room.into_iter().chain(rooms_in(&remaining)) {
                assert!(!contains_username(&backend, room, "zoe-the-first"), "{when}");
            }
            let (listed, counted) = room_counts(&backend, ben);
            assert_eq!(listed, counted, "{when}");
        }
        assert!(outcomes.iter().all(|n| *n > 0), "{action:?} must come both first and last: {outcomes:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn an_action_prepared_before_a_deletion_fails_after_it() {
    let backend = TestBackend::new();
    let [ben, zoe] = [backend.user("ben").await, backend.user("zoe-the-first").await];
    let (store, now) = (&backend.app.store, backend.app.now());
    let gym = create_group(&backend, ben, &[backend.user("cleo").await]).await.unwrap();
    let asked = ask(&backend, zoe, ben).await.unwrap();
    let before = invitees(&backend, &[ben, zoe]).await.unwrap();
    // The call is aborted as soon as the account is marked as deleted.
    assert!(run_for(2, delete_account(&backend, zoe)).await.is_none());
    let accept = RelationshipAction::Respond(asked.request_id, Answer::Accepted);
    assert!(matches!(store.update_relationship(ben, zoe, accept, now).await, Err(Error::NotFound)));
    for is_group in [false, true] {
        let new_room = NewRoom::new(ben, &[zoe], is_group, None, now).unwrap();
        let created = store.create_room(&new_room, now, || async { Ok(before.clone()) }).await;
        assert!(matches!(created, Err(Error::NotFound)));
    }
    let joined = store.join(gym, ben, None, now, || async { Ok(before[&zoe].clone()) }).await;
    assert!(matches!(joined, Err(Error::NotFound)));
    assert!(matches!(store.register_device(zoe, &phone(&backend)).await, Err(Error::InvalidToken(_))));
    delete_account(&backend, zoe).await.unwrap();
    assert!(matches!(ask(&backend, ben, zoe).await, Err(Error::NotFound)));
    assert!(matches!(ask(&backend, zoe, ben).await, Err(Error::InvalidToken(_))));
    assert_eq!(user_keys(&backend, zoe), ["PRESENCE", "PROFILE", "QUOTAS"]);
    assert_eq!(user_keys(&backend, ben), ["PROFILE", "QUOTAS", &format!("ROOM#{gym}")]);
    assert!(!contains_username(&backend, gym, "zoe-the-first"));
    assert!(items(&backend, RoomId::direct(ben, zoe), "").is_empty());
}

/// The rooms in these sort keys.
fn rooms_in(keys: &[String]) -> Vec<RoomId> {
    keys.iter().filter_map(|sk| sk.strip_prefix("ROOM#")?.parse().ok()).collect()
}

#[tokio::test(start_paused = true)]
async fn a_late_deletion_call_removes_nothing_from_a_recreated_account() {
    let mut stopped = BTreeSet::new();
    for seconds in 3..40 {
        let backend = TestBackend::new();
        let (zoe, ben) = (backend.user("zoe").await, backend.user("ben").await);
        let (cleo, eve) = (backend.user("cleo").await, backend.user("eve").await);
        ask(&backend, ben, zoe).await.unwrap();
        for n in 0..3 {
            create_group(&backend, zoe, &[ben]).await.unwrap();
            let late =
                Device { id: DeviceId::from(uuid::Uuid::from_u128(n)), push_token: None, ..phone(&backend) };
            backend.app.store.register_device(zoe, &late).await.unwrap();
        }
        let mut late = pin!(delete_account(&backend, zoe));
        let result = run_for(seconds, late.as_mut()).await;
        if result.is_some() {
            break;
        }
        // Another call completes the deletion, and the account is recreated.
        backend.wait(LEASE).await;
        delete_account(&backend, zoe).await.unwrap();
        backend.wait(2).await;
        backend.app.ensure_profile(&identity(zoe, Some(backend.app.now().seconds()))).await.unwrap();
        let asked = ask(&backend, cleo, zoe).await.unwrap();
        backend
            .app
            .update_relationship(zoe, cleo, RelationshipAction::Respond(asked.request_id, Answer::Accepted))
            .await
            .unwrap();
        backend.app.update_relationship(zoe, eve, RelationshipAction::Block).await.unwrap();
        backend.app.store.register_device(zoe, &phone(&backend)).await.unwrap();
        create_group(&backend, ben, &[zoe]).await.unwrap();
        let before = user_keys(&backend, zoe);

        stopped.insert(late.await.is_ok());
        assert_eq!(user_keys(&backend, zoe), before, "stopped after {seconds} s");
        assert!(backend.app.store.pair(zoe, cleo).await.unwrap().are_friends());
    }
    assert!(stopped.contains(&true), "a deletion that another call completed succeeds");
}

#[tokio::test(start_paused = true)]
async fn a_member_who_is_being_deleted_is_removed_only_by_their_deletion() {
    let backend = TestBackend::new();
    let [ben, zoe] = [backend.user("ben").await, backend.user("zoe-the-first").await];
    let gym = create_group(&backend, ben, &[zoe]).await.unwrap();
    backend.app.store.append(&send(gym, zoe, "words"), backend.app.now()).await.unwrap();
    assert!(run_for(2, delete_account(&backend, zoe)).await.is_none());
    assert!(matches!(backend.app.remove_participant(gym, ben, zoe).await, Err(Error::NotFound)));
    complete_deletions(&backend).await;
    assert!(!contains_username(&backend, gym, "zoe-the-first"));
    backend.app.remove_participant(gym, ben, zoe).await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn the_schedule_completes_a_deletion_whose_call_was_aborted() {
    let mut aborted = 0;
    for seconds in 0..MAX_CALLS {
        let backend = TestBackend::new();
        let (zoe, ben) = (backend.user("zoe-the-first").await, backend.user("ben").await);
        ask(&backend, ben, zoe).await.unwrap();
        let (direct, gym) =
            (room(&backend, zoe, &[ben]).await, create_group(&backend, zoe, &[ben]).await.unwrap());
        let owned = create_group(&backend, zoe, &[ben]).await.unwrap();
        for room in [direct, gym, owned] {
            backend.app.store.append(&send(room, zoe, "words"), backend.app.now()).await.unwrap();
        }
        // Deletes a group, then the account of its owner.
        let both = async {
            let group = backend.app.delete_room(owned, zoe).await;
            group.and(delete_account(&backend, zoe).await)
        };
        let has_ended = run_for(seconds, both).await.is_some();
        aborted += u64::from(!has_ended);
        for _ in 0..2 {
            complete_deletions(&backend).await;
        }
        assert!(backend.partition("DELETIONS").is_empty(), "aborted after {seconds} s");
        if user_keys(&backend, zoe) != ["PRESENCE", "PROFILE", "QUOTAS"] {
            // The deletion of the account had not started.
            delete_account(&backend, zoe).await.unwrap();
        }
        assert_eq!(user_keys(&backend, zoe), ["PRESENCE", "PROFILE", "QUOTAS"], "aborted after {seconds} s");
        assert!([direct, gym, owned].iter().all(|room| !contains_username(&backend, *room, "zoe-the-first")));
        let is_deleted = meta(&backend, owned).get("expires_at").is_some();
        assert_eq!(items(&backend, owned, "MSG#").is_empty(), is_deleted);
        assert!(is_deleted || seconds < 2, "aborted after {seconds} s");
        let (listed, counted) = room_counts(&backend, ben);
        assert_eq!(listed, counted);
        if has_ended {
            break;
        }
    }
    assert!((5..MAX_CALLS).contains(&aborted), "{aborted}");
}

#[tokio::test(start_paused = true)]
async fn the_schedule_leaves_a_recent_deletion_to_its_call() {
    let backend = TestBackend::new();
    let (zoe, ben) = (backend.user("zoe").await, backend.user("ben").await);
    room(&backend, zoe, &[ben]).await;
    assert!(run_for(2, delete_account(&backend, zoe)).await.is_none());
    let before = user_keys(&backend, zoe);
    backend.app.complete_deletions().await.unwrap();
    assert_eq!(user_keys(&backend, zoe), before);
    assert_eq!(pending_deletions(&backend, "account"), 1);
}

#[tokio::test(start_paused = true)]
async fn the_room_quota_limits_every_way_of_joining_a_room() {
    let backend = TestBackend::new();
    let (ana, ben, cleo) = (backend.user("ana").await, backend.user("ben").await, backend.user("cleo").await);
    let gym = create_group(&backend, ana, &[cleo]).await.unwrap();
    set(&backend, keys::quotas(ben), "rooms", 2_000).await;
    for (creator, other, expected) in [(ben, ana, "too_many_rooms"), (ana, ben, "other_has_too_many_rooms")] {
        assert_eq!(code(create_group(&backend, creator, &[other]).await), expected);
        assert_eq!(code(crate::rooms::try_room(&backend, creator, &[other]).await), expected);
    }
    assert_eq!(code(backend.app.put_participant(gym, ana, ben, None).await), "other_has_too_many_rooms");
    set(&backend, keys::quotas(ben), "rooms", 1_999).await;
    backend.app.put_participant(gym, ana, ben, None).await.unwrap();
    assert_eq!(
        code(
            backend
                .app
                .put_participant(create_group(&backend, ana, &[cleo]).await.unwrap(), ana, ben, None)
                .await
        ),
        "other_has_too_many_rooms"
    );
    backend.app.remove_participant(gym, ben, ben).await.unwrap();
    // The second call finds Ben in the group and is not refused by the quota.
    let both = [(), ()].map(|()| backend.app.put_participant(gym, ana, ben, None));
    assert!(futures::future::join_all(both).await.iter().all(Result::is_ok));
    backend.app.remove_participant(gym, ben, ben).await.unwrap();
    backend.app.remove_participant(gym, ben, ben).await.unwrap();
    assert_eq!(room_counts(&backend, ben), (0, 1_999));
    create_group(&backend, ben, &[ana]).await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn a_deleted_account_keeps_its_rate_limits() {
    let backend = TestBackend::new();
    let zoe = backend.user("zoe").await;
    backend
        .app
        .check_rate_limit(zoe, shared::domain::users::rate_limit::RateLimitedAction::Reports)
        .await
        .unwrap();
    delete_account(&backend, zoe).await.unwrap();
    assert_eq!(user_keys(&backend, zoe), ["PRESENCE", "PROFILE", "QUOTAS", "RATE#reports"]);
}
