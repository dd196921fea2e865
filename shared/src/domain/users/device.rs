//! The devices that users register.

use const_format::formatcp;
use serde::{Deserialize, Serialize};

use crate::{clock::Timestamp, domain::text, id::DeviceId};

/// The maximum number of registered devices per user.
pub const MAX_DEVICES: u64 = 20;

/// The maximum length of a push token, in bytes. A browser's token is the longest: a URL and two keys.
pub const MAX_TOKEN_BYTES: usize = 4096;

/// The platform of a device, which determines its push service.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Platform {
    /// iOS and iPadOS.
    Ios,
    /// Android.
    Android,
    /// A browser.
    Web,
}

/// A registered device.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Device {
    /// The id that the app chose.
    pub id: DeviceId,
    /// The platform.
    pub platform: Platform,
    /// The address for push notifications. A secret: it must not be logged.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub push_token: Option<String>,
    /// When the device was last registered.
    pub registered_at: Timestamp,
}

impl Device {
    /// Whether both are equal except for the time of registration.
    pub fn is_same_as(&self, other: &Self) -> bool {
        Self { registered_at: other.registered_at, ..self.clone() } == *other
    }
}

/// Why a push token is not valid; `None` if it is.
pub fn token_violation(token: &str) -> Option<&'static str> {
    if token.is_empty() || token.len() > MAX_TOKEN_BYTES {
        Some(formatcp!("must have 1 to {MAX_TOKEN_BYTES} bytes"))
    } else {
        text::id_violation(token)
    }
}
