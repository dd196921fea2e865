//! Catching up: whole or not at all, within bounds, and nothing lost of what happens while it is read.

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
    changes::{change, emoji, group, said},
    cloud::Cloud,
    device::{Device, sync, whole},
    raw::{put_all, remove, set},
    rooms::room,
};

/// What somebody who holds one room so far is told of it.
async fn news_of(cloud: &Cloud, me: UserId, room: RoomId, seq: u64, rev: u64) -> RoomSync {
    let mut news = sync(cloud, me, &BTreeMap::from([(room, SyncPosition { seq, rev })]), None).await;
    assert!(news.left.is_empty() && news.next.is_none());
    let at = news.rooms.iter().position(|news| news.summary.room.id == room).unwrap();
    news.rooms.swap_remove(at)
}

fn seqs(views: &[View]) -> Vec<u64> {
    views.iter().map(|view| view.message.seq).collect()
}

fn react() -> MessageAction {
    MessageAction::React(emoji("👍"))
}

/// Fills a room that is empty: one message as it is sent, and more like it.
async fn say(cloud: &Cloud, room: RoomId, sender: UserId, content: &str, count: u64) -> Vec<Message> {
    let first = said(cloud, room, sender, content).await;
    let like_it = |seq| Message {
        id: MessageId::new(first.created_at, seq),
        seq,
        client_message_id: seq.to_string(),
        ..first.clone()
    };
    let messages: Vec<Message> = std::iter::once(first.clone()).chain((2..=count).map(like_it)).collect();
    let items = messages[1..].iter().map(|message| item(keys::message(room, message.seq), message).unwrap());
    put_all(cloud, items.collect()).await;
    messages
}

#[tokio::test(start_paused = true)]
async fn who_holds_everything_pays_for_the_list_alone() {
    let cloud = Cloud::new();
    let (people, _) = group(&cloud, 4).await;
    let mut device = Device::default();
    for n in 0..10 {
        let room = room(&cloud, people[0], &[people[1], people[2 + n % 2]]).await;
        let message = said(&cloud, room, people[1], "hi").await;
        change(&cloud, people[1], &message, &MessageAction::Edit("hello".into())).await.unwrap();
        cloud.app.store.advance_head(room, 1).await.unwrap();
    }
    device.sync(&cloud, people[0]).await;
    assert_eq!(device.held.len(), 11);
    cloud.calls();
    let start = cloud.elapsed();
    let news = sync(&cloud, people[0], &device.held, None).await;
    assert_eq!(cloud.elapsed() - start, 3, "round trips: my rooms, their items, their newest messages");
    let operations: Vec<String> = cloud.calls().into_iter().map(|call| call.operation).collect();
    assert_eq!(operations, ["Query", "BatchGetItem", "BatchGetItem"], "no room is looked into");
    for room in news.rooms {
        let missed = room.messages.unwrap();
        assert!(missed.new.is_empty() && missed.changed.is_empty());
    }
}

#[tokio::test(start_paused = true)]
async fn two_hundred_rooms_come_in_two_answers_and_a_handful_of_round_trips() {
    let cloud = Cloud::new();
    let (people, _) = group(&cloud, 3).await;
    let mut device = Device::default();
    for _ in 0..199 {
        let room = room(&cloud, people[0], &people[1..]).await;
        said(&cloud, room, people[1], "hi").await;
        cloud.app.store.advance_head(room, 1).await.unwrap();
    }
    device.sync(&cloud, people[0]).await;
    assert_eq!(device.held.len(), 200);
    let start = cloud.elapsed();
    assert_eq!(device.sync(&cloud, people[0]).await, 2);
    assert_eq!(cloud.elapsed() - start, 2 * 3, "nothing is missing");
    for (room, held) in &device.held {
        if held.seq > 0 {
            said(&cloud, *room, people[1], "again").await;
        }
    }
    let start = cloud.elapsed();
    assert_eq!(device.sync(&cloud, people[0]).await, 2);
    assert_eq!(
        cloud.elapsed() - start,
        2 * (4 + 7),
        "a hundred rooms whose head hints lag, sixteen at a time"
    );
    assert_eq!(device.messages.values().filter(|messages| messages.len() == 2).count(), 199);
}

