//! Profile changes: usernames are unique, and rooms show the current profile.

use std::{cell::Cell, collections::BTreeSet, time::Duration};

use serde_json::json;
use shared::{
    Error,
    auth::Identity,
    domain::{
        relationships::access::Audience,
        rooms::new_room::NewRoom,
        users::{
            profile::{Patch, Profile, ProfileChange, TokenProfile},
            settings::SettingsChange,
            username::SearchQuery,
        },
    },
    id::{RoomId, UserId},
    store::db::keys,
};
use tokio::time::sleep;
use uuid::Uuid;

use crate::{
    backend::TestBackend,
    changes::group,
    raw::{items, member, meta, number, recorded_revisions, set_flag},
    rooms::{invitees, join, room},
};

/// The identity of a token that was issued at this time, in Unix seconds.
pub fn identity(user_id: UserId, issued_at: Option<i64>) -> Identity {
    Identity { user_id, expires: i64::MAX, issued_at, profile: TokenProfile::default() }
}

/// A change of the username.
pub fn named(name: &str) -> ProfileChange {
    ProfileChange { username: Some(name.to_owned()), ..ProfileChange::default() }
}

async fn profile(backend: &TestBackend, user: UserId) -> Profile {
    backend.app.store.profile(user).await.unwrap().unwrap()
}

async fn search(backend: &TestBackend, query: &str) -> Vec<UserId> {
    let query = SearchQuery::read(query).unwrap();
    let users = backend.app.search_users(&query, Uuid::new_v4().into(), 20).await.unwrap();
    users.into_iter().map(|(profile, _)| profile.id).collect()
}

fn shown_username(backend: &TestBackend, room: RoomId, user: UserId) -> String {
    member(backend, room, user).unwrap()["username"]["S"].as_str().unwrap().to_owned()
}

#[tokio::test(start_paused = true)]
async fn a_new_username_is_found_and_the_old_one_is_free() {
    let backend = TestBackend::new();
    let (ana, ben) = (backend.user("Anabel").await, backend.user("ben").await);
    let taken = backend.app.store.change_profile(ben, &named("ANABEL")).await;
    assert!(matches!(taken, Err(Error::Refused(refusal)) if refusal.code == "username_taken"));

    backend.app.change_profile(ana, &named("Isabel")).await.unwrap();
    assert_eq!((search(&backend, "isa").await, search(&backend, "ana").await), (vec![ana], vec![]));
    assert_eq!(search(&backend, "abel").await, [ana], "a part that both usernames contain is still found");
    backend.app.change_profile(ben, &named("anabel")).await.unwrap();
    assert_eq!((search(&backend, "ana").await, search(&backend, "ben").await), (vec![ben], vec![]));

    backend.app.change_profile(ana, &named("ISABEL")).await.unwrap();
    assert_eq!(profile(&backend, ana).await.username, "ISABEL", "the same username in another case");
    assert_eq!(search(&backend, "isabel").await, [ana]);
}

#[tokio::test(start_paused = true)]
async fn a_username_requested_concurrently_is_given_to_one_user() {
    let backend = TestBackend::new();
    let mut users = Vec::new();
    for n in 0..16 {
        users.push(backend.user(&format!("runner{n}")).await);
    }
    let change = named("champion");
    let calls = users.iter().map(|user| backend.app.store.change_profile(*user, &change));
    let outcomes = futures::future::join_all(calls).await;
    assert_eq!(outcomes.iter().filter(|outcome| outcome.is_ok()).count(), 1, "{outcomes:?}");
    assert_eq!(search(&backend, "champion").await.len(), 1);
    let mut names = BTreeSet::new();
    for user in &users {
        names.insert(profile(&backend, *user).await.username);
        assert_eq!(search(&backend, &profile(&backend, *user).await.username).await.first(), Some(user));
    }
    assert_eq!(names.len(), 16);
}

