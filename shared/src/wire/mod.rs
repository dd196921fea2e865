//! What clients see and send, by domain. Absent optional fields are `null`, never missing.

pub mod devices;
pub mod fields;
pub mod friends;
pub mod messages;
pub mod problem;
pub mod reports;
pub mod room_settings;
pub mod rooms;
pub mod socket;
pub mod sync;
pub mod users;
