//! Sync: each room completely or not at all, within limits, without loss of concurrent changes.

use std::collections::BTreeMap;

use shared::{
    domain::{
        messages::{Message, action::MessageAction, view::View},
        sync::{RoomSync, SyncPosition},
    },
    id::{MessageId, RoomId, UserId},
    store::db::{item::item, keys},
};

use crate::{
    backend::TestBackend,
    changes::{change, emoji, group, send_message},
    raw::{put_all, remove, set},
    rooms::room,
    sync_device::{Device, sync, visible_messages},
};

/// The sync of one room for a device that has it up to `seq` and `rev`.
async fn sync_room(backend: &TestBackend, me: UserId, room: RoomId, seq: u64, rev: u64) -> RoomSync {
    let mut page = sync(backend, me, &BTreeMap::from([(room, SyncPosition { seq, rev })]), None).await;
    assert!(page.left.is_empty() && page.next.is_none());
    let index = page.rooms.iter().position(|synced| synced.summary.room.id == room).unwrap();
    page.rooms.swap_remove(index)
}

fn seqs(views: &[View]) -> Vec<u64> {
    views.iter().map(|view| view.message.seq).collect()
}

fn react() -> MessageAction {
    MessageAction::React(emoji("👍"))
}

/// Fills an empty room with `count` messages: the first is sent, the others are copies with later positions.
async fn fill(
    backend: &TestBackend,
    room: RoomId,
    sender: UserId,
    content: &str,
    count: u64,
) -> Vec<Message> {
    let first = send_message(backend, room, sender, content).await;
    let copy = |seq| Message {
        id: MessageId::new(first.created_at, seq),
        seq,
        client_message_id: seq.to_string(),
        ..first.clone()
    };
    let messages: Vec<Message> = std::iter::once(first.clone()).chain((2..=count).map(copy)).collect();
    let items = messages[1..].iter().map(|message| item(keys::message(room, message.seq), message).unwrap());
    put_all(backend, items.collect()).await;
    messages
}

#[tokio::test(start_paused = true)]
async fn an_up_to_date_device_pays_only_for_the_room_list() {
    let backend = TestBackend::new();
    let (members, _) = group(&backend, 4).await;
    let mut device = Device::default();
    for n in 0..10 {
        let room = room(&backend, members[0], &[members[1], members[2 + n % 2]]).await;
        let message = send_message(&backend, room, members[1], "hi").await;
        change(&backend, members[1], &message, &MessageAction::Edit("hello".into())).await.unwrap();
        backend.app.store.advance_head(room, 1).await.unwrap();
    }
    device.sync(&backend, members[0]).await;
    assert_eq!(device.positions.len(), 11);
    backend.calls();
    let start = backend.elapsed();
    let page = sync(&backend, members[0], &device.positions, None).await;
    assert_eq!(
        backend.elapsed() - start,
        3,
        "round trips: the caller's rooms, their items, their newest messages"
    );
    let operations = backend.calls().into_iter().map(|call| call.operation);
    assert_eq!(operations.collect::<Vec<_>>(), ["Query"; 1 + 2 * 11], "the list, and two for each room");
    assert!(page.rooms.iter().all(|room| room.is_unchanged));
}

#[tokio::test(start_paused = true)]
async fn a_device_that_has_a_room_does_not_pay_for_its_last_message() {
    let backend = TestBackend::new();
    let (members, room) = group(&backend, 3).await;
    send_message(&backend, room, members[1], &"🏃".repeat(4000)).await;
    backend.app.store.advance_head(room, 1).await.unwrap();
    let units = async |seq: u64| {
        backend.calls();
        let synced = sync_room(&backend, members[0], room, seq, 0).await;
        assert_eq!((synced.position, synced.is_unchanged), (SyncPosition { seq: 1, rev: 0 }, seq == 1));
        backend.calls().into_iter().map(|call| call.units).sum::<f64>()
    };
    assert!(units(1).await <= 3.0, "the list, the room, and that there is no newer message");
    assert!(units(0).await > 6.0);
}

#[tokio::test(start_paused = true)]
async fn a_room_is_unchanged_only_at_its_newest_position_and_revision() {
    let backend = TestBackend::new();
    let (members, room) = group(&backend, 3).await;
    let messages = fill(&backend, room, members[1], "hi", 3).await;
    change(&backend, members[2], &messages[0], &react()).await.unwrap();
    // The head hint may be any earlier position.
    for hint in 0..=3 {
        backend.app.store.advance_head(room, hint).await.unwrap();
        for (seq, rev) in [(3, 1), (3, 0), (2, 1), (2, 0), (hint, 1), (4, 1), (3, 2)] {
            let synced = sync_room(&backend, members[0], room, seq, rev).await;
            let known = SyncPosition { seq, rev };
            assert_eq!(synced.position, SyncPosition { seq: 3, rev: 1 });
            assert_eq!(synced.is_unchanged, known == synced.position, "{known:?}, head hint {hint}");
            assert!(synced.is_unchanged || synced.summary.last_message.is_some());
        }
    }
    let joined = members[0];
    backend.app.store.leave(room, joined, joined, backend.app.now()).await.unwrap();
    let left = sync(&backend, joined, &BTreeMap::from([(room, SyncPosition { seq: 4, rev: 2 })]), None).await;
    assert_eq!((left.rooms.len(), left.left), (0, vec![room]));
}

