//! What only the command does, as a client of a running stack: demo data, and tokens for the terminal.

pub mod api;
pub mod demo;
