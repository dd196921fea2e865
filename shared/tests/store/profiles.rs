//! Changes of profiles: names that nobody shares, and rooms that follow.

use std::{collections::BTreeSet, time::Duration};

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
        },
    },
    id::{RoomId, UserId},
    store::db::keys,
};
use tokio::time::sleep;
use uuid::Uuid;

use crate::{
    changes::group,
    cloud::Cloud,
    raw::{items, member, meta, number, recorded_revisions, set_flag},
    rooms::room,
};

/// Who brings a token that was issued then.
pub fn identity(user_id: UserId, issued_at: Option<i64>) -> Identity {
    Identity { user_id, expires: i64::MAX, issued_at, profile: TokenProfile::default() }
}

/// Another username.
pub fn named(name: &str) -> ProfileChange {
    ProfileChange { username: Some(name.to_owned()), ..ProfileChange::default() }
}

async fn profile(cloud: &Cloud, user: UserId) -> Profile {
    cloud.app.store.profile(user).await.unwrap().unwrap()
}

async fn found(cloud: &Cloud, query: &str) -> Vec<UserId> {
    let people = cloud.app.search_users(query, Uuid::new_v4().into(), 20).await.unwrap();
    people.into_iter().map(|(profile, _)| profile.id).collect()
}

fn shown(cloud: &Cloud, room: RoomId, user: UserId) -> String {
    member(cloud, room, user).unwrap()["username"]["S"].as_str().unwrap().to_owned()
}

#[tokio::test(start_paused = true)]
async fn a_new_name_is_found_and_the_old_one_is_free() {
    let cloud = Cloud::new();
    let (ana, ben) = (cloud.person("Anabel").await, cloud.person("ben").await);
    let taken = cloud.app.store.change_profile(ben, &named("ANABEL")).await;
    assert!(matches!(taken, Err(Error::Refused(refusal)) if refusal.code == "username_taken"));

    cloud.app.change_profile(ana, &named("Isabel")).await.unwrap();
    assert_eq!((found(&cloud, "isa").await, found(&cloud, "ana").await), (vec![ana], vec![]));
    assert_eq!(found(&cloud, "abel").await, [ana], "what both names have stays");
    cloud.app.change_profile(ben, &named("anabel")).await.unwrap();
    assert_eq!((found(&cloud, "ana").await, found(&cloud, "ben").await), (vec![ben], vec![]));

    cloud.app.change_profile(ana, &named("ISABEL")).await.unwrap();
    assert_eq!(profile(&cloud, ana).await.username, "ISABEL", "one's own name in other letters");
    assert_eq!(found(&cloud, "isabel").await, [ana]);
}

#[tokio::test(start_paused = true)]
async fn of_sixteen_who_want_one_name_at_once_one_gets_it() {
    let cloud = Cloud::new();
    let mut people = Vec::new();
    for n in 0..16 {
        people.push(cloud.person(&format!("runner{n}")).await);
    }
    let change = named("champion");
    let calls = people.iter().map(|user| cloud.app.store.change_profile(*user, &change));
    let outcomes = futures::future::join_all(calls).await;
    assert_eq!(outcomes.iter().filter(|outcome| outcome.is_ok()).count(), 1, "{outcomes:?}");
    assert_eq!(found(&cloud, "champion").await.len(), 1);
    let mut names = BTreeSet::new();
    for user in &people {
        names.insert(profile(&cloud, *user).await.username);
        assert_eq!(found(&cloud, &profile(&cloud, *user).await.username).await.first(), Some(user));
    }
    assert_eq!(names.len(), 16);
}

#[tokio::test(start_paused = true)]
async fn what_sixteen_devices_change_at_once_all_holds() {
    let cloud = Cloud::new();
    let ana = cloud.person("ana").await;
    let setting = |change: SettingsChange| ProfileChange { settings: change, ..ProfileChange::default() };
    let changes = [
        named("anastasia"),
        ProfileChange { display_name: Patch::Set("Ana S.".into()), ..ProfileChange::default() },
        ProfileChange { avatar_url: Patch::Set("https://a.example/1".into()), ..ProfileChange::default() },
        setting(SettingsChange { findable_by: Some(Audience::Nobody), ..SettingsChange::default() }),
        setting(SettingsChange { messages_from: Some(Audience::Friends), ..SettingsChange::default() }),
        setting(SettingsChange { read_receipts: Some(false), ..SettingsChange::default() }),
    ];
    let calls = changes.iter().cycle().take(16).map(|change| cloud.app.store.change_profile(ana, change));
    futures::future::try_join_all(calls).await.unwrap();
    let ana = profile(&cloud, ana).await;
    assert_eq!((ana.username.as_str(), ana.display_name.as_deref()), ("anastasia", Some("Ana S.")));
    assert_eq!(ana.avatar_url.as_deref(), Some("https://a.example/1"));
    assert_eq!((ana.settings.findable_by, ana.settings.messages_from), (Audience::Nobody, Audience::Friends));
    assert!(!ana.settings.read_receipts);
    assert_eq!(ana.rev, 1 + 6, "each of them counts once");
}

