//! The pure rules: no async, no AWS, no clock. Each takes what was read and says what shall be, or why not.

pub mod change;
pub mod counted;
pub mod departure;
pub mod details;
pub mod device;
pub mod founding;
pub mod friendship;
pub mod log;
pub mod message;
pub mod pace;
pub mod presence;
pub mod privacy;
pub mod profile;
pub mod reached;
pub mod reaction;
pub mod report;
pub mod room;
pub mod room_settings;
pub mod roster;
pub mod suggestion;
pub mod system;
pub mod username;
pub mod view;
