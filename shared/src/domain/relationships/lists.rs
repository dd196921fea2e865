//! The entries of a user's lists of friends, blocks and requests.

use serde::{Deserialize, Serialize};

use crate::{clock::Timestamp, domain::users::profile::ShownProfile, id::UserId};

/// An entry of a user's list of friends.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Friend {
    /// The friend.
    pub user_id: UserId,
    /// When the request was accepted.
    pub since: Timestamp,
}

/// An entry of a user's list of blocked users.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Block {
    /// The blocked user.
    pub user_id: UserId,
    /// When the user was blocked.
    pub since: Timestamp,
    /// Whether the blocked user had blocked first. Then the list must not reveal the user behind the id.
    #[serde(default)]
    pub is_unseen: bool,
    /// The profile of the blocking user as of the block, if the blocked user had blocked first: the list of
    /// the blocked user goes on to show this one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub own_profile: Option<ShownProfile>,
}

/// A list of a user's pending friend requests.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RequestDirection {
    /// Requests that the user has received.
    Received,
    /// Requests that the user has sent.
    Sent,
}