#[tokio::test(start_paused = true)]
async fn five_hundred_behind_is_whole_and_one_more_is_not() {
    let cloud = Cloud::new();
    let (people, room) = group(&cloud, 3).await;
    let messages = say(&cloud, room, people[1], "hi", 500).await;
    let news = news_of(&cloud, people[0], room, 0, 0).await;
    assert_eq!(seqs(&news.messages.unwrap().new), (1..=500).collect::<Vec<_>>());
    assert_eq!(news.held, SyncPosition { seq: 500, rev: 0 });

    change(&cloud, people[2], &messages[0], &react()).await.unwrap();
    let news = news_of(&cloud, people[0], room, 0, 0).await;
    assert!(news.messages.is_none(), "500 messages and one change");
    assert_eq!(news.held, SyncPosition { seq: 500, rev: 1 }, "where it stands once it is loaded anew");
    let missed = news_of(&cloud, people[0], room, 1, 0).await.messages.unwrap();
    assert_eq!((missed.new.len(), seqs(&missed.changed)), (499, vec![1]));
    assert_eq!(missed.changed[0].message.reactions[0].count, 1);
}

#[tokio::test(start_paused = true)]
async fn a_message_that_changed_often_comes_once_and_one_that_is_new_comes_as_it_stands() {
    let cloud = Cloud::new();
    let (people, room) = group(&cloud, 4).await;
    let messages = say(&cloud, room, people[1], "hi", 3).await;
    for who in &people {
        change(&cloud, *who, &messages[0], &react()).await.unwrap();
    }
    change(&cloud, people[1], &messages[2], &MessageAction::Edit("new words".into())).await.unwrap();
    change(&cloud, people[0], &messages[1], &MessageAction::Pin).await.unwrap();
    let news = news_of(&cloud, people[0], room, 2, 0).await;
    assert_eq!((news.held, news.summary.room.pinned.len()), (SyncPosition { seq: 3, rev: 6 }, 1));
    let missed = news.messages.unwrap();
    assert_eq!((seqs(&missed.new), seqs(&missed.changed)), (vec![3], vec![1]));
    assert_eq!(missed.new[0].message.content, "new words");
    assert_eq!((missed.changed[0].message.reactions[0].count, missed.changed[0].mine.len()), (4, 1));
}

#[tokio::test(start_paused = true)]
async fn who_holds_an_empty_room_gets_all_of_it() {
    let cloud = Cloud::new();
    let (people, room) = group(&cloud, 3).await;
    let messages = say(&cloud, room, people[1], "hi", 2).await;
    change(&cloud, people[1], &messages[0], &MessageAction::Edit("other words".into())).await.unwrap();
    let missed = news_of(&cloud, people[0], room, 0, 0).await.messages.unwrap();
    assert_eq!((seqs(&missed.new), seqs(&missed.changed)), (vec![1, 2], vec![]));
    assert_eq!(missed.new[0].message.content, "other words");
}

#[tokio::test(start_paused = true)]
async fn a_record_that_is_gone_or_over_makes_the_room_incomplete() {
    let cloud = Cloud::new();
    let (people, room) = group(&cloud, 3).await;
    let messages = say(&cloud, room, people[1], "hi", 2).await;
    for who in &people {
        change(&cloud, *who, &messages[0], &react()).await.unwrap();
    }
    let is_complete = async |rev| news_of(&cloud, people[0], room, 2, rev).await.messages.is_some();
    assert!(is_complete(0).await);
    remove(&cloud, keys::change(room, 2)).await;
    assert!(!is_complete(0).await && !is_complete(1).await, "one between others is missing");
    assert!(is_complete(2).await, "what lies above it is whole");
    let now = cloud.app.now().seconds();
    set(&cloud, keys::change(room, 3), "expires_at", now).await;
    assert!(!is_complete(2).await, "it is over, though the table has not collected it yet");
    set(&cloud, keys::change(room, 3), "expires_at", now + 60).await;
    assert!(is_complete(2).await);
    cloud.wait(60).await;
    assert!(!is_complete(2).await && is_complete(3).await);
}

