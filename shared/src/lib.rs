//! What every function of the chat and friends backend shares: its entry, its rules, its store and its wire.
//!
//! Decides → [`domain`]. Remembers → [`store`]. Speaks JSON → [`wire`]. Reaches people → [`push`].
//! [`serve`] knows all of them, `domain` knows nobody.

pub mod app;
pub mod auth;
pub mod changes;
pub mod clock;
pub mod config;
pub mod deletions;
pub mod delivery;
mod departures;
pub mod devices;
pub mod domain;
pub mod error;
pub mod friendships;
pub mod groups;
pub mod id;
pub mod pace;
pub mod presence;
pub mod profiles;
pub mod push;
pub mod receipts;
pub mod serve;
pub mod store;
pub mod typing;
pub mod wire;

pub use app::App;
pub use error::{BestEffort, Error, Result};
