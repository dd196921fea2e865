//! The table's primitives: keys, items, calls to DynamoDB, transactions and consumed capacity.

pub mod capacity;
pub mod item;
pub mod keys;
pub mod table;
pub mod transaction;
