//! Rooms: one direct room per pair, and lists that show the newest message.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use serde_json::Value;
use shared::{
    Error, Result,
    domain::{
        page::PageRequest,
        receipts::MessageStatus,
        rooms::{
            new_room::{Invitee, NewRoom},
            summary::RoomSummary,
        },
        sync::SyncScope,
        users::profile::{Patch, ProfileChange},
    },
    id::{RoomId, UserId},
    serve::http::{HttpReply, JsonPage},
    store::rooms::group::GroupChange,
    wire::{rooms::ChatRoom, sync::Sync},
};

use crate::{backend::TestBackend, log::send};

/// Creates a room as the API does, and returns its id.
pub async fn room(backend: &TestBackend, creator: UserId, others: &[UserId]) -> RoomId {
    try_room(backend, creator, others).await.unwrap()
}

/// Creates a room, or returns why it was refused.
pub async fn try_room(backend: &TestBackend, creator: UserId, others: &[UserId]) -> Result<RoomId> {
    let new_room = NewRoom::new(creator, others, false, None, backend.app.now())?;
    let members: Vec<UserId> = new_room.members.iter().copied().collect();
    let check = || invitees(backend, &members);
    backend.app.store.create_room(&new_room, backend.app.now(), check).await?;
    Ok(new_room.id)
}

/// The existing ones of some users, as members whose addition does not count.
pub async fn invitees(backend: &TestBackend, users: &[UserId]) -> Result<HashMap<UserId, Invitee>> {
    let profiles = backend.app.store.profiles(users).await?;
    Ok(profiles.into_iter().map(|(user, profile)| (user, Invitee::uncounted(profile))).collect())
}

/// A user as a member whose addition does not count.
pub async fn invitee(backend: &TestBackend, user: UserId) -> Result<Invitee> {
    invitees(backend, &[user]).await?.remove(&user).ok_or(Error::NotFound)
}

/// Adds a user to a group.
pub async fn join(
    backend: &TestBackend,
    room: RoomId,
    actor: UserId,
    user: UserId,
) -> Result<Option<GroupChange>> {
    backend.app.store.join(room, actor, None, backend.app.now(), || invitee(backend, user)).await
}

async fn list(backend: &TestBackend, user: UserId) -> Vec<RoomSummary> {
    backend.app.store.my_rooms(user, PageRequest::default()).await.unwrap().items
}

