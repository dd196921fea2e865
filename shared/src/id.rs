//! Ids as types, so that a room's id cannot be passed where a user's is meant.

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
    /// A person.
    UserId
);
uuid_id!(
    /// A chat room, direct or group.
    RoomId
);
uuid_id!(
    /// A friend request: a `UUIDv7`, so that requests sort by when they were made.
    RequestId
);
uuid_id!(
    /// An app on one phone, tablet or computer; it chooses its id.
    DeviceId
);
uuid_id!(
    /// A message. To clients it is opaque; to us it holds the position that finds the item.
    MessageId
);

uuid_id!(
    /// A report to the moderators.
    ReportId
);

/// The text is not a hyphenated UUID.
#[derive(Debug, thiserror::Error)]
#[error("must be a UUID")]
pub struct NotAnId;

/// Reads the hyphenated form in either case, and no other form that a UUID library may accept.
fn parse(text: &str) -> Result<Uuid, NotAnId> {
    if text.len() != uuid::fmt::Hyphenated::LENGTH {
        return Err(NotAnId);
    }
    Uuid::try_parse(text).map_err(|_| NotAnId)
}

/// The namespace of the ids that this system derives from names.
const NAMESPACE: Uuid = Uuid::from_u128(0x5c0f_9d5e_6f2b_4a1e_9a55_0e7c_61d1_a7c4);

impl UserId {
    /// The person that a token of an issuer who names our users means: an id of our own if `user_id` or `sub` is one, else
    /// an id derived from the issuer and its subject, so that the same person of the same issuer always gets the same id.
    pub fn from_claims(user_id: Option<&str>, issuer: Option<&str>, subject: Option<&str>) -> Option<Self> {
        let own = |text: Option<&str>| text.and_then(|text| text.parse().ok());
        own(user_id).or_else(|| own(subject)).or_else(|| Self::derived(issuer, subject))
    }

    /// The person that an issuer means by a subject, whatever that looks like: issuers share no ids, and none can choose
    /// one.
    pub fn derived(issuer: Option<&str>, subject: Option<&str>) -> Option<Self> {
        let subject = subject.filter(|subject| !subject.is_empty())?;
        let issuer = Uuid::new_v5(&Uuid::NAMESPACE_URL, issuer?.as_bytes());
        Some(Self(Uuid::new_v5(&issuer, subject.as_bytes())))
    }
}

impl RoomId {
    /// A new group's id.
    pub fn random() -> Self {
        Self(Uuid::new_v4())
    }

    /// The one direct room of two people, whoever asks: no look-up, no race.
    pub fn direct(a: UserId, b: UserId) -> Self {
        let (low, high) = if a < b { (a, b) } else { (b, a) };
        Self(Uuid::new_v5(&NAMESPACE, format!("{low}{high}").as_bytes()))
    }
}

impl ReportId {
    /// The report that this name means: the same name is the same report.
    pub fn derived(name: &str) -> Self {
        Self(Uuid::new_v5(&NAMESPACE, name.as_bytes()))
    }
}

impl RequestId {
    /// A new request's id.
    pub fn at(time: Timestamp) -> Self {
        let seconds = u64::try_from(time.seconds()).unwrap_or_default();
        let nanoseconds = u32::try_from(time.milliseconds() % 1000).unwrap_or_default() * 1_000_000;
        Self(Uuid::new_v7(uuid::Timestamp::from_unix(uuid::NoContext, seconds, nanoseconds)))
    }
}

impl MessageId {
    /// The id of the message at `seq`: a `UUIDv8` of 48 bits of milliseconds, 40 bits of position, the rest random.
    pub fn new(time: Timestamp, seq: u64) -> Self {
        let mut bytes = *Uuid::new_v4().as_bytes();
        bytes[..6].copy_from_slice(&time.milliseconds().to_be_bytes()[2..]);
        bytes[9..14].copy_from_slice(&seq.to_be_bytes()[3..]);
        Self(Uuid::new_v8(bytes))
    }

    /// The position that the id names. Any UUID names one: compare the id with the message found there.
    pub fn seq(self) -> u64 {
        let bytes = self.0.as_bytes();
        bytes[9..14].iter().fold(0, |seq, byte| (seq << 8) | u64::from(*byte))
    }
}

/// The gateway's name for one live socket. Not secret, but a handle: never logged beside a person's text.
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
    fn a_message_id_holds_its_position_and_sorts_by_time() {
        let time = Timestamp::from_seconds(1_770_000_000);
        for seq in [1, 42, 999_999_999_999] {
            assert_eq!(MessageId::new(time, seq).seq(), seq);
        }
        assert!(MessageId::new(time, 9) < MessageId::new(Timestamp::from_seconds(1_770_000_001), 1));
    }

    #[test]
    fn only_hyphenated_uuids_are_ids_in_either_case() {
        assert!(ANA.parse::<UserId>().is_ok());
        assert_eq!(ANA.to_uppercase().parse::<UserId>().unwrap().to_string(), ANA);
        for text in ["", "ana", "{9f0e0d0c-0b0a-4908-8706-050403020100}", "9f0e0d0c0b0a49088706050403020100"]
        {
            assert!(text.parse::<UserId>().is_err(), "{text}");
        }
    }

    #[test]
    fn a_direct_room_has_one_id_whoever_asks() {
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
        assert_ne!(UserId::from_claims(None, Some("https://else.example"), Some("108")), Some(derived));
        assert_eq!(UserId::from_claims(None, None, Some("ana")), None);
        assert_eq!(UserId::from_claims(None, issuer, Some("")), None);
        assert_eq!(UserId::derived(issuer, Some("108")), Some(derived));
        assert_ne!(UserId::derived(issuer, Some(ANA)), Some(ana));
    }
}
