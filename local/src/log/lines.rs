//! The format of log lines:
//! `10:15:00.123  GET /api/v1/friends/  friends-list  200  3 ms  1.5 RCU  0 WCU  <request id>`.

use std::collections::BTreeMap;
use std::fmt::{self, Debug};

use tracing::field::{Field, Visit};
use tracing::{Event, Level, Subscriber};
use tracing_subscriber::fmt::FmtContext;
use tracing_subscriber::fmt::format::{FormatEvent, FormatFields, Writer};
use tracing_subscriber::registry::LookupSpan;

use crate::clock::{epoch_millis, time_of_day};

/// The log format of the stack for `tracing_subscriber::fmt().event_format(…)`: one line for each event.
#[derive(Clone, Copy, Debug)]
pub struct LogLines {
    colour: bool,
}

impl LogLines {
    /// Creates the format, with or without ANSI colours.
    pub fn new(colour: bool) -> Self {
        Self { colour }
    }
}

impl<S, N> FormatEvent<S, N> for LogLines
where
    S: Subscriber + for<'a> LookupSpan<'a>,
    N: for<'a> FormatFields<'a> + 'static,
{
    fn format_event(
        &self,
        _: &FmtContext<'_, S, N>,
        mut writer: Writer<'_>,
        event: &Event<'_>,
    ) -> fmt::Result {
        let mut fields = Fields::default();
        event.record(&mut fields);
        let time = time_of_day(epoch_millis());
        writeln!(
            writer,
            "{}",
            Line { time: &time, level: *event.metadata().level(), fields, colour: self.colour }
        )
    }
}

/// The fields of an event as text without control characters.
#[derive(Debug, Default)]
struct Fields(BTreeMap<&'static str, String>);

impl Visit for Fields {
    fn record_str(&mut self, field: &Field, value: &str) {
        self.0.insert(field.name(), escape_control(value));
    }

    fn record_debug(&mut self, field: &Field, value: &dyn Debug) {
        self.0.insert(field.name(), escape_control(&format!("{value:?}")));
    }
}

/// Escapes control characters: a path from a client must not break lines or send terminal sequences.
fn escape_control(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for c in text.chars() {
        if c.is_control() { escaped.extend(c.escape_default()) } else { escaped.push(c) }
    }
    escaped
}

struct Line<'a> {
    time: &'a str,
    level: Level,
    fields: Fields,
    colour: bool,
}

const DIM: &str = "2";
const RED: &str = "1;31";
const GREEN: &str = "32";
const YELLOW: &str = "33";
const CYAN: &str = "36";

impl Line<'_> {
    fn field(&self, name: &str) -> Option<&str> {
        self.fields.0.get(name).map(String::as_str)
    }

    fn paint(&self, colour: &str, text: &str) -> String {
        if self.colour { format!("\x1b[{colour}m{text}\x1b[0m") } else { text.to_owned() }
    }

    fn level_colour(&self) -> &'static str {
        match self.level {
            Level::ERROR => RED,
            Level::WARN => YELLOW,
            _ => DIM,
        }
    }

    /// The parts of a completed call: method and path, function, status, duration, capacity and any error.
    fn call_parts(&self, call: &str, status: &str) -> Vec<String> {
        let status_colour = match status.as_bytes().first() {
            Some(b'2') => GREEN,
            Some(b'3') => CYAN,
            Some(b'4') => YELLOW,
            _ => RED,
        };
        let mut parts = vec![call.to_owned()];
        parts.extend(self.field("function").map(|function| self.paint(DIM, function)));
        parts.push(self.paint(status_colour, status));
        for (name, unit) in [("duration_ms", "ms"), ("read_units", "RCU"), ("write_units", "WCU")] {
            parts.extend(self.field(name).map(|number| format!("{number} {unit}")));
        }
        parts.extend(self.field("request_id").map(|id| self.paint(DIM, id)));
        parts.extend(self.field("error").map(|error| match self.level {
            Level::ERROR => self.paint(RED, &format!("ERROR {error}")),
            Level::WARN => self.paint(YELLOW, &format!("WARN {error}")),
            _ => error.to_owned(),
        }));
        parts
    }

    /// The parts of any other event: level, function, message and further fields.
    fn message_parts(&self) -> Vec<String> {
        let mut parts = vec![self.paint(self.level_colour(), self.level.as_str())];
        parts.extend(self.field("function").map(|function| self.paint(DIM, function)));
        let message = self.field("message").unwrap_or_default();
        parts.push(if self.level <= Level::WARN {
            self.paint(self.level_colour(), message)
        } else {
            message.to_owned()
        });
        parts.extend(self.field("request_id").map(|id| self.paint(DIM, id)));
        let included = ["message", "function", "request_id"];
        let others =
            self.fields.0.iter().filter(|(name, _)| !included.contains(name) && !name.starts_with("log."));
        parts.extend(others.map(|(name, value)| format!("{name}={value}")));
        parts
    }
}

