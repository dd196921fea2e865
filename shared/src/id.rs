//! Ids as distinct types, so that the compiler rejects a room's id in place of a user's.

use std::{fmt, str::FromStr};

use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::clock::Timestamp;

macro_rules! uuid_id {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        #[serde(transparent)]
        pub struct $name(Uuid);

        impl From<Uuid> for $name {
            fn from(uuid: Uuid) -> Self {
                Self(uuid)
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                self.0.fmt(f)
            }
        }

        impl FromStr for $name {
            type Err = NotAnId;

            fn from_str(text: &str) -> Result<Self, NotAnId> {
                parse(text).map(Self)
            }
        }
    };
}

uuid_id!(
    /// A user.
    UserId
);
uuid_id!(
    /// A chat room. That of a group is a `UUIDv7`, so that groups sort by creation time.
    RoomId
);
uuid_id!(
    /// A friend request. A `UUIDv7`, so that requests sort by creation time.
    RequestId
);
uuid_id!(
    /// An installation of the app, which chooses its own id.
    DeviceId
);
uuid_id!(
    /// A message. Opaque to clients; it contains the position that locates the item.
    MessageId
);
uuid_id!(
    /// A report to the moderators.
    ReportId
);

/// The error for a text that is not a hyphenated UUID.
#[derive(Debug, thiserror::Error)]
#[error("must be a UUID")]
pub struct NotAnId;

/// Parses the hyphenated form in either case, and no other form that the `uuid` crate accepts.
fn parse(text: &str) -> Result<Uuid, NotAnId> {
    if text.len() != uuid::fmt::Hyphenated::LENGTH {
        return Err(NotAnId);
    }
    Uuid::try_parse(text).map_err(|_| NotAnId)
}

/// The namespace of derived ids (`UUIDv5`).
const NAMESPACE: Uuid = Uuid::from_u128(0x5c0f_9d5e_6f2b_4a1e_9a55_0e7c_61d1_a7c4);

impl UserId {
    /// The user of a token whose issuer is allowed to name users: `user_id` or `sub` if it is a UUID, in this
    /// order, otherwise an id derived from the issuer and the subject.
    pub fn from_claims(user_id: Option<&str>, issuer: Option<&str>, subject: Option<&str>) -> Option<Self> {
        let parse = |text: Option<&str>| text.and_then(|text| text.parse().ok());
        parse(user_id).or_else(|| parse(subject)).or_else(|| Self::derived(issuer, subject))
    }

    /// The user that an issuer identifies by a subject, whatever its form. The same subject always has the
    /// same id. Different issuers never share an id, and no issuer can choose one.
    pub fn derived(issuer: Option<&str>, subject: Option<&str>) -> Option<Self> {
        let subject = subject.filter(|subject| !subject.is_empty())?;
        let issuer = Uuid::new_v5(&Uuid::NAMESPACE_URL, issuer?.as_bytes());
        Some(Self(Uuid::new_v5(&issuer, subject.as_bytes())))
    }
}

impl RoomId {
    /// A random id, which no room has.
    pub fn random() -> Self {
        Self(Uuid::new_v4())
    }

    /// Creates the id of a group that is created at this time.
    pub fn group_at(time: Timestamp) -> Self {
        Self(v7(time))
    }

    /// The id of the direct room of two users, in either order. Derived, so that it needs no look-up and has
    /// no race.
    pub fn direct(a: UserId, b: UserId) -> Self {
        let (low, high) = if a < b { (a, b) } else { (b, a) };
        Self(Uuid::new_v5(&NAMESPACE, format!("{low}{high}").as_bytes()))
    }
}

impl ReportId {
    /// The id of the report with this name. The same name always has the same id.
    pub fn derived(name: &str) -> Self {
        Self(Uuid::new_v5(&NAMESPACE, name.as_bytes()))
    }
}

impl RequestId {
    /// Creates the id of a request that is sent at this time.
    pub fn at(time: Timestamp) -> Self {
        Self(v7(time))
    }
}

/// A new UUID that sorts by its time.
fn v7(time: Timestamp) -> Uuid {
    let seconds = u64::try_from(time.seconds()).unwrap_or_default();
    let nanoseconds = u32::try_from(time.milliseconds() % 1000).unwrap_or_default() * 1_000_000;
    Uuid::new_v7(uuid::Timestamp::from_unix(uuid::NoContext, seconds, nanoseconds))
}

