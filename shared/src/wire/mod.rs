//! What clients see and send, by domain. Absent optional fields are `null`, never missing.

pub mod chat;
pub mod fields;
pub mod friends;
pub mod problem;
pub mod socket;
pub mod users;
