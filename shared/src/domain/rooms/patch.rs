//! Updates of a group's name, avatar, description and history visibility.

use const_format::formatcp;
use serde::{Deserialize, Serialize};

use crate::domain::{
    rooms::{Room, system_event::SystemEvent},
    text,
};

/// The maximum length of a description, in characters.
pub const MAX_DESCRIPTION_CHARS: usize = 1000;

/// The part of a group's log that a new member sees.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum HistoryVisibility {
    /// Messages from the time of joining.
    #[default]
    Joined,
    /// All messages.
    Shared,
}

impl HistoryVisibility {
    /// All values with their names in the API.
    pub const CHOICES: [(&'static str, Self); 2] = [("joined", Self::Joined), ("shared", Self::Shared)];

    #[expect(clippy::trivially_copy_pass_by_ref, reason = "serde passes a reference")]
    pub(super) fn is_default(&self) -> bool {
        *self == Self::default()
    }
}

/// A field of a group that its owner and admins can update.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum GroupField {
    /// The name.
    Name,
    /// The URL of the avatar.
    AvatarUrl,
    /// The description.
    Description,
    /// The part of the log that new members see.
    HistoryVisibility,
}

impl GroupField {
    /// All fields, in the order in which a sentence lists them.
    pub const ALL: [Self; 4] = [Self::Name, Self::AvatarUrl, Self::Description, Self::HistoryVisibility];
}

/// An update of a group. `None` keeps a value; `Some(None)` removes it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct GroupPatch {
    /// The name.
    pub name: Option<Option<String>>,
    /// The URL of the avatar.
    pub avatar_url: Option<Option<String>>,
    /// The description.
    pub description: Option<Option<String>>,
    /// The part of the log that new members see.
    pub history_visibility: Option<HistoryVisibility>,
}

impl GroupPatch {
    /// The updated room and the event for its log; `None` if the update has no effect.
    pub(super) fn apply(&self, before: &Room) -> Option<(Room, SystemEvent)> {
        let mut room = before.clone();
        let set = |value: &mut Option<String>, new: &Option<Option<String>>| {
            if let Some(new) = new {
                *value = new.as_deref().and_then(text::visible).map(str::to_owned);
            }
        };
        set(&mut room.name, &self.name);
        set(&mut room.avatar_url, &self.avatar_url);
        set(&mut room.description, &self.description);
        room.history_visibility = self.history_visibility.unwrap_or(room.history_visibility);
        let is_changed = |field: &GroupField| match field {
            GroupField::Name => room.name != before.name,
            GroupField::AvatarUrl => room.avatar_url != before.avatar_url,
            GroupField::Description => room.description != before.description,
            GroupField::HistoryVisibility => room.history_visibility != before.history_visibility,
        };
        let changed: Vec<GroupField> = GroupField::ALL.into_iter().filter(is_changed).collect();
        if changed.is_empty() {
            return None;
        }
        let name = room.name.clone().filter(|_| changed.contains(&GroupField::Name));
        Some((room, SystemEvent::RoomChanged { changed, name }))
    }
}

/// Why a description, as of [`text::clean`], is not valid; `None` if it is.
pub fn description_violation(description: &str) -> Option<&'static str> {
    if description.trim().chars().count() > MAX_DESCRIPTION_CHARS {
        Some(formatcp!("must have at most {MAX_DESCRIPTION_CHARS} characters"))
    } else {
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::rooms::tests::group;

    fn named(name: Option<&str>) -> GroupPatch {
        GroupPatch { name: Some(name.map(str::to_owned)), ..GroupPatch::default() }
    }

    #[test]
    fn an_update_keeps_absent_fields_and_has_no_effect_on_equal_values() {
        let (room, event) = named(Some(" gym ")).apply(&group()).unwrap();
        assert_eq!(room.name.as_deref(), Some("gym"));
        let expected = SystemEvent::RoomChanged { changed: vec![GroupField::Name], name: Some("gym".into()) };
        assert_eq!(event, expected);
        assert_eq!(named(Some("gym")).apply(&room), None);
        assert_eq!(GroupPatch::default().apply(&room), None);
        let all = GroupPatch { history_visibility: Some(HistoryVisibility::Shared), ..named(None) };
        let (cleared, event) = all.apply(&room).unwrap();
        assert_eq!((cleared.name, cleared.history_visibility), (None, HistoryVisibility::Shared));
        let changed = vec![GroupField::Name, GroupField::HistoryVisibility];
        assert_eq!(event, SystemEvent::RoomChanged { changed, name: None });
        for blank in ["  ", "\u{A0}\u{3000}", "\u{3164}\u{200B}"] {
            assert_eq!(named(Some(blank)).apply(&group()), None, "a blank name removes the name");
        }
    }

    #[test]
    fn a_description_can_have_lines_and_has_a_maximum_length() {
        assert_eq!(description_violation(&format!("a\n{}", "é".repeat(998))), None);
        assert!(description_violation(&"é".repeat(1001)).is_some());
    }
}
