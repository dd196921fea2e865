//! The devices that people register.

use serde::{Deserialize, Serialize};

use crate::{clock::Timestamp, id::DeviceId};

/// The most devices of one person.
pub const MAX_DEVICES: u64 = 20;

/// The longest push token, in bytes: a browser's is an address and two keys.
pub const MAX_TOKEN_BYTES: usize = 4096;

/// What a device runs, and by that, who brings notifications to it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Platform {
    /// Apple's phones and tablets.
    Ios,
    /// Everyone else's.
    Android,
    /// A browser.
    Web,
}

/// A device as its person registers it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Device {
    /// The app's name for it.
    pub id: DeviceId,
    /// What it runs.
    pub platform: Platform,
    /// Where its notifications go: a secret, never to be logged.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub push_token: Option<String>,
    /// When that was last said.
    pub registered_at: Timestamp,
}

impl Device {
    /// Whether both say the same, whenever that was.
    pub fn is_same_as(&self, other: &Self) -> bool {
        Self { registered_at: other.registered_at, ..self.clone() } == *other
    }
}

/// What is wrong with a push token.
pub fn token_violation(token: &str) -> Option<&'static str> {
    if token.is_empty() || token.len() > MAX_TOKEN_BYTES {
        Some("must have 1 to 4096 bytes")
    } else if token.contains(char::is_control) {
        Some("must not contain control characters")
    } else {
        None
    }
}
