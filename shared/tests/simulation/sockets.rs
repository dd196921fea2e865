//! The gateway's connections: who is connected, what is posted to them, and what becomes of it.

use std::{collections::BTreeMap, sync::Arc, time::Duration};

use aws_smithy_runtime_api::client::result::ConnectorError;
use serde_json::{Value, json};
use tokio::{sync::mpsc::UnboundedSender, time::sleep};

use crate::{
    cloud::{Cloud, RUNNING},
    network::Answer,
};

/// One connection.
#[derive(Clone, Debug)]
pub struct Line {
    /// The device at its end.
    pub device: usize,
    /// Whether `$connect` was answered, and nobody has closed it since.
    pub is_open: bool,
}

/// All connections, and where their frames go.
#[derive(Default)]
pub struct Lines {
    lines: BTreeMap<String, Line>,
    inbox: Option<UnboundedSender<Event>>,
}

/// What happens at the client's end of a connection.
#[derive(Debug)]
pub enum Event {
    /// A frame came.
    Frame {
        /// On which connection.
        connection: String,
        /// What it says.
        frame: Value,
    },
    /// The other end has closed it.
    DeletedMarker {
        /// Which connection.
        connection: String,
    },
}

impl Lines {
    /// Where frames go from now on.
    pub fn set_inbox(&mut self, inbox: UnboundedSender<Event>) {
        self.inbox = Some(inbox);
    }

    /// A connection that a device asks for.
    pub fn add(&mut self, device: usize) -> String {
        let id = format!("line-{}", self.lines.len() + 1);
        self.lines.insert(id.clone(), Line { device, is_open: false });
        id
    }

    /// `$connect` was answered: it is there.
    pub fn open(&mut self, id: &str) {
        if let Some(line) = self.lines.get_mut(id) {
            line.is_open = true;
        }
    }

    /// It has ended; whether it was there.
    pub fn close(&mut self, id: &str) -> bool {
        self.lines.get_mut(id).is_some_and(|line| std::mem::take(&mut line.is_open))
    }

    /// The connection of this name.
    pub fn line(&self, id: &str) -> Option<&Line> {
        self.lines.get(id)
    }

    fn notify(&self, event: Event) {
        if let Some(inbox) = &self.inbox {
            // Nobody listens any more once the schedule is over.
            let _ = inbox.send(event);
        }
    }
}

impl Cloud {
    /// A call to a connection.
    pub async fn socket(&self, method: &str, id: &str, body: &str) -> Result<Answer, ConnectorError> {
        self.travel().await;
        let by = RUNNING.try_with(Arc::clone).map_or(0, |invocation| invocation.id);
        let fault = self.push_fault();
        self.trace.note(|| format!("  #{by} {method} {id} {}{body}", fault.unwrap_or_default()));
        let is_open = self.state().lines.line(id).is_some_and(|line| line.is_open);
        let gone = (410, json!({"message": "gone"}).to_string());
        match (method, fault) {
            ("DELETE", _) if is_open => {
                let mut state = self.state();
                state.lines.close(id);
                state.lines.notify(Event::DeletedMarker { connection: id.to_owned() });
                return Ok((204, String::new()));
            }
            (_, Some("gone ")) => {
                self.lose(id);
                return Ok(gone);
            }
            (_, Some("throttled ")) => return Ok((429, json!({"message": "too many"}).to_string())),
            (_, Some("hangs ")) => std::future::pending().await,
            (_, Some("lost ")) => return Ok((200, String::new())),
            _ if !is_open => return Ok(gone),
            _ => {}
        }
        let frame = serde_json::from_str(body).unwrap_or_default();
        self.state().lines.notify(Event::Frame { connection: id.to_owned(), frame });
        self.travel().await;
        Ok((200, String::new()))
    }

    /// The other end of a connection is gone; its client notices later.
    fn lose(&self, id: &str) {
        let mut state = self.state();
        state.lines.close(id);
        let notices = Duration::from_millis(state.rng.u64(..20_000));
        let (cloud, connection) = (self.clone(), id.to_owned());
        tokio::spawn(async move {
            sleep(notices).await;
            cloud.state().lines.notify(Event::DeletedMarker { connection });
        });
    }

    fn push_fault(&self) -> Option<&'static str> {
        let mut state = self.state();
        if state.happens("push gone", |rates| rates.push_gone) {
            Some("gone ")
        } else if state.happens("push throttled", |rates| rates.push_throttled) {
            Some("throttled ")
        } else if state.happens("push hangs", |rates| rates.push_hangs) {
            Some("hangs ")
        } else if state.happens("push lost", |rates| rates.push_lost) {
            Some("lost ")
        } else {
            None
        }
    }
}
