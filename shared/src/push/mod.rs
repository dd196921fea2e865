//! Reaches people: their live sockets.

mod sockets;
mod status;

pub use sockets::{Origin, OutboundFrame, Push};
