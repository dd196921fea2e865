//! Sends events to the live WebSocket connections of users.

mod sockets;
mod status;

pub use sockets::{Origin, OutboundFrame, Push};
