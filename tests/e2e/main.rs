//! The whole system from outside: the real binaries behind the local stack, over real HTTP and WebSockets. Each test
//! has its own stack, table and ports.

mod accounts;
mod faults;
mod friends;
mod http_api;
mod load;
mod messages;
mod names;
mod outsiders;
mod policies;
mod processes;
mod rooms;
mod sockets;
mod story;
mod world;