#[tokio::test(start_paused = true)]
async fn every_room_follows_as_a_change_of_its_own() {
    let cloud = Cloud::new();
    let ana = cloud.person("ana").await;
    let mut rooms = Vec::new();
    for n in 0..12 {
        let other = cloud.person(&format!("friend{n}")).await;
        cloud.connect(other, &format!("friend{n}")).await;
        rooms.push(room(&cloud, ana, &[other]).await);
    }
    // A position of hers moves meanwhile, and is not lost.
    cloud.app.store.append(&crate::log::send(rooms[0], ana, "hello"), cloud.app.now()).await.unwrap();
    let zoe = named("zoe");
    let followed = cloud.app.change_profile(ana, &zoe);
    let read = cloud.app.store.advance_read(rooms[0], ana, 1, cloud.app.now());
    let (followed, read) = futures::join!(followed, read);
    followed.unwrap();
    read.unwrap();
    for room in &rooms {
        assert_eq!((shown(&cloud, *room, ana).as_str(), number(&meta(&cloud, *room), "rev")), ("zoe", 1));
        assert_eq!(recorded_revisions(&cloud, *room), [1]);
    }
    assert_eq!(number(&member(&cloud, rooms[0], ana).unwrap(), "read_seq"), 1);
    assert!(!profile(&cloud, ana).await.rooms_outdated);
    let frames = cloud.frames();
    assert_eq!(frames.len(), 12);
    assert!(frames.iter().all(|(_, frame)| frame["type"] == "participant_updated"
        && frame["data"]["participants"][0]["username"] == "zoe"
        && frame["data"]["rev"] == 1));

    cloud.app.change_profile(ana, &named("zoe")).await.unwrap();
    assert_eq!(cloud.frames(), [], "nothing changed");
}

#[tokio::test(start_paused = true)]
async fn a_closed_room_follows_and_nobody_is_told() {
    let cloud = Cloud::new();
    let (ana, ben) = (cloud.person("ana").await, cloud.person("ben").await);
    cloud.connect(ben, "ben").await;
    let room = room(&cloud, ana, &[ben]).await;
    set_flag(&cloud, keys::meta(room), "is_closed").await;
    cloud.app.change_profile(ana, &named("zoe")).await.unwrap();
    assert_eq!(shown(&cloud, room, ana), "zoe");
    assert_eq!(cloud.frames(), []);
}

#[tokio::test(start_paused = true)]
async fn of_two_names_that_rooms_follow_at_once_the_later_one_is_shown() {
    for _ in 0..20 {
        let cloud = Cloud::new();
        let (ana, ben) = (cloud.person("ana").await, cloud.person("ben").await);
        let room = room(&cloud, ana, &[ben]).await;
        let (zoe, mia) = (named("zoe"), named("mia"));
        let (first, second) =
            futures::join!(cloud.app.change_profile(ana, &zoe), cloud.app.change_profile(ana, &mia));
        first.unwrap();
        second.unwrap();
        let profile = profile(&cloud, ana).await;
        assert_eq!(shown(&cloud, room, ana), profile.username);
        assert!(!profile.rooms_outdated);
    }
}

#[tokio::test(start_paused = true)]
async fn rooms_that_a_dead_call_left_behind_follow_at_the_next_one() {
    let cloud = Cloud::new();
    let (ana, ben) = (cloud.person("ana").await, cloud.person("ben").await);
    let room = room(&cloud, ana, &[ben]).await;
    // As far as a call comes that dies after its first write.
    cloud.app.store.change_profile(ana, &named("zoe")).await.unwrap();
    assert_eq!(shown(&cloud, room, ana), "ana");
    assert_eq!(cloud.app.resume_account(&identity(ana, None)).await.unwrap().username, "zoe");
    assert_eq!(shown(&cloud, room, ana), "zoe");
    assert!(!profile(&cloud, ana).await.rooms_outdated);
    assert_eq!(items(&cloud, room, "CHANGE#").len(), 1);

    cloud.app.store.change_profile(ana, &named("mia")).await.unwrap();
    cloud.app.change_profile(ana, &named("mia")).await.unwrap();
    assert_eq!(shown(&cloud, room, ana), "mia", "the same call again");
    assert_eq!(cloud.partition("NAME#ana").len(), 0);
    assert_eq!(cloud.partition("NAME#mia")[0]["user_id"], json!({"S": ana.to_string()}));
}

#[tokio::test(start_paused = true)]
async fn who_is_added_while_they_take_another_name_is_shown_by_that_one() {
    for conflicts in 0..3 {
        for half_seconds in 0..12 {
            let cloud = Cloud::new();
            let (people, room) = group(&cloud, 3).await;
            let eve = cloud.person("eve").await;
            let before = profile(&cloud, eve).await;
            cloud.set_conflicts("TransactWriteItems", conflicts);
            let store = &cloud.app.store;
            let (joined, renamed) =
                futures::join!(store.join(room, people[0], &before, None, cloud.app.now()), async {
                    sleep(Duration::from_millis(500 * half_seconds)).await;
                    cloud.app.change_profile(eve, &named("eva")).await
                });
            joined.unwrap().unwrap();
            renamed.unwrap();
            assert_eq!(shown(&cloud, room, eve), "eva", "{conflicts} conflicts, {half_seconds} half seconds");
        }
    }
}

#[tokio::test(start_paused = true)]
async fn who_takes_another_name_while_a_room_is_made_is_shown_by_that_one() {
    for is_group in [false, true] {
        for half_seconds in 0..12 {
            let cloud = Cloud::new();
            let (ana, eve) = (cloud.person("ana").await, cloud.person("eve").await);
            let new_room = NewRoom::new(ana, &[eve], is_group, None).unwrap();
            let store = &cloud.app.store;
            let profiles = store.profiles(&[ana, eve]).await.unwrap();
            let (made, renamed) = futures::join!(
                async {
                    sleep(Duration::from_secs(2)).await;
                    store.create_room(&new_room, profiles, cloud.app.now()).await
                },
                async {
                    sleep(Duration::from_millis(500 * half_seconds)).await;
                    cloud.app.change_profile(eve, &named("eva")).await
                }
            );
            renamed.unwrap();
            let answered = made.unwrap().unwrap();
            assert_eq!(shown(&cloud, new_room.id, eve), "eva", "{half_seconds} half seconds");
            assert!(["eva", "eve"].contains(&&*answered.member(eve).unwrap().shown.username));
        }
    }
}
