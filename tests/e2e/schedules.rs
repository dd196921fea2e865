//! Seeded schedules through the whole stack: people on several devices talk, change and read what was said, while
//! functions are killed, calls come twice, connections break and the machine goes down. At the end nothing that was
//! acknowledged is lost, doubled or out of order, and every device shows what a fresh load shows.

use std::{collections::BTreeSet, sync::Arc};

use futures::{StreamExt, stream};
use reqwest::Method;
use serde_json::{Value, json};
use tokio::sync::{
    mpsc::{UnboundedSender, unbounded_channel},
    watch,
};

use crate::{
    device::{Device, Door},
    harness::{Actor, TestStack, kill_if_there, process::Process, rate_limited},
    replica::{self, shown},
};

const NAMES: [&str; 3] = ["ana", "ben", "cleo"];

/// Steps of each device.
const STEPS: usize = 20;

/// So often does the whole machine go down.
const DEATHS: usize = 3;

/// RateLimits that are looked at in every call, and that nobody reaches.
const UNREACHED: &str = "messages=100000/60s,frames=100000/60s,changes=100000/60s";

/// So many schedules run side by side.
const AT_ONCE: usize = 4;

/// So often a device is held against a fresh load until both are at rest.
const MOST_LOOKS: usize = 5;

/// The functions that are killed.
const VICTIMS: [&str; 8] = [
    "chat-send-message",
    "socket-send-message",
    "chat-edit-message",
    "chat-add-reaction",
    "chat-sync",
    "chat-list-messages",
    "socket-connect",
    "socket-message-read",
];

/// Four devices of three people, two of them of one, in a group of all and a direct room.
struct Cast {
    doors: Vec<Door>,
    devices: Vec<Device>,
    rooms: Vec<(String, Vec<usize>)>,
}

impl Cast {
    async fn new(people: [Actor; 3], seed: u64) -> Self {
        let [ana, ben, cleo] = &people;
        let group = ana.group_with(&[ben, cleo]).await;
        let direct = ana.room_with(ben).await;
        let rooms = vec![(group, vec![0, 1, 2]), (direct, vec![0, 1])];
        let doors: Vec<Door> = people.into_iter().map(|who| Arc::new(watch::Sender::new(who))).collect();
        let device = |(n, who): (usize, &usize)| {
            Device::new(&doors[*who], fastrand::Rng::with_seed(seed * 100 + n as u64))
        };
        let devices = [0, 0, 1, 2].iter().enumerate().map(device).collect();
        Self { doors, devices, rooms }
    }

    /// Everyone takes their steps at once, and says of each that it is done.
    async fn act(&mut self, done: UnboundedSender<()>) {
        let (rooms, done) = (&self.rooms, &done);
        let acting = self.devices.iter_mut().zip([0, 0, 1, 2]).map(|(device, who)| async move {
            device.come_online().await;
            for _ in 0..STEPS {
                let seen: Vec<&String> =
                    rooms.iter().filter(|(_, people)| people.contains(&who)).map(|(id, _)| id).collect();
                let room = seen[device.rng.usize(..seen.len())].clone();
                step(device, &room).await;
                device.listen().await;
                // Who counts the steps may have seen enough of them.
                let _ = done.send(());
            }
        });
        futures::future::join_all(acting).await;
    }

    /// All devices catch up, and are held against a fresh load and against what was acknowledged.
    async fn check(&mut self, seed: u64) {
        for (device, who) in self.devices.iter_mut().zip([0, 0, 1, 2]) {
            let mut difference = None;
            // What was under way when the devices stopped may still move a position.
            for _ in 0..MOST_LOOKS {
                device.come_online().await;
                device.sync().await;
                device.listen().await;
                let fresh = fresh(&self.doors[who].borrow().clone()).await;
                difference = replica::difference(&device.replica.shown(), &fresh);
                if difference.is_none() {
                    break;
                }
            }
            assert_eq!(difference, None, "schedule {seed}: {}'s device against a fresh load", NAMES[who]);
        }
        for (room, people) in &self.rooms {
            let log = self.doors[people[0]].borrow().clone().history(room).await;
            let seqs = log.iter().map(|message| message["seq"].as_u64().unwrap());
            assert!(seqs.eq(1..=log.len() as u64), "schedule {seed}: dense positions");
            let names: BTreeSet<_> =
                log.iter().map(|message| message["client_message_id"].to_string()).collect();
            assert_eq!(names.len(), log.len(), "schedule {seed}: each message once");
            for device in &self.devices {
                let place = |id: &Value| log.iter().position(|message| message["id"] == *id);
                let own = device.acknowledged.iter().filter(|(of, ..)| of == room);
                let places: Vec<usize> = own.map(|(.., id)| place(id).expect("not lost")).collect();
                assert!(places.is_sorted(), "schedule {seed}: in the order of their device: {places:?}");
            }
        }
    }
}

