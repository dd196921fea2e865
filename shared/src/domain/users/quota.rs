//! Quotas: the maximum numbers of what a user may have.

use const_format::formatcp;

use crate::{domain::users::device::MAX_DEVICES, error::Refusal};

const MAX_REQUESTS_SENT: u64 = 50;
const MAX_FRIENDS: u64 = 5_000;
const MAX_BLOCKS: u64 = 1_000;
const MAX_ROOMS: u64 = 2_000;

/// A number that is counted and limited per user.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Quota {
    /// Pending friend requests that the user has sent.
    RequestsSent,
    /// Friends.
    Friends,
    /// Users that the user blocks.
    Blocks,
    /// Registered devices.
    Devices,
    /// Rooms of which the user is a member. A list of rooms reads all of them to find the newest.
    Rooms,
}

const TOO_MANY_REQUESTS: Refusal = Refusal {
    status: 409,
    code: "too_many_requests_sent",
    detail: formatcp!("You have {MAX_REQUESTS_SENT} pending friend requests. Cancel one first."),
};
const TOO_MANY_FRIENDS: Refusal = Refusal {
    status: 409,
    code: "too_many_friends",
    detail: formatcp!("You already have {MAX_FRIENDS} friends."),
};
const OTHER_HAS_TOO_MANY_FRIENDS: Refusal = Refusal {
    status: 409,
    code: "other_has_too_many_friends",
    detail: formatcp!("This person already has {MAX_FRIENDS} friends."),
};
const TOO_MANY_BLOCKS: Refusal = Refusal {
    status: 409,
    code: "too_many_blocks",
    detail: formatcp!("You have already blocked {MAX_BLOCKS} people."),
};
const TOO_MANY_DEVICES: Refusal = Refusal {
    status: 409,
    code: "too_many_devices",
    detail: formatcp!("You already have {MAX_DEVICES} devices. Sign one out first."),
};
const TOO_MANY_ROOMS: Refusal = Refusal {
    status: 409,
    code: "too_many_rooms",
    detail: formatcp!("You are already in {MAX_ROOMS} rooms."),
};
const OTHER_HAS_TOO_MANY_ROOMS: Refusal = Refusal {
    status: 409,
    code: "other_has_too_many_rooms",
    detail: formatcp!("Someone you named is already in {MAX_ROOMS} rooms."),
};

impl Quota {
    /// All quotas.
    pub const ALL: [Self; 5] = [Self::RequestsSent, Self::Friends, Self::Blocks, Self::Devices, Self::Rooms];

    /// The maximum per user.
    pub fn limit(self) -> u64 {
        match self {
            Self::RequestsSent => MAX_REQUESTS_SENT,
            Self::Friends => MAX_FRIENDS,
            Self::Blocks => MAX_BLOCKS,
            Self::Devices => MAX_DEVICES,
            Self::Rooms => MAX_ROOMS,
        }
    }

    /// The refusal if the quota is used up: the actor's own (`is_own`) or another user's. An action can
    /// increase only the friends and rooms of other users.
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
