//! Everything that the functions of the chat and friends backend share.
//!
//! | module | responsibility |
//! | --- | --- |
//! | [`domain`] | the rules: pure, no I/O, no clock |
//! | [`store`] | the DynamoDB table |
//! | [`wire`] | the JSON that clients send and receive |
//! | [`push`] | frames to live WebSocket connections |
//! | [`auth`] | access tokens |
//! | [`app`] | the operations: they combine the above |
//! | [`serve`] | the entry point of every function: extracts parameters, calls an endpoint, writes the response |
//!
//! `domain` depends on no other layer; `store` and `wire` do not depend on each other.

pub mod app;
pub mod auth;
pub mod clock;
pub mod config;
pub mod domain;
pub mod error;
pub mod id;
#[cfg(test)]
mod layers;
pub mod push;
pub mod serve;
pub mod store;
pub mod wire;

pub use app::App;
pub use error::{BestEffort, Error, Result};
