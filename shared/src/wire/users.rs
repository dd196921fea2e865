//! People as clients see them.

use serde::Serialize;
use url::Url;

use crate::{
    clock::Timestamp,
    domain::{
        friendship::Standing,
        message::{lies_under, normal_url},
        presence::ShownPresence,
        privacy::{Circle, Settings, SettingsChange},
        profile::{Profile, ProfileChange, Wish},
        username,
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
        if let Some(fault) = username.as_deref().and_then(username::fault) {
            fields.fault("username", fault);
        }
        let display_name = wish(fields, "display_name").map(|name| username::tidy(&name));
        if let Wish::Set(name) = &display_name
            && let Some(fault) = name_fault(name)
        {
            fields.fault("display_name", fault);
        }
        let avatar_url = wish(fields, "avatar_url").map(|url| normal_url(&url));
        if let Wish::Set(url) = &avatar_url
            && !is_avatar(url, fields.media_origins())
        {
            fields.fault("avatar_url", "must be an https address of at most 512 bytes");
        }
        let settings = fields.within_object("settings", settings_change).unwrap_or_default();
        Some(Self { username, display_name, avatar_url, settings })
    }
}

fn wish(fields: &mut Fields, name: &str) -> Wish<String> {
    if fields.is_null(name) {
        return Wish::Cleared;
    }
    fields.optional(name).map_or(Wish::Kept, Wish::Set)
}

fn name_fault(name: &str) -> Option<&'static str> {
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
    url.len() <= MAX_AVATAR_BYTES && (Url::parse(url).is_ok_and(is_safe) || lies_under(url, media_origins))
}

fn settings_change(fields: &mut Fields) -> SettingsChange {
    const EVERYONE: (&str, Circle) = ("everyone", Circle::Everyone);
    const FRIENDS_OF_FRIENDS: (&str, Circle) = ("friends_of_friends", Circle::FriendsOfFriends);
    const FRIENDS: (&str, Circle) = ("friends", Circle::Friends);
    const NOBODY: (&str, Circle) = ("nobody", Circle::Nobody);
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
    friendship_status: Standing,
}

impl FoundUser {
    /// A profile, and how the caller stands with it.
    pub fn new(profile: Profile, standing: Standing) -> Self {
        let Profile { id, username, display_name, avatar_url, .. } = profile;
        let is_friend = standing == Standing::Friends;
        let has_pending_request = matches!(standing, Standing::RequestSent | Standing::RequestReceived);
        Self {
            id,
            username,
            display_name,
            avatar_url,
            is_friend,
            has_pending_request,
            friendship_status: standing,
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
    pub fn new(profile: Profile, standing: Standing, presence: ShownPresence) -> Self {
        Self { user: FoundUser::new(profile, standing), presence }
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
        Self { user: FoundUser::new(profile, Standing::None), mutual_count }
    }
}
