//! What happens in a room while a device catches up there: nothing is lost, at whatever moment it happens.

use std::time::Duration;

use shared::{
    domain::{
        messages::{Message, action::MessageAction},
        sync::SyncPosition,
    },
    id::{RoomId, UserId},
};

use crate::{
    changes::{change, emoji, group, said},
    cloud::Cloud,
    device::{Device, sync, whole},
    log::send,
    raw::{meta, number},
    rooms::room,
};

/// A room that a device is a little behind in, with something for each of the reads that catching up takes.
struct Scene {
    cloud: Cloud,
    people: Vec<UserId>,
    room: RoomId,
    messages: Vec<Message>,
    device: Device,
}

impl Scene {
    /// The device is of the second one; the first one is the owner.
    async fn new() -> Self {
        let cloud = Cloud::new();
        let (people, room) = group(&cloud, 3).await;
        let mut messages =
            vec![said(&cloud, room, people[0], "m1").await, said(&cloud, room, people[2], "m2").await];
        let mut device = Device::default();
        device.sync(&cloud, people[1]).await;
        assert_eq!(device.held[&room], SyncPosition { seq: 2, rev: 0 });
        let mut reply = send(room, people[0], "m3");
        reply.draft.reply_to_id = Some(messages[0].id);
        messages.push(cloud.app.store.append(&reply, cloud.app.now()).await.unwrap().full_message.message);
        for who in &people {
            change(&cloud, *who, &messages[1], &MessageAction::React(emoji("👍"))).await.unwrap();
        }
        Self { cloud, people, room, messages, device }
    }

    async fn happens(&self, what: Happening) {
        let Self { cloud, people, room, messages, .. } = self;
        let (store, now) = (&cloud.app.store, cloud.app.now());
        let changes = async |who: usize, at: usize, action| {
            change(cloud, people[who], &messages[at], &action).await.unwrap();
        };
        match what {
            Happening::Message => drop(said(cloud, *room, people[2], "m4").await),
            Happening::EditOfHeld => changes(2, 1, MessageAction::Edit("other words".into())).await,
            Happening::EditOfNew => changes(0, 2, MessageAction::Edit("other words".into())).await,
            Happening::OwnReaction => changes(1, 0, MessageAction::React(emoji("🔥"))).await,
            Happening::OwnReactionGone => changes(1, 1, MessageAction::Unreact(emoji("👍"))).await,
            Happening::Deletion => changes(0, 1, MessageAction::Delete).await,
            Happening::Pin => changes(0, 0, MessageAction::Pin).await,
            Happening::Joining => {
                let eve = cloud.person("eve").await;
                let eve = store.profile(eve).await.unwrap().unwrap();
                store.join(*room, people[0], &eve, None, now).await.unwrap();
            }
            Happening::Leaving => drop(store.leave(*room, people[0], people[1], now).await.unwrap()),
            Happening::LeavingAndJoining => {
                let me = store.profile(people[1]).await.unwrap().unwrap();
                store.leave(*room, people[0], people[1], now).await.unwrap();
                store.join(*room, people[0], &me, None, now).await.unwrap();
            }
        }
    }
}

#[derive(Clone, Copy, Debug, PartialEq)]
enum Happening {
    Message,
    EditOfHeld,
    EditOfNew,
    OwnReaction,
    OwnReactionGone,
    Deletion,
    Pin,
    Joining,
    Leaving,
    LeavingAndJoining,
}

/// Catching up takes so many seconds at the most.
const SECONDS: u64 = 9;

