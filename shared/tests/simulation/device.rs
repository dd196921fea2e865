//! A simulated client that follows `docs/client-protocol.md`: its connection, and how it handles frames.

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
    client_trace::TracedReplica,
    connections::Event,
    extreme_values::TEXTS,
    observations::{number, text},
    simulation::Simulation,
    trace::Tracing,
};

/// The longest that a client waits for the response to a frame.
pub const RESPONSE_TIMEOUT: Duration = Duration::from_secs(30);

/// A user's device.
#[expect(clippy::struct_excessive_bools, reason = "they are independent states")]
pub struct Device {
    pub user: usize,
    pub name: String,
    /// The id of the connection, once `hello` was accepted.
    pub live: Option<String>,
    /// The id of the connection, from the time it opens.
    pub connection: Option<String>,
    /// Whether the user wants the device to be connected.
    pub should_connect: bool,
    is_connecting: bool,
    /// The local copy of the user's rooms.
    pub replica: TracedReplica,
    /// Rooms whose history must be loaded.
    pub unloaded: BTreeSet<String>,
    /// Frames that arrived during a sync, in order.
    pub deferred_frames: Vec<Value>,
    /// The messages still to send, by room.
    pub outbox: BTreeMap<String, VecDeque<OutgoingMessage>>,
    /// Rooms whose outbox is being flushed.
    pub sending: BTreeSet<String>,
    /// The receivers of pending responses, by `ref`.
    pub pending: BTreeMap<String, oneshot::Sender<Value>>,
    references: u64,
    /// Whether a sync is in progress.
    pub is_syncing: bool,
    /// Whether another sync must follow it.
    pub sync_again: bool,
}

/// A message in an outbox. Every attempt sends the same body.
#[derive(Clone, Debug)]
pub struct OutgoingMessage {
    /// The index into `Observations::sent`.
    pub index: usize,
    /// The JSON of the send.
    pub body: Value,
}

impl Device {
    pub fn new(user: usize, me: &str, name: String, tracing: Tracing) -> Self {
        Self {
            user,
            name,
            live: None,
            connection: None,
            should_connect: true,
            is_connecting: false,
            replica: TracedReplica::new(me, tracing == Tracing::Clients),
            unloaded: BTreeSet::new(),
            deferred_frames: Vec::new(),
            outbox: BTreeMap::new(),
            sending: BTreeSet::new(),
            pending: BTreeMap::new(),
            references: 0,
            is_syncing: false,
            sync_again: false,
        }
    }

    /// The rooms in the local copy, with the position of each.
    pub fn local_rooms(&self) -> Map<String, Value> {
        let request = self.replica.sync_request(&Value::Null);
        request["rooms"].as_object().cloned().unwrap_or_default()
    }

    /// Creates a `ref`, and the receiver of its response.
    fn new_reference(&mut self) -> (String, oneshot::Receiver<Value>) {
        self.references += 1;
        let unusual = TEXTS[usize::try_from(self.references).unwrap_or_default() % TEXTS.len()];
        let reference = format!("{}.{} {unusual}", self.name, self.references);
        let (sender, response) = oneshot::channel();
        self.pending.insert(reference.clone(), sender);
        (reference, response)
    }
}

/// Waits before a retry: exponential backoff of at most a minute, with full jitter.
pub async fn back_off(attempt: u32) {
    let bound = Duration::from_secs(1 << attempt.min(6)).min(Duration::from_mins(1));
    sleep(bound.mul_f64(fastrand::f64())).await;
}

impl Simulation {
    /// Connects a device, and retries until it is connected or no longer should be.
    pub fn go_online(self: &Rc<Self>, d: usize) {
        let mut device = self.devices[d].borrow_mut();
        if device.is_connecting || device.connection.is_some() {
            return;
        }
        device.is_connecting = true;
        drop(device);
        let simulation = self.clone();
        self.spawn(async move {
            let mut attempt = 0;
            while simulation.devices[d].borrow().should_connect {
                if simulation.handshake(d).await {
                    break;
                }
                back_off(attempt).await;
                attempt += 1;
            }
            simulation.devices[d].borrow_mut().is_connecting = false;
            if simulation.devices[d].borrow().live.is_some() {
                simulation.catch_up(d);
            }
        });
    }

    async fn handshake(self: &Rc<Self>, d: usize) -> bool {
        let token = self.token(self.devices[d].borrow().user);
        let Some(connection) = self.connect(d, &token).await else { return false };
        self.devices[d].borrow_mut().connection = Some(connection.clone());
        let response = self.send_and_wait(d, "hello", json!({}), Duration::from_secs(10)).await;
        let is_established = response.is_some_and(|frame| frame["type"] == "connection_established");
        if !is_established || !self.devices[d].borrow().should_connect {
            self.go_offline(d);
            return false;
        }
        let mut device = self.devices[d].borrow_mut();
        if device.connection.as_ref() != Some(&connection) {
            return false;
        }
        device.live = Some(connection.clone());
        drop(device);
        self.observed.borrow_mut().record_open(&connection, d, self.aws.now());
        self.reconnect_before_expiry(d, &connection, token);
        true
    }

