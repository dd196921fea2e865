//! Friend requests, friends and blocked users.

use std::collections::HashMap;

use serde::Serialize;

use crate::{
    clock::Timestamp,
    domain::{
        page::{Page, PageRequest},
        relationships::{
            Answer, Request,
            lists::{Block, Friend, RequestDirection},
        },
        users::{
            presence::ShownPresence,
            profile::{Profile, ShownProfile},
            username::SearchQuery,
        },
    },
    id::{RequestId, UserId},
    wire::{
        ListItem,
        fields::{Fields, Input},
    },
};

/// `POST /friends/requests`.
pub struct FriendRequestCreate {
    /// The user who receives the request.
    pub receiver_id: UserId,
}

impl Input for FriendRequestCreate {
    fn read(fields: &mut Fields) -> Option<Self> {
        Some(Self { receiver_id: fields.required("receiver_id")? })
    }
}

/// `PUT /friends/requests/{request_id}?action=`.
pub struct RequestAnswer {
    /// The receiver's answer.
    pub action: Answer,
}

impl Input for RequestAnswer {
    fn read(fields: &mut Fields) -> Option<Self> {
        let answers = [Answer::Accepted, Answer::Rejected].map(|answer| (answer.as_str(), answer));
        Some(Self { action: fields.required_choice("action", &answers)? })
    }
}

/// `GET /friends/requests?direction=`.
pub struct RequestList {
    /// The direction of the listed requests; received ones by default.
    pub direction: RequestDirection,
    /// The requested page.
    pub page: PageRequest,
}

impl Input for RequestList {
    fn read(fields: &mut Fields) -> Option<Self> {
        let directions = [("received", RequestDirection::Received), ("sent", RequestDirection::Sent)];
        let direction = fields.choice("direction", &directions);
        Some(Self {
            page: PageRequest::read(fields)?,
            direction: direction.unwrap_or(RequestDirection::Received),
        })
    }
}

/// `GET /friends/search?query=`.
pub struct UserSearch {
    /// A part of a username or an entire email address.
    pub query: SearchQuery,
}

impl Input for UserSearch {
    fn read(fields: &mut Fields) -> Option<Self> {
        match SearchQuery::read(&fields.required::<String>("query")?) {
            Ok(query) => Some(Self { query }),
            Err(message) => {
                fields.violation("query", message);
                None
            }
        }
    }
}

/// A friend request.
#[derive(Clone, Debug, Serialize)]
pub struct FriendRequest {
    id: RequestId,
    sender_id: UserId,
    receiver_id: UserId,
    status: &'static str,
    created_at: Timestamp,
    sender_username: Option<String>,
    sender_display_name: Option<String>,
    sender_avatar_url: Option<String>,
    receiver_username: Option<String>,
    receiver_display_name: Option<String>,
    receiver_avatar_url: Option<String>,
}

impl FriendRequest {
    /// Converts a pending request. The names and avatars are taken from `profiles`.
    pub fn pending(request: &Request, profiles: &HashMap<UserId, Profile>) -> Self {
        let shown = |user: UserId| {
            profiles.get(&user).cloned().map_or((None, None, None), |profile| {
                (Some(profile.username), profile.display_name, profile.avatar_url)
            })
        };
        let (sender_username, sender_display_name, sender_avatar_url) = shown(request.sender_id);
        let (receiver_username, receiver_display_name, receiver_avatar_url) = shown(request.receiver_id);
        Self {
            id: request.request_id,
            sender_id: request.sender_id,
            receiver_id: request.receiver_id,
            status: "pending",
            created_at: request.created_at,
            sender_username,
            sender_display_name,
            sender_avatar_url,
            receiver_username,
            receiver_display_name,
            receiver_avatar_url,
        }
    }
}

impl ListItem for FriendRequest {
    fn cursor(&self) -> String {
        self.id.to_string()
    }
}

/// A friend in the caller's list.
#[derive(Clone, Debug, Serialize)]
pub struct ListedFriend {
    id: UserId,
    user_id: UserId,
    username: String,
    display_name: Option<String>,
    avatar_url: Option<String>,
    created_at: Timestamp,
    #[serde(flatten)]
    presence: ShownPresence,
}

impl ListedFriend {
    /// Combines a friend with the profile and the presence that is visible to the caller.
    pub fn new(friend: &Friend, profile: Profile, presence: ShownPresence) -> Self {
        let Profile { id, username, display_name, avatar_url, .. } = profile;
        let created_at = friend.since;
        Self { id, user_id: id, username, display_name, avatar_url, created_at, presence }
    }

    /// The friend.
    pub fn user_id(&self) -> UserId {
        self.user_id
    }
}

impl ListItem for ListedFriend {
    fn cursor(&self) -> String {
        self.user_id.to_string()
    }
}

/// The confirmation that a friend request was answered.
#[derive(Clone, Debug, Serialize)]
pub struct RequestAnswered {
    /// One sentence for the user.
    pub message: String,
    /// The new friend; `None` if the request was rejected.
    pub friend: Option<ListedFriend>,
}

/// A user whom the caller blocks.
#[derive(Clone, Debug, Serialize)]
pub struct BlockedUser {
    user_id: UserId,
    username: Option<String>,
    display_name: Option<String>,
    avatar_url: Option<String>,
    blocked_at: Timestamp,
}

impl BlockedUser {
    /// Converts a page. An entry without a profile has only the id: the user was not visible to the caller at
    /// the time of the block.
    pub fn page(page: Page<(Block, Option<ShownProfile>)>) -> Page<Self> {
        page.map(|(Block { user_id, since, .. }, profile)| {
            let (username, display_name, avatar_url) = profile.map_or((None, None, None), |profile| {
                (Some(profile.username), profile.display_name, profile.avatar_url)
            });
            Self { user_id, username, display_name, avatar_url, blocked_at: since }
        })
    }
}

impl ListItem for BlockedUser {
    fn cursor(&self) -> String {
        self.user_id.to_string()
    }
}

/// The confirmation of an action.
#[derive(Clone, Debug, Serialize)]
pub struct Done {
    /// One sentence for the user.
    pub message: String,
}
