//! Devices, as clients register them.

use crate::{
    clock::Timestamp,
    domain::users::device::{self, Device, Platform},
    id::DeviceId,
    wire::fields::{Fields, Input},
};

/// `PUT /devices/{device_id}`.
pub struct DeviceRegister {
    /// What it runs.
    pub platform: Platform,
    /// Where its notifications go, if anywhere.
    pub push_token: Option<String>,
}

impl DeviceRegister {
    /// The device of this id as it shall be.
    pub fn at(self, id: DeviceId, now: Timestamp) -> Device {
        Device { id, platform: self.platform, push_token: self.push_token, registered_at: now }
    }
}

impl Input for DeviceRegister {
    fn read(fields: &mut Fields) -> Option<Self> {
        let platforms = [("ios", Platform::Ios), ("android", Platform::Android), ("web", Platform::Web)];
        let platform = fields.required_choice("platform", &platforms);
        let push_token: Option<String> = fields.optional("push_token");
        if let Some(fault) = push_token.as_deref().and_then(device::token_violation) {
            fields.fault("push_token", fault);
        }
        Some(Self { platform: platform?, push_token })
    }
}
