//! Messages: what one is, and what may be sent.

pub mod action;
pub mod log;
pub mod reaction;
mod send;
pub mod view;

pub use send::SendRequest;

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use url::Url;

use crate::{
    clock::Timestamp,
    domain::messages::reaction::Tally,
    error::FieldError,
    id::{MessageId, RoomId, UserId},
};

/// The longest content, in characters.
pub const MAX_CONTENT_CHARS: usize = 4000;

/// The longest `media_url`, in bytes.
pub const MAX_URL_BYTES: usize = 2048;

/// The largest payload, in bytes of JSON. With the longest content it fits a 32 KB frame.
pub const MAX_PAYLOAD_BYTES: usize = 4096;

/// What a message is about. The first five are the plan's.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Kind {
    /// Words.
    Text,
    /// A picture, at `media_url`.
    Image,
    /// A file, at `media_url`.
    File,
    /// A place.
    Location,
    /// A workout.
    Workout,
    /// A recording, at `media_url`.
    Voice,
    /// Written by the system about the room; nobody can send one.
    System,
}

impl Kind {
    /// Those that people send, as the API spells them.
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

/// What somebody wants to say, within the bounds of what may be said.
#[derive(Clone, Debug, PartialEq)]
pub struct Draft {
    /// Where.
    pub room_id: RoomId,
    /// The words; empty only beside media or a payload.
    pub content: String,
    /// What it is about.
    pub kind: Kind,
    /// A picture, file or recording.
    pub media_url: Option<String>,
    /// The message of the same room that this one answers.
    pub reply_to_id: Option<MessageId>,
    /// Details of a location, a workout or a recording.
    pub payload: Option<Map<String, Value>>,
}

impl Draft {
    /// Everything about it that may not be said, by field.
    pub fn faults(&self, media_origins: &[String]) -> Vec<FieldError> {
        let mut faults = Vec::new();
        let mut fault = |field: &str, message: &str| {
            faults.push(FieldError { field: field.to_owned(), message: message.to_owned() });
        };
        let stands_alone = self.media_url.is_none() && self.payload.is_none();
        if let Some(problem) = content_violation(&self.content, stands_alone) {
            fault("content", problem);
        }
        if self.media_url.as_deref().is_some_and(|url| !lies_under(url, media_origins)) {
            fault("media_url", "must lie under an allowed origin");
        }
        if let Some(payload) = &self.payload {
            if !self.kind.may_have_payload() {
                fault("payload", "goes only with a location, a workout or a voice message");
            } else if serde_json::to_string(payload).map_or(usize::MAX, |json| json.len()) > MAX_PAYLOAD_BYTES
            {
                fault("payload", "must have at most 4096 bytes");
            }
        }
        faults
    }
}

/// What is wrong with the words of a message, which may be missing only beside something else.
pub fn content_violation(content: &str, stands_alone: bool) -> Option<&'static str> {
    if stands_alone && content.trim().is_empty() {
        Some("must not be blank")
    } else if content.chars().count() > MAX_CONTENT_CHARS {
        Some("must have at most 4000 characters")
    } else if content.chars().any(|c| c.is_control() && !matches!(c, '\n' | '\r' | '\t')) {
        Some("must not contain control characters")
    } else {
        None
    }
}

/// A URL in the one form that everybody reads alike; what is no URL stays as it is. The form that is checked is the form
/// that is kept, so that no client can read another host in it.
pub fn normal_url(url: &str) -> String {
    Url::parse(url).map_or_else(|_| url.to_owned(), String::from)
}

