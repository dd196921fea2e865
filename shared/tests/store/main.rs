//! Tests of the store, the log and pushes over an embedded engine, with real transactions and counted calls.

#![expect(clippy::unwrap_used, reason = "a test fails at the first unexpected error")]

mod accepted;
mod access;
mod account_deletion;
mod additions;
mod backend;
mod call;
mod changes;
mod costs;
mod degrees;
mod deletion;
mod deletion_leases;
mod deletion_races;
mod devices;
#[path = "../../../tests/dynamodb/mod.rs"]
mod dynamodb;
#[path = "../../../tests/dynamodb/tests.rs"]
mod dynamodb_tests;
#[path = "../in_process/endpoints.rs"]
mod endpoints;
mod exact_values;
#[path = "../in_process/values.rs"]
mod extreme_values;
mod former_rooms;
mod group_creation;
mod group_deletion_races;
mod group_races;
mod group_state;
mod log;
mod maintenance;
mod members;
mod message_costs;
#[path = "../in_process/network.rs"]
mod network;
mod presence;
mod presence_settings;
mod profiles;
mod pushes;
mod rate_limits;
mod raw;
mod read_budget;
#[path = "../../../tests/dynamodb/recording.rs"]
mod recording;
mod relationship_lists;
mod relationships;
mod reports;
mod rooms;
mod sync;
mod sync_device;
mod sync_races;
mod unreadable;
mod users;