#[tokio::test(start_paused = true)]
async fn two_users_who_open_their_direct_room_concurrently_get_one_room() {
    for _ in 0..100 {
        let backend = TestBackend::new();
        let (ana, ben) = (backend.user("ana").await, backend.user("ben").await);
        let (with_ben, with_ana) = ([ben], [ana]);
        let (anas, bens) = tokio::join!(room(&backend, ana, &with_ben), room(&backend, ben, &with_ana));
        assert_eq!(anas, bens);
        assert_eq!(list(&backend, ana).await.len(), 1);
        assert_eq!(list(&backend, ben).await.len(), 1);
        let items = backend.partition(&format!("ROOM#{anas}"));
        assert_eq!(items.len(), 3, "two members and one room: {items:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_list_shows_the_newest_message_with_a_stale_head_hint() {
    let backend = TestBackend::new();
    let (ana, ben) = (backend.user("ana").await, backend.user("ben").await);
    let room = room(&backend, ana, &[ben]).await;
    let store = &backend.app.store;
    for (n, moves_head) in [(1, false), (2, true), (3, false), (4, false), (5, false)] {
        let sent =
            store.append(&crate::log::send(room, ana, &format!("m{n}")), backend.app.now()).await.unwrap();
        if moves_head {
            store.advance_head(room, sent.message().seq).await.unwrap();
        }
        let summary = &list(&backend, ben).await[0];
        assert_eq!((summary.tail, summary.unread()), (n, n));
        assert_eq!(summary.last_message.as_ref().unwrap().message.content, format!("m{n}"));
    }
}

#[tokio::test(start_paused = true)]
async fn the_head_hint_and_read_positions_never_move_back() {
    let backend = TestBackend::new();
    let (ana, ben) = (backend.user("ana").await, backend.user("ben").await);
    let room = room(&backend, ana, &[ben]).await;
    let (store, now) = (&backend.app.store, backend.app.now());
    for n in 1..=3 {
        store.append(&crate::log::send(room, ana, &format!("m{n}")), now).await.unwrap();
    }
    assert!(store.advance_read(room, ben, 3, now).await.unwrap());
    assert!(!store.advance_read(room, ben, 2, now).await.unwrap());
    store.advance_head(room, 3).await.unwrap();
    store.advance_head(room, 1).await.unwrap();
    let summary = &list(&backend, ben).await[0];
    assert_eq!((summary.tail, summary.unread(), summary.me.read_seq), (3, 0, 3));
    let head = backend.partition(&format!("ROOM#{room}")).remove(0);
    assert_eq!(head["seq"]["N"], "3");
}

#[tokio::test(start_paused = true)]
async fn calls_of_a_non_member_write_nothing_to_a_room() {
    let backend = TestBackend::new();
    let (ana, ben, eve) = (backend.user("ana").await, backend.user("ben").await, backend.user("eve").await);
    let room = room(&backend, ana, &[ben]).await;
    let before = backend.partition(&format!("ROOM#{room}"));
    assert!(!backend.app.store.advance_read(room, eve, 9, backend.app.now()).await.unwrap());
    assert!(backend.app.store.append(&crate::log::send(room, eve, "hi"), backend.app.now()).await.is_err());
    assert!(backend.app.store.my_room(eve, room).await.unwrap().is_none());
    assert_eq!(backend.partition(&format!("ROOM#{room}")), before);
}

#[tokio::test(start_paused = true)]
async fn two_hundred_rooms_are_listed_sixteen_at_a_time() {
    let backend = TestBackend::new();
    let ana = backend.user("ana").await;
    for n in 0..200 {
        let other = backend.user(&format!("other{n}")).await;
        let room = room(&backend, ana, &[other]).await;
        let sent =
            backend.app.store.append(&crate::log::send(room, other, "hi"), backend.app.now()).await.unwrap();
        backend.app.store.advance_head(room, sent.message().seq).await.unwrap();
    }
    backend.calls();
    let start = backend.elapsed();
    let rooms = list(&backend, ana).await;
    // The list, and for each room its items and its newest message.
    assert_eq!(backend.elapsed() - start, 1 + (2 * 200_u64).div_ceil(16) + 1, "round trips");
    assert_eq!(rooms.len(), 200);
    assert!(
        rooms.is_sorted_by_key(|room| std::cmp::Reverse(
            room.last_message.as_ref().unwrap().message.created_at
        ))
    );
    let calls = backend.calls();
    let batches = calls.iter().filter(|call| call.operation == "BatchGetItem").count();
    // Room, head and reader; then two positions, the other member, and the reader again.
    assert!(batches <= 6 + 8, "{batches} batches of 100 keys");
}

#[tokio::test(start_paused = true)]
async fn a_room_list_paginates_to_the_end() {
    let backend = TestBackend::new();
    let ana = backend.user("ana").await;
    for n in 0..5 {
        let other = backend.user(&format!("other{n}")).await;
        room(&backend, ana, &[other]).await;
    }
    let all: Vec<RoomId> = list(&backend, ana).await.iter().map(|summary| summary.room.id).collect();
    let (mut paged, mut cursor) = (Vec::new(), None);
    loop {
        let page = PageRequest { limit: Some(2), cursor };
        let page = backend.app.store.my_rooms(ana, page).await.unwrap();
        paged.extend(page.items.iter().map(|summary| summary.room.id));
        cursor = page.next;
        if cursor.is_none() {
            break;
        }
    }
    assert_eq!(paged, all);
    let bad = PageRequest { limit: None, cursor: Some("nonsense".into()) };
    assert!(backend.app.store.my_rooms(ana, bad).await.is_err());
}

#[tokio::test(start_paused = true)]
async fn a_list_that_moves_between_its_pages_loses_no_room() {
    const ROOMS: usize = 9;
    for seed in 0..40 {
        let mut rng = fastrand::Rng::with_seed(seed);
        let backend = TestBackend::new();
        let (ana, ben, cleo) =
            (backend.user("ana").await, backend.user("ben").await, backend.user("cleo").await);
        let mut all = Vec::new();
        for _ in 0..ROOMS {
            all.push(room(&backend, ana, &[ben, cleo]).await);
        }
        let limit = rng.usize(1..4);
        let (mut listed, mut newest, mut count, mut cursor) = (BTreeSet::new(), BTreeMap::new(), 0, None);
        let mut moved = BTreeSet::new();
        loop {
            let page = PageRequest { limit: Some(limit), cursor };
            let page = backend.app.store.my_rooms(ana, page).await.unwrap();
            assert!(page.items.len() <= limit);
            count += page.items.len();
            for summary in page.items {
                let id = summary.room.id;
                assert!(listed.insert(id) || moved.contains(&id), "seed {seed}: {id} is repeated unchanged");
                assert!(newest.insert(id, summary.tail).is_none_or(|earlier| earlier < summary.tail));
            }
            assert!(count <= 2 * ROOMS, "seed {seed}: each room at most twice");
            cursor = page.next;
            if cursor.is_none() {
                break;
            }
            for _ in 0..rng.usize(..4) {
                let active = all[rng.usize(..ROOMS)];
                backend.app.store.append(&send(active, ben, "hi"), backend.app.now()).await.unwrap();
                moved.insert(active);
            }
        }
        assert_eq!(listed, all.into_iter().collect(), "seed {seed}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_large_group_shows_eight_others_and_the_status_of_the_last_message() {
    let backend = TestBackend::new();
    let ana = backend.user("ana").await;
    let mut others = Vec::new();
    for n in 0..12 {
        others.push(backend.user(&format!("other{n}")).await);
    }
    let status = |summary: &RoomSummary| summary.last_message.as_ref().unwrap().status;
    let room = room(&backend, ana, &others).await;
    backend.app.store.append(&crate::log::send(room, ana, "hi"), backend.app.now()).await.unwrap();
    for (read, other) in others.iter().enumerate() {
        let summary = &list(&backend, ana).await[0];
        assert_eq!((summary.others.len(), summary.room.member_count), (8, 13));
        assert_eq!(status(summary), Some(MessageStatus::Sent), "read by {read}");
        backend.app.store.advance_read(room, *other, 1, backend.app.now()).await.unwrap();
    }
    assert_eq!(status(&list(&backend, ana).await[0]), Some(MessageStatus::Read));
}

#[tokio::test(start_paused = true)]
async fn a_list_of_the_largest_rooms_is_paginated_by_size() {
    const ROOMS: usize = 240;
    let backend = TestBackend::new();
    let mut users = Vec::new();
    for n in 0..10 {
        let user = backend.user(&format!("person{n}")).await;
        let avatar_url = format!("https://media.example/{n}{}", "x".repeat(2000));
        let change = ProfileChange { avatar_url: Patch::Set(avatar_url), ..ProfileChange::default() };
        backend.app.store.change_profile(user, &change).await.unwrap();
        users.push(user);
    }
    let mut expected = BTreeSet::new();
    for _ in 0..ROOMS {
        let name = "💪".repeat(255);
        let new = NewRoom::new(users[0], &users[1..], true, Some(&name), backend.app.now()).unwrap();
        let check = || invitees(&backend, &users);
        let room = backend.app.store.create_room(&new, backend.app.now(), check).await.unwrap().unwrap();
        let message = send(room.room.id, users[1], &"💪".repeat(4000));
        backend.app.store.append(&message, backend.app.now()).await.unwrap();
        expected.insert(room.room.id);
    }
    let (mut listed, mut pages, mut cursor) = (BTreeSet::new(), 0, None);
    loop {
        let page = PageRequest { limit: None, cursor };
        let page = backend.app.store.my_rooms(users[0], page).await.unwrap().map(ChatRoom::from);
        let response = JsonPage(page).respond().unwrap();
        let text = std::str::from_utf8(response.body()).unwrap();
        // The result of the function has the body as a JSON string.
        assert!(serde_json::to_string(text).unwrap().len() < 5 * 1024 * 1024);
        let rooms: Vec<Value> = serde_json::from_str(text).unwrap();
        let count = listed.len();
        listed.extend(rooms.iter().map(|room| room["id"].as_str().unwrap().parse::<RoomId>().unwrap()));
        assert_eq!(listed.len(), count + rooms.len(), "no room is listed twice");
        pages += 1;
        cursor = response.headers().get("x-next-cursor").map(|next| next.to_str().unwrap().to_owned());
        if cursor.is_none() {
            break;
        }
    }
    assert_eq!(listed, expected);
    assert!(pages > 1);

    let (held, now) = (BTreeMap::new(), backend.app.now());
    let page = backend.app.store.sync(users[0], &held, SyncScope::All, None, now).await.unwrap();
    assert!(page.next.is_some() && !page.rooms.is_empty());
    assert!(serde_json::to_string(&Sync::from(page)).unwrap().len() < 4 * 1024 * 1024);
}
