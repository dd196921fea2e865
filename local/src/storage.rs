//! The storage of the stack: the data folder and the embedded DynamoDB-compatible engine.

mod engine;
mod folder;
mod server;

pub use engine::Engine;
pub use folder::DataFolder;