async fn step(device: &mut Device, room: &str) {
    let newest = device.replica.seq(room);
    if newest == 0 || device.rng.u8(..3) == 0 {
        return device.send_message(room, json!({})).await;
    }
    let seq = device.rng.u64(newest.saturating_sub(8).max(1)..=newest);
    let Some(message) = device.replica.message(room, seq).cloned() else { return };
    let path = format!("/chat/rooms/{room}/messages/{}", message["id"].as_str().unwrap());
    let emoji = ["%F0%9F%91%8D", "%F0%9F%94%A5"][device.rng.usize(..2)];
    let expected = match device.rng.u8(..10) {
        0 => return device.send_message(room, json!({"reply_to_id": message["id"]})).await,
        1 | 2 => {
            let body = json!({"content": format!("edited {}", device.rng.u32(..))});
            device.call(Method::PATCH, &path, Some(body)).await
        }
        3 => device.call(Method::DELETE, &path, None).await,
        4 | 5 => device.call(Method::PUT, &format!("{path}/reactions/{emoji}"), None).await,
        6 => device.call(Method::DELETE, &format!("{path}/reactions/{emoji}"), None).await,
        7 => device.call(Method::PUT, &format!("{path}/pin"), None).await,
        8 => return device.mention("message_read", json!({"chat_room_id": room, "seq": newest})).await,
        _ => {
            device.cut();
            return device.come_online().await;
        }
    };
    let (status, answer) = expected;
    assert!(matches!(status, 200 | 403 | 409), "{status} {answer}");
}

async fn fresh(who: &Actor) -> Value {
    let mut rooms = Vec::new();
    for room in who.get("/chat/rooms").await.ok().as_array().unwrap() {
        let messages = who.history(room["id"].as_str().unwrap()).await;
        rooms.push((room.clone(), messages));
    }
    shown(&rooms)
}

#[tokio::test(flavor = "multi_thread")]
async fn schedules_with_killed_functions_broken_connections_and_calls_that_come_twice() {
    stream::iter(1..=8).for_each_concurrent(AT_ONCE, with_killed_functions).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn schedules_in_which_the_whole_machine_goes_down_and_comes_back() {
    stream::iter(9..=10).for_each_concurrent(AT_ONCE, with_a_dying_machine).await;
}

async fn with_killed_functions(seed: u64) {
    let stack = TestStack::with(rate_limited(UNREACHED)).await;
    let mut cast = Cast::new(stack.actors(NAMES).await, seed).await;
    let (done, mut steps) = unbounded_channel();
    let mut rng = fastrand::Rng::with_seed(seed);
    let killing = async {
        while steps.recv().await.is_some() {
            let victim = VICTIMS[rng.usize(..VICTIMS.len())];
            stack.local.function_pids(victim).into_iter().for_each(kill_if_there);
        }
    };
    tokio::join!(cast.act(done), killing);
    stack.local.settle().await;
    cast.check(seed).await;
}

async fn with_a_dying_machine(seed: u64) {
    let folder = tempfile::tempdir().unwrap();
    let mut stack = Process::start(folder.path()).await;
    let people = [stack.actor(NAMES[0]).await, stack.actor(NAMES[1]).await, stack.actor(NAMES[2]).await];
    let mut cast = Cast::new(people, seed).await;
    let doors = cast.doors.clone();
    let (done, mut steps) = unbounded_channel();
    let crashing = async move {
        for _ in 0..DEATHS {
            for _ in 0..STEPS {
                steps.recv().await;
            }
            stack.end("KILL").await;
            stack = Process::start(folder.path()).await;
            for (door, name) in doors.iter().zip(NAMES) {
                door.send_replace(stack.actor(name).await);
            }
        }
        (stack, folder)
    };
    let ((), (stack, _folder)) = tokio::join!(cast.act(done), crashing);
    cast.check(seed).await;
    assert_eq!(stack.end("TERM").await, Some(0));
}