/// Whether a URL has the scheme, host and port of one of the origins, and lies below its path if it has one.
pub fn lies_under(url: &str, origins: &[String]) -> bool {
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

/// A message as it stands in the log.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Message {
    /// Its id, which holds `seq`.
    pub id: MessageId,
    /// The room that it is in.
    pub room_id: RoomId,
    /// Its position in the room, from 1, without gaps.
    pub seq: u64,
    /// The room's revision at its last change; 0 while unchanged.
    pub rev: u64,
    /// Who said it.
    pub sender_id: UserId,
    /// The sender's username as it was then.
    pub sender_username: String,
    /// The sender's own name for it: with `sender_id` it tells a repeated send from a new one.
    pub client_message_id: String,
    /// What it is about.
    pub kind: Kind,
    /// The words.
    pub content: String,
    /// A picture, file or recording.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub media_url: Option<String>,
    /// The message that this one answers.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reply_to_id: Option<MessageId>,
    /// Details of a location, a workout or a recording. Kept as JSON text: the table's own numbers, names and nesting
    /// have bounds that JSON has not, and it would not give back what it was given.
    #[serde(default, skip_serializing_if = "Option::is_none", with = "json_text")]
    pub payload: Option<Map<String, Value>>,
    /// When it was committed, by the clock of the function that did it. Order is by `seq`, not by this.
    pub created_at: Timestamp,
    /// Whether it was taken over from another message.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub is_forwarded: bool,
    /// When its words were last changed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub edited_at: Option<Timestamp>,
    /// When it was emptied. Its place and its names stay for ever.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub deleted_at: Option<Timestamp>,
    /// How many people put which emoji to it.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub reactions: Vec<Tally>,
}

/// An object as a text of JSON.
mod json_text {
    use serde::{Deserialize, Deserializer, Serializer, de, ser};
    use serde_json::{Map, Value};

    #[expect(clippy::ref_option, reason = "serde hands it over so")]
    pub fn serialize<S: Serializer>(payload: &Option<Map<String, Value>>, to: S) -> Result<S::Ok, S::Error> {
        match payload {
            Some(object) => to.serialize_some(&serde_json::to_string(object).map_err(ser::Error::custom)?),
            None => to.serialize_none(),
        }
    }

    pub fn deserialize<'de, D: Deserializer<'de>>(from: D) -> Result<Option<Map<String, Value>>, D::Error> {
        let text = Option::<String>::deserialize(from)?;
        text.map(|text| serde_json::from_str(&text).map_err(de::Error::custom)).transpose()
    }
}

impl Message {
    /// Whether this is the very message that a repeated send means, whatever its content was.
    pub fn is_send(&self, sender_id: UserId, client_message_id: &str) -> bool {
        self.sender_id == sender_id && self.client_message_id == client_message_id
    }

    /// Whether nothing but its place is left of it.
    pub fn is_deleted(&self) -> bool {
        self.deleted_at.is_some()
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

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

    fn faults(draft: &Draft) -> Vec<String> {
        let origins = ["https://media.example.com".to_owned(), "https://cdn.example.com/athlytiq".to_owned()];
        draft.faults(&origins).into_iter().map(|fault| format!("{} {}", fault.field, fault.message)).collect()
    }

    #[test]
    fn content_is_neither_blank_nor_long_nor_full_of_controls() {
        assert_eq!(faults(&draft()), Vec::<String>::new());
        assert_eq!(faults(&Draft { content: " \n".into(), ..draft() }), ["content must not be blank"]);
        assert_eq!(faults(&Draft { content: "é".repeat(4000), ..draft() }), Vec::<String>::new());
        assert_eq!(faults(&Draft { content: "é".repeat(4001), ..draft() }).len(), 1);
        assert_eq!(faults(&Draft { content: "a\u{7}b".into(), ..draft() }).len(), 1);
        assert_eq!(faults(&Draft { content: "line\r\n\tnext".into(), ..draft() }), Vec::<String>::new());
    }

    #[test]
    fn content_may_be_empty_beside_media_or_a_payload() {
        let image = Draft {
            content: String::new(),
            kind: Kind::Image,
            media_url: Some("https://media.example.com/a.jpg".into()),
            ..draft()
        };
        assert_eq!(faults(&image), Vec::<String>::new());
        let payload = json!({"latitude": 1.5}).as_object().cloned();
        let place =
            Draft { content: String::new(), kind: Kind::Location, payload: payload.clone(), ..draft() };
        assert_eq!(faults(&place), Vec::<String>::new());
        assert_eq!(faults(&Draft { payload, ..draft() }).len(), 1);
    }

    #[test]
    fn a_media_url_lies_under_an_allowed_origin() {
        let with = |url: &str| faults(&Draft { media_url: Some(url.into()), ..draft() }).is_empty();
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
        let disguised = normal_url("https://media.example.com\\@evil.example/a");
        assert_eq!(disguised, "https://media.example.com/@evil.example/a");
        let nowhere = Draft { media_url: Some("https://media.example.com/a".into()), ..draft() };
        assert_eq!(nowhere.faults(&[]).len(), 1);
    }
}