    /// Closes the device's connection.
    pub fn go_offline(self: &Rc<Self>, d: usize) {
        let mut device = self.devices[d].borrow_mut();
        device.live = None;
        // Dropping the senders fails the pending requests.
        device.pending.clear();
        let connection = device.connection.take();
        drop(device);
        if let Some(connection) = connection {
            self.aws.trace.record(|| format!("{connection} closes"));
            self.close_connection(&connection);
        }
    }

    /// Sends a frame and waits for its response; `None` if none arrives.
    pub async fn send_and_wait(
        self: &Rc<Self>,
        d: usize,
        kind: &str,
        data: Value,
        limit: Duration,
    ) -> Option<Value> {
        let (connection, reference, response) = {
            let mut device = self.devices[d].borrow_mut();
            let connection = device.connection.clone()?;
            let (reference, response) = device.new_reference();
            (connection, reference, response)
        };
        self.send_frame(&connection, &json!({"type": kind, "data": data, "ref": reference}));
        let response = timeout(limit, response).await;
        self.devices[d].borrow_mut().pending.remove(&reference);
        response.ok()?.ok()
    }

    /// Handles an event on a connection.
    pub fn on_event(self: &Rc<Self>, event: Event) {
        let (connection, frame) = match event {
            Event::Frame { connection, frame } => (connection, Some(frame)),
            Event::Closed { connection } => (connection, None),
        };
        let device = self.aws.state().connections.get(&connection).map(|connection| connection.device);
        let Some(d) = device else { return };
        if self.devices[d].borrow().connection.as_ref() != Some(&connection) {
            return;
        }
        let Some(frame) = frame else {
            self.observed.borrow_mut().record_closed(&connection, self.aws.now());
            self.go_offline(d);
            if self.devices[d].borrow().should_connect {
                self.go_online(d);
            }
            return;
        };
        self.aws.trace.record(|| format!("{} receives {frame}", self.devices[d].borrow().name));
        self.on_frame(d, &connection, &frame);
    }

    fn on_frame(self: &Rc<Self>, d: usize, connection: &str, frame: &Value) {
        let user = self.devices[d].borrow().user;
        let (kind, data) = (frame["type"].as_str().unwrap(), &frame["data"]);
        self.check_frame_answer(frame);
        match kind {
            "new_message" | "message_sent" => {
                self.check_message(user, data, self.aws.now());
                self.observed.borrow_mut().record_push(connection, data);
            }
            "message_updated" | "message_deleted" => self.check_message(user, data, self.aws.now()),
            "block_changed" => self.catch_up(d),
            "message_read_receipt" | "message_delivered_receipt" => {
                let (room, user_id) = (text(&data["chat_room_id"]), text(&data["user_id"]));
                let seq = number(&data["seq"]);
                let read = if kind == "message_read_receipt" { seq } else { 0 };
                self.observed.borrow_mut().record_receipts(room, user, user_id, read, seq);
            }
            _ => {}
        }
        self.apply_frame(d, frame);
        let sender = frame["ref"]
            .as_str()
            .and_then(|reference| self.devices[d].borrow_mut().pending.remove(reference));
        if let Some(sender) = sender {
            // The request may have timed out.
            let _ = sender.send(frame.clone());
        }
    }

    /// Applies a frame, or an equivalent HTTP response, to the local copy. Defers it during a sync.
    pub fn apply_frame(self: &Rc<Self>, d: usize, frame: &Value) {
        let mut device = self.devices[d].borrow_mut();
        if device.is_syncing {
            device.deferred_frames.push(frame.clone());
            return;
        }
        drop(device);
        self.apply_frame_now(d, frame);
    }

    /// Applies the deferred frames, in order of arrival.
    pub fn apply_deferred_frames(self: &Rc<Self>, d: usize) {
        let frames = std::mem::take(&mut self.devices[d].borrow_mut().deferred_frames);
        for frame in frames {
            self.apply_frame_now(d, &frame);
        }
    }

    fn apply_frame_now(self: &Rc<Self>, d: usize, frame: &Value) {
        let mut device = self.devices[d].borrow_mut();
        let has_gap = device.replica.take(frame);
        let me = &self.users[device.user].id;
        // The response of a sync in progress may predate the removal.
        device.sync_again |= frame["type"] == "participant_left" && frame["data"]["user_id"] == **me;
        drop(device);
        if has_gap {
            self.catch_up(d);
        }
    }
}
