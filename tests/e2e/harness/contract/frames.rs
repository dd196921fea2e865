//! Whether a frame is as `asyncapi.yaml` says.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::LazyLock,
};

use jsonschema::Validator;
use serde_json::Value;

use super::schema::{ASYNCAPI, faults, resolve, validator};

/// The one frame that is not ours, and has no type.
const GATEWAY_ERROR: &str = "gateway_error";

/// Every frame, by its name.
pub static FRAMES: LazyLock<Frames> = LazyLock::new(Frames::read);

/// Every documented frame.
pub struct Frames {
    /// What clients send.
    pub sent: BTreeSet<String>,
    /// What clients get.
    pub received: BTreeSet<String>,
    /// What answers what, errors left out.
    answers: BTreeMap<String, String>,
    validators: BTreeMap<String, Validator>,
}

impl Frames {
    fn read() -> Self {
        let (mut sent, mut received) = (BTreeSet::new(), BTreeSet::new());
        let mut answers = BTreeMap::new();
        for operation in ASYNCAPI["operations"].as_object().unwrap().values() {
            let (own, replies) = (names(&operation["messages"]), names(&operation["reply"]["messages"]));
            for answer in replies.iter().filter(|name| !name.contains("error")) {
                answers.insert(answer.clone(), own[0].clone());
            }
            received.extend(replies);
            if operation["action"] == "receive" { &mut sent } else { &mut received }.extend(own);
        }
        let messages = ASYNCAPI["components"]["messages"].as_object().unwrap().iter();
        let validators = messages
            .map(|(name, message)| (name.clone(), validator(&ASYNCAPI, &message["payload"])))
            .collect();
        Self { sent, received, answers, validators }
    }

    /// Checks a frame that has come, and says its name.
    pub fn check_received(&self, frame: &Value) -> String {
        let name = frame.get("type").map_or(Some(GATEWAY_ERROR), Value::as_str).unwrap_or_default();
        assert!(self.received.contains(name), "against the contract: {name} is not documented: {frame}");
        self.check(name, frame);
        name.to_owned()
    }

    /// Whether this type of frame is documented, and answered only if it fails.
    pub fn is_silent(&self, kind: &str) -> bool {
        self.sent.contains(kind) && self.answers.values().all(|answered| answered != kind)
    }

    /// Whether a frame is as documented.
    pub fn is_valid(&self, name: &str, frame: &Value) -> bool {
        self.validators[name].is_valid(frame)
    }

    /// The type of frame that this one answers, unless as an error.
    pub fn answered_by(&self, name: &str) -> Option<&str> {
        self.answers.get(name).map(String::as_str)
    }

    /// Checks a frame of this name.
    pub fn check(&self, name: &str, frame: &Value) {
        if let Some(fault) = faults(&self.validators[name], frame) {
            panic!("against the contract: {name}\n{frame}\n{fault}");
        }
    }
}

/// The names of messages in a list of references to a channel's.
fn names(messages: &Value) -> Vec<String> {
    let messages = messages.as_array().into_iter().flatten();
    messages.map(|message| resolve(&ASYNCAPI, message)["name"].as_str().unwrap().to_owned()).collect()
}
