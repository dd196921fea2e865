//! Room events during a sync: no event is lost, at whatever moment it occurs.

use std::time::Duration;

use shared::{
    domain::{
        messages::{Message, action::MessageAction},
        sync::SyncPosition,
    },
    id::{RoomId, UserId},
};

use crate::{
    backend::TestBackend,
    changes::{change, emoji, group, send_message},
    log::send,
    raw::{meta, number},
    rooms::{join, room},
    sync_device::{Device, sync, visible_messages},
};

/// A room and a device that has missed a reply and reactions, so that its sync makes every kind of read.
struct Scene {
    backend: TestBackend,
    members: Vec<UserId>,
    room: RoomId,
    messages: Vec<Message>,
    device: Device,
}

impl Scene {
    /// The device belongs to the second member; the first is the owner.
    async fn new() -> Self {
        let backend = TestBackend::new();
        let (members, room) = group(&backend, 3).await;
        let mut messages = vec![
            send_message(&backend, room, members[0], "m1").await,
            send_message(&backend, room, members[2], "m2").await,
        ];
        let mut device = Device::default();
        device.sync(&backend, members[1]).await;
        assert_eq!(device.positions[&room], SyncPosition { seq: 2, rev: 0 });
        let mut reply = send(room, members[0], "m3");
        reply.draft.reply_to_id = Some(messages[0].id);
        messages
            .push(backend.app.store.append(&reply, backend.app.now()).await.unwrap().full_message.message);
        for member in &members {
            change(&backend, *member, &messages[1], &MessageAction::React(emoji("👍"))).await.unwrap();
        }
        Self { backend, members, room, messages, device }
    }

    async fn apply(&self, event: RoomEvent) {
        let Self { backend, members, room, messages, .. } = self;
        let (store, now) = (&backend.app.store, backend.app.now());
        let changes = async |member: usize, message: usize, action| {
            change(backend, members[member], &messages[message], &action).await.unwrap();
        };
        match event {
            RoomEvent::Message => drop(send_message(backend, *room, members[2], "m4").await),
            RoomEvent::EditOfKnownMessage => changes(2, 1, MessageAction::Edit("other words".into())).await,
            RoomEvent::EditOfMissedMessage => changes(0, 2, MessageAction::Edit("other words".into())).await,
            RoomEvent::OwnReaction => changes(1, 0, MessageAction::React(emoji("🔥"))).await,
            RoomEvent::OwnReactionRemoved => changes(1, 1, MessageAction::Unreact(emoji("👍"))).await,
            RoomEvent::Deletion => changes(0, 1, MessageAction::Delete).await,
            RoomEvent::Pin => changes(0, 0, MessageAction::Pin).await,
            RoomEvent::Joining => {
                let eve = backend.user("eve").await;
                join(backend, *room, members[0], eve).await.unwrap();
            }
            RoomEvent::Leaving => drop(store.leave(*room, members[0], members[1], now).await.unwrap()),
            RoomEvent::LeavingAndRejoining => {
                store.leave(*room, members[0], members[1], now).await.unwrap();
                join(backend, *room, members[0], members[1]).await.unwrap();
            }
        }
    }
}

#[derive(Clone, Copy, Debug, PartialEq)]
enum RoomEvent {
    Message,
    EditOfKnownMessage,
    EditOfMissedMessage,
    OwnReaction,
    OwnReactionRemoved,
    Deletion,
    Pin,
    Joining,
    Leaving,
    LeavingAndRejoining,
}

/// An upper bound of the duration of a sync, in seconds.
const MAX_SYNC_SECONDS: u64 = 9;

