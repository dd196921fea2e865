//! Seeded random schedules through the whole stack: users send, change and read messages on several devices,
//! while functions are killed, calls are duplicated, connections break and the whole stack is killed. At the
//! end no acknowledged message is lost, duplicated or out of order, and every device shows the same state as
//! a fresh load.

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

/// The user (an index into `NAMES`) of each device.
const OWNERS: [usize; 4] = [0, 0, 1, 2];

/// The number of steps of each device.
const STEPS: usize = 20;

/// How many times the whole stack is killed in a schedule.
const STACK_KILLS: usize = 3;

/// Rate limits that are checked in every call but never reached.
const UNREACHED: &str = "messages=100000/60s,frames=100000/60s,changes=100000/60s";

/// The number of schedules that run concurrently.
const CONCURRENCY: usize = 4;

/// The maximum number of comparisons of a device with a fresh load until both are stable.
const MAX_COMPARISONS: usize = 5;

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

/// Three users with four devices (Ana has two), in a group of all three and a direct room of Ana and Ben.
struct Clients {
    doors: Vec<Door>,
    devices: Vec<Device>,
    /// The id and the members of each room.
    rooms: Vec<(String, Vec<usize>)>,
}

impl Clients {
    async fn new(users: [Actor; 3], seed: u64) -> Self {
        let [ana, ben, cleo] = &users;
        let group = ana.group_with(&[ben, cleo]).await;
        let direct = ana.room_with(ben).await;
        let rooms = vec![(group, vec![0, 1, 2]), (direct, vec![0, 1])];
        let doors: Vec<Door> = users.into_iter().map(|user| Arc::new(watch::Sender::new(user))).collect();
        let device = |(n, owner): (usize, &usize)| {
            Device::new(&doors[*owner], fastrand::Rng::with_seed(seed * 100 + n as u64))
        };
        let devices = OWNERS.iter().enumerate().map(device).collect();
        Self { doors, devices, rooms }
    }

    /// Runs the steps of all devices concurrently, and reports each completed step.
    async fn run(&mut self, done: UnboundedSender<()>) {
        let (rooms, done) = (&self.rooms, &done);
        let running = self.devices.iter_mut().zip(OWNERS).map(|(device, owner)| async move {
            device.come_online().await;
            for _ in 0..STEPS {
                let seen: Vec<&String> =
                    rooms.iter().filter(|(_, users)| users.contains(&owner)).map(|(id, _)| id).collect();
                let room = seen[device.rng.usize(..seen.len())].clone();
                step(device, &room).await;
                device.listen().await;
                // The receiver may have stopped counting.
                let _ = done.send(());
            }
        });
        futures::future::join_all(running).await;
    }

    /// Syncs all devices and compares them with a fresh load and with the acknowledged messages.
    async fn check(&mut self, seed: u64) {
        for (device, owner) in self.devices.iter_mut().zip(OWNERS) {
            let mut difference = None;
            // A call still in flight when the devices stopped may still advance a position.
            for _ in 0..MAX_COMPARISONS {
                device.come_online().await;
                device.sync().await;
                device.listen().await;
                let fresh = fresh_load(&self.doors[owner].borrow().clone()).await;
                difference = replica::difference(&device.replica.shown(), &fresh);
                if difference.is_none() {
                    break;
                }
            }
            assert_eq!(difference, None, "schedule {seed}: {}'s device against a fresh load", NAMES[owner]);
        }
        for (room, users) in &self.rooms {
            let log = self.doors[users[0]].borrow().clone().history(room).await;
            let seqs = log.iter().map(|message| message["seq"].as_u64().unwrap());
            assert!(seqs.eq(1..=log.len() as u64), "schedule {seed}: positions without gaps");
            let ids: BTreeSet<_> =
                log.iter().map(|message| message["client_message_id"].to_string()).collect();
            assert_eq!(ids.len(), log.len(), "schedule {seed}: each message once");
            for device in &self.devices {
                let position = |id: &Value| log.iter().position(|message| message["id"] == *id);
                let own = device.acknowledged.iter().filter(|(of, ..)| of == room);
                let positions: Vec<usize> =
                    own.map(|(.., id)| position(id).expect("no lost message")).collect();
                assert!(positions.is_sorted(), "schedule {seed}: in the order of the device: {positions:?}");
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
    let (status, answer) = match device.rng.u8(..10) {
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
    assert!(matches!(status, 200 | 403 | 409), "{status} {answer}");
}

/// The state that a fresh load shows to a user.
async fn fresh_load(user: &Actor) -> Value {
    let mut rooms = Vec::new();
    for room in user.get("/chat/rooms").await.ok().as_array().unwrap() {
        let messages = user.history(room["id"].as_str().unwrap()).await;
        rooms.push((room.clone(), messages));
    }
    shown(&rooms)
}

#[tokio::test(flavor = "multi_thread")]
async fn killed_functions_broken_connections_and_duplicate_calls_lose_nothing() {
    stream::iter(1..=8).for_each_concurrent(CONCURRENCY, with_killed_functions).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn kills_and_restarts_of_the_whole_stack_lose_nothing() {
    stream::iter(9..=10).for_each_concurrent(CONCURRENCY, with_stack_kills).await;
}

async fn with_killed_functions(seed: u64) {
    let stack = TestStack::with(rate_limited(UNREACHED)).await;
    let mut clients = Clients::new(stack.actors(NAMES).await, seed).await;
    let (done, mut steps) = unbounded_channel();
    let mut rng = fastrand::Rng::with_seed(seed);
    let killing = async {
        while steps.recv().await.is_some() {
            let victim = VICTIMS[rng.usize(..VICTIMS.len())];
            stack.local.function_pids(victim).into_iter().for_each(kill_if_there);
        }
    };
    tokio::join!(clients.run(done), killing);
    stack.local.settle().await;
    clients.check(seed).await;
}

async fn with_stack_kills(seed: u64) {
    let folder = tempfile::tempdir().unwrap();
    let mut stack = Process::start(folder.path()).await;
    let users = [stack.actor(NAMES[0]).await, stack.actor(NAMES[1]).await, stack.actor(NAMES[2]).await];
    let mut clients = Clients::new(users, seed).await;
    let doors = clients.doors.clone();
    let (done, mut steps) = unbounded_channel();
    let crashing = async move {
        for _ in 0..STACK_KILLS {
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
    let ((), (stack, _folder)) = tokio::join!(clients.run(done), crashing);
    clients.check(seed).await;
    assert_eq!(stack.end("TERM").await, Some(0));
}
