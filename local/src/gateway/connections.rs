//! The open WebSocket connections, and what can be done to one from outside.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE;
use serde_json::{Map, Value};
use tokio::sync::{mpsc, watch};
use uuid::Uuid;

use crate::clock::{Clock, Moment, epoch_millis};

/// How many messages wait for a client that reads slowly.
const QUEUE: usize = 128;
/// How long a sender waits for room in that queue.
const QUEUE_PATIENCE: Duration = Duration::from_millis(500);

/// Why and how a connection ends.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Closing {
    /// The close code, for the client and for `$disconnect`.
    pub code: u16,
    /// The reason in words.
    pub reason: String,
}

impl Closing {
    pub fn new(code: u16, reason: &str) -> Self {
        Self { code, reason: reason.to_owned() }
    }
}

/// One connection, from its `$connect` on.
#[derive(Debug)]
pub struct Connection {
    /// The id, as API Gateway makes them: base64 that ends in `=`.
    pub id: String,
    /// When the handshake came, in milliseconds since 1970.
    pub connected_at: i64,
    /// The same by the clock of the limits.
    pub opened: Moment,
    /// The client's address.
    pub source_ip: String,
    /// The client's `User-Agent`.
    pub user_agent: String,
    /// What the authorizer handed on, for every event of this connection.
    pub authorizer: Option<Map<String, Value>>,
    clock: Clock,
    outbox: mpsc::Sender<String>,
    closing: watch::Sender<Option<Closing>>,
    active: Mutex<(Moment, i64)>,
}

/// Why a message could not be sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SendError {
    /// The connection is closed or closing.
    Gone,
    /// Its client does not read fast enough.
    Full,
}

impl Connection {
    /// A connection and the receiving end of its messages.
    pub fn new(clock: &Clock, source_ip: String, user_agent: String) -> (Self, mpsc::Receiver<String>) {
        let (outbox, messages) = mpsc::channel(QUEUE);
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

    /// Hands a message to the socket's writer.
    ///
    /// # Errors
    /// If the connection is closing, or there was no room for a while.
    pub async fn send(&self, message: String) -> Result<(), SendError> {
        if self.closing.borrow().is_some() {
            return Err(SendError::Gone);
        }
        let room = self.clock.within(QUEUE_PATIENCE, self.outbox.reserve()).await;
        room.ok_or(SendError::Full)?.map_err(|_| SendError::Gone)?.send(message);
        self.touch();
        Ok(())
    }

    /// Begins to close; the first reason counts.
    pub fn close(&self, closing: Closing) {
        self.closing.send_if_modified(|present| {
            let first = present.is_none();
            if first {
                *present = Some(closing);
            }
            first
        });
    }

    /// Returns once the connection has begun to close.
    pub async fn closing(&self) -> Closing {
        let mut closing = self.closing.subscribe();
        match closing.wait_for(Option::is_some).await.map(|found| found.clone()) {
            Ok(Some(found)) => found,
            // The sender lives in `self`.
            _ => std::future::pending().await,
        }
    }

    /// Notes that something was sent or received.
    pub fn touch(&self) {
        *self.active() = (self.clock.now(), epoch_millis());
    }

    /// When something was last sent or received: by the clock of the limits, and in milliseconds since 1970.
    pub fn last_active(&self) -> (Moment, i64) {
        *self.active()
    }

    fn active(&self) -> MutexGuard<'_, (Moment, i64)> {
        self.active.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Eleven random bytes in base64: fifteen characters and a `=`, as AWS's ids look.
fn new_id() -> String {
    URL_SAFE.encode(&Uuid::new_v4().as_bytes()[..11])
}

/// All connections that messages can be posted to.
#[derive(Debug, Default)]
pub struct Connections {
    open: Mutex<HashMap<String, Arc<Connection>>>,
}

impl Connections {
    /// Lets the connection be found.
    pub fn add(&self, connection: Arc<Connection>) {
        self.lock().insert(connection.id.clone(), connection);
    }

    /// An open connection.
    pub fn get(&self, id: &str) -> Option<Arc<Connection>> {
        self.lock().get(id).cloned()
    }

    /// Forgets a connection.
    pub fn remove(&self, id: &str) {
        self.lock().remove(id);
    }

    /// Closes all of them.
    pub fn close_all(&self, closing: &Closing) {
        for connection in self.lock().values() {
            connection.close(closing.clone());
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
    fn ids_look_like_those_of_aws() {
        let id = new_id();
        assert!(id.len() == 16 && id.ends_with('='), "{id}");
    }

    #[tokio::test]
    async fn a_full_queue_refuses_after_a_while_and_a_closing_connection_at_once() {
        let clock = Clock::default();
        let (connection, messages) = Connection::new(&clock, String::new(), String::new());
        for _ in 0..QUEUE {
            connection.send("x".into()).await.unwrap();
        }
        assert_eq!(connection.send("x".into()).await, Err(SendError::Full));
        connection.close(Closing::new(1001, "Going away"));
        connection.close(Closing::new(1000, "too late"));
        assert_eq!(connection.closing().await.code, 1001);
        assert_eq!(connection.send("x".into()).await, Err(SendError::Gone));
        drop(messages);
    }
}
