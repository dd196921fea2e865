//! The log of the stack and its functions: one readable line for each call.

mod lines;
mod output;

pub use lines::LogLines;
pub use output::forward_line;
