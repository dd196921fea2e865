//! The rules of the chat domain: pure functions without I/O and without a clock. Each takes the current state
//! and returns the new state or a refusal.

pub mod accounts;
pub mod messages;
pub mod page;
pub mod receipts;
pub mod relationships;
pub mod reports;
pub mod rooms;
pub mod sync;
pub mod text;
pub mod users;
