//! Deleted accounts: which tokens they outlive, and how what somebody said is shown once its sender is gone.

use crate::{
    clock::Timestamp,
    domain::{
        messages::{Kind, Message},
        rooms::system_event::SystemEvent,
        users::{profile::Profile, username},
    },
    error::Error,
    id::{RoomId, UserId},
};
use serde::{Deserialize, Serialize};

/// What is left of a deleted account.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct AccountDeletion {
    /// Whose it was.
    pub id: UserId,
    /// When it was deleted. Tokens of that second and before prove nothing any more.
    pub deleted_at: Timestamp,
    /// Whether there is something left to do.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub is_pending: bool,
}

/// What is known of somebody.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(untagged)]
pub enum Account {
    /// They have deleted their account.
    Deleted(AccountDeletion),
    /// They are here.
    Active(Profile),
}

impl Account {
    /// The profile of an active account.
    pub fn profile(self) -> Option<Profile> {
        match self {
            Self::Active(profile) => Some(profile),
            Self::Deleted(_) => None,
        }
    }

    /// When they last deleted an account.
    pub fn deleted_at(&self) -> Option<Timestamp> {
        match self {
            Self::Active(profile) => profile.previous_deletion,
            Self::Deleted(departure) => Some(departure.deleted_at),
        }
    }
}

/// A token from before a deletion proves nothing.
pub const TOKEN_BEFORE_DELETION: Error = Error::InvalidToken("from before the account was deleted");

/// Whether a token that was issued at `issued_at` (seconds since 1970) is from before a deletion. Of one that does not
/// say when it was issued, nobody can know that it is not.
pub fn invalidates_token(deleted_at: Timestamp, issued_at: Option<i64>) -> bool {
    issued_at.is_none_or(|issued_at| issued_at <= deleted_at.seconds())
}

/// A message without the name of somebody who is gone; `None` if it does not hold it. What they said stays, anonymized.
pub fn anonymized(message: &Message, user: UserId) -> Option<Message> {
    let mut after = message.clone();
    if message.sender_id == user {
        username::DELETED.clone_into(&mut after.sender_username);
    }
    if message.kind == Kind::System
        && let Some(happening) = SystemEvent::of_payload(message.payload.as_ref())
    {
        let happening = happening.without_username_of(user);
        after.content = happening.sentence(&after.sender_username);
        after.payload = happening.payload();
    }
    (after != *message).then_some(after)
}

/// What a deletion still has to delete.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum DeletionTarget {
    /// The rest of a deleted account.
    Account(UserId),
    /// The rest of a deleted room.
    Room(RoomId),
    /// The sender's name on messages that were still in flight when all messages up to a position were anonymized.
    SenderName {
        /// The deleted account.
        user: UserId,
        /// The room.
        room: RoomId,
        /// The messages up to this position are anonymized.
        after_seq: u64,
    },
}

/// A deletion that has begun and is not complete.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PendingDeletion {
    /// The target.
    pub of: DeletionTarget,
    /// When the deletion began.
    pub since: Timestamp,
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        domain::rooms::Role,
        id::{MessageId, RoomId},
    };

    #[test]
    fn a_token_of_the_second_of_the_deletion_is_from_before_it() {
        let deleted_at = Timestamp::from_milliseconds(1_770_000_000_500).unwrap();
        for (issued_at, outlived) in [
            (None, true),
            (Some(1_769_999_999), true),
            (Some(1_770_000_000), true),
            (Some(1_770_000_001), false),
        ] {
            assert_eq!(invalidates_token(deleted_at, issued_at), outlived, "{issued_at:?}");
        }
    }

    fn message() -> Message {
        let created_at = Timestamp::from_seconds(1_770_000_000);
        Message {
            id: MessageId::new(created_at, 7),
            room_id: RoomId::random(),
            seq: 7,
            rev: 0,
            sender_id: uuid::Uuid::from_u128(1).into(),
            sender_username: "ana".to_owned(),
            client_message_id: "1".to_owned(),
            kind: Kind::Text,
            content: "ana says hi".to_owned(),
            media_url: None,
            reply_to_id: None,
            payload: None,
            created_at,
            is_forwarded: false,
            edited_at: None,
            deleted_at: None,
            reactions: Vec::new(),
        }
    }

    #[test]
    fn a_message_loses_the_name_of_its_sender_and_of_whom_the_log_speaks() {
        let [ana, ben, cleo] = [1, 2, 3].map(|n| UserId::from(uuid::Uuid::from_u128(n)));
        let added =
            SystemEvent::ParticipantAdded { user_id: ben, username: "ben".to_owned(), role: Role::Member };
        let said = Message {
            kind: Kind::System,
            content: added.sentence("ana"),
            payload: added.payload(),
            ..message()
        };
        let without_ben = anonymized(&said, ben).unwrap();
        assert_eq!((&*without_ben.content, &*without_ben.sender_username), ("ana added Deleted user", "ana"));
        assert_eq!(without_ben.payload.as_ref().unwrap()["username"], "Deleted user");
        let without_both = anonymized(&without_ben, ana).unwrap();
        assert_eq!(without_both.content, "Deleted user added Deleted user");
        assert_eq!(without_both.sender_username, "Deleted user");
        assert_eq!(anonymized(&said, cleo), None);
        assert_eq!(anonymized(&without_both, ana), None);
        let text = anonymized(&message(), ana).unwrap();
        assert_eq!((&*text.content, &*text.sender_username), ("ana says hi", "Deleted user"));
    }
}
