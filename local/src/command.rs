//! The parts of the command that are clients of a running stack: demo data and `local token`.

pub mod api;
pub mod demo;