#[tokio::test(start_paused = true)]
async fn two_hundred_rooms_sync_in_two_pages_and_few_round_trips() {
    let backend = TestBackend::new();
    let (members, _) = group(&backend, 3).await;
    let mut device = Device::default();
    for _ in 0..199 {
        let room = room(&backend, members[0], &members[1..]).await;
        send_message(&backend, room, members[1], "hi").await;
        backend.app.store.advance_head(room, 1).await.unwrap();
    }
    device.sync(&backend, members[0]).await;
    assert_eq!(device.positions.len(), 200);
    let start = backend.elapsed();
    assert_eq!(device.sync(&backend, members[0]).await, 2);
    assert_eq!(backend.elapsed() - start, 30, "up to date: the list, and sixteen rooms at a time");
    for (room, position) in &device.positions {
        if position.seq > 0 {
            send_message(&backend, *room, members[1], "again").await;
        }
    }
    let start = backend.elapsed();
    assert_eq!(device.sync(&backend, members[0]).await, 2);
    assert_eq!(
        backend.elapsed() - start,
        58,
        "rooms with stale head hints take one more round trip, and the new messages one each"
    );
    assert_eq!(device.messages.values().filter(|messages| messages.len() == 2).count(), 199);
}

#[tokio::test(start_paused = true)]
async fn a_room_five_hundred_behind_is_complete_and_one_more_makes_it_incomplete() {
    let backend = TestBackend::new();
    let (members, room) = group(&backend, 3).await;
    let messages = fill(&backend, room, members[1], "hi", 500).await;
    let synced = sync_room(&backend, members[0], room, 0, 0).await;
    assert_eq!(seqs(&synced.messages.unwrap().new), (1..=500).collect::<Vec<_>>());
    assert_eq!(synced.position, SyncPosition { seq: 500, rev: 0 });

    change(&backend, members[2], &messages[0], &react()).await.unwrap();
    let synced = sync_room(&backend, members[0], room, 0, 0).await;
    assert!(synced.messages.is_none(), "500 messages and one change");
    assert_eq!(synced.position, SyncPosition { seq: 500, rev: 1 }, "the position after a reload");
    let missed = sync_room(&backend, members[0], room, 1, 0).await.messages.unwrap();
    assert_eq!((missed.new.len(), seqs(&missed.changed)), (499, vec![1]));
    assert_eq!(missed.changed[0].message.reactions[0].count, 1);
}

#[tokio::test(start_paused = true)]
async fn a_message_with_several_changes_is_returned_once_and_a_new_one_as_it_is_now() {
    let backend = TestBackend::new();
    let (members, room) = group(&backend, 4).await;
    let messages = fill(&backend, room, members[1], "hi", 3).await;
    for member in &members {
        change(&backend, *member, &messages[0], &react()).await.unwrap();
    }
    change(&backend, members[1], &messages[2], &MessageAction::Edit("new words".into())).await.unwrap();
    change(&backend, members[0], &messages[1], &MessageAction::Pin).await.unwrap();
    let synced = sync_room(&backend, members[0], room, 2, 0).await;
    assert_eq!((synced.position, synced.summary.room.pinned.len()), (SyncPosition { seq: 3, rev: 6 }, 1));
    let missed = synced.messages.unwrap();
    assert_eq!((seqs(&missed.new), seqs(&missed.changed)), (vec![3], vec![1]));
    assert_eq!(missed.new[0].message.content, "new words");
    assert_eq!((missed.changed[0].message.reactions[0].count, missed.changed[0].mine.len()), (4, 1));
}

#[tokio::test(start_paused = true)]
async fn a_device_with_an_empty_room_gets_all_of_it() {
    let backend = TestBackend::new();
    let (members, room) = group(&backend, 3).await;
    let messages = fill(&backend, room, members[1], "hi", 2).await;
    change(&backend, members[1], &messages[0], &MessageAction::Edit("other words".into())).await.unwrap();
    let missed = sync_room(&backend, members[0], room, 0, 0).await.messages.unwrap();
    assert_eq!((seqs(&missed.new), seqs(&missed.changed)), (vec![1, 2], vec![]));
    assert_eq!(missed.new[0].message.content, "other words");
}

