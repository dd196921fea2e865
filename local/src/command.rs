//! The parts of the command that are clients of a running stack.

pub mod api;
pub mod demo;
mod https;
pub mod smoke;
pub mod socket;