#[tokio::test(start_paused = true)]
async fn concurrent_profile_changes_of_sixteen_devices_are_all_kept() {
    let backend = TestBackend::new();
    let ana = backend.user("ana").await;
    let setting = |change: SettingsChange| ProfileChange { settings: change, ..ProfileChange::default() };
    let changes = [
        named("anastasia"),
        ProfileChange { display_name: Patch::Set("Ana S.".into()), ..ProfileChange::default() },
        ProfileChange { avatar_url: Patch::Set("https://a.example/1".into()), ..ProfileChange::default() },
        setting(SettingsChange { findable_by: Some(Audience::Nobody), ..SettingsChange::default() }),
        setting(SettingsChange { messages_from: Some(Audience::Friends), ..SettingsChange::default() }),
        setting(SettingsChange { read_receipts: Some(false), ..SettingsChange::default() }),
    ];
    let calls = changes.iter().cycle().take(16).map(|change| backend.app.store.change_profile(ana, change));
    futures::future::try_join_all(calls).await.unwrap();
    let ana = profile(&backend, ana).await;
    assert_eq!((ana.username.as_str(), ana.display_name.as_deref()), ("anastasia", Some("Ana S.")));
    assert_eq!(ana.avatar_url.as_deref(), Some("https://a.example/1"));
    assert_eq!((ana.settings.findable_by, ana.settings.messages_from), (Audience::Nobody, Audience::Friends));
    assert!(!ana.settings.read_receipts);
    assert_eq!(ana.rev, 1 + 6, "each change counts once");
}

#[tokio::test(start_paused = true)]
async fn every_room_shows_a_new_username_with_its_own_revision() {
    let backend = TestBackend::new();
    let ana = backend.user("ana").await;
    let mut rooms = Vec::new();
    for n in 0..12 {
        let other = backend.user(&format!("friend{n}")).await;
        backend.connect(other, &format!("friend{n}")).await;
        rooms.push(room(&backend, ana, &[other]).await);
    }
    // Her read position advances at the same time and is kept.
    backend.app.store.append(&crate::log::send(rooms[0], ana, "hello"), backend.app.now()).await.unwrap();
    let zoe = named("zoe");
    let renamed = backend.app.change_profile(ana, &zoe);
    let read = backend.app.store.advance_read(rooms[0], ana, 1, backend.app.now());
    let (renamed, read) = futures::join!(renamed, read);
    renamed.unwrap();
    read.unwrap();
    for room in &rooms {
        assert_eq!(
            (shown_username(&backend, *room, ana).as_str(), number(&meta(&backend, *room), "rev")),
            ("zoe", 1)
        );
        assert_eq!(recorded_revisions(&backend, *room), [1]);
    }
    assert_eq!(number(&member(&backend, rooms[0], ana).unwrap(), "read_seq"), 1);
    assert!(!profile(&backend, ana).await.rooms_outdated);
    let frames = backend.frames();
    assert_eq!(frames.len(), 12);
    assert!(frames.iter().all(|(_, frame)| frame["type"] == "participant_updated"
        && frame["data"]["participants"][0]["username"] == "zoe"
        && frame["data"]["rev"] == 1));

    backend.app.change_profile(ana, &named("zoe")).await.unwrap();
    assert_eq!(backend.frames(), [], "nothing changed");
}

#[tokio::test(start_paused = true)]
async fn a_closed_room_shows_a_new_username_without_notifications() {
    let backend = TestBackend::new();
    let (ana, ben) = (backend.user("ana").await, backend.user("ben").await);
    backend.connect(ben, "ben").await;
    let room = room(&backend, ana, &[ben]).await;
    set_flag(&backend, keys::meta(room), "is_closed").await;
    backend.app.change_profile(ana, &named("zoe")).await.unwrap();
    assert_eq!(shown_username(&backend, room, ana), "zoe");
    assert_eq!(backend.frames(), []);
}

