//! The open WebSocket connections: post to a connection, close it, read its last activity.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE;
use serde_json::{Map, Value};
use tokio::sync::{mpsc, watch};
use uuid::Uuid;

use crate::clock::{Clock, ClockTime, epoch_millis};

/// The most messages that wait for a slow client.
const QUEUE_CAPACITY: usize = 128;
/// How long a sender waits for a free place in the queue.
const QUEUE_TIMEOUT: Duration = Duration::from_millis(500);

/// The code and reason with which a connection closes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CloseStatus {
    /// The close code (RFC 6455, section 7.4) for the client and for `$disconnect`.
    pub code: u16,
    /// The human-readable close reason.
    pub reason: String,
}

impl CloseStatus {
    pub fn new(code: u16, reason: &str) -> Self {
        Self { code, reason: reason.to_owned() }
    }
}

/// A connection, created before its `$connect` runs.
#[derive(Debug)]
pub struct Connection {
    /// The connection id in the format of API Gateway: base64 that ends in `=`.
    pub id: String,
    /// The time of the handshake in milliseconds since 1970.
    pub connected_at: i64,
    /// The time of the handshake on the stack's clock, for timeouts.
    pub opened: ClockTime,
    /// The client's IP address.
    pub source_ip: String,
    /// The client's `User-Agent`.
    pub user_agent: String,
    /// The context that the authorizer returned; part of every event of the connection.
    pub authorizer: Option<Map<String, Value>>,
    clock: Clock,
    outbox: mpsc::Sender<String>,
    closing: watch::Sender<Option<CloseStatus>>,
    active: Mutex<(ClockTime, i64)>,
}

/// The reason why a message could not be sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SendError {
    /// The connection is closed or closing.
    Gone,
    /// The queue is full, because the client reads too slowly.
    QueueFull,
}

impl Connection {
    /// Creates a connection and the receiver of its outgoing messages.
    pub fn new(clock: &Clock, source_ip: String, user_agent: String) -> (Self, mpsc::Receiver<String>) {
        let (outbox, messages) = mpsc::channel(QUEUE_CAPACITY);
        let (now, opened) = (epoch_millis(), clock.now());
        let connection = Self {
            id: new_id(),
            connected_at: now,
            opened,
            source_ip,
            user_agent,
            authorizer: None,
            clock: clock.clone(),
            outbox,
            closing: watch::Sender::new(None),
            active: Mutex::new((opened, now)),
        };
        (connection, messages)
    }

    /// Queues a message for the client.
    ///
    /// # Errors
    /// If the connection is closing, or the queue stays full for [`QUEUE_TIMEOUT`].
    pub async fn send(&self, message: String) -> Result<(), SendError> {
        if self.closing.borrow().is_some() {
            return Err(SendError::Gone);
        }
        let permit = self.clock.within(QUEUE_TIMEOUT, self.outbox.reserve()).await;
        permit.ok_or(SendError::QueueFull)?.map_err(|_| SendError::Gone)?.send(message);
        self.touch();
        Ok(())
    }

    /// Starts to close the connection. Only the first call has an effect.
    pub fn close(&self, status: CloseStatus) {
        self.closing.send_if_modified(|current| {
            let is_first = current.is_none();
            if is_first {
                *current = Some(status);
            }
            is_first
        });
    }

    /// Returns once the connection has started to close.
    pub async fn closing(&self) -> CloseStatus {
        let mut closing = self.closing.subscribe();
        match closing.wait_for(Option::is_some).await.map(|status| status.clone()) {
            Ok(Some(status)) => status,
            // `self` owns the sender, so the channel is never closed.
            _ => std::future::pending().await,
        }
    }

    /// Records that a message or frame was sent or received.
    pub fn touch(&self) {
        *self.active() = (self.clock.now(), epoch_millis());
    }

    /// The time of the last activity on the stack's clock, and in milliseconds since 1970.
    pub fn last_active(&self) -> (ClockTime, i64) {
        *self.active()
    }

    fn active(&self) -> MutexGuard<'_, (ClockTime, i64)> {
        self.active.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Eleven random bytes in base64: fifteen characters and a `=`, like the ids of AWS.
fn new_id() -> String {
    URL_SAFE.encode(&Uuid::new_v4().as_bytes()[..11])
}

/// All connections that are open for messages.
#[derive(Debug, Default)]
pub struct Connections {
    open: Mutex<HashMap<String, Arc<Connection>>>,
}

impl Connections {
    /// Adds a connection.
    pub fn add(&self, connection: Arc<Connection>) {
        self.lock().insert(connection.id.clone(), connection);
    }

    /// Returns an open connection.
    pub fn get(&self, id: &str) -> Option<Arc<Connection>> {
        self.lock().get(id).cloned()
    }

    /// Removes a connection.
    pub fn remove(&self, id: &str) {
        self.lock().remove(id);
    }

    /// Starts to close all connections.
    pub fn close_all(&self, status: &CloseStatus) {
        for connection in self.lock().values() {
            connection.close(status.clone());
        }
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<String, Arc<Connection>>> {
        self.open.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn connection_ids_have_the_format_of_aws() {
        let id = new_id();
        assert!(id.len() == 16 && id.ends_with('='), "{id}");
    }

    #[tokio::test]
    async fn a_full_queue_rejects_messages_after_a_timeout_and_a_closing_connection_at_once() {
        let clock = Clock::default();
        let (connection, messages) = Connection::new(&clock, String::new(), String::new());
        for _ in 0..QUEUE_CAPACITY {
            connection.send("x".into()).await.unwrap();
        }
        assert_eq!(connection.send("x".into()).await, Err(SendError::QueueFull));
        connection.close(CloseStatus::new(1001, "Going away"));
        connection.close(CloseStatus::new(1000, "Second call"));
        assert_eq!(connection.closing().await.code, 1001);
        assert_eq!(connection.send("x".into()).await, Err(SendError::Gone));
        drop(messages);
    }
}