/// Something happens at each moment of a device's catching up, and the device has it after the next time at the latest.
async fn nothing_is_lost_of(what: Happening) {
    for moment in 0..=SECONDS {
        let mut scene = Scene::new().await;
        let Scene { cloud, people, room, device, .. } = &scene;
        let (me, room) = (people[1], *room);
        // What happens is written a second after it begins: half a second before the first read, or after that one, and
        // so on.
        let (happens, news) = tokio::join!(
            async {
                tokio::time::sleep(Duration::from_secs(moment)).await;
                scene.happens(what).await;
            },
            async {
                tokio::time::sleep(Duration::from_millis(1500)).await;
                let start = cloud.elapsed();
                let news = sync(cloud, me, &device.held, None).await;
                assert!(cloud.elapsed() - start < SECONDS);
                news
            }
        );
        let () = happens;
        let is_out = |device: &Device| !device.held.contains_key(&room);
        let cloud = cloud.clone();
        scene.device.take(&cloud, me, news).await;
        if what != Happening::LeavingAndJoining && !is_out(&scene.device) {
            let (seq, known) = (scene.device.held[&room].seq, &scene.device.messages[&room]);
            if what != Happening::Leaving || !known.is_empty() {
                assert!(known.keys().copied().eq(1..=seq), "{what:?} at {moment}: all up to {seq}");
            }
        }
        scene.device.sync(&cloud, me).await;
        assert_eq!(is_out(&scene.device), what == Happening::Leaving, "{what:?} at {moment}");
        if what != Happening::Leaving {
            let all = whole(&cloud, room, me).await.unwrap();
            let (first, last) = (*all.keys().next().unwrap(), *all.keys().last().unwrap());
            let known = scene.device.messages[&room].range(first..).map(|(seq, seen)| (*seq, seen.clone()));
            assert_eq!(known.collect::<crate::device::Seen>(), all, "{what:?} at {moment}");
            let rev = number(&meta(&cloud, room), "rev");
            assert_eq!(scene.device.held[&room], SyncPosition { seq: last, rev }, "{what:?} at {moment}");
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_message_that_is_sent_between_the_reads_is_not_lost() {
    nothing_is_lost_of(Happening::Message).await;
}

#[tokio::test(start_paused = true)]
async fn an_edit_between_the_reads_is_not_lost() {
    nothing_is_lost_of(Happening::EditOfHeld).await;
    nothing_is_lost_of(Happening::EditOfNew).await;
}

#[tokio::test(start_paused = true)]
async fn what_ones_other_device_puts_there_between_the_reads_is_not_lost() {
    nothing_is_lost_of(Happening::OwnReaction).await;
    nothing_is_lost_of(Happening::OwnReactionGone).await;
}

#[tokio::test(start_paused = true)]
async fn a_deletion_and_a_pin_between_the_reads_are_not_lost() {
    nothing_is_lost_of(Happening::Deletion).await;
    nothing_is_lost_of(Happening::Pin).await;
}

#[tokio::test(start_paused = true)]
async fn who_joins_between_the_reads_is_not_lost() {
    nothing_is_lost_of(Happening::Joining).await;
}

#[tokio::test(start_paused = true)]
async fn a_room_that_is_left_between_the_reads_is_told_as_left() {
    nothing_is_lost_of(Happening::Leaving).await;
    nothing_is_lost_of(Happening::LeavingAndJoining).await;
}

#[tokio::test(start_paused = true)]
async fn the_answered_positions_are_those_that_were_read_first() {
    let scene = Scene::new().await;
    let Scene { cloud, people, room, messages, device } = &scene;
    let edit = MessageAction::Edit("other words".into());
    let (news, ()) = tokio::join!(sync(cloud, people[1], &device.held, None), async {
        // The room is read in the second second, its newest position in the third.
        tokio::time::sleep(Duration::from_millis(2500)).await;
        change(cloud, people[0], &messages[2], &edit).await.unwrap();
        said(cloud, *room, people[0], "m4").await;
    });
    let news = news.rooms.into_iter().next().unwrap();
    assert_eq!(news.held, SyncPosition { seq: 3, rev: 3 }, "not those of now");
    let next = sync(cloud, people[1], &[(*room, news.held)].into(), None).await;
    let missed = next.rooms[0].messages.as_ref().unwrap();
    let seqs = |views: &[shared::domain::messages::view::View]| {
        views.iter().map(|view| view.message.seq).collect::<Vec<_>>()
    };
    assert_eq!((seqs(&missed.new), seqs(&missed.changed)), (vec![4], vec![3]));
}

#[tokio::test(start_paused = true)]
async fn rooms_that_are_not_ones_own_any_more_are_told_as_left() {
    let cloud = Cloud::new();
    let (people, first) = group(&cloud, 3).await;
    let (me, stranger) = (people[1], people[2]);
    let second = room(&cloud, people[0], &people[1..]).await;
    let foreign = room(&cloud, people[0], &[stranger]).await;
    let mut device = Device::default();
    device.sync(&cloud, me).await;
    device.held.insert(foreign, SyncPosition { seq: 0, rev: 0 });
    let unknown = RoomId::random();
    device.held.insert(unknown, SyncPosition { seq: 1, rev: 1 });
    cloud.app.store.leave(first, me, me, cloud.app.now()).await.unwrap();
    let news = sync(&cloud, me, &device.held, None).await;
    let mut left = [first, foreign, unknown];
    left.sort_unstable();
    assert_eq!(news.left, left);
    let rooms: Vec<RoomId> = news.rooms.iter().map(|room| room.summary.room.id).collect();
    assert_eq!(rooms, [second]);
}

#[tokio::test(start_paused = true)]
async fn who_joined_again_loads_the_room_anew_from_there() {
    let cloud = Cloud::new();
    let (people, room) = group(&cloud, 3).await;
    let me = people[1];
    said(&cloud, room, people[0], "m1").await;
    let mut device = Device::default();
    device.sync(&cloud, me).await;
    let profile = cloud.app.store.profile(me).await.unwrap().unwrap();
    cloud.app.store.leave(room, people[0], me, cloud.app.now()).await.unwrap();
    let secret = said(&cloud, room, people[0], "without them").await;
    cloud.app.store.join(room, people[0], &profile, None, cloud.app.now()).await.unwrap();
    change(&cloud, people[0], &secret, &MessageAction::Edit("still without them".into())).await.unwrap();
    let last = said(&cloud, room, people[0], "ensure_profile back").await;

    let news = sync(&cloud, me, &device.held, None).await;
    assert!(news.rooms[0].messages.is_none(), "what they hold lies below a gap");
    device.take(&cloud, me, news).await;
    assert!(device.messages[&room].keys().copied().eq(4..=5));
    change(&cloud, people[0], &secret, &MessageAction::Delete).await.unwrap();
    change(&cloud, people[0], &last, &MessageAction::React(emoji("👍"))).await.unwrap();
    let news = sync(&cloud, me, &device.held, None).await;
    let missed = news.rooms[0].messages.as_ref().unwrap();
    let changed: Vec<u64> = missed.changed.iter().map(|view| view.message.seq).collect();
    assert_eq!(changed, [5], "nothing of what they do not see");
    // A device that holds nothing of the time before begins there.
    let (nothing, joined_rev) = (SyncPosition { seq: 0, rev: 0 }, news.rooms[0].summary.me.joined_rev);
    let news = sync(&cloud, me, &[(room, nothing)].into(), None).await;
    assert!(news.rooms[0].messages.is_none(), "a revision from before");
    let news = sync(&cloud, me, &[(room, SyncPosition { rev: joined_rev, ..nothing })].into(), None).await;
    let missed = news.rooms[0].messages.as_ref().unwrap();
    let new: Vec<u64> = missed.new.iter().map(|view| view.message.seq).collect();
    assert_eq!((new, missed.changed.len()), (vec![4, 5], 0));
}
