//! The subcommands.

pub mod api;
pub mod cost;
pub mod demo;
mod https;
pub mod smoke;
pub mod socket;
pub mod watch;
