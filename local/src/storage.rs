//! What the stack remembers: the data folder, and the embedded DynamoDB-compatible engine in it.

mod engine;
mod folder;

pub use engine::Engine;
pub use folder::DataFolder;
