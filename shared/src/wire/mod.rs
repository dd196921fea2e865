//! The JSON that clients send and receive, by domain. In responses, absent optional fields are `null`, never
//! omitted.

pub mod devices;
pub mod fields;
pub mod json;
pub mod messages;
pub mod problem;
pub mod relationships;
pub mod reports;
pub mod rooms;
pub mod socket;
pub mod sync;
pub mod users;

/// An item of a list with pages.
pub trait ListItem {
    /// The cursor of the page that follows this item.
    fn cursor(&self) -> String;
}