impl MessageId {
    /// Creates the id of the message at `seq`: a `UUIDv8` of 48 bits of Unix milliseconds, 40 bits of
    /// position and random bits.
    pub fn new(time: Timestamp, seq: u64) -> Self {
        let mut bytes = *Uuid::new_v4().as_bytes();
        bytes[..6].copy_from_slice(&time.milliseconds().to_be_bytes()[2..]);
        bytes[9..14].copy_from_slice(&seq.to_be_bytes()[3..]);
        Self(Uuid::new_v8(bytes))
    }

    /// The id of a message of which only the position can be read.
    pub fn of_position(seq: u64) -> Self {
        let mut bytes = [0; 16];
        bytes[9..14].copy_from_slice(&seq.to_be_bytes()[3..]);
        Self(Uuid::new_v8(bytes))
    }

    /// The position in the id. Every UUID has one: compare the id with that of the message at the position.
    pub fn seq(self) -> u64 {
        let bytes = self.0.as_bytes();
        bytes[9..14].iter().fold(0, |seq, byte| (seq << 8) | u64::from(*byte))
    }
}

/// The gateway's id of a WebSocket connection. Not a secret, but never logged next to a user's text.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct ConnectionId(pub String);

impl fmt::Display for ConnectionId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ANA: &str = "9f0e0d0c-0b0a-4908-8706-050403020100";

    #[test]
    fn a_message_id_contains_its_position_and_sorts_by_time() {
        let time = Timestamp::from_seconds(1_770_000_000);
        for seq in [1, 42, 999_999_999_999] {
            assert_eq!(MessageId::new(time, seq).seq(), seq);
        }
        assert!(MessageId::new(time, 9) < MessageId::new(Timestamp::from_seconds(1_770_000_001), 1));
    }

    #[test]
    fn ids_of_groups_and_requests_sort_by_creation_time() {
        let times = [1_770_000_000_001, 1_770_000_000_002, 1_770_000_001_000];
        let times = times.map(|time| Timestamp::from_milliseconds(time).unwrap());
        assert!(times.map(RoomId::group_at).is_sorted());
        assert!(times.map(RequestId::at).is_sorted());
    }

    #[test]
    fn only_hyphenated_uuids_in_either_case_are_ids() {
        assert!(ANA.parse::<UserId>().is_ok());
        assert_eq!(ANA.to_uppercase().parse::<UserId>().unwrap().to_string(), ANA);
        for text in ["", "ana", "{9f0e0d0c-0b0a-4908-8706-050403020100}", "9f0e0d0c0b0a49088706050403020100"]
        {
            assert!(text.parse::<UserId>().is_err(), "{text}");
        }
    }

    #[test]
    fn a_direct_room_has_the_same_id_for_both_users() {
        let (a, b) = (UserId(Uuid::new_v4()), UserId(Uuid::new_v4()));
        assert_eq!(RoomId::direct(a, b), RoomId::direct(b, a));
        assert_ne!(RoomId::direct(a, b), RoomId::direct(a, a));
    }

    #[test]
    fn the_user_is_user_id_then_sub_then_derived_from_issuer_and_sub() {
        let ana: UserId = ANA.parse().unwrap();
        let issuer = Some("https://accounts.example");
        assert_eq!(UserId::from_claims(Some(ANA), None, Some("ana")), Some(ana));
        assert_eq!(UserId::from_claims(Some("7"), None, Some(ANA)), Some(ana));
        let derived = UserId::from_claims(None, issuer, Some("108")).unwrap();
        assert_eq!(UserId::from_claims(None, issuer, Some("108")), Some(derived));
        assert_ne!(UserId::from_claims(None, Some("https://other.example"), Some("108")), Some(derived));
        assert_eq!(UserId::from_claims(None, None, Some("ana")), None);
        assert_eq!(UserId::from_claims(None, issuer, Some("")), None);
        assert_eq!(UserId::derived(issuer, Some("108")), Some(derived));
        assert_ne!(UserId::derived(issuer, Some(ANA)), Some(ana));
    }
}