#[tokio::test(start_paused = true)]
async fn a_missing_or_expired_change_record_makes_the_room_incomplete() {
    let backend = TestBackend::new();
    let (members, room) = group(&backend, 3).await;
    let messages = fill(&backend, room, members[1], "hi", 2).await;
    for member in &members {
        change(&backend, *member, &messages[0], &react()).await.unwrap();
    }
    let is_complete = async |rev| sync_room(&backend, members[0], room, 2, rev).await.messages.is_some();
    assert!(is_complete(0).await);
    remove(&backend, keys::change(room, 2)).await;
    assert!(!is_complete(0).await && !is_complete(1).await, "a record in between is missing");
    assert!(is_complete(2).await, "the records above it are complete");
    let now = backend.app.now().seconds();
    set(&backend, keys::change(room, 3), "expires_at", now).await;
    assert!(!is_complete(2).await, "the record has expired, but is not deleted yet");
    set(&backend, keys::change(room, 3), "expires_at", now + 60).await;
    assert!(is_complete(2).await);
    backend.wait(60).await;
    assert!(!is_complete(2).await && is_complete(3).await);
}

#[tokio::test(start_paused = true)]
async fn after_thirty_days_a_sync_returns_messages_but_no_changes() {
    let backend = TestBackend::new();
    let (members, room) = group(&backend, 3).await;
    let messages = fill(&backend, room, members[1], "hi", 2).await;
    change(&backend, members[2], &messages[0], &react()).await.unwrap();
    backend.wait(30 * 24 * 3600).await;
    send_message(&backend, room, members[1], "after a month").await;
    assert!(sync_room(&backend, members[0], room, 2, 0).await.messages.is_none());
    assert_eq!(seqs(&sync_room(&backend, members[0], room, 2, 1).await.messages.unwrap().new), [3]);
}

#[tokio::test(start_paused = true)]
async fn positions_beyond_the_log_make_the_room_incomplete() {
    let backend = TestBackend::new();
    let (members, room) = group(&backend, 3).await;
    fill(&backend, room, members[1], "hi", 2).await;
    for (seq, rev) in [(3, 0), (2, 1), (u64::MAX, 0), (0, u64::MAX)] {
        let synced = sync_room(&backend, members[0], room, seq, rev).await;
        assert!(synced.messages.is_none(), "{seq} {rev}");
        assert_eq!(synced.position, SyncPosition { seq: 2, rev: 0 });
    }
}

#[tokio::test(start_paused = true)]
async fn a_page_holds_at_most_five_hundred_messages_and_changes() {
    let backend = TestBackend::new();
    let (members, empty_room) = group(&backend, 3).await;
    let mut positions = BTreeMap::new();
    let mut device = Device::default();
    for behind in [200, 200, 100, 300, 1, 501] {
        let room = room(&backend, members[0], &members[1..]).await;
        fill(&backend, room, members[1], "hi", behind).await;
        positions.insert(room, SyncPosition { seq: 0, rev: 0 });
    }
    let (mut after, mut sizes) = (None, Vec::new());
    loop {
        let page = sync(&backend, members[0], &positions, after).await;
        let missed = page.rooms.iter().filter_map(|room| room.messages.as_ref());
        sizes.push(missed.map(|missed| missed.new.len() + missed.changed.len()).sum::<usize>());
        assert!(page.rooms.iter().map(|room| room.summary.room.id).is_sorted());
        assert!(page.rooms.iter().all(|room| after.is_none_or(|after| room.summary.room.id > after)));
        after = page.next;
        device.apply(&backend, members[0], page).await;
        if after.is_none() {
            break;
        }
    }
    assert!(sizes.len() >= 2 && sizes.iter().all(|size| *size <= 500), "{sizes:?}");
    assert_eq!(sizes.iter().sum::<usize>(), 801, "all rooms but the one with 501 missed messages");
    positions.insert(empty_room, SyncPosition { seq: 0, rev: 0 });
    assert_eq!(device.positions.len(), positions.len());
    for room in positions.keys() {
        assert_eq!(device.messages[room], visible_messages(&backend, *room, members[0]).await.unwrap());
    }
}

#[tokio::test(start_paused = true)]
async fn a_page_holds_at_most_a_megabyte_of_messages() {
    let backend = TestBackend::new();
    let (members, _) = group(&backend, 3).await;
    let long = "é".repeat(4000);
    let mut positions = BTreeMap::new();
    for count in [75, 75, 135] {
        let room = room(&backend, members[0], &members[1..]).await;
        fill(&backend, room, members[1], &long, count).await;
        positions.insert(room, SyncPosition { seq: 0, rev: 0 });
    }
    let (mut after, mut pages, mut incomplete) = (None, 0, 0);
    loop {
        let page = sync(&backend, members[0], &positions, after).await;
        let missed = page.rooms.iter().filter_map(|room| room.messages.as_ref());
        let bytes: usize = missed.flat_map(|missed| &missed.new).map(|view| view.message.content.len()).sum();
        assert!(bytes <= 1024 * 1024, "{bytes}");
        incomplete += page.rooms.iter().filter(|room| room.messages.is_none()).count();
        (pages, after) = (pages + 1, page.next);
        if after.is_none() {
            break;
        }
    }
    assert_eq!(
        incomplete, 2,
        "the room that exceeds a page alone, and the one that the device does not have"
    );
    assert!((2..=3).contains(&pages), "{pages}");
}