#[tokio::test(start_paused = true)]
async fn after_thirty_days_changes_are_no_longer_told_and_messages_still_are() {
    let cloud = Cloud::new();
    let (people, room) = group(&cloud, 3).await;
    let messages = say(&cloud, room, people[1], "hi", 2).await;
    change(&cloud, people[2], &messages[0], &react()).await.unwrap();
    cloud.wait(30 * 24 * 3600).await;
    said(&cloud, room, people[1], "after a month").await;
    assert!(news_of(&cloud, people[0], room, 2, 0).await.messages.is_none());
    assert_eq!(seqs(&news_of(&cloud, people[0], room, 2, 1).await.messages.unwrap().new), [3]);
}

#[tokio::test(start_paused = true)]
async fn positions_that_never_were_make_the_room_incomplete() {
    let cloud = Cloud::new();
    let (people, room) = group(&cloud, 3).await;
    say(&cloud, room, people[1], "hi", 2).await;
    for (seq, rev) in [(3, 0), (2, 1), (u64::MAX, 0), (0, u64::MAX)] {
        let news = news_of(&cloud, people[0], room, seq, rev).await;
        assert!(news.messages.is_none(), "{seq} {rev}");
        assert_eq!(news.held, SyncPosition { seq: 2, rev: 0 });
    }
}

#[tokio::test(start_paused = true)]
async fn an_answer_holds_at_most_five_hundred_messages_and_changes_of_all_rooms() {
    let cloud = Cloud::new();
    let (people, unnamed) = group(&cloud, 3).await;
    let mut held = BTreeMap::new();
    let mut device = Device::default();
    for behind in [200, 200, 100, 300, 1, 501] {
        let room = room(&cloud, people[0], &people[1..]).await;
        say(&cloud, room, people[1], "hi", behind).await;
        held.insert(room, SyncPosition { seq: 0, rev: 0 });
    }
    let (mut after, mut sizes) = (None, Vec::new());
    loop {
        let news = sync(&cloud, people[0], &held, after).await;
        let missed = news.rooms.iter().filter_map(|room| room.messages.as_ref());
        sizes.push(missed.map(|missed| missed.new.len() + missed.changed.len()).sum::<usize>());
        assert!(news.rooms.iter().map(|room| room.summary.room.id).is_sorted());
        assert!(news.rooms.iter().all(|room| after.is_none_or(|after| room.summary.room.id > after)));
        after = news.next;
        device.take(&cloud, people[0], news).await;
        if after.is_none() {
            break;
        }
    }
    assert!(sizes.len() >= 2 && sizes.iter().all(|size| *size <= 500), "{sizes:?}");
    assert_eq!(sizes.iter().sum::<usize>(), 801, "all rooms but the one that is too far behind");
    held.insert(unnamed, SyncPosition { seq: 0, rev: 0 });
    assert_eq!(device.held.len(), held.len());
    for room in held.keys() {
        assert_eq!(device.messages[room], whole(&cloud, *room, people[0]).await.unwrap());
    }
}

#[tokio::test(start_paused = true)]
async fn an_answer_weighs_a_megabyte_at_the_most() {
    let cloud = Cloud::new();
    let (people, _) = group(&cloud, 3).await;
    let long = "é".repeat(4000);
    let mut held = BTreeMap::new();
    for count in [75, 75, 135] {
        let room = room(&cloud, people[0], &people[1..]).await;
        say(&cloud, room, people[1], &long, count).await;
        held.insert(room, SyncPosition { seq: 0, rev: 0 });
    }
    let (mut after, mut answers, mut incomplete) = (None, 0, 0);
    loop {
        let news = sync(&cloud, people[0], &held, after).await;
        let missed = news.rooms.iter().filter_map(|room| room.messages.as_ref());
        let bytes: usize = missed.flat_map(|missed| &missed.new).map(|view| view.message.content.len()).sum();
        assert!(bytes <= 1024 * 1024, "{bytes}");
        incomplete += news.rooms.iter().filter(|room| room.messages.is_none()).count();
        (answers, after) = (answers + 1, news.next);
        if after.is_none() {
            break;
        }
    }
    assert_eq!(incomplete, 2, "the room that is too heavy alone, and the one that was not named");
    assert!((2..=3).contains(&answers), "{answers}");
}
