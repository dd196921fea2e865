//! Account deletion: which tokens it invalidates, and how the messages of a deleted account are anonymized.

use crate::{
    clock::Timestamp,
    domain::{
        messages::{Kind, Message},
        rooms::system_event::SystemEvent,
        users::profile::Profile,
    },
    error::Error,
    id::{RoomId, UserId},
};
use chrono::Duration;
use serde::{Deserialize, Serialize};

/// The record of a deleted account.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct AccountDeletion {
    /// The user.
    pub id: UserId,
    /// When the account was deleted. Tokens issued in or before this second are invalid.
    pub deleted_at: Timestamp,
    /// Whether the deletion is not complete yet.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub is_pending: bool,
    /// Until when one call has the exclusive right to complete the deletion.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub leased_until: Option<Timestamp>,
}

impl AccountDeletion {
    /// How long a call has the exclusive right to complete a deletion: longer than the longest function (5
    /// minutes) by the difference of clocks. After a crash, the deletion can continue then.
    pub const LEASE: Duration = Duration::minutes(6);

    /// A deletion that begins.
    pub fn beginning(id: UserId, deleted_at: Timestamp) -> Self {
        Self { id, deleted_at, is_pending: true, leased_until: None }
    }

    /// Whether this is the same deletion, and it is not complete.
    pub fn is_still_pending(&self, account: Option<&Account>) -> bool {
        let Some(Account::Deleted(found)) = account else { return false };
        found.is_pending && found.deleted_at == self.deleted_at
    }
}

/// How far a call to delete an account got.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DeletionProgress {
    /// Nothing is left of the account.
    Complete,
    /// Another call is completing the deletion.
    InProgress,
}

/// The stored state of an account.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(untagged)]
pub enum Account {
    /// The account is deleted.
    Deleted(AccountDeletion),
    /// The account exists.
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

    /// When the user last deleted an account.
    pub fn deleted_at(&self) -> Option<Timestamp> {
        match self {
            Self::Active(profile) => profile.previous_deletion,
            Self::Deleted(deletion) => Some(deletion.deleted_at),
        }
    }
}

/// The error for a token that was issued before the account was deleted.
pub const TOKEN_BEFORE_DELETION: Error = Error::InvalidToken("issued before the account was deleted");

/// Whether a deletion invalidates a token that was issued at `issued_at` (seconds since 1970). A token
/// without this time is invalid too, because it may be older than the deletion.
pub fn invalidates_token(deleted_at: Timestamp, issued_at: Option<i64>) -> bool {
    issued_at.is_none_or(|issued_at| issued_at <= deleted_at.seconds())
}

/// The message without the names of a deleted account, `None` if it has none. The content stays.
pub fn anonymized(message: &Message, user: UserId) -> Option<Message> {
    let mut after = message.clone();
    if message.sender_id == user {
        after = after.without_sender_names();
    }
    if message.kind == Kind::System
        && let Some(event) = SystemEvent::from_payload(message.payload.as_ref())
    {
        let event = event.without_names_of(user);
        after.content = event.sentence(&after.sender_username);
        after.payload = event.payload();
    }
    (after != *message).then_some(after)
}

/// The target of a pending deletion.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum DeletionTarget {
    /// The remaining data of a deleted account.
    Account(UserId),
    /// The remaining data of a deleted room.
    Room(RoomId),
    /// The sender's name on messages that were in flight during the anonymization.
    SenderName {
        /// The deleted account.
        user: UserId,
        /// The room.
        room: RoomId,
        /// Messages up to this position are already anonymized.
        after_seq: u64,
    },
}

/// A deletion that has started and is not complete.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PendingDeletion {
    /// The target.
    pub of: DeletionTarget,
    /// When the deletion started.
    pub since: Timestamp,
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        domain::rooms::{Role, system_event::NamedUser},
        id::{MessageId, RoomId},
    };

    #[test]
    fn a_deletion_invalidates_tokens_issued_in_or_before_its_second() {
        let deleted_at = Timestamp::from_milliseconds(1_770_000_000_500).unwrap();
        for (issued_at, is_invalid) in [
            (None, true),
            (Some(1_769_999_999), true),
            (Some(1_770_000_000), true),
            (Some(1_770_000_001), false),
        ] {
            assert_eq!(invalidates_token(deleted_at, issued_at), is_invalid, "{issued_at:?}");
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
            sender_display_name: Some("Ana Silva".to_owned()),
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
    fn anonymizing_replaces_the_name_of_the_sender_and_of_the_subject_of_a_system_message() {
        let [ana, ben, cleo] = [1, 2, 3].map(|n| UserId::from(uuid::Uuid::from_u128(n)));
        let display_name = Some("Ben Okafor".to_owned());
        let user = NamedUser { user_id: ben, username: "ben".to_owned(), display_name };
        let added = SystemEvent::ParticipantAdded { user: user.clone(), role: Role::Member };
        let message_about_ben = Message {
            kind: Kind::System,
            content: added.sentence("ana"),
            payload: added.payload(),
            ..message()
        };
        let without_ben = anonymized(&message_about_ben, ben).unwrap();
        assert_eq!((&*without_ben.content, &*without_ben.sender_username), ("ana added Deleted user", "ana"));
        assert_eq!(without_ben.sender_display_name.as_deref(), Some("Ana Silva"));
        let user = NamedUser { username: "Deleted user".to_owned(), display_name: None, ..user };
        let event = SystemEvent::ParticipantAdded { user, role: Role::Member };
        assert_eq!(SystemEvent::from_payload(without_ben.payload.as_ref()), Some(event));
        let without_both = anonymized(&without_ben, ana).unwrap();
        assert_eq!(without_both.content, "Deleted user added Deleted user");
        assert_eq!(
            (&*without_both.sender_username, &without_both.sender_display_name),
            ("Deleted user", &None)
        );
        assert_eq!(anonymized(&message_about_ben, cleo), None);
        assert_eq!(anonymized(&without_both, ana), None);
        let text = anonymized(&message(), ana).unwrap();
        assert_eq!((&*text.content, &*text.sender_username), ("ana says hi", "Deleted user"));
        assert_eq!(text.sender_display_name, None);
    }
}
