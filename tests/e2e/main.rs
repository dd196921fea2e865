//! End-to-end tests of the real binaries behind the local stack, over real HTTP and WebSockets.
//! Each test has its own stack, table and ports.

#![expect(clippy::unwrap_used, clippy::expect_used, reason = "a test that cannot continue fails immediately")]

mod account_deletion;
mod accounts;
mod bad_input;
mod blocks;
mod changes;
mod compression;
mod contract;
mod contract_files;
mod demo;
mod device;
mod devices;
mod display_names;
#[path = "../dynamodb/mod.rs"]
mod dynamodb;
mod error_codes;
mod events;
mod faults;
mod foreign_pages;
mod forgeries;
mod friends;
mod group_creation;
mod groups;
mod harness;
mod hostile_events;
mod http_api;
mod iam;
mod issuers;
#[path = "../key_pair.rs"]
mod key_pair;
mod load;
mod maintenance;
mod matrix;
mod messages;
mod names;
mod outsiders;
mod participants;
mod pins;
mod plan_client;
mod policies;
mod presence;
mod privacy;
mod probes;
mod processes;
mod profile_views;
mod profiles;
mod rate_limits;
mod reactions;
mod readme;
mod receipts;
#[path = "../dynamodb/recording.rs"]
mod recording;
#[path = "../replica.rs"]
mod replica;
mod replies;
mod reports;
mod roles;
mod room_settings;
mod rooms;
mod schedules;
mod smoke;
mod sockets;
mod story;
mod suggestions;
mod sync;
mod texts;
mod typing;
mod web_client;
mod withheld_reads;
