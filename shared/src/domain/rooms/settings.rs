//! A member's own settings of a room: muted, pinned, archived, and a theme. Other members do not see them.

use const_format::formatcp;
use serde::{Deserialize, Serialize};

use crate::clock::Timestamp;

/// The maximum length of a theme name, in bytes.
pub const MAX_THEME_BYTES: usize = 32;

/// The settings of one room for one member. Each membership starts with the defaults.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct RoomSettings {
    /// No notifications until this time.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub muted_until: Option<Timestamp>,
    /// Shown above the other rooms.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub is_pinned: bool,
    /// Archived. A new message does not change that.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub is_archived: bool,
    /// The theme, by a name that the client knows.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub theme: Option<String>,
    /// The number of changes. A device uses it to ignore an older state.
    #[serde(skip_serializing_if = "is_zero")]
    pub version: u64,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde passes a reference")]
fn is_zero(version: &u64) -> bool {
    *version == 0
}

/// A change of room settings. `None` keeps a value; `Some(None)` removes it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct RoomSettingsChange {
    /// See [`RoomSettings::muted_until`].
    pub muted_until: Option<Option<Timestamp>>,
    /// See [`RoomSettings::is_pinned`].
    pub is_pinned: Option<bool>,
    /// See [`RoomSettings::is_archived`].
    pub is_archived: Option<bool>,
    /// See [`RoomSettings::theme`].
    pub theme: Option<Option<String>>,
}

/// Why a theme name is not valid; `None` if it is.
pub fn theme_violation(theme: &str) -> Option<&'static str> {
    let is_allowed = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || b"_-".contains(&byte);
    let is_valid = (1..=MAX_THEME_BYTES).contains(&theme.len()) && theme.bytes().all(is_allowed);
    (!is_valid).then_some(formatcp!("must have 1 to {MAX_THEME_BYTES} of a-z, 0-9, _ and -"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_theme_name_is_short_lower_case_ascii() {
        for good in ["dark", "ocean-2", "a_b", &"x".repeat(32)] {
            assert_eq!(theme_violation(good), None, "{good}");
        }
        for bad in ["", "Dark", "a b", "é", "a/b", &"x".repeat(33)] {
            assert!(theme_violation(bad).is_some(), "{bad}");
        }
    }
}
