//! Devices: their registration, and the list of them.

use serde::Serialize;

use crate::{
    clock::Timestamp,
    domain::users::device::{self, Device, Platform},
    id::DeviceId,
    wire::fields::{Fields, Input},
};

/// `PUT /devices/{device_id}`.
pub struct DeviceRegister {
    /// The platform of the app.
    pub platform: Platform,
    /// The address of push notifications; `None` if the device receives none.
    pub push_token: Option<String>,
}

impl DeviceRegister {
    /// Converts the request to the device with this id.
    pub fn at(self, id: DeviceId, now: Timestamp) -> Device {
        Device { id, platform: self.platform, push_token: self.push_token, registered_at: now }
    }
}

/// A registered device as its user sees it. The push token is a secret.
#[derive(Clone, Debug, Serialize)]
pub struct RegisteredDevice {
    id: DeviceId,
    platform: Platform,
    has_push_token: bool,
    registered_at: Timestamp,
}

impl From<Device> for RegisteredDevice {
    fn from(device: Device) -> Self {
        let Device { id, platform, push_token, registered_at } = device;
        Self { id, platform, has_push_token: push_token.is_some(), registered_at }
    }
}

impl Input for DeviceRegister {
    fn read(fields: &mut Fields) -> Option<Self> {
        let platforms = [("ios", Platform::Ios), ("android", Platform::Android), ("web", Platform::Web)];
        let platform = fields.required_choice("platform", &platforms);
        let push_token: Option<String> = fields.optional("push_token");
        if let Some(message) = push_token.as_deref().and_then(device::token_violation) {
            fields.violation("push_token", message);
        }
        Some(Self { platform: platform?, push_token })
    }
}
