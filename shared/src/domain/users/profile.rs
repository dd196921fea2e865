//! People: what is known of each, and what a token says of one who comes for the first time.

use serde::{Deserialize, Serialize};

use crate::{
    clock::Timestamp,
    domain::users::settings::{Settings, SettingsChange},
    id::UserId,
};

/// A person as the system knows them.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Profile {
    /// Their id.
    pub id: UserId,
    /// Unique without regard to case.
    pub username: String,
    /// Their name.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub display_name: Option<String>,
    /// Their picture.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub avatar_url: Option<String>,
    /// What they let others see and do.
    #[serde(default)]
    pub settings: Settings,
    /// When they first came.
    pub created_at: Timestamp,
    /// Counts its changes.
    #[serde(default)]
    pub rev: u64,
    /// Names their claim to an e-mail address, if they have one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub email_claim: Option<String>,
    /// When they deleted an account before this one, if they did.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub previous_deletion: Option<Timestamp>,
    /// Whether some of their rooms may still show them as they were before a change.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub rooms_outdated: bool,
}

/// What somebody wants to become of their profile.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ProfileChange {
    /// Another username, fit to be one.
    pub username: Option<String>,
    /// Another name, or none.
    pub display_name: Patch<String>,
    /// Another picture, or none.
    pub avatar_url: Patch<String>,
    /// Other settings.
    pub settings: SettingsChange,
}

/// What somebody wants to become of what may be absent.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Patch<T> {
    /// It stays.
    #[default]
    Keep,
    /// It goes.
    Clear,
    /// It becomes this.
    Set(T),
}

impl<T: Clone> Patch<T> {
    /// The same wish for what becomes of a value.
    #[must_use]
    pub fn map(self, change: impl FnOnce(T) -> T) -> Self {
        match self {
            Self::Set(wanted) => Self::Set(change(wanted)),
            other => other,
        }
    }

    fn apply(&self, present: &mut Option<T>) {
        match self {
            Self::Keep => {}
            Self::Clear => *present = None,
            Self::Set(wanted) => *present = Some(wanted.clone()),
        }
    }
}

impl Profile {
    /// The profile after a change: the same if there is nothing to do, else its next revision. Rooms show usernames and
    /// pictures of their own, and know who hides what they read: they have to follow.
    #[must_use]
    pub fn changed(&self, change: &ProfileChange) -> Self {
        let mut after = self.clone();
        after.username = change.username.clone().unwrap_or(after.username);
        change.display_name.apply(&mut after.display_name);
        change.avatar_url.apply(&mut after.avatar_url);
        change.settings.apply(&mut after.settings);
        if after != *self {
            after.rev += 1;
        }
        let in_rooms = |profile: &Self| {
            (profile.username.clone(), profile.avatar_url.clone(), profile.settings.read_receipts)
        };
        after.rooms_outdated |= in_rooms(&after) != in_rooms(self);
        after
    }
}

/// What a token says of a person who comes for the first time.
#[derive(Clone, Debug, Default)]
pub struct TokenProfile {
    /// The username they would like.
    pub username: Option<String>,
    /// Their e-mail address, if their issuer does not say that it is unverified.
    pub email: Option<String>,
    /// Their name.
    pub display_name: Option<String>,
    /// Their picture.
    pub avatar_url: Option<String>,
}

#[cfg(test)]
mod tests {
    use uuid::Uuid;

    use super::*;

    fn ana() -> Profile {
        Profile {
            id: Uuid::from_u128(1).into(),
            username: "ana".to_owned(),
            display_name: Some("Ana".to_owned()),
            avatar_url: None,
            settings: Settings::default(),
            created_at: Timestamp::from_seconds(0),
            rev: 3,
            email_claim: None,
            previous_deletion: None,
            rooms_outdated: false,
        }
    }

    #[test]
    fn a_change_of_nothing_is_none() {
        let same = ProfileChange {
            username: Some("ana".to_owned()),
            avatar_url: Patch::Clear,
            settings: SettingsChange { read_receipts: Some(true), ..SettingsChange::default() },
            ..ProfileChange::default()
        };
        assert_eq!(ana().changed(&same), ana());
        assert_eq!(ana().changed(&ProfileChange::default()), ana());
    }

    #[test]
    fn rooms_have_to_follow_what_they_show() {
        let named = ProfileChange { username: Some("Ana".to_owned()), ..ProfileChange::default() };
        let pictured = ProfileChange { avatar_url: Patch::Set("https://a".to_owned()), ..named.clone() };
        let nameless = ProfileChange { display_name: Patch::Clear, ..ProfileChange::default() };
        for (change, lag) in [(named, true), (pictured, true), (nameless.clone(), false)] {
            let after = ana().changed(&change);
            assert_eq!((after.rev, after.rooms_outdated), (4, lag), "{change:?}");
        }
        assert_eq!(ana().changed(&nameless).display_name, None);
        assert!(Profile { rooms_outdated: true, ..ana() }.changed(&nameless).rooms_outdated, "still");
    }
}
