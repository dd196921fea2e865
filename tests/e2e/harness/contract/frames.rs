//! Checks frames against `asyncapi.yaml`.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::LazyLock,
};

use jsonschema::Validator;
use serde_json::Value;

use super::schema::{ASYNCAPI, resolve, validator, violations};

/// The error frame that the gateway itself sends, the only one without a type.
const GATEWAY_ERROR: &str = "gateway_error";

/// The frames of `asyncapi.yaml`.
pub static FRAMES: LazyLock<Frames> = LazyLock::new(Frames::read);

/// The documented frames, by name.
pub struct Frames {
    /// Frames that clients send.
    pub sent: BTreeSet<String>,
    /// Frames that clients receive.
    pub received: BTreeSet<String>,
    /// The sent frame that each received frame answers, without errors.
    answers: BTreeMap<String, String>,
    validators: BTreeMap<String, Validator>,
}

impl Frames {
    fn read() -> Self {
        let (mut sent, mut received) = (BTreeSet::new(), BTreeSet::new());
        let mut answers = BTreeMap::new();
        for operation in ASYNCAPI["operations"].as_object().unwrap().values() {
            let (messages, replies) = (names(&operation["messages"]), names(&operation["reply"]["messages"]));
            for answer in replies.iter().filter(|name| !name.contains("error")) {
                answers.insert(answer.clone(), messages[0].clone());
            }
            received.extend(replies);
            if operation["action"] == "receive" { &mut sent } else { &mut received }.extend(messages);
        }
        let messages = ASYNCAPI["components"]["messages"].as_object().unwrap().iter();
        let validators = messages
            .map(|(name, message)| (name.clone(), validator(&ASYNCAPI, &message["payload"])))
            .collect();
        Self { sent, received, answers, validators }
    }

    /// Checks a received frame and returns its name.
    pub fn check_received(&self, frame: &Value) -> String {
        let name = frame.get("type").map_or(Some(GATEWAY_ERROR), Value::as_str).unwrap_or_default();
        assert!(self.received.contains(name), "contract violation: {name} is not documented: {frame}");
        self.check(name, frame);
        name.to_owned()
    }

    /// Whether this type of sent frame is answered only by an error.
    pub fn is_silent(&self, kind: &str) -> bool {
        self.sent.contains(kind) && self.answers.values().all(|answered| answered != kind)
    }

    /// Whether a frame matches its schema.
    pub fn is_valid(&self, name: &str, frame: &Value) -> bool {
        self.validators[name].is_valid(frame)
    }

    /// The type of sent frame that this one answers. `None` for errors.
    pub fn answered_by(&self, name: &str) -> Option<&str> {
        self.answers.get(name).map(String::as_str)
    }

    /// Asserts that a frame matches the schema of this name.
    pub fn check(&self, name: &str, frame: &Value) {
        if let Some(violation) = violations(&self.validators[name], frame) {
            panic!("contract violation: {name}\n{frame}\n{violation}");
        }
    }
}

/// The names of the messages that a list refers to.
fn names(messages: &Value) -> Vec<String> {
    let messages = messages.as_array().into_iter().flatten();
    messages.map(|message| resolve(&ASYNCAPI, message)["name"].as_str().unwrap().to_owned()).collect()
}
