//! Reports to the moderators: their targets, reasons and evidence.

use const_format::formatcp;
use serde::{Deserialize, Serialize};

use crate::{
    clock::Timestamp,
    domain::{messages::Message, users::profile::Profile},
    error::{Refusal, Result},
    id::{MessageId, ReportId, RoomId, UserId},
};

/// The maximum length of a report's text, in characters.
pub const MAX_TEXT_CHARS: usize = 1000;

/// The maximum number of messages before a reported message that are kept as evidence.
pub const MESSAGES_BEFORE: u64 = 10;

const YOURSELF: Refusal = Refusal {
    status: 400,
    code: "cannot_report_yourself",
    detail: "You can't report yourself or your own message.",
};

/// The reason of a report.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Reason {
    /// Unwanted advertising or repeated content.
    Spam,
    /// Repeated unwanted contact, bullying or insults.
    Harassment,
    /// Hatred of a group of people.
    Hate,
    /// Violence or threats of violence.
    Violence,
    /// Sexual content.
    Nudity,
    /// Signs that a person may harm themselves.
    SelfHarm,
    /// A user pretends to be another person.
    Impersonation,
    /// Any other reason; the text explains it.
    Other,
}

impl Reason {
    /// All reasons with their names in the API.
    pub const ALL: [(&'static str, Self); 8] = [
        ("spam", Self::Spam),
        ("harassment", Self::Harassment),
        ("hate", Self::Hate),
        ("violence", Self::Violence),
        ("nudity", Self::Nudity),
        ("self_harm", Self::SelfHarm),
        ("impersonation", Self::Impersonation),
        ("other", Self::Other),
    ];
}

/// The target of a report.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ReportTarget {
    /// A user.
    User(UserId),
    /// A message.
    Message(RoomId, MessageId),
}

/// A report as the reporter submits it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NewReport {
    /// The reported user or message.
    pub target: ReportTarget,
    /// The reason.
    pub reason: Reason,
    /// The reporter's explanation.
    pub text: Option<String>,
}

/// A copy of the reported data at the time of the report. Later changes and deletions do not affect it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum Evidence {
    /// A user.
    User {
        /// The user.
        user_id: UserId,
        /// The public profile; `None` if the account was deleted.
        profile: Option<ReportedProfile>,
    },
    /// A message.
    Message {
        /// The message.
        message: Box<Message>,
        /// The preceding messages that the reporter sees, oldest first.
        before: Vec<Message>,
    },
}

/// The public part of a profile.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ReportedProfile {
    /// The username.
    pub username: String,
    /// The display name.
    pub display_name: Option<String>,
    /// The URL of the avatar.
    pub avatar_url: Option<String>,
    /// When the profile was created.
    pub created_at: Timestamp,
}

impl From<Profile> for ReportedProfile {
    fn from(profile: Profile) -> Self {
        let Profile { username, display_name, avatar_url, created_at, .. } = profile;
        Self { username, display_name, avatar_url, created_at }
    }
}

/// A report as it is stored for moderators.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Report {
    /// See [`NewReport::id`].
    pub id: ReportId,
    /// When the report was made.
    pub created_at: Timestamp,
    /// The reporter.
    pub reporter_id: UserId,
    /// The reported user, or the sender of the reported message.
    pub reported_id: UserId,
    /// The reason.
    pub reason: Reason,
    /// The reporter's explanation.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub text: Option<String>,
    /// A copy of the reported data.
    pub evidence: Evidence,
}

impl NewReport {
    /// The report's id, derived from reporter, target, reason and day (UTC), so that retries are idempotent.
    pub fn id(&self, reporter: UserId, now: Timestamp) -> ReportId {
        let target = match self.target {
            ReportTarget::User(user) => format!("user {user}"),
            ReportTarget::Message(room, message) => format!("message {room} {message}"),
        };
        ReportId::derived(&format!("{reporter} {target} {:?} {}", self.reason, now.day()))
    }

    /// The report to store. The caller has checked that the reporter can see the target.
    pub fn into_report(self, reporter: UserId, evidence: Evidence, now: Timestamp) -> Result<Report> {
        let reported_id = match &evidence {
            Evidence::User { user_id, .. } => *user_id,
            Evidence::Message { message, .. } => message.sender_id,
        };
        if reported_id == reporter {
            return Err(YOURSELF.into());
        }
        let id = self.id(reporter, now);
        let Self { reason, text, .. } = self;
        Ok(Report { id, created_at: now, reporter_id: reporter, reported_id, reason, text, evidence })
    }
}

/// Why a text, as of [`text::clean`](super::text::clean), is not valid for a report; `None` if it is.
pub fn text_violation(text: &str) -> Option<&'static str> {
    if text.chars().count() > MAX_TEXT_CHARS {
        Some(formatcp!("must have at most {MAX_TEXT_CHARS} characters"))
    } else {
        None
    }
}

#[cfg(test)]
mod tests {
    use chrono::Duration;
    use uuid::Uuid;

    use super::*;

    fn about(user: UserId, reason: Reason) -> NewReport {
        NewReport { target: ReportTarget::User(user), reason, text: None }
    }

    #[test]
    fn the_id_is_the_same_for_one_reporter_target_reason_and_day() {
        let [ana, ben, cleo] = [(); 3].map(|()| UserId::from(Uuid::new_v4()));
        let noon: Timestamp = "2026-01-31T12:00:00.000Z".parse().unwrap();
        let id = about(ben, Reason::Spam).id(ana, noon);
        let with_text = NewReport { text: Some("again".into()), ..about(ben, Reason::Spam) };
        assert_eq!(with_text.id(ana, noon.plus(Duration::hours(11))), id);
        for other in [
            about(ben, Reason::Spam).id(ana, noon.plus(Duration::hours(12))),
            about(ben, Reason::Hate).id(ana, noon),
            about(cleo, Reason::Spam).id(ana, noon),
            about(ben, Reason::Spam).id(cleo, noon),
        ] {
            assert_ne!(other, id);
        }
    }

    #[test]
    fn a_user_cannot_report_themselves() {
        let ana = UserId::from(Uuid::new_v4());
        let evidence = Evidence::User { user_id: ana, profile: None };
        let now = Timestamp::from_seconds(1_770_000_000);
        assert!(about(ana, Reason::Other).into_report(ana, evidence, now).is_err());
    }

    #[test]
    fn a_text_is_limited_in_characters() {
        assert_eq!(text_violation(&"é".repeat(MAX_TEXT_CHARS)), None);
        assert!(text_violation(&"x".repeat(MAX_TEXT_CHARS + 1)).is_some());
    }

    #[test]
    fn reasons_have_the_same_names_in_the_table_and_in_the_api() {
        for (name, reason) in Reason::ALL {
            assert_eq!(serde_json::to_value(reason).unwrap(), name);
        }
    }
}
