//! Simulated WebSocket connections: their state, and the delivery of pushes to their devices.

use std::{collections::BTreeMap, sync::Arc, time::Duration};

use aws_smithy_runtime_api::client::result::ConnectorError;
use serde_json::{Value, json};
use tokio::{sync::mpsc::UnboundedSender, time::sleep};

use crate::{
    aws::{INVOCATION, SimulatedAws},
    network::Answer,
};

/// A WebSocket connection.
#[derive(Clone, Debug)]
pub struct Connection {
    /// The device of the client.
    pub device: usize,
    /// The context that the authorizer returned for the token; `None` if it was rejected.
    pub context: Option<Value>,
    /// When the token expires, in seconds since 1970.
    pub token_expires: u64,
    /// Whether `$connect` was accepted and neither side has closed the connection since.
    is_open: bool,
}

/// All connections, and the channel to the simulated clients.
#[derive(Default)]
pub struct Connections {
    connections: BTreeMap<String, Connection>,
    inbox: Option<UnboundedSender<Event>>,
}

/// An event at the client's end of a connection.
#[derive(Debug)]
pub enum Event {
    /// A frame arrived.
    Frame { connection: String, frame: Value },
    /// The connection was closed by the other end.
    Closed { connection: String },
}

/// A fault of a push.
#[derive(Clone, Copy, Debug)]
enum PushFault {
    Gone,
    Throttled,
    Unanswered,
    Lost,
}

impl Connections {
    /// Sets the channel on which the clients receive events.
    pub fn set_inbox(&mut self, inbox: UnboundedSender<Event>) {
        self.inbox = Some(inbox);
    }

    /// Creates a connection that is not open yet. Returns its id.
    pub fn add(&mut self, device: usize, context: Option<Value>, token_expires: u64) -> String {
        let id = format!("connection-{}", self.connections.len() + 1);
        let connection = Connection { device, context, token_expires, is_open: false };
        self.connections.insert(id.clone(), connection);
        id
    }

    /// Opens a connection, after `$connect` was accepted.
    pub fn open(&mut self, id: &str) {
        if let Some(connection) = self.connections.get_mut(id) {
            connection.is_open = true;
        }
    }

    /// Closes a connection. Returns whether it was open.
    pub fn close(&mut self, id: &str) -> bool {
        self.connections.get_mut(id).is_some_and(|connection| std::mem::take(&mut connection.is_open))
    }

    /// The connection with this id.
    pub fn get(&self, id: &str) -> Option<&Connection> {
        self.connections.get(id)
    }

    pub fn is_open(&self, id: &str) -> bool {
        self.connections.get(id).is_some_and(|connection| connection.is_open)
    }

    fn notify(&self, event: Event) {
        if let Some(inbox) = &self.inbox {
            // The receiver is dropped at the end of the schedule.
            let _ = inbox.send(event);
        }
    }
}

impl SimulatedAws {
    /// Handles a request to the connections API: posts a frame, or deletes the connection.
    pub async fn socket(&self, method: &str, id: &str, body: &str) -> Result<Answer, ConnectorError> {
        self.network_delay().await;
        let invocation = INVOCATION.try_with(Arc::clone).map_or(0, |invocation| invocation.id);
        let fault = self.push_fault();
        let label = fault.map(|fault| format!("!{fault:?} ")).unwrap_or_default();
        self.trace.record(|| format!("  #{invocation} {method} {id} {label}{body}"));
        let is_open = self.state().connections.is_open(id);
        let gone = (410, json!({"message": "gone"}).to_string());
        match (method, fault) {
            ("DELETE", _) if is_open => {
                let mut state = self.state();
                state.connections.close(id);
                state.connections.notify(Event::Closed { connection: id.to_owned() });
                return Ok((204, String::new()));
            }
            (_, Some(PushFault::Gone)) => {
                self.lose_connection(id);
                return Ok(gone);
            }
            (_, Some(PushFault::Throttled)) => {
                return Ok((429, json!({"message": "throttled"}).to_string()));
            }
            (_, Some(PushFault::Unanswered)) => std::future::pending().await,
            (_, Some(PushFault::Lost)) => return Ok((200, String::new())),
            _ if !is_open => return Ok(gone),
            _ => {}
        }
        let frame = serde_json::from_str(body).unwrap_or_default();
        self.state().connections.notify(Event::Frame { connection: id.to_owned(), frame });
        self.network_delay().await;
        Ok((200, String::new()))
    }

    /// Loses a connection. Its client notices up to 20 s later.
    fn lose_connection(&self, id: &str) {
        let mut state = self.state();
        state.connections.close(id);
        let notice_delay = Duration::from_millis(state.rng.u64(..20_000));
        let (aws, connection) = (self.clone(), id.to_owned());
        tokio::spawn(async move {
            sleep(notice_delay).await;
            aws.state().connections.notify(Event::Closed { connection });
        });
    }

    fn push_fault(&self) -> Option<PushFault> {
        let mut state = self.state();
        if state.happens("push gone", |rates| rates.push_gone) {
            Some(PushFault::Gone)
        } else if state.happens("push throttled", |rates| rates.push_throttled) {
            Some(PushFault::Throttled)
        } else if state.happens("push unanswered", |rates| rates.push_unanswered) {
            Some(PushFault::Unanswered)
        } else if state.happens("push lost", |rates| rates.push_lost) {
            Some(PushFault::Lost)
        } else {
            None
        }
    }
}
