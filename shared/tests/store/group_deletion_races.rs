//! The deletion of a group during concurrent actions of its members.

use futures::future::join_all;
use shared::{
    Error, Result,
    domain::{
        messages::log::Window,
        page::PageRequest,
        rooms::{Role, Room, ShownMember, group::GroupAction, settings::RoomSettingsChange},
        users::profile::Profile,
    },
    id::{RoomId, UserId},
};

use crate::{
    backend::TestBackend,
    changes::group,
    group_races::{change, named, profiles, random_pause},
    group_state::{all, is_listed},
    log::send,
    raw::{items, meta},
};

/// Checks that a deleted group is not found by any user.
async fn check_not_found(backend: &TestBackend, room: RoomId, profiles: &[Profile]) {
    let store = &backend.app.store;
    for user in profiles.iter().map(|profile| profile.id) {
        let add = GroupAction::Add(ShownMember::new(&profiles[0], backend.app.now()), None);
        for action in
            [add, GroupAction::Remove(user), GroupAction::SetRole(user, Role::Owner), named("new name")]
        {
            let outcome = change(backend, room, user, &action).await;
            assert!(matches!(outcome, Err(Error::NotFound)), "{action:?}: {outcome:?}");
        }
        let pinned = RoomSettingsChange { is_pinned: Some(true), ..RoomSettingsChange::default() };
        let outcomes = [
            store.append(&send(room, user, "hi"), backend.app.now()).await.map(drop),
            store.history(room, user, Window::Newest { offset: 0 }, 100).await.map(drop),
            store.pins(room, user).await.map(drop),
            store.room_with_all_members(user, room).await.map(drop),
            store.change_room_settings(user, room, &pinned).await.map(drop),
        ];
        let are_hidden = outcomes.iter().all(|outcome| matches!(outcome, Err(Error::NotFound)));
        assert!(are_hidden, "{outcomes:?}");
        assert!(store.my_room(user, room).await.unwrap().is_none());
        assert!(store.my_rooms(user, PageRequest::default()).await.unwrap().items.is_empty());
        assert!(store.leave_deleted_account(room, user, backend.app.now()).await.unwrap().is_none());
    }
}

/// Deletes a group, and retries while the store is busy.
async fn delete(backend: &TestBackend, room: RoomId, actor: UserId) -> Result<()> {
    loop {
        match backend.app.delete_room(room, actor).await {
            Err(Error::Busy(_)) => {}
            outcome => return outcome,
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_group_deleted_during_concurrent_actions_is_not_found_and_leaves_no_items() {
    let mut acted = 0;
    for seed in 0..32 {
        fastrand::seed(seed);
        let backend = TestBackend::new();
        let (mut users, room) = group(&backend, 8).await;
        for n in 8..12 {
            users.push(backend.user(&format!("p{n}")).await);
        }
        let profiles = profiles(&backend, &users).await;
        let (owner, successor) = (users[0], users[1]);
        let store = &backend.app.store;
        let add = |n: usize| GroupAction::Add(ShownMember::new(&profiles[n], backend.app.now()), None);
        let mut actions: Vec<(UserId, GroupAction)> = (8..12).map(|n| (owner, add(n))).collect();
        actions.extend([2, 3].map(|n| (owner, GroupAction::SetRole(users[n], Role::Admin))));
        actions.extend([4, 5].map(|n| (users[n], GroupAction::Remove(users[n]))));
        if seed % 2 == 0 {
            actions.push((owner, GroupAction::SetRole(successor, Role::Owner)));
        }
        backend.set_conflicts("TransactWriteItems", fastrand::usize(0..4));
        let doing = actions.iter().map(async |(actor, action)| {
            random_pause(12_000).await;
            change(&backend, room, *actor, action).await.map(|change| change.is_some())
        });
        let sending = users.iter().map(async |user| {
            random_pause(12_000).await;
            let sent = store.append(&send(room, *user, "hi"), backend.app.now()).await?;
            store.advance_head(room, sent.message().seq).await?;
            store.advance_read(room, *user, sent.message().seq, backend.app.now()).await?;
            let pinned = RoomSettingsChange { is_pinned: Some(true), ..RoomSettingsChange::default() };
            store.change_room_settings(*user, room, &pinned).await.map(|_| true)
        });
        let deleting = [owner, successor].map(async |actor| {
            random_pause(12_000).await;
            let deleted = delete(&backend, room, actor).await;
            if deleted.is_ok() {
                let listed = users.iter().filter(|user| is_listed(&backend, **user, room));
                assert_eq!(listed.count(), 0, "seed {seed}: no list contains an acknowledged deletion");
                check_not_found(&backend, room, &profiles).await;
            }
            deleted
        });
        let (done, sent, deleted) = tokio::join!(join_all(doing), join_all(sending), join_all(deleting));
        let is_expected = |error: &Error| matches!(error, Error::NotFound | Error::Refused(_));
        let refusals = done.iter().chain(&sent).filter_map(|outcome| outcome.as_ref().err());
        let mut refusals = refusals.chain(deleted.iter().filter_map(|outcome| outcome.as_ref().err()));
        assert!(refusals.all(is_expected), "seed {seed}: {done:?} {sent:?} {deleted:?}");
        acted += done.iter().chain(&sent).filter(|outcome| matches!(outcome, Ok(true))).count();
        let by = [owner, successor]
            .into_iter()
            .zip(deleted)
            .filter_map(|(actor, result)| result.is_ok().then_some(actor));
        let by: Vec<UserId> = by.collect();
        // Each of the two may have tried while the other was the owner.
        let by = match by[..] {
            [] => {
                delete(&backend, room, successor).await.unwrap();
                successor
            }
            [by] => by,
            _ => panic!("seed {seed}: deleted by both"),
        };
        for user in users.iter().filter(|user| **user != by) {
            let outcome = delete(&backend, room, *user).await;
            assert!(matches!(outcome, Err(Error::NotFound)), "seed {seed}: {outcome:?}");
        }
        delete(&backend, room, by).await.unwrap();
        check_not_found(&backend, room, &profiles).await;
        assert!(users.iter().all(|user| !is_listed(&backend, *user, room)));
        let remaining = items(&backend, room, "");
        assert_eq!(remaining, [meta(&backend, room)], "seed {seed}: only the META item remains");
        let closed: Room = all(&backend, room, "META").remove(0);
        assert_eq!((closed.is_closed, closed.deleted_by, closed.member_count), (true, Some(by), 0));
        assert!(closed.name.is_none() && closed.first_members.is_empty() && closed.expires_at.is_some());
        delete(&backend, room, by).await.unwrap();
    }
    assert!(acted > 100, "{acted} actions preceded the deletion");
}
