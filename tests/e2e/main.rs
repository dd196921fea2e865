//! The whole system from outside: the real binaries behind the local stack, over real HTTP and WebSockets. Each test
//! has its own stack, table and ports.

#![expect(clippy::unwrap_used, clippy::expect_used, reason = "a test that cannot go on says so at once")]

mod accounts;
mod bad_input;
mod client_protocol;
mod contract;
mod demo;
mod events;
mod faults;
mod friends;
mod http_api;
mod load;
mod messages;
mod names;
mod outsiders;
mod plan_client;
mod policies;
mod processes;
mod receipts;
mod rooms;
mod sockets;
mod story;
mod world;
