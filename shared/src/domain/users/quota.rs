//! What one person may have only so many of.

use crate::{domain::users::device::MAX_DEVICES, error::Refusal};

/// Something that is counted for each person.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Quota {
    /// Requests that they have sent and that wait for an answer.
    RequestsSent,
    /// Friends.
    Friends,
    /// People whom they block.
    Blocks,
    /// Devices that they have registered.
    Devices,
    /// Rooms that they are in. A list of rooms reads all of them to know which are the newest.
    Rooms,
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
const TOO_MANY_DEVICES: Refusal = Refusal {
    status: 409,
    code: "too_many_devices",
    detail: "You have 20 devices already: sign one of them out first.",
};
const TOO_MANY_ROOMS: Refusal =
    Refusal { status: 409, code: "too_many_rooms", detail: "You are in 2,000 rooms already." };
const OTHER_HAS_TOO_MANY_ROOMS: Refusal = Refusal {
    status: 409,
    code: "other_has_too_many_rooms",
    detail: "Somebody you named is in 2,000 rooms already.",
};

impl Quota {
    /// The most that one person may have.
    pub fn limit(self) -> u64 {
        match self {
            Self::RequestsSent => 50,
            Self::Friends => 5_000,
            Self::Blocks => 1_000,
            Self::Devices => MAX_DEVICES,
            Self::Rooms => 2_000,
        }
    }

    /// Why there cannot be one more: of the actor's own, or of somebody else's. Only friends and rooms come to several
    /// people at once.
    pub fn refusal(self, is_own: bool) -> Refusal {
        match self {
            Self::RequestsSent => TOO_MANY_REQUESTS,
            Self::Friends if is_own => TOO_MANY_FRIENDS,
            Self::Friends => OTHER_HAS_TOO_MANY_FRIENDS,
            Self::Blocks => TOO_MANY_BLOCKS,
            Self::Devices => TOO_MANY_DEVICES,
            Self::Rooms if is_own => TOO_MANY_ROOMS,
            Self::Rooms => OTHER_HAS_TOO_MANY_ROOMS,
        }
    }
}
