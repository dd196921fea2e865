//! Profiles: the stored data of a user, and the initial data from an access token.

use const_format::formatcp;
use serde::{Deserialize, Serialize};
use url::Url;

use crate::{
    clock::Timestamp,
    domain::{
        messages::{is_under, normalize_url},
        text,
        users::settings::{Settings, SettingsChange},
    },
    id::UserId,
};

/// The maximum length of a display name, in characters.
pub const MAX_DISPLAY_NAME_CHARS: usize = 100;

/// The maximum length of an avatar URL, in bytes.
pub const MAX_AVATAR_URL_BYTES: usize = 512;

/// The stored profile of a user.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Profile {
    /// The user.
    pub id: UserId,
    /// The username, unique in its folded form.
    pub username: String,
    /// The display name.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub display_name: Option<String>,
    /// The URL of the avatar.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub avatar_url: Option<String>,
    /// The privacy settings.
    #[serde(default)]
    pub settings: Settings,
    /// When the profile was created.
    pub created_at: Timestamp,
    /// The number of changes.
    #[serde(default)]
    pub rev: u64,
    /// Identifies the user's claim to an email address, if there is one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub email_claim: Option<String>,
    /// When the user deleted an earlier account, if they did.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub previous_deletion: Option<Timestamp>,
    /// Whether some rooms may still show the profile as it was before a change.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub rooms_outdated: bool,
}

/// The part of a profile that others see.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ShownProfile {
    /// The user.
    pub id: UserId,
    /// The username.
    pub username: String,
    /// The display name.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub display_name: Option<String>,
    /// The URL of the avatar.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub avatar_url: Option<String>,
}

impl From<Profile> for ShownProfile {
    fn from(profile: Profile) -> Self {
        let Profile { id, username, display_name, avatar_url, .. } = profile;
        Self { id, username, display_name, avatar_url }
    }
}

/// A change of a profile.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ProfileChange {
    /// The new username, already validated; `None` keeps it.
    pub username: Option<String>,
    /// The change of the display name.
    pub display_name: Patch<String>,
    /// The change of the avatar URL.
    pub avatar_url: Patch<String>,
    /// The change of the settings.
    pub settings: SettingsChange,
}

/// A change of an optional value.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Patch<T> {
    /// Keep the value.
    #[default]
    Keep,
    /// Remove the value.
    Clear,
    /// Set this value.
    Set(T),
}

impl<T: Clone> Patch<T> {
    /// Converts the new value, if there is one.
    #[must_use]
    pub fn map(self, change: impl FnOnce(T) -> T) -> Self {
        match self {
            Self::Set(value) => Self::Set(change(value)),
            other => other,
        }
    }

    fn apply(&self, current: &mut Option<T>) {
        match self {
            Self::Keep => {}
            Self::Clear => *current = None,
            Self::Set(value) => *current = Some(value.clone()),
        }
    }
}

impl Profile {
    /// A profile of which only the user is known.
    pub fn unreadable(id: UserId) -> Self {
        Self {
            id,
            username: String::new(),
            display_name: None,
            avatar_url: None,
            settings: Settings::default(),
            created_at: Timestamp::from_seconds(0),
            rev: 0,
            email_claim: None,
            previous_deletion: None,
            rooms_outdated: false,
        }
    }

    /// The profile after a change: at the next revision, or unchanged if the change has no effect. Rooms hold
    /// copies of the names, the avatar and the read receipts setting, which become outdated with a change.
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
        let copied_to_rooms = |profile: &Self| {
            let Self { username, display_name, avatar_url, settings, .. } = profile.clone();
            (username, display_name, avatar_url, settings.read_receipts)
        };
        after.rooms_outdated |= copied_to_rooms(&after) != copied_to_rooms(self);
        after
    }
}

/// Friends per room that the notification of friends counts as.
const FRIENDS_PER_COUNT: u64 = 10;

/// What a change of a profile counts as for the rate limit, by its work: each room that shows the profile is
/// changed, and a setting of presence notifies friends.
pub fn change_weight(after: &Profile, change: &ProfileChange, rooms: u64, friends: u64) -> u32 {
    let rooms = if after.rooms_outdated { rooms } else { 0 };
    let notified = if change.settings.concerns_presence() { friends.div_ceil(FRIENDS_PER_COUNT) } else { 0 };
    u32::try_from((rooms + notified).max(1)).unwrap_or(u32::MAX)
}

/// The initial profile data of a new user, from the claims of the access token.
#[derive(Clone, Debug, Default)]
pub struct TokenProfile {
    /// The preferred username.
    pub username: Option<String>,
    /// The email address, unless the issuer marks it as unverified.
    pub email: Option<String>,
    /// The display name.
    pub display_name: Option<String>,
    /// The URL of the avatar.
    pub avatar_url: Option<String>,
}

