//! The store, the log and the pushes over the embedded engine: real conditions, real transactions, counted calls.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on says so at once")]

mod cloud;
mod cost;
mod friendships;
mod log;
mod pushes;
mod rooms;
mod users;