impl fmt::Display for Line<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.paint(DIM, self.time))?;
        let parts = match (self.field("call"), self.field("status")) {
            (Some(call), Some(status)) => self.call_parts(call, status),
            _ => self.message_parts(),
        };
        parts.iter().try_for_each(|part| write!(f, "  {part}"))
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write;
    use std::sync::{Arc, Mutex};

    use serde_json::{Value, json};

    use super::*;
    use crate::log::forward_line;

    const ID: &str = "9f0e0d0c-0b0a-4908-8706-050403020100";

    #[derive(Clone, Default)]
    struct Buffer(Arc<Mutex<Vec<u8>>>);

    impl Write for Buffer {
        fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
            self.0.lock().unwrap().write(bytes)
        }

        fn flush(&mut self) -> std::io::Result<()> {
            Ok(())
        }
    }

    /// The logged line for an output line of a function, without the time, whose format is checked here.
    fn logged(colour: bool, function: &str, line: &str) -> String {
        let buffer = Buffer::default();
        let writer = buffer.clone();
        let log = tracing_subscriber::fmt()
            .event_format(LogLines::new(colour))
            .with_writer(move || writer.clone())
            .finish();
        tracing::subscriber::with_default(log, || forward_line(function, line));
        let logged = String::from_utf8(buffer.0.lock().unwrap().clone()).unwrap();
        if logged.is_empty() {
            return logged;
        }
        let (time, rest) = logged.split_once("  ").unwrap();
        let time = time.trim_start_matches("\x1b[2m").trim_end_matches("\x1b[0m");
        let format: String = time.chars().map(|c| if c.is_ascii_digit() { '0' } else { c }).collect();
        assert_eq!(format, "00:00:00.000");
        rest.to_owned()
    }

    fn entry(level: &str, fields: &Value) -> String {
        json!({"level": level, "fields": fields, "span": {"requestId": ID}, "spans": []}).to_string()
    }

    fn answered(status: u16, error: Option<&str>) -> Value {
        let mut fields = json!({"message": "answered", "method": "GET", "path": "/api/v1/friends/",
            "status": status, "duration_ms": 3, "read_units": 1.5, "write_units": 0.0, "request_id": ID});
        if let Some(error) = error {
            fields["error"] = error.into();
        }
        fields
    }

    #[test]
    fn a_completed_call_is_logged_on_one_line() {
        let line = logged(false, "friends-list", &entry("INFO", &answered(200, None)));
        assert_eq!(line, format!("GET /api/v1/friends/  friends-list  200  3 ms  1.5 RCU  0 WCU  {ID}\n"));
        let frame = json!({"message": "answered", "route": "ping", "status": 200, "duration_ms": 0,
            "read_units": 0.0, "write_units": 0.0, "request_id": ID});
        let line = logged(false, "socket-ping", &entry("INFO", &frame));
        assert_eq!(line, format!("ping  socket-ping  200  0 ms  0 RCU  0 WCU  {ID}\n"));
    }

    #[test]
    fn the_line_of_a_failed_call_ends_with_the_error() {
        let failed = answered(500, Some("internal: service error: connection refused"));
        let line = logged(false, "friends-list", &entry("ERROR", &failed));
        assert!(
            line.ends_with(&format!("{ID}  ERROR internal: service error: connection refused\n")),
            "{line}"
        );
        let line = logged(false, "friends-list", &entry("INFO", &answered(404, Some("not found"))));
        assert!(line.ends_with(&format!("  404  3 ms  1.5 RCU  0 WCU  {ID}  not found\n")), "{line}");
    }

    #[test]
    fn a_best_effort_warning_contains_the_operation_and_the_request_id() {
        let failed =
            json!({"message": "best-effort work failed", "what": "new room push", "error": "timeout"});
        let line = logged(false, "chat-create-room", &entry("WARN", &failed));
        assert_eq!(line, format!("WARN  chat-create-room  new room push: timeout  {ID}\n"));
    }

    #[test]
    fn the_status_class_determines_the_colour_and_errors_are_red() {
        let line = |status, level, error| logged(true, "f", &entry(level, &answered(status, error)));
        assert!(line(200, "INFO", None).contains("\x1b[2mf\x1b[0m  \x1b[32m200\x1b[0m"));
        assert!(line(404, "INFO", None).contains("\x1b[33m404\x1b[0m"));
        assert!(line(500, "ERROR", Some("timeout")).ends_with("\x1b[1;31mERROR timeout\x1b[0m\n"));
    }

    #[test]
    fn output_that_is_not_a_json_entry_is_logged_unchanged() {
        assert_eq!(logged(false, "f", "thread 'main' panicked"), "INFO  f  thread 'main' panicked\n");
        assert_eq!(logged(false, "f", "{\"level\": 7}"), "INFO  f  {\"level\": 7}\n");
        assert_eq!(logged(false, "f", "  "), "");
    }

    #[test]
    fn control_characters_in_a_path_are_escaped() {
        let fields = json!({"message": "answered", "method": "GET", "path": "/a\u{1b}[2J\nGET /b",
            "status": 404, "duration_ms": 1, "request_id": ID});
        let line = logged(false, "http-unknown", &entry("INFO", &fields));
        assert!(line.starts_with("GET /a\\u{1b}[2J\\nGET /b  http-unknown  404"), "{line}");
    }
}
