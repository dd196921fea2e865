//! The log of the stack and its functions: one line for each call, for a person who follows along.

mod lines;
mod output;

pub use lines::LogLines;
pub use output::hand_on;
