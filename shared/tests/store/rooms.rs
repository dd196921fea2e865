//! Rooms: one per pair, listed with the truth about their newest message.

use shared::{
    Result,
    domain::{
        page::PageRequest,
        receipts::MessageStatus,
        rooms::{new_room::NewRoom, summary::RoomSummary},
    },
    id::{RoomId, UserId},
};

use crate::cloud::Cloud;

/// Makes a room as the API does, and gives its id.
pub async fn room(cloud: &Cloud, creator: UserId, others: &[UserId]) -> RoomId {
    try_room(cloud, creator, others).await.unwrap()
}

/// The same, if it can be made.
pub async fn try_room(cloud: &Cloud, creator: UserId, others: &[UserId]) -> Result<RoomId> {
    let new_room = NewRoom::new(creator, others, false, None)?;
    let people: Vec<UserId> = new_room.members.iter().copied().collect();
    let profiles = cloud.app.store.profiles(&people).await?;
    cloud.app.store.create_room(&new_room, profiles, cloud.app.now()).await?;
    Ok(new_room.id)
}

async fn list(cloud: &Cloud, user: UserId) -> Vec<RoomSummary> {
    cloud.app.store.my_rooms(user, PageRequest::default()).await.unwrap().items
}

#[tokio::test(start_paused = true)]
async fn two_who_open_their_room_at_once_get_one_room() {
    for _ in 0..100 {
        let cloud = Cloud::new();
        let (ana, ben) = (cloud.person("ana").await, cloud.person("ben").await);
        let (with_ben, with_ana) = ([ben], [ana]);
        let (anas, bens) = tokio::join!(room(&cloud, ana, &with_ben), room(&cloud, ben, &with_ana));
        assert_eq!(anas, bens);
        assert_eq!(list(&cloud, ana).await.len(), 1);
        assert_eq!(list(&cloud, ben).await.len(), 1);
        let items = cloud.partition(&format!("ROOM#{anas}"));
        assert_eq!(items.len(), 3, "two members and one room: {items:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_list_shows_the_newest_message_even_where_the_head_hint_lags() {
    let cloud = Cloud::new();
    let (ana, ben) = (cloud.person("ana").await, cloud.person("ben").await);
    let room = room(&cloud, ana, &[ben]).await;
    let store = &cloud.app.store;
    for (n, moves_head) in [(1, false), (2, true), (3, false), (4, false), (5, false)] {
        let sent =
            store.append(&crate::log::send(room, ana, &format!("m{n}")), cloud.app.now()).await.unwrap();
        if moves_head {
            store.advance_head(room, sent.message().seq).await.unwrap();
        }
        let summary = &list(&cloud, ben).await[0];
        assert_eq!((summary.tail, summary.unread()), (n, n));
        assert_eq!(summary.last_message.as_ref().unwrap().message.content, format!("m{n}"));
    }
}

#[tokio::test(start_paused = true)]
async fn the_head_hint_and_read_positions_never_move_back() {
    let cloud = Cloud::new();
    let (ana, ben) = (cloud.person("ana").await, cloud.person("ben").await);
    let room = room(&cloud, ana, &[ben]).await;
    let (store, now) = (&cloud.app.store, cloud.app.now());
    for n in 1..=3 {
        store.append(&crate::log::send(room, ana, &format!("m{n}")), now).await.unwrap();
    }
    assert!(store.advance_read(room, ben, 3, now).await.unwrap());
    assert!(!store.advance_read(room, ben, 2, now).await.unwrap());
    store.advance_head(room, 3).await.unwrap();
    store.advance_head(room, 1).await.unwrap();
    let summary = &list(&cloud, ben).await[0];
    assert_eq!((summary.tail, summary.unread(), summary.me.read_seq), (3, 0, 3));
    let head = cloud.partition(&format!("ROOM#{room}")).remove(0);
    assert_eq!(head["seq"]["N"], "3");
}

#[tokio::test(start_paused = true)]
async fn nobody_outside_a_room_leaves_a_trace_in_it() {
    let cloud = Cloud::new();
    let (ana, ben, eve) = (cloud.person("ana").await, cloud.person("ben").await, cloud.person("eve").await);
    let room = room(&cloud, ana, &[ben]).await;
    let before = cloud.partition(&format!("ROOM#{room}"));
    assert!(!cloud.app.store.advance_read(room, eve, 9, cloud.app.now()).await.unwrap());
    assert!(cloud.app.store.append(&crate::log::send(room, eve, "hi"), cloud.app.now()).await.is_err());
    assert!(cloud.app.store.my_room(eve, room).await.unwrap().is_none());
    assert_eq!(cloud.partition(&format!("ROOM#{room}")), before);
}

#[tokio::test(start_paused = true)]
async fn two_hundred_rooms_are_listed_in_a_handful_of_round_trips() {
    let cloud = Cloud::new();
    let ana = cloud.person("ana").await;
    for n in 0..200 {
        let other = cloud.person(&format!("other{n}")).await;
        let room = room(&cloud, ana, &[other]).await;
        let sent =
            cloud.app.store.append(&crate::log::send(room, other, "hi"), cloud.app.now()).await.unwrap();
        cloud.app.store.advance_head(room, sent.message().seq).await.unwrap();
    }
    cloud.calls();
    let start = cloud.elapsed();
    let rooms = list(&cloud, ana).await;
    assert_eq!(cloud.elapsed() - start, 3, "round trips: my rooms, their items, their newest messages");
    assert_eq!(rooms.len(), 200);
    assert!(
        rooms.is_sorted_by_key(|room| std::cmp::Reverse(
            room.last_message.as_ref().unwrap().message.created_at
        ))
    );
    let calls = cloud.calls();
    let batches = calls.iter().filter(|call| call.operation == "BatchGetItem").count();
    assert!(batches <= 6 + 6, "{batches} batches of 100 keys");
}

#[tokio::test(start_paused = true)]
async fn rooms_are_listed_page_by_page() {
    let cloud = Cloud::new();
    let ana = cloud.person("ana").await;
    for n in 0..5 {
        let other = cloud.person(&format!("other{n}")).await;
        room(&cloud, ana, &[other]).await;
    }
    let whole: Vec<RoomId> = list(&cloud, ana).await.iter().map(|summary| summary.room.id).collect();
    let (mut paged, mut cursor) = (Vec::new(), None);
    loop {
        let page = PageRequest { limit: Some(2), cursor };
        let page = cloud.app.store.my_rooms(ana, page).await.unwrap();
        paged.extend(page.items.iter().map(|summary| summary.room.id));
        cursor = page.next;
        if cursor.is_none() {
            break;
        }
    }
    assert_eq!(paged, whole);
    let bad = PageRequest { limit: None, cursor: Some("nonsense".into()) };
    assert!(cloud.app.store.my_rooms(ana, bad).await.is_err());
}

#[tokio::test(start_paused = true)]
async fn a_large_group_shows_eight_others_and_the_true_status_of_the_last_message() {
    let cloud = Cloud::new();
    let ana = cloud.person("ana").await;
    let mut others = Vec::new();
    for n in 0..12 {
        others.push(cloud.person(&format!("other{n}")).await);
    }
    let status = |summary: &RoomSummary| summary.last_message.as_ref().unwrap().status;
    let room = room(&cloud, ana, &others).await;
    cloud.app.store.append(&crate::log::send(room, ana, "hi"), cloud.app.now()).await.unwrap();
    for (read, other) in others.iter().enumerate() {
        let summary = &list(&cloud, ana).await[0];
        assert_eq!((summary.others.len(), summary.room.member_count), (8, 13));
        assert_eq!(status(summary), Some(MessageStatus::Sent), "after {read} have read");
        cloud.app.store.advance_read(room, *other, 1, cloud.app.now()).await.unwrap();
    }
    assert_eq!(status(&list(&cloud, ana).await[0]), Some(MessageStatus::Read));
}