#[tokio::test(start_paused = true)]
async fn rooms_show_the_later_of_two_concurrent_usernames() {
    for _ in 0..20 {
        let backend = TestBackend::new();
        let (ana, ben) = (backend.user("ana").await, backend.user("ben").await);
        let room = room(&backend, ana, &[ben]).await;
        let (zoe, mia) = (named("zoe"), named("mia"));
        let (first, second) =
            futures::join!(backend.app.change_profile(ana, &zoe), backend.app.change_profile(ana, &mia));
        first.unwrap();
        second.unwrap();
        let profile = profile(&backend, ana).await;
        assert_eq!(shown_username(&backend, room, ana), profile.username);
        assert!(!profile.rooms_outdated);
    }
}

#[tokio::test(start_paused = true)]
async fn the_next_call_updates_the_rooms_that_an_aborted_call_left_outdated() {
    let backend = TestBackend::new();
    let (ana, ben) = (backend.user("ana").await, backend.user("ben").await);
    let room = room(&backend, ana, &[ben]).await;
    // The state after a call that is aborted after its first write.
    backend.app.store.change_profile(ana, &named("zoe")).await.unwrap();
    assert_eq!(shown_username(&backend, room, ana), "ana");
    assert_eq!(backend.app.resume_account(&identity(ana, None)).await.unwrap().username, "zoe");
    assert_eq!(shown_username(&backend, room, ana), "zoe");
    assert!(!profile(&backend, ana).await.rooms_outdated);
    assert_eq!(items(&backend, room, "CHANGE#").len(), 1);

    backend.app.store.change_profile(ana, &named("mia")).await.unwrap();
    backend.app.change_profile(ana, &named("mia")).await.unwrap();
    assert_eq!(shown_username(&backend, room, ana), "mia", "the same call again");
    assert_eq!(backend.partition("NAME#ana").len(), 0);
    assert_eq!(backend.partition("NAME#mia")[0]["user_id"], json!({"S": ana.to_string()}));
}

#[tokio::test(start_paused = true)]
async fn a_user_who_is_added_during_a_rename_is_shown_by_the_new_username() {
    for conflicts in 0..3 {
        for half_seconds in 0..12 {
            let backend = TestBackend::new();
            let (members, room) = group(&backend, 3).await;
            let eve = backend.user("eve").await;
            backend.set_conflicts("TransactWriteItems", conflicts);
            let (joined, renamed) = futures::join!(join(&backend, room, members[0], eve), async {
                sleep(Duration::from_millis(500 * half_seconds)).await;
                backend.app.change_profile(eve, &named("eva")).await
            });
            joined.unwrap().unwrap();
            renamed.unwrap();
            assert_eq!(
                shown_username(&backend, room, eve),
                "eva",
                "{conflicts} conflicts, {half_seconds} half seconds"
            );
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_user_who_renames_during_room_creation_is_shown_by_the_new_username() {
    for is_group in [false, true] {
        for half_seconds in 0..12 {
            let backend = TestBackend::new();
            let (ana, eve) = (backend.user("ana").await, backend.user("eve").await);
            let new_room = NewRoom::new(ana, &[eve], is_group, None, backend.app.now()).unwrap();
            let store = &backend.app.store;
            let (users, first) = ([ana, eve], Cell::new(true));
            let stale = invitees(&backend, &users).await.unwrap();
            let check = || async {
                if first.replace(false) { Ok(stale.clone()) } else { invitees(&backend, &users).await }
            };
            let (created, renamed) = futures::join!(
                async {
                    sleep(Duration::from_secs(2)).await;
                    store.create_room(&new_room, backend.app.now(), check).await
                },
                async {
                    sleep(Duration::from_millis(500 * half_seconds)).await;
                    backend.app.change_profile(eve, &named("eva")).await
                }
            );
            renamed.unwrap();
            let returned = created.unwrap().unwrap();
            assert_eq!(shown_username(&backend, new_room.id, eve), "eva", "{half_seconds} half seconds");
            assert!(["eva", "eve"].contains(&&*returned.member(eve).unwrap().shown.username));
        }
    }
}
