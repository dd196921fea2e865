//! Messages: their data, and the validation of what users send.

pub mod action;
pub mod log;
pub mod payload;
pub mod reaction;
mod send;
pub mod view;

pub use payload::Payload;
pub use send::SendRequest;

use const_format::formatcp;
use serde::{Deserialize, Serialize};
use url::Url;
use uuid::Uuid;

use crate::{
    clock::Timestamp,
    domain::{messages::reaction::Tally, text, users::username},
    error::FieldError,
    id::{MessageId, RoomId, UserId},
};

/// The maximum length of the content, in characters.
pub const MAX_CONTENT_CHARS: usize = 4000;

/// The maximum length of `media_url`, in bytes.
pub const MAX_URL_BYTES: usize = 2048;

/// The kind of a message.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Kind {
    /// A text.
    Text,
    /// An image at `media_url`.
    Image,
    /// A file at `media_url`.
    File,
    /// A location; the payload has the details.
    Location,
    /// A workout; the payload has the details.
    Workout,
    /// A voice recording at `media_url`; the payload has the details.
    Voice,
    /// A system message about an event of the room. Users cannot send one.
    System,
}

impl Kind {
    /// The kinds that users can send, with their names in the API.
    pub const SENDABLE: [(&'static str, Self); 6] = [
        ("text", Self::Text),
        ("image", Self::Image),
        ("file", Self::File),
        ("location", Self::Location),
        ("workout", Self::Workout),
        ("voice", Self::Voice),
    ];

    fn may_have_payload(self) -> bool {
        matches!(self, Self::Location | Self::Workout | Self::Voice)
    }
}

/// The content of a message to send.
#[derive(Clone, Debug, PartialEq)]
pub struct Draft {
    /// The room.
    pub room_id: RoomId,
    /// The text. It may be empty if there is a `media_url` or a payload.
    pub content: String,
    /// The kind.
    pub kind: Kind,
    /// The URL of an image, file or recording.
    pub media_url: Option<String>,
    /// The message of the same room to which this one replies.
    pub reply_to_id: Option<MessageId>,
    /// The details of a location, a workout or a recording.
    pub payload: Option<Payload>,
}

impl Draft {
    /// All violations, by field.
    pub fn violations(&self, media_origins: &[String]) -> Vec<FieldError> {
        let mut violations = Vec::new();
        let mut add = |field: &str, message: &str| {
            violations.push(FieldError { field: field.to_owned(), message: message.to_owned() });
        };
        let is_content_required = self.media_url.is_none() && self.payload.is_none();
        if let Some(violation) = content_violation(&self.content, is_content_required) {
            add("content", violation);
        }
        if self.media_url.as_deref().is_some_and(|url| !is_under(url, media_origins)) {
            add("media_url", "must be under an allowed origin");
        }
        if self.payload.is_some() && !self.kind.may_have_payload() {
            add("payload", "is only allowed in a location, a workout or a voice message");
        }
        violations
    }
}

/// Why a content, as of [`text::clean`], is not valid; `None` if it is. If `is_required`, it must not be blank.
pub fn content_violation(content: &str, is_required: bool) -> Option<&'static str> {
    if is_required && text::is_blank(content) {
        Some("must not be blank")
    } else if content.chars().count() > MAX_CONTENT_CHARS {
        Some(formatcp!("must have at most {MAX_CONTENT_CHARS} characters"))
    } else {
        None
    }
}

/// The URL in its normalized form (WHATWG); a text that is not a URL stays as it is. The normalized form is
/// both checked and stored, so that no client can parse another host from it.
pub fn normalize_url(url: &str) -> String {
    Url::parse(url).map_or_else(|_| url.to_owned(), String::from)
}

/// Whether a URL has the scheme, host and port of one of the origins, and is below its path if it has one.
pub fn is_under(url: &str, origins: &[String]) -> bool {
    if url.len() > MAX_URL_BYTES {
        return false;
    }
    let Ok(url) = Url::parse(url) else { return false };
    url.username().is_empty()
        && url.password().is_none()
        && origins.iter().filter_map(|origin| Url::parse(origin).ok()).any(|origin| {
            let folder = format!("{}/", origin.path().trim_end_matches('/'));
            url.origin().is_tuple() && url.origin() == origin.origin() && url.path().starts_with(&folder)
        })
}

/// A message in the log of a room.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Message {
    /// The id, which contains `seq`.
    pub id: MessageId,
    /// The room.
    pub room_id: RoomId,
    /// The position in the room, from 1, without gaps.
    pub seq: u64,
    /// The room's revision at the last change of the message; 0 if it was never changed.
    pub rev: u64,
    /// The sender.
    pub sender_id: UserId,
    /// The sender's username at the time of sending.
    pub sender_username: String,
    /// The sender's display name at the time of sending.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sender_display_name: Option<String>,
    /// The client's id of the message. Together with `sender_id` it identifies a retry.
    pub client_message_id: String,
    /// The kind.
    pub kind: Kind,
    /// The text.
    pub content: String,
    /// The URL of an image, file or recording.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub media_url: Option<String>,
    /// The message to which this one replies.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reply_to_id: Option<MessageId>,
    /// The details of a location, a workout or a recording.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub payload: Option<Payload>,
    /// When the message was committed, by the clock of the function. The order is by `seq`.
    pub created_at: Timestamp,
    /// Whether the message was forwarded from another one.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub is_forwarded: bool,
    /// When the message was last edited.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub edited_at: Option<Timestamp>,
    /// When the message was deleted. Its position and ids stay permanently.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub deleted_at: Option<Timestamp>,
    /// The number of users per emoji, in the order of first use.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub reactions: Vec<Tally>,
}

