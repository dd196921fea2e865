//! How many requests, friends and blocks one person may have.

use super::Pair;
use crate::{error::Refusal, id::UserId};

/// Something that a person has only so many of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Counted {
    /// Requests that they have sent and that wait for an answer.
    RequestsSent,
    /// Friends.
    Friends,
    /// People whom they block.
    Blocks,
}

const TOO_MANY_REQUESTS: Refusal = Refusal {
    status: 409,
    code: "too_many_requests_sent",
    detail: "50 of your requests wait for an answer already: cancel one first.",
};
const TOO_MANY_FRIENDS: Refusal =
    Refusal { status: 409, code: "too_many_friends", detail: "You have 5,000 friends already." };
const OTHER_HAS_TOO_MANY_FRIENDS: Refusal = Refusal {
    status: 409,
    code: "other_has_too_many_friends",
    detail: "This person has 5,000 friends already.",
};
const TOO_MANY_BLOCKS: Refusal =
    Refusal { status: 409, code: "too_many_blocks", detail: "You have blocked 1,000 people already." };

impl Counted {
    /// All that is counted.
    pub const ALL: [Self; 3] = [Self::RequestsSent, Self::Friends, Self::Blocks];

    /// The most that one person may have.
    pub fn limit(self) -> u64 {
        match self {
            Self::RequestsSent => 50,
            Self::Friends => 5_000,
            Self::Blocks => 1_000,
        }
    }

    /// Why there cannot be one more: of the actor's own, or of the other one's. Only friends come to both at once.
    pub fn refusal(self, is_own: bool) -> Refusal {
        match self {
            Self::RequestsSent => TOO_MANY_REQUESTS,
            Self::Friends if is_own => TOO_MANY_FRIENDS,
            Self::Friends => OTHER_HAS_TOO_MANY_FRIENDS,
            Self::Blocks => TOO_MANY_BLOCKS,
        }
    }

    /// What a pair adds to what this one of the two has: one or nothing.
    pub fn in_pair(self, pair: &Pair, who: UserId) -> i64 {
        i64::from(match self {
            Self::RequestsSent => pair.request().is_some_and(|request| request.sender_id == who),
            Self::Friends => pair.are_friends(),
            Self::Blocks => pair.blocked_by(who).is_some(),
        })
    }
}
