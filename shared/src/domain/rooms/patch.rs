//! What a group is called, looks like and is about, what newcomers see of it, and how that is changed.

use serde::{Deserialize, Serialize};
use url::Url;

use crate::domain::{
    messages::lies_under,
    rooms::{Room, system_event::SystemEvent},
};

/// The longest description, in characters.
pub const MAX_DESCRIPTION_CHARS: usize = 1000;

/// The longest address of a picture, in bytes.
pub const MAX_AVATAR_URL_BYTES: usize = 512;

/// How much of a group's log somebody sees who joins it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum HistoryVisibility {
    /// What is said from their joining on.
    #[default]
    Joined,
    /// Everything, also what was said while they were away.
    Shared,
}

impl HistoryVisibility {
    /// As the API spells them.
    pub const CHOICES: [(&'static str, Self); 2] = [("joined", Self::Joined), ("shared", Self::Shared)];

    #[expect(clippy::trivially_copy_pass_by_ref, reason = "serde passes a reference")]
    pub(super) fn is_default(&self) -> bool {
        *self == Self::default()
    }
}

/// What those who run a group may change of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum GroupField {
    /// What it is called.
    Name,
    /// Its picture.
    AvatarUrl,
    /// What it is about.
    Description,
    /// How much of its log newcomers see.
    HistoryVisibility,
}

impl GroupField {
    /// All of them, in the order in which they are named.
    pub const ALL: [Self; 4] = [Self::Name, Self::AvatarUrl, Self::Description, Self::HistoryVisibility];
}

/// What shall be another one. What is not named stays; what is named as nothing is taken away.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct GroupPatch {
    /// What the group is called.
    pub name: Option<Option<String>>,
    /// Its picture.
    pub avatar_url: Option<Option<String>>,
    /// What it is about.
    pub description: Option<Option<String>>,
    /// How much of its log newcomers see.
    pub history_visibility: Option<HistoryVisibility>,
}

impl GroupPatch {
    /// The room with them, and what has changed; `None` if it has them already.
    pub(super) fn apply(&self, before: &Room) -> Option<(Room, SystemEvent)> {
        let mut room = before.clone();
        let set = |text: &mut Option<String>, wanted: &Option<Option<String>>| {
            if let Some(wanted) = wanted {
                *text = wanted.as_deref().map(str::trim).filter(|it| !it.is_empty()).map(str::to_owned);
            }
        };
        set(&mut room.name, &self.name);
        set(&mut room.avatar_url, &self.avatar_url);
        set(&mut room.description, &self.description);
        room.history_visibility = self.history_visibility.unwrap_or(room.history_visibility);
        let is_changed = |detail: &GroupField| match detail {
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

/// What is wrong with a description.
pub fn description_violation(description: &str) -> Option<&'static str> {
    if description.trim().chars().count() > MAX_DESCRIPTION_CHARS {
        Some("must have at most 1000 characters")
    } else if description.contains(|c: char| c.is_control() && !matches!(c, '\n' | '\r' | '\t')) {
        Some("must not contain control characters")
    } else {
        None
    }
}

/// What is wrong with the address of a picture. Anyone's server may have it, over a connection that nobody reads along.
pub fn avatar_violation(url: &str, media_origins: &[String]) -> Option<&'static str> {
    let is_plain_https = Url::parse(url)
        .is_ok_and(|url| url.scheme() == "https" && url.username().is_empty() && url.password().is_none());
    if url.len() > MAX_AVATAR_URL_BYTES {
        Some("must have at most 512 bytes")
    } else if is_plain_https || lies_under(url, media_origins) {
        None
    } else {
        Some("must be an https address")
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
    fn what_is_not_named_stays_and_what_is_already_so_is_no_change() {
        let (room, said) = named(Some(" gym ")).apply(&group()).unwrap();
        assert_eq!(room.name.as_deref(), Some("gym"));
        let expected = SystemEvent::RoomChanged { changed: vec![GroupField::Name], name: Some("gym".into()) };
        assert_eq!(said, expected);
        assert_eq!(named(Some("gym")).apply(&room), None);
        assert_eq!(GroupPatch::default().apply(&room), None);
        let all = GroupPatch { history_visibility: Some(HistoryVisibility::Shared), ..named(None) };
        let (cleared, said) = all.apply(&room).unwrap();
        assert_eq!((cleared.name, cleared.history_visibility), (None, HistoryVisibility::Shared));
        let changed = vec![GroupField::Name, GroupField::HistoryVisibility];
        assert_eq!(said, SystemEvent::RoomChanged { changed, name: None });
        assert_eq!(named(Some("  ")).apply(&group()), None, "a blank name is none");
    }

    #[test]
    fn a_description_may_have_lines_and_has_a_bound() {
        assert_eq!(description_violation(&format!("a\n{}", "é".repeat(998))), None);
        assert!(description_violation(&"é".repeat(1001)).is_some());
        assert!(description_violation("a\u{7}").is_some());
    }

    #[test]
    fn a_picture_comes_over_https_or_from_an_allowed_origin() {
        let origins = ["http://media.example.com:8080".to_owned()];
        let fault = |url: &str| avatar_violation(url, &origins);
        for good in ["https://anyone.example/a.png", "http://media.example.com:8080/a.png"] {
            assert_eq!(fault(good), None, "{good}");
        }
        let long = format!("https://anyone.example/{}", "a".repeat(512));
        for bad in [
            "http://anyone.example/a.png",
            "https://me@anyone.example/a.png",
            "https://:secret@anyone.example/a.png",
            "javascript:alert(1)",
            "data:image/png;base64,AA==",
            "a.png",
            "",
            &long,
        ] {
            assert!(fault(bad).is_some(), "{bad}");
        }
    }
}