impl Message {
    /// A message of which only the position is known.
    pub fn unreadable(room_id: RoomId, seq: u64) -> Self {
        Self {
            id: MessageId::of_position(seq),
            room_id,
            seq,
            rev: 0,
            sender_id: Uuid::nil().into(),
            sender_username: username::DELETED.to_owned(),
            sender_display_name: None,
            client_message_id: String::new(),
            kind: Kind::Text,
            content: String::new(),
            media_url: None,
            reply_to_id: None,
            payload: None,
            created_at: Timestamp::from_seconds(0),
            is_forwarded: false,
            edited_at: None,
            deleted_at: None,
            reactions: Vec::new(),
        }
    }

    /// The message without the names of its sender, whose account is deleted.
    #[must_use]
    pub fn without_sender_names(self) -> Self {
        Self { sender_username: username::DELETED.to_owned(), sender_display_name: None, ..self }
    }

    /// The message without its content. Its position and ids stay.
    #[must_use]
    pub fn deleted(mut self, at: Timestamp) -> Self {
        self.content.clear();
        self.reactions.clear();
        (self.media_url, self.reply_to_id, self.payload, self.edited_at) = (None, None, None, None);
        self.deleted_at = Some(at);
        self
    }

    /// Whether a request with this sender and client id is a retry of this message, whatever its content.
    pub fn is_send(&self, sender_id: UserId, client_message_id: &str) -> bool {
        self.sender_id == sender_id && self.client_message_id == client_message_id
    }

    /// Whether the message is deleted: only its position and ids are left.
    pub fn is_deleted(&self) -> bool {
        self.deleted_at.is_some()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn draft() -> Draft {
        Draft {
            room_id: RoomId::random(),
            content: "hello".to_owned(),
            kind: Kind::Text,
            media_url: None,
            reply_to_id: None,
            payload: None,
        }
    }

    fn violations(draft: &Draft) -> Vec<String> {
        let origins = ["https://media.example.com".to_owned(), "https://cdn.example.com/athlytiq".to_owned()];
        let errors = draft.violations(&origins).into_iter();
        errors.map(|error| format!("{} {}", error.field, error.message)).collect()
    }

    #[test]
    fn content_is_not_blank_and_limited_in_length() {
        assert_eq!(violations(&draft()), Vec::<String>::new());
        for blank in [" \n", "\u{A0}", "\u{200B}", "\u{2800}", "\u{3164}", "\u{202E}"] {
            let draft = Draft { content: blank.into(), ..draft() };
            assert_eq!(violations(&draft), ["content must not be blank"], "{blank:?}");
        }
        assert_eq!(violations(&Draft { content: "é".repeat(4000), ..draft() }), Vec::<String>::new());
        assert_eq!(violations(&Draft { content: "é".repeat(4001), ..draft() }).len(), 1);
    }

    #[test]
    fn content_can_be_empty_with_a_media_url_or_a_payload() {
        let image = Draft {
            content: String::new(),
            kind: Kind::Image,
            media_url: Some("https://media.example.com/a.jpg".into()),
            ..draft()
        };
        assert_eq!(violations(&image), Vec::<String>::new());
        let payload = Payload::parse(r#"{"latitude":1.5}"#).ok();
        let place =
            Draft { content: String::new(), kind: Kind::Location, payload: payload.clone(), ..draft() };
        assert_eq!(violations(&place), Vec::<String>::new());
        assert_eq!(violations(&Draft { payload, ..draft() }).len(), 1);
    }

    #[test]
    fn a_media_url_is_under_an_allowed_origin() {
        let with = |url: &str| violations(&Draft { media_url: Some(url.into()), ..draft() }).is_empty();
        assert!(with("https://media.example.com/a/b.jpg"));
        assert!(with("https://cdn.example.com/athlytiq/a.jpg"));
        for url in [
            "http://media.example.com/a.jpg",
            "https://media.example.com:8443/a.jpg",
            "https://media.example.com.evil.example/a.jpg",
            "https://media.example.com@evil.example/a.jpg",
            "https://me@media.example.com/a.jpg",
            "https://cdn.example.com/athlytiq-evil/a.jpg",
            "https://cdn.example.com/athlytiq/../secret.jpg",
            &format!("https://media.example.com/{}", "a".repeat(2048)),
            "javascript:alert(1)",
            "data:text/plain,a",
            "a.jpg",
            "",
        ] {
            assert!(!with(url), "{url}");
        }
        let disguised = normalize_url("https://media.example.com\\@evil.example/a");
        assert_eq!(disguised, "https://media.example.com/@evil.example/a");
        let with_media = Draft { media_url: Some("https://media.example.com/a".into()), ..draft() };
        assert_eq!(with_media.violations(&[]).len(), 1);
    }
}
