//! What happened in a schedule, line by line, the same for the same seed: random ids are named by their order of
//! appearance.

use std::{
    collections::BTreeMap,
    fmt::Write,
    sync::{Arc, Mutex},
};

use tokio::time::Instant;

/// The length of a UUID's text.
const UUID: usize = 36;

/// The lines so far, if anyone wants them.
#[derive(Clone)]
pub struct Trace {
    start: Instant,
    lines: Option<Arc<Mutex<Vec<String>>>>,
}

impl Trace {
    /// A trace that is kept, or one that is not.
    pub fn new(kept: bool) -> Self {
        Self { start: Instant::now(), lines: kept.then(Arc::default) }
    }

    /// Adds a line.
    pub fn note(&self, line: impl FnOnce() -> String) {
        if let Some(lines) = &self.lines {
            let after = self.start.elapsed();
            lines.lock().unwrap().push(format!("{:>13.3} {}", after.as_secs_f64(), line()));
        }
    }

    /// All of it, with names for ids.
    pub fn text(&self) -> String {
        let lines = self.lines.as_ref().map(|lines| lines.lock().unwrap().join("\n"));
        named(&lines.unwrap_or_default())
    }
}

/// A text with every UUID replaced by a name.
fn named(text: &str) -> String {
    let (mut names, mut plain, mut rest) = (BTreeMap::new(), String::with_capacity(text.len()), text);
    while let Some(at) = rest.find('-') {
        let start = at.saturating_sub(8);
        let candidate = rest.get(start..start + UUID).filter(|text| uuid::Uuid::try_parse(text).is_ok());
        let end = if let Some(id) = candidate {
            plain.push_str(&rest[..start]);
            let next = names.len() + 1;
            let name = names.entry(id.to_owned()).or_insert(next);
            let _ = write!(plain, "<{name}>");
            start + UUID
        } else {
            plain.push_str(&rest[..=at]);
            at + 1
        };
        rest = &rest[end..];
    }
    plain + rest
}
