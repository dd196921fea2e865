//! Values at the limits of what a client may send, and the check that they arrive as they were sent.

use fastrand::Rng;
use serde_json::{Value, json};
use shared::domain::{
    messages::{
        MAX_CONTENT_CHARS,
        payload::{MAX_PAYLOAD_BYTES, Payload},
    },
    text::clean,
};

use crate::{
    extreme_values::{TEXTS, payloads},
    simulation::Simulation,
};

/// A text that a service may fail to keep. `label` makes it unique.
pub fn unusual_text(rng: &mut Rng, label: &str) -> String {
    match rng.u32(..8) {
        0 => longest_text(label, '🏋'),
        1 => longest_text(label, 'x'),
        2 => format!("  {label}  \n"),
        3 => format!("{label} of\r\nthree\u{b}lines\u{0}"),
        _ => format!("{label} {}", rng.choice(TEXTS).unwrap()),
    }
}

/// A text of the maximum length.
pub fn longest_text(label: &str, fill: char) -> String {
    label.chars().chain(std::iter::repeat(fill)).take(MAX_CONTENT_CHARS).collect()
}

/// The kind and the payload of a message with details.
pub fn payload(rng: &mut Rng) -> (&'static str, Value) {
    let mut details = if rng.bool() {
        let valid = payloads().into_iter().filter(|payload| Payload::parse(payload).is_ok());
        serde_json::from_str(&rng.choice(valid.collect::<Vec<_>>()).unwrap()).unwrap()
    } else {
        json!({"numbers": [0, -1, i64::MIN, u64::MAX, 0.1, 1e-7, 1.5e300], "text": rng.choice(TEXTS)})
    };
    if details["text"].is_string() && rng.bool() {
        let rest = MAX_PAYLOAD_BYTES - details.to_string().len() - r#","fill":"""#.len();
        details["fill"] = "x".repeat(rest).into();
    }
    (["location", "workout"][rng.usize(..2)], details)
}

impl Simulation {
    /// An acknowledged message that was not changed since has the content that was sent.
    pub fn check_as_sent(&self, body: &Value, message: &Value) {
        if message["rev"] != 0 || body["forward_message_id"].is_string() {
            return;
        }
        let kind = body["message_type"].as_str().unwrap_or("text");
        let is_same = message["content"] == clean(body["content"].as_str().unwrap_or_default())
            && message["message_type"] == kind
            && message["payload"] == body["payload"];
        if !is_same {
            self.report_violation("messages are as sent", format!("{message}, sent as {body}"));
        }
    }
}