impl TokenProfile {
    /// Follows the rules of a profile change: a name is cleaned, and an invalid value is left out.
    #[must_use]
    pub fn valid(self) -> Self {
        let Self { username, email, display_name, avatar_url } = self;
        Self {
            username,
            email,
            display_name: display_name.and_then(|name| text::clean_line(&name, MAX_DISPLAY_NAME_CHARS)),
            avatar_url: avatar_url
                .map(|url| normalize_url(&url))
                .filter(|url| avatar_violation(url, &[]).is_none()),
        }
    }
}

/// What is invalid about a display name; `tidy` as of [`text::tidy`].
pub fn display_name_violation(tidy: &str) -> Option<&'static str> {
    if text::is_blank(tidy) {
        Some("must not be blank")
    } else if tidy.chars().count() > MAX_DISPLAY_NAME_CHARS {
        Some(formatcp!("must have at most {MAX_DISPLAY_NAME_CHARS} characters"))
    } else {
        text::line_violation(tidy)
    }
}

/// Why an avatar URL is not valid; `None` if it is. Any server is allowed, over an encrypted connection.
pub fn avatar_violation(url: &str, media_origins: &[String]) -> Option<&'static str> {
    let is_plain_https = Url::parse(url)
        .is_ok_and(|url| url.scheme() == "https" && url.username().is_empty() && url.password().is_none());
    if url.len() > MAX_AVATAR_URL_BYTES {
        Some(formatcp!("must have at most {MAX_AVATAR_URL_BYTES} bytes"))
    } else if is_plain_https || is_under(url, media_origins) {
        None
    } else {
        Some("must be an https address")
    }
}

#[cfg(test)]
mod tests {
    use uuid::Uuid;

    use super::*;
    use crate::domain::relationships::access::Audience;

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
    fn a_change_counts_as_the_rooms_and_friends_that_it_concerns() {
        let avatar = ProfileChange { avatar_url: Patch::Set("https://a".into()), ..ProfileChange::default() };
        let online = SettingsChange { online_shown_to: Some(Audience::Nobody), ..SettingsChange::default() };
        let both = ProfileChange { settings: online.clone(), ..avatar.clone() };
        let online = ProfileChange { settings: online, ..ProfileChange::default() };
        let name = ProfileChange { display_name: Patch::Clear, ..ProfileChange::default() };
        let hidden = SettingsChange { findable_by_email: Some(true), ..SettingsChange::default() };
        let hidden = ProfileChange { settings: hidden, ..ProfileChange::default() };
        for (change, expected) in [(&avatar, 60), (&online, 3), (&both, 63), (&name, 60), (&hidden, 1)] {
            assert_eq!(change_weight(&ana().changed(change), change, 60, 21), expected, "{change:?}");
            assert_eq!(change_weight(&ana().changed(change), change, 0, 0), 1);
        }
        let outdated = Profile { rooms_outdated: true, ..ana() };
        let repeated = outdated.changed(&hidden);
        assert_eq!(change_weight(&repeated, &hidden, 60, 21), 60, "rooms that an earlier call left outdated");
    }

    #[test]
    fn a_change_to_the_current_values_has_no_effect() {
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
    fn rooms_are_outdated_after_a_change_of_what_they_show() {
        let unchanged = ProfileChange::default;
        let settings = |settings| ProfileChange { settings, ..unchanged() };
        let reads = SettingsChange { read_receipts: Some(false), ..SettingsChange::default() };
        let email = SettingsChange { findable_by_email: Some(true), ..SettingsChange::default() };
        let email = settings(email);
        for (change, is_outdated) in [
            (ProfileChange { username: Some("Ana".to_owned()), ..unchanged() }, true),
            (ProfileChange { display_name: Patch::Clear, ..unchanged() }, true),
            (ProfileChange { avatar_url: Patch::Set("https://a".to_owned()), ..unchanged() }, true),
            (settings(reads), true),
            (email.clone(), false),
        ] {
            let after = ana().changed(&change);
            assert_eq!((after.rev, after.rooms_outdated), (4, is_outdated), "{change:?}");
        }
        assert!(Profile { rooms_outdated: true, ..ana() }.changed(&email).rooms_outdated, "still outdated");
    }

    #[test]
    fn an_avatar_url_uses_https_or_an_allowed_origin() {
        let origins = ["http://media.example.com:8080".to_owned()];
        let violation = |url: &str| avatar_violation(url, &origins);
        for good in ["https://anyone.example/a.png", "http://media.example.com:8080/a.png"] {
            assert_eq!(violation(good), None, "{good}");
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
            assert!(violation(bad).is_some(), "{bad}");
        }
    }
}
