//! Users: the caller's own profile, and profiles of other users.

use serde::Serialize;

use crate::{
    clock::Timestamp,
    domain::{
        messages::normalize_url,
        relationships::{Pair, RelationshipStatus, access::Audience},
        text,
        users::{
            presence::ShownPresence,
            profile::{Patch, Profile, ProfileChange, avatar_violation, display_name_violation},
            settings::{Settings, SettingsChange},
            username,
        },
    },
    id::{RequestId, UserId},
    wire::fields::{Fields, Input},
};

/// `PATCH /users/me`. An absent field keeps its value; `null` clears an optional one.
impl Input for ProfileChange {
    fn read(fields: &mut Fields) -> Option<Self> {
        let username: Option<String> = fields.optional("username");
        let username = username.map(|name| text::tidy(&name));
        if let Some(message) = username.as_deref().and_then(username::violation) {
            fields.violation("username", message);
        }
        let display_name = patch(fields, "display_name").map(|name| text::tidy(&name));
        if let Patch::Set(name) = &display_name
            && let Some(message) = display_name_violation(name)
        {
            fields.violation("display_name", message);
        }
        let avatar_url = patch(fields, "avatar_url").map(|url| normalize_url(&url));
        if let Patch::Set(url) = &avatar_url
            && let Some(message) = avatar_violation(url, fields.media_origins())
        {
            fields.violation("avatar_url", message);
        }
        let settings = fields.within_object("settings", settings_change).unwrap_or_default();
        Some(Self { username, display_name, avatar_url, settings })
    }
}

fn patch(fields: &mut Fields, name: &str) -> Patch<String> {
    if fields.is_null(name) {
        return Patch::Clear;
    }
    fields.optional(name).map_or(Patch::Keep, Patch::Set)
}

fn settings_change(fields: &mut Fields) -> SettingsChange {
    const EVERYONE: (&str, Audience) = ("everyone", Audience::Everyone);
    const FRIENDS_OF_FRIENDS: (&str, Audience) = ("friends_of_friends", Audience::FriendsOfFriends);
    const FRIENDS: (&str, Audience) = ("friends", Audience::Friends);
    const NOBODY: (&str, Audience) = ("nobody", Audience::Nobody);
    SettingsChange {
        findable_by: fields.choice("findable_by", &[EVERYONE, FRIENDS_OF_FRIENDS, NOBODY]),
        findable_by_email: fields.optional("findable_by_email"),
        requests_from: fields.choice("requests_from", &[EVERYONE, FRIENDS_OF_FRIENDS, NOBODY]),
        messages_from: fields.choice("messages_from", &[EVERYONE, FRIENDS]),
        groups_from: fields.choice("groups_from", &[EVERYONE, FRIENDS_OF_FRIENDS, FRIENDS]),
        online_shown_to: fields.choice("online_shown_to", &[EVERYONE, FRIENDS, NOBODY]),
        last_seen_shown_to: fields.choice("last_seen_shown_to", &[EVERYONE, FRIENDS, NOBODY]),
        read_receipts: fields.optional("read_receipts"),
    }
}

/// The caller's own profile.
#[derive(Clone, Debug, Serialize)]
pub struct Me {
    id: UserId,
    username: String,
    display_name: Option<String>,
    avatar_url: Option<String>,
    created_at: Timestamp,
    settings: Settings,
}

impl From<Profile> for Me {
    fn from(profile: Profile) -> Self {
        let Profile { id, username, display_name, avatar_url, created_at, settings, .. } = profile;
        Self { id, username, display_name, avatar_url, created_at, settings }
    }
}

/// Another user, with their relationship to the caller.
#[derive(Clone, Debug, Serialize)]
pub struct FoundUser {
    id: UserId,
    username: String,
    display_name: Option<String>,
    avatar_url: Option<String>,
    is_friend: bool,
    has_pending_request: bool,
    friendship_status: RelationshipStatus,
    request_id: Option<RequestId>,
}

impl FoundUser {
    /// Combines a profile with the relationship of the caller, `me`, to its user.
    pub fn new(profile: Profile, pair: &Pair, me: UserId) -> Self {
        let Profile { id, username, display_name, avatar_url, .. } = profile;
        let relationship_status = pair.relationship_status(me);
        let is_friend = relationship_status == RelationshipStatus::Friends;
        let has_pending_request = matches!(
            relationship_status,
            RelationshipStatus::RequestSent | RelationshipStatus::RequestReceived
        );
        Self {
            id,
            username,
            display_name,
            avatar_url,
            is_friend,
            has_pending_request,
            friendship_status: relationship_status,
            request_id: pair.request().map(|request| request.request_id),
        }
    }
}

/// The profile of another user, with the presence that is visible to the caller.
#[derive(Clone, Debug, Serialize)]
pub struct ShownUser {
    #[serde(flatten)]
    user: FoundUser,
    #[serde(flatten)]
    presence: ShownPresence,
}

impl ShownUser {
    /// Combines a profile with the relationship of the caller, `me`, and with the visible presence.
    pub fn new(profile: Profile, pair: &Pair, me: UserId, presence: ShownPresence) -> Self {
        Self { user: FoundUser::new(profile, pair, me), presence }
    }
}

/// A user whom the caller may know.
#[derive(Clone, Debug, Serialize)]
pub struct SuggestedUser {
    #[serde(flatten)]
    user: FoundUser,
    mutual_count: u64,
}

impl SuggestedUser {
    /// Combines a profile with the relationship of the caller, `me`, and with the number of mutual friends.
    pub fn new(profile: Profile, pair: &Pair, me: UserId, mutual_count: u64) -> Self {
        Self { user: FoundUser::new(profile, pair, me), mutual_count }
    }
}
