//! The parts of the command that are clients of a running stack.

pub mod api;
pub mod demo;
pub mod socket;
