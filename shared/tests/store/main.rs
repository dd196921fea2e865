//! The store, the log and the pushes over the embedded engine: real conditions, real transactions, counted calls.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on says so at once")]

mod changes;
mod circles;
mod cloud;
mod cost;
mod costs;
mod deletions;
mod departures;
mod device;
mod devices;
#[path = "../cloud/endpoints.rs"]
mod endpoints;
mod friendships;
mod group_races;
mod group_state;
mod log;
mod nearness;
#[path = "../cloud/network.rs"]
mod network;
mod pairs;
mod presence;
mod profiles;
mod pushes;
mod rates;
mod raw;
mod reports;
mod rooms;
mod roster;
mod sync;
mod sync_races;
mod upkeep;
mod users;
