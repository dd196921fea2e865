//! People: what is known of each, and what a token says of one who comes for the first time.

use serde::{Deserialize, Serialize};

use super::privacy::Settings;
use crate::{clock::Timestamp, id::UserId};

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
}

/// What a token says of a person who comes for the first time.
#[derive(Clone, Debug, Default)]
pub struct Newcomer {
    /// The username they would like.
    pub username: Option<String>,
    /// Their e-mail address, if their issuer does not say that it is unverified.
    pub email: Option<String>,
    /// Their name.
    pub display_name: Option<String>,
    /// Their picture.
    pub avatar_url: Option<String>,
}
