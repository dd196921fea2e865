//! People as clients see them.

use serde::Serialize;
use url::Url;

use crate::{
    clock::Timestamp,
    domain::{
        messages::{is_under, normalize_url},
        relationships::{RelationshipStatus, access::Audience},
        users::{
            presence::ShownPresence,
            profile::{Patch, Profile, ProfileChange},
            settings::{Settings, SettingsChange},
            username,
        },
    },
    id::UserId,
    wire::fields::{Fields, Input},
};

/// The longest display name, in characters.
const MAX_NAME_CHARS: usize = 100;

/// The longest address of a picture, in bytes: it is repeated in every room's roster.
const MAX_AVATAR_BYTES: usize = 512;

/// `PATCH /users/me`: what is absent stays, and `null` clears what may be absent.
impl Input for ProfileChange {
    fn read(fields: &mut Fields) -> Option<Self> {
        let username: Option<String> = fields.optional("username");
        let username = username.map(|name| username::tidy(&name));
        if let Some(fault) = username.as_deref().and_then(username::violation) {
            fields.fault("username", fault);
        }
        let display_name = wish(fields, "display_name").map(|name| username::tidy(&name));
        if let Patch::Set(name) = &display_name
            && let Some(fault) = name_violation(name)
        {
            fields.fault("display_name", fault);
        }
        let avatar_url = wish(fields, "avatar_url").map(|url| normalize_url(&url));
        if let Patch::Set(url) = &avatar_url
            && !is_avatar(url, fields.media_origins())
        {
            fields.fault("avatar_url", "must be an https address of at most 512 bytes");
        }
        let settings = fields.within_object("settings", settings_change).unwrap_or_default();
        Some(Self { username, display_name, avatar_url, settings })
    }
}

fn wish(fields: &mut Fields, name: &str) -> Patch<String> {
    if fields.is_null(name) {
        return Patch::Clear;
    }
    fields.optional(name).map_or(Patch::Keep, Patch::Set)
}

fn name_violation(name: &str) -> Option<&'static str> {
    if name.is_empty() {
        Some("must not be blank")
    } else if name.chars().count() > MAX_NAME_CHARS {
        Some("must have at most 100 characters")
    } else if name.contains(char::is_control) {
        Some("must not contain control characters")
    } else {
        None
    }
}

/// Whether it can be the address of a picture: anywhere over TLS, or under an origin of ours.
fn is_avatar(url: &str, media_origins: &[String]) -> bool {
    let is_safe = |url: Url| url.scheme() == "https" && url.username().is_empty() && url.password().is_none();
    url.len() <= MAX_AVATAR_BYTES && (Url::parse(url).is_ok_and(is_safe) || is_under(url, media_origins))
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

/// Somebody else, as the caller may see them.
#[derive(Clone, Debug, Serialize)]
pub struct FoundUser {
    id: UserId,
    username: String,
    display_name: Option<String>,
    avatar_url: Option<String>,
    is_friend: bool,
    has_pending_request: bool,
    friendship_status: RelationshipStatus,
}

impl FoundUser {
    /// A profile, and how the caller stands with it.
    pub fn new(profile: Profile, relationship_status: RelationshipStatus) -> Self {
        let Profile { id, username, display_name, avatar_url, .. } = profile;
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
        }
    }
}

/// Somebody's profile, as the caller may see it.
#[derive(Clone, Debug, Serialize)]
pub struct ShownUser {
    #[serde(flatten)]
    user: FoundUser,
    #[serde(flatten)]
    presence: ShownPresence,
}

impl ShownUser {
    /// A profile, how the caller stands with it, and what it shows them of its presence.
    pub fn new(profile: Profile, relationship_status: RelationshipStatus, presence: ShownPresence) -> Self {
        Self { user: FoundUser::new(profile, relationship_status), presence }
    }
}

/// A person whom the caller may know.
#[derive(Clone, Debug, Serialize)]
pub struct SuggestedUser {
    #[serde(flatten)]
    user: FoundUser,
    mutual_count: u64,
}

impl SuggestedUser {
    /// A stranger's profile, and how many friends the caller has in common with them.
    pub fn new(profile: Profile, mutual_count: u64) -> Self {
        Self { user: FoundUser::new(profile, RelationshipStatus::None), mutual_count }
    }
}
