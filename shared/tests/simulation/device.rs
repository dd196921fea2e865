//! A client, as `docs/client-protocol.md` says: what it holds, how it connects, and what it does with a frame.

use std::{
    collections::{BTreeMap, BTreeSet, VecDeque},
    rc::Rc,
    time::Duration,
};

use serde_json::{Map, Value, json};
use tokio::{
    sync::oneshot,
    time::{sleep, timeout},
};

use crate::{
    ledger::{number, text},
    replica::Replica,
    sockets::Event,
    world::World,
};

/// How long a client waits for the answer to a frame.
pub const PATIENCE: Duration = Duration::from_secs(30);

/// One device of a person.
#[expect(clippy::struct_excessive_bools, reason = "each says something of its own")]
pub struct Device {
    pub person: usize,
    pub name: String,
    /// Its connection, once `hello` was answered.
    pub live: Option<String>,
    /// Its connection, from the moment that it is open.
    pub connection: Option<String>,
    /// Whether its user wants it connected.
    pub wants_live: bool,
    is_connecting: bool,
    /// What it holds of its rooms.
    pub replica: Replica,
    /// Rooms whose history is not loaded yet.
    pub unloaded: BTreeSet<String>,
    /// What came meanwhile.
    pub waiting_frames: Vec<Value>,
    /// What it has still to send, by room.
    pub outbox: BTreeMap<String, VecDeque<Outgoing>>,
    /// Rooms whose outbox is being emptied.
    pub sending: BTreeSet<String>,
    /// Who waits for the answer to which `ref`.
    pub waiting: BTreeMap<String, oneshot::Sender<Value>>,
    references: u64,
    /// Whether it is catching up, and whether it has to do so again.
    pub catching_up: bool,
    pub again: bool,
}

/// A message that waits to be sent: the same at every try.
#[derive(Clone, Debug)]
pub struct Outgoing {
    /// Its place among all that was sent.
    pub sent: usize,
    /// What is sent.
    pub body: Value,
}

impl Device {
    pub fn new(person: usize, me: &str, name: String) -> Self {
        Self {
            person,
            name,
            live: None,
            connection: None,
            wants_live: true,
            is_connecting: false,
            replica: Replica::new(me),
            unloaded: BTreeSet::new(),
            waiting_frames: Vec::new(),
            outbox: BTreeMap::new(),
            sending: BTreeSet::new(),
            waiting: BTreeMap::new(),
            references: 0,
            catching_up: false,
            again: false,
        }
    }

    /// The rooms that it holds, with their positions.
    pub fn held(&self) -> Map<String, Value> {
        let request = self.replica.sync_request(&Value::Null);
        request["rooms"].as_object().cloned().unwrap_or_default()
    }

    /// A new `ref`, and where its answer will come.
    fn expect(&mut self) -> (String, oneshot::Receiver<Value>) {
        self.references += 1;
        let reference = format!("{}.{}", self.name, self.references);
        let (answer, answered) = oneshot::channel();
        self.waiting.insert(reference.clone(), answer);
        (reference, answered)
    }
}

/// A wait before the next try: longer each time, and a random part of that.
pub async fn back_off(attempt: u32) {
    let bound = Duration::from_secs(1 << attempt.min(6)).min(Duration::from_mins(1));
    sleep(bound.mul_f64(fastrand::f64())).await;
}

impl World {
    /// Connects a device, and keeps trying until it is connected or not wanted any more.
    pub fn come_online(self: &Rc<Self>, d: usize) {
        let mut device = self.devices[d].borrow_mut();
        if device.is_connecting || device.connection.is_some() {
            return;
        }
        device.is_connecting = true;
        drop(device);
        let world = self.clone();
        self.spawn(async move {
            let mut attempt = 0;
            while world.devices[d].borrow().wants_live {
                if world.handshake(d).await {
                    break;
                }
                back_off(attempt).await;
                attempt += 1;
            }
            world.devices[d].borrow_mut().is_connecting = false;
            if world.devices[d].borrow().live.is_some() {
                world.catch_up(d);
            }
        });
    }

    async fn handshake(self: &Rc<Self>, d: usize) -> bool {
        let Some(connection) = self.connect(d).await else { return false };
        self.devices[d].borrow_mut().connection = Some(connection.clone());
        let answer = self.ask(d, "hello", json!({}), Duration::from_secs(10)).await;
        let is_welcome = answer.is_some_and(|answer| answer["type"] == "connection_established");
        if !is_welcome || !self.devices[d].borrow().wants_live {
            self.go_offline(d);
            return false;
        }
        let mut device = self.devices[d].borrow_mut();
        if device.connection.as_ref() != Some(&connection) {
            return false;
        }
        device.live = Some(connection.clone());
        self.ledger.borrow_mut().live(&connection, d, self.cloud.now());
        true
    }

