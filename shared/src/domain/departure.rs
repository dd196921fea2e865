//! Deleted accounts: which tokens they outlive, and how what somebody said is shown once its sender is gone.

use serde::{Deserialize, Serialize};

use super::{
    message::{Kind, Message},
    profile::Profile,
    username,
};
use crate::{clock::Timestamp, id::UserId};

/// What is left of a deleted account.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Departure {
    /// Whose it was.
    pub id: UserId,
    /// When it was deleted. Tokens of that second and before prove nothing any more.
    pub deleted_at: Timestamp,
    /// The username that is being taken out of what others see; none once nothing is left to do.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub unfinished: Option<String>,
}

/// What is known of somebody.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(untagged)]
pub enum Account {
    /// They have deleted their account.
    Gone(Departure),
    /// They are here.
    Here(Profile),
}

impl Account {
    /// When they last deleted an account.
    pub fn deleted_at(&self) -> Option<Timestamp> {
        match self {
            Self::Here(profile) => profile.returned_after,
            Self::Gone(departure) => Some(departure.deleted_at),
        }
    }
}

/// Whether a token that was issued at `issued_at` (seconds since 1970) is from before a deletion. Of one that does not
/// say when it was issued, nobody can know that it is not.
pub fn outlives(deleted_at: Timestamp, issued_at: Option<i64>) -> bool {
    issued_at.is_none_or(|issued_at| issued_at <= deleted_at.seconds())
}

/// A message without the name of somebody who is gone; `None` if it does not hold it. What they said stays, unsigned. The
/// log's own words name people, too: `names` are those that the person had.
pub fn unsigned(message: &Message, user: UserId, names: &[String]) -> Option<Message> {
    let mut after = message.clone();
    if message.kind == Kind::System {
        after.content = without(names, &message.content);
    }
    if message.sender_id == user {
        username::DELETED.clone_into(&mut after.sender_username);
    }
    (after != *message).then_some(after)
}

/// A sentence of the log's, which begins with who did something and ends with whom it was done to.
fn without(names: &[String], sentence: &str) -> String {
    let mut after = sentence.to_owned();
    for name in names {
        if let Some(rest) = after.strip_prefix(name.as_str()).filter(|rest| rest.starts_with(' ')) {
            after = format!("{}{rest}", username::DELETED);
        }
        if let Some(rest) = after.strip_suffix(name.as_str()).filter(|rest| rest.ends_with(' ')) {
            after = format!("{rest}{}", username::DELETED);
        }
    }
    after
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_of_the_second_of_the_deletion_is_from_before_it() {
        let deleted_at = Timestamp::from_milliseconds(1_770_000_000_500).unwrap();
        for (issued_at, outlived) in [
            (None, true),
            (Some(1_769_999_999), true),
            (Some(1_770_000_000), true),
            (Some(1_770_000_001), false),
        ] {
            assert_eq!(outlives(deleted_at, issued_at), outlived, "{issued_at:?}");
        }
    }

    #[test]
    fn a_sentence_loses_a_name_only_where_it_names_somebody() {
        let names = ["zoe".to_owned(), "ana b".to_owned()];
        for (before, after) in [
            ("zoe left", "Deleted user left"),
            ("ben added zoe", "ben added Deleted user"),
            ("zoe added ana b", "Deleted user added Deleted user"),
            ("zoey added anzoe", "zoey added anzoe"),
        ] {
            assert_eq!(without(&names, before), after);
        }
    }
}
