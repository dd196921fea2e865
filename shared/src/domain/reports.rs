//! Reports to the moderators: what may be reported and why, and what is kept of it as evidence.

use serde::{Deserialize, Serialize};

use crate::{
    clock::Timestamp,
    domain::{messages::Message, users::profile::Profile},
    error::{Refusal, Result},
    id::{MessageId, ReportId, RoomId, UserId},
};

/// The longest text that goes with a report, in characters.
pub const MAX_TEXT_CHARS: usize = 1000;

/// So many messages before a reported one are kept with it.
pub const MESSAGES_BEFORE: u64 = 10;

const YOURSELF: Refusal =
    Refusal { status: 400, code: "cannot_report_yourself", detail: "This is yourself, or your own message." };

/// Why something is reported.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Reason {
    /// Unwanted advertising, or the same again and again.
    Spam,
    /// Somebody will not leave somebody alone.
    Harassment,
    /// Contempt for a group of people.
    Hate,
    /// Violence, or threats of it.
    Violence,
    /// Sexual content.
    Nudity,
    /// Somebody may harm themselves.
    SelfHarm,
    /// Somebody pretends to be another.
    Impersonation,
    /// What the text says.
    Other,
}

impl Reason {
    /// All of them, as the API spells them.
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

/// What is reported.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Target {
    /// A person.
    User(UserId),
    /// A message.
    Message(RoomId, MessageId),
}

/// A report as somebody makes it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NewReport {
    /// What is reported.
    pub target: Target,
    /// Why.
    pub reason: Reason,
    /// In the reporter's own words.
    pub text: Option<String>,
}

/// What was reported, as it was at that time: what becomes of it later changes nothing here.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum Evidence {
    /// A person.
    User {
        /// Who.
        user_id: UserId,
        /// As they were shown; nothing of somebody who is gone.
        profile: Option<ReportedProfile>,
    },
    /// A message.
    Message {
        /// The message.
        message: Box<Message>,
        /// Those just before it that the reporter sees, oldest first.
        before: Vec<Message>,
    },
}

/// What others see of a person.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ReportedProfile {
    /// Their username.
    pub username: String,
    /// Their name.
    pub display_name: Option<String>,
    /// Their picture.
    pub avatar_url: Option<String>,
    /// When they first came.
    pub created_at: Timestamp,
}

impl From<Profile> for ReportedProfile {
    fn from(profile: Profile) -> Self {
        let Profile { username, display_name, avatar_url, created_at, .. } = profile;
        Self { username, display_name, avatar_url, created_at }
    }
}

/// A report as moderators find it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Report {
    /// Its id.
    pub id: ReportId,
    /// When it was made.
    pub created_at: Timestamp,
    /// Who made it.
    pub reporter_id: UserId,
    /// Who is reported: the person, or the sender of the message.
    pub reported_id: UserId,
    /// Why.
    pub reason: Reason,
    /// In the reporter's own words.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub text: Option<String>,
    /// What was reported.
    pub evidence: Evidence,
}

impl NewReport {
    /// Its id: the same for the same person, target and reason on one day (UTC), so that a repeated call is one report.
    pub fn id(&self, reporter: UserId, now: Timestamp) -> ReportId {
        let target = match self.target {
            Target::User(user) => format!("user {user}"),
            Target::Message(room, message) => format!("message {room} {message}"),
        };
        ReportId::derived(&format!("{reporter} {target} {:?} {}", self.reason, now.day()))
    }

    /// The report that it makes, by somebody who sees what they report.
    pub fn report(self, reporter: UserId, evidence: Evidence, now: Timestamp) -> Result<Report> {
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

/// What is wrong with the words of a report.
pub fn text_violation(text: &str) -> Option<&'static str> {
    if text.chars().count() > MAX_TEXT_CHARS {
        Some("must have at most 1000 characters")
    } else if text.chars().any(|c| c.is_control() && !matches!(c, '\n' | '\r' | '\t')) {
        Some("must not contain control characters")
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
        NewReport { target: Target::User(user), reason, text: None }
    }

    #[test]
    fn a_report_is_the_same_for_one_person_target_and_reason_on_one_day() {
        let [ana, ben, cleo] = [(); 3].map(|()| UserId::from(Uuid::new_v4()));
        let noon: Timestamp = "2026-01-31T12:00:00.000Z".parse().unwrap();
        let id = about(ben, Reason::Spam).id(ana, noon);
        let worded = NewReport { text: Some("again".into()), ..about(ben, Reason::Spam) };
        assert_eq!(worded.id(ana, noon.plus(Duration::hours(11))), id);
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
    fn nobody_reports_themselves() {
        let ana = UserId::from(Uuid::new_v4());
        let evidence = Evidence::User { user_id: ana, profile: None };
        let now = Timestamp::from_seconds(1_770_000_000);
        assert!(about(ana, Reason::Other).report(ana, evidence, now).is_err());
    }

    #[test]
    fn words_are_bounded_in_characters() {
        assert_eq!(text_violation(&"é".repeat(MAX_TEXT_CHARS)), None);
        assert!(text_violation(&"x".repeat(MAX_TEXT_CHARS + 1)).is_some());
        assert!(text_violation("a\u{0}b").is_some() && text_violation("two\nlines").is_none());
    }

    #[test]
    fn reasons_are_spelled_in_the_table_as_in_the_api() {
        for (name, reason) in Reason::ALL {
            assert_eq!(serde_json::to_value(reason).unwrap(), name);
        }
    }
}
