//! The store, the log and the pushes over the embedded engine: real conditions, real transactions, counted calls.

mod cloud;
mod cost;
mod friendships;
mod log;
mod pushes;
mod rooms;
mod users;
