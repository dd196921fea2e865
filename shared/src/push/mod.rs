//! Reaches people: their live sockets.

mod sockets;

pub use sockets::{Origin, Parcel, Push};
