//! How one person keeps a room: muted, pinned, archived, in colours of their own. Nobody else sees it.

use serde::{Deserialize, Serialize};

use crate::clock::Timestamp;

/// The longest name of a theme, in bytes.
pub const MAX_THEME_BYTES: usize = 32;

/// One person's settings of one room. They begin anew with each membership.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct RoomSettings {
    /// No notifications until then.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub muted_until: Option<Timestamp>,
    /// It stands above the others.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub is_pinned: bool,
    /// It is put away. A new message does not take it out again.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub is_archived: bool,
    /// What it looks like, by a name that the client knows.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub theme: Option<String>,
    /// Counts their changes, so that a device can tell an older state from a newer one.
    #[serde(skip_serializing_if = "is_zero")]
    pub version: u64,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde passes a reference")]
fn is_zero(version: &u64) -> bool {
    *version == 0
}

/// What shall be set otherwise. What is not named stays; what is named as nothing is taken away.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct RoomSettingsChange {
    /// No notifications until then.
    pub muted_until: Option<Option<Timestamp>>,
    /// It stands above the others.
    pub is_pinned: Option<bool>,
    /// It is put away.
    pub is_archived: Option<bool>,
    /// What it looks like.
    pub theme: Option<Option<String>>,
}

/// What is wrong with the name of a theme.
pub fn theme_violation(theme: &str) -> Option<&'static str> {
    let is_letter = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || b"_-".contains(&byte);
    let is_good = (1..=MAX_THEME_BYTES).contains(&theme.len()) && theme.bytes().all(is_letter);
    (!is_good).then_some("must have 1 to 32 of a-z, 0-9, _ and -")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_theme_is_a_short_plain_name() {
        for good in ["dark", "ocean-2", "a_b", &"x".repeat(32)] {
            assert_eq!(theme_violation(good), None, "{good}");
        }
        for bad in ["", "Dark", "a b", "é", "a/b", &"x".repeat(33)] {
            assert!(theme_violation(bad).is_some(), "{bad}");
        }
    }
}
