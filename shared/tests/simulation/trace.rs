//! The trace of a schedule. Random ids are numbered in order of appearance: a seed yields the same trace.

use std::{
    collections::BTreeMap,
    fmt::Write,
    sync::{Arc, Mutex},
};

use tokio::time::Instant;

/// The length of a UUID in text form.
const UUID_LENGTH: usize = 36;

/// What a schedule records.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Tracing {
    None,
    /// The log of the schedule.
    Log,
    /// What the clients took in and showed.
    Clients,
}

/// The lines so far, unless nothing is recorded.
#[derive(Clone)]
pub struct Trace {
    start: Instant,
    lines: Option<Arc<Mutex<Vec<String>>>>,
}

impl Trace {
    pub fn new(is_recorded: bool) -> Self {
        Self { start: Instant::now(), lines: is_recorded.then(Arc::default) }
    }

    /// Adds a line, with the time since the start of the schedule in seconds.
    pub fn record(&self, line: impl FnOnce() -> String) {
        if let Some(lines) = &self.lines {
            let after = self.start.elapsed();
            lines.lock().unwrap().push(format!("{:>13.3} {}", after.as_secs_f64(), line()));
        }
    }

    /// The full trace, with ids replaced by numbers.
    pub fn text(&self) -> String {
        let lines = self.lines.as_ref().map(|lines| lines.lock().unwrap().join("\n"));
        replace_uuids(&lines.unwrap_or_default())
    }
}

/// Replaces every UUID by its number.
fn replace_uuids(text: &str) -> String {
    let (mut numbers, mut plain, mut rest) = (BTreeMap::new(), String::with_capacity(text.len()), text);
    while let Some(at) = rest.find('-') {
        let start = at.saturating_sub(8);
        let candidate =
            rest.get(start..start + UUID_LENGTH).filter(|text| uuid::Uuid::try_parse(text).is_ok());
        let end = if let Some(id) = candidate {
            plain.push_str(&rest[..start]);
            let next = numbers.len() + 1;
            let number = numbers.entry(id.to_owned()).or_insert(next);
            let _ = write!(plain, "<{number}>");
            start + UUID_LENGTH
        } else {
            plain.push_str(&rest[..=at]);
            at + 1
        };
        rest = &rest[end..];
    }
    plain + rest
}