/// Applies the event at each moment of a sync. The device has it after the following sync at the latest.
async fn check_no_loss(event: RoomEvent) {
    for moment in 0..=MAX_SYNC_SECONDS {
        let mut scene = Scene::new().await;
        let Scene { backend, members, room, device, .. } = &scene;
        let (me, room) = (members[1], *room);
        // The event is written a second after its start: half a second before or after the first
        // read, and so on.
        let ((), page) = tokio::join!(
            async {
                tokio::time::sleep(Duration::from_secs(moment)).await;
                scene.apply(event).await;
            },
            async {
                tokio::time::sleep(Duration::from_millis(1500)).await;
                let start = backend.elapsed();
                let page = sync(backend, me, &device.positions, None).await;
                assert!(backend.elapsed() - start < MAX_SYNC_SECONDS);
                page
            }
        );
        let has_left = |device: &Device| !device.positions.contains_key(&room);
        let backend = backend.clone();
        scene.device.apply(&backend, me, page).await;
        if event != RoomEvent::LeavingAndRejoining && !has_left(&scene.device) {
            let (seq, known) = (scene.device.positions[&room].seq, &scene.device.messages[&room]);
            if event != RoomEvent::Leaving || !known.is_empty() {
                assert!(
                    known.keys().copied().eq(1..=seq),
                    "{event:?} at {moment}: every position up to {seq}"
                );
            }
        }
        scene.device.sync(&backend, me).await;
        assert_eq!(has_left(&scene.device), event == RoomEvent::Leaving, "{event:?} at {moment}");
        if event != RoomEvent::Leaving {
            let all = visible_messages(&backend, room, me).await.unwrap();
            let (first, last) = (*all.keys().next().unwrap(), *all.keys().last().unwrap());
            let known = scene.device.messages[&room].range(first..).map(|(seq, seen)| (*seq, seen.clone()));
            assert_eq!(known.collect::<crate::sync_device::SeenMessages>(), all, "{event:?} at {moment}");
            let rev = number(&meta(&backend, room), "rev");
            assert_eq!(
                scene.device.positions[&room],
                SyncPosition { seq: last, rev },
                "{event:?} at {moment}"
            );
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_message_between_the_reads_of_a_sync_is_not_lost() {
    check_no_loss(RoomEvent::Message).await;
}

#[tokio::test(start_paused = true)]
async fn an_edit_between_the_reads_of_a_sync_is_not_lost() {
    check_no_loss(RoomEvent::EditOfKnownMessage).await;
    check_no_loss(RoomEvent::EditOfMissedMessage).await;
}

#[tokio::test(start_paused = true)]
async fn a_reaction_of_the_users_other_device_between_the_reads_is_not_lost() {
    check_no_loss(RoomEvent::OwnReaction).await;
    check_no_loss(RoomEvent::OwnReactionRemoved).await;
}

#[tokio::test(start_paused = true)]
async fn a_deletion_and_a_pin_between_the_reads_of_a_sync_are_not_lost() {
    check_no_loss(RoomEvent::Deletion).await;
    check_no_loss(RoomEvent::Pin).await;
}

#[tokio::test(start_paused = true)]
async fn a_new_member_between_the_reads_of_a_sync_is_not_lost() {
    check_no_loss(RoomEvent::Joining).await;
}

#[tokio::test(start_paused = true)]
async fn a_room_left_between_the_reads_of_a_sync_is_returned_as_left() {
    check_no_loss(RoomEvent::Leaving).await;
    check_no_loss(RoomEvent::LeavingAndRejoining).await;
}

#[tokio::test(start_paused = true)]
async fn a_sync_returns_the_positions_of_its_first_read() {
    let scene = Scene::new().await;
    let Scene { backend, members, room, messages, device } = &scene;
    let edit = MessageAction::Edit("other words".into());
    let (page, ()) = tokio::join!(sync(backend, members[1], &device.positions, None), async {
        // The sync reads the room in the second second, and its newest position in the third.
        tokio::time::sleep(Duration::from_millis(2500)).await;
        change(backend, members[0], &messages[2], &edit).await.unwrap();
        send_message(backend, *room, members[0], "m4").await;
    });
    let synced = page.rooms.into_iter().next().unwrap();
    assert_eq!(synced.position, SyncPosition { seq: 3, rev: 3 }, "not the current positions");
    let next = sync(backend, members[1], &[(*room, synced.position)].into(), None).await;
    let missed = next.rooms[0].messages.as_ref().unwrap();
    let seqs = |views: &[shared::domain::messages::view::View]| {
        views.iter().map(|view| view.message.seq).collect::<Vec<_>>()
    };
    assert_eq!((seqs(&missed.new), seqs(&missed.changed)), (vec![4], vec![3]));
}

#[tokio::test(start_paused = true)]
async fn rooms_of_which_the_caller_is_not_a_member_are_returned_as_left() {
    let backend = TestBackend::new();
    let (members, first) = group(&backend, 3).await;
    let (me, stranger) = (members[1], members[2]);
    let second = room(&backend, members[0], &members[1..]).await;
    let foreign = room(&backend, members[0], &[stranger]).await;
    let mut device = Device::default();
    device.sync(&backend, me).await;
    device.positions.insert(foreign, SyncPosition { seq: 0, rev: 0 });
    let unknown = RoomId::random();
    device.positions.insert(unknown, SyncPosition { seq: 1, rev: 1 });
    backend.app.store.leave(first, me, me, backend.app.now()).await.unwrap();
    let page = sync(&backend, me, &device.positions, None).await;
    let mut left = [first, foreign, unknown];
    left.sort_unstable();
    assert_eq!(page.left, left);
    let rooms: Vec<RoomId> = page.rooms.iter().map(|room| room.summary.room.id).collect();
    assert_eq!(rooms, [second]);
}

#[tokio::test(start_paused = true)]
async fn a_member_who_rejoined_reloads_the_room_from_that_position() {
    let backend = TestBackend::new();
    let (members, room) = group(&backend, 3).await;
    let me = members[1];
    send_message(&backend, room, members[0], "m1").await;
    let mut device = Device::default();
    device.sync(&backend, me).await;
    backend.app.store.leave(room, members[0], me, backend.app.now()).await.unwrap();
    let secret = send_message(&backend, room, members[0], "without them").await;
    join(&backend, room, members[0], me).await.unwrap();
    change(&backend, members[0], &secret, &MessageAction::Edit("still without them".into())).await.unwrap();
    let last = send_message(&backend, room, members[0], "welcome back").await;

    let page = sync(&backend, me, &device.positions, None).await;
    assert!(page.rooms[0].messages.is_none(), "the known messages lie below a gap");
    device.apply(&backend, me, page).await;
    assert!(device.messages[&room].keys().copied().eq(4..=5));
    change(&backend, members[0], &secret, &MessageAction::Delete).await.unwrap();
    change(&backend, members[0], &last, &MessageAction::React(emoji("👍"))).await.unwrap();
    let page = sync(&backend, me, &device.positions, None).await;
    let missed = page.rooms[0].messages.as_ref().unwrap();
    let changed: Vec<u64> = missed.changed.iter().map(|view| view.message.seq).collect();
    assert_eq!(changed, [5], "no message that they cannot see");
    // A device without earlier messages starts at the position of the join.
    let (nothing, joined_rev) = (SyncPosition { seq: 0, rev: 0 }, page.rooms[0].summary.me.joined_rev);
    let page = sync(&backend, me, &[(room, nothing)].into(), None).await;
    assert!(page.rooms[0].messages.is_none(), "a revision from before the join");
    let page = sync(&backend, me, &[(room, SyncPosition { rev: joined_rev, ..nothing })].into(), None).await;
    let missed = page.rooms[0].messages.as_ref().unwrap();
    let new: Vec<u64> = missed.new.iter().map(|view| view.message.seq).collect();
    assert_eq!((new, missed.changed.len()), (vec![4, 5], 0));
}
