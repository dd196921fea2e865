//! People as clients see them.

use serde::Serialize;

use crate::{clock::Timestamp, domain::friendship::Standing, domain::profile::Profile, id::UserId};

/// The caller's own profile.
#[derive(Clone, Debug, Serialize)]
pub struct Me {
    id: UserId,
    username: String,
    display_name: Option<String>,
    avatar_url: Option<String>,
    created_at: Timestamp,
}

impl From<Profile> for Me {
    fn from(profile: Profile) -> Self {
        let Profile { id, username, display_name, avatar_url, created_at, .. } = profile;
        Self { id, username, display_name, avatar_url, created_at }
    }
}

/// A person that a search found.
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