    /// The device's connection ends.
    pub fn go_offline(self: &Rc<Self>, d: usize) {
        let mut device = self.devices[d].borrow_mut();
        device.live = None;
        // Whoever waits for an answer learns that none will come.
        device.waiting.clear();
        let connection = device.connection.take();
        drop(device);
        if let Some(connection) = connection {
            self.cloud.trace.note(|| format!("{connection} ends"));
            self.close_connections(&connection);
        }
    }

    /// Sends a frame and waits for its answer; `None` if none comes.
    pub async fn ask(
        self: &Rc<Self>,
        d: usize,
        kind: &str,
        data: Value,
        patience: Duration,
    ) -> Option<Value> {
        let (connection, reference, answered) = {
            let mut device = self.devices[d].borrow_mut();
            let connection = device.connection.clone()?;
            let (reference, answered) = device.expect();
            (connection, reference, answered)
        };
        self.frame(&connection, &json!({"type": kind, "data": data, "ref": reference}));
        let answer = timeout(patience, answered).await;
        self.devices[d].borrow_mut().waiting.remove(&reference);
        answer.ok()?.ok()
    }

    /// Something happens on a connection.
    pub fn on_event(self: &Rc<Self>, event: Event) {
        let (connection, frame) = match event {
            Event::Frame { connection, frame } => (connection, Some(frame)),
            Event::DeletedMarker { connection } => (connection, None),
        };
        let device = self.cloud.state().lines.line(&connection).map(|line| line.device);
        let Some(d) = device else { return };
        if self.devices[d].borrow().connection.as_ref() != Some(&connection) {
            return;
        }
        let Some(frame) = frame else {
            self.ledger.borrow_mut().closed(&connection, self.cloud.now());
            self.go_offline(d);
            if self.devices[d].borrow().wants_live {
                self.come_online(d);
            }
            return;
        };
        self.cloud.trace.note(|| format!("{} gets {frame}", self.devices[d].borrow().name));
        self.on_frame(d, &connection, &frame);
    }

    fn on_frame(self: &Rc<Self>, d: usize, connection: &str, frame: &Value) {
        let person = self.devices[d].borrow().person;
        let (kind, data) = (frame["type"].as_str().unwrap(), &frame["data"]);
        match kind {
            "new_message" | "message_sent" => {
                self.see(person, data, self.cloud.now());
                self.ledger.borrow_mut().pushed(connection, data);
            }
            "message_updated" | "message_deleted" => self.see(person, data, self.cloud.now()),
            "block_changed" => self.catch_up(d),
            "message_read_receipt" | "message_delivered_receipt" => {
                let (user, seq) = (text(&data["user_id"]), number(&data["seq"]));
                let read = if kind == "message_read_receipt" { seq } else { 0 };
                self.ledger.borrow_mut().positions(text(&data["chat_room_id"]), user, read, seq);
            }
            _ => {}
        }
        self.take(d, frame);
        let answered = frame["ref"]
            .as_str()
            .and_then(|reference| self.devices[d].borrow_mut().waiting.remove(reference));
        if let Some(waiting) = answered {
            // Who asked may have given up.
            let _ = waiting.send(frame.clone());
        }
    }

    /// A frame, or an answer that says the same. While the device catches up, it waits.
    pub fn take(self: &Rc<Self>, d: usize, frame: &Value) {
        let mut device = self.devices[d].borrow_mut();
        if device.catching_up {
            device.waiting_frames.push(frame.clone());
            return;
        }
        drop(device);
        self.take_now(d, frame);
    }

    /// Takes what has waited, in its order.
    pub fn take_waiting(self: &Rc<Self>, d: usize) {
        let waiting = std::mem::take(&mut self.devices[d].borrow_mut().waiting_frames);
        for frame in waiting {
            self.take_now(d, &frame);
        }
    }

    fn take_now(self: &Rc<Self>, d: usize, frame: &Value) {
        let mut device = self.devices[d].borrow_mut();
        let is_missing = device.replica.take(frame);
        let me = &self.people[device.person].id;
        // A sync that is under way may speak of a time that is over.
        device.again |= frame["type"] == "participant_left" && frame["data"]["user_id"] == **me;
        drop(device);
        if is_missing {
            self.catch_up(d);
        }
    }
}
