//! Messages and reactions.

use serde::Serialize;
use serde_json::value::RawValue;

use crate::{
    clock::Timestamp,
    domain::{
        messages::{
            self, Draft, Kind, Payload, SendRequest,
            log::Window,
            reaction::{Emoji, Tally, UserReactions},
            view::View,
        },
        page::Page,
        receipts::MessageStatus,
        text,
        users::profile::ShownProfile,
    },
    id::{MessageId, RoomId, UserId},
    wire::{
        ListItem,
        fields::{Fields, Input, MAX_PAGE},
    },
};

/// `POST /chat/messages`, and the data of a `send_message` frame.
pub struct MessageCreate {
    draft: Draft,
    forwarded: Option<(RoomId, MessageId)>,
    client_message_id: Option<String>,
    after_seq: Option<u64>,
}

impl Input for MessageCreate {
    fn read(fields: &mut Fields) -> Option<Self> {
        let room_id = fields.required_either("chat_room_id", "room_id");
        let draft = Draft {
            // A placeholder for a missing id, so that all other violations are found. Such a draft is
            // discarded.
            room_id: room_id.unwrap_or_else(RoomId::random),
            content: text::clean(&fields.optional::<String>("content").unwrap_or_default()),
            kind: fields.choice("message_type", &Kind::SENDABLE).unwrap_or(Kind::Text),
            media_url: fields.optional::<String>("media_url").map(|url| messages::normalize_url(&url)),
            reply_to_id: fields.optional("reply_to_id"),
            payload: fields.optional("payload"),
        };
        let client_message_id = fields.client_id("client_message_id");
        let after_seq = fields.optional("after_seq");
        let is_forward = fields.has("forward_room_id") || fields.has("forward_message_id");
        let forwarded = if is_forward { forwarded(fields) } else { None };
        if !is_forward {
            for violation in draft.violations(fields.media_origins()) {
                fields.violation(&violation.field, &violation.message);
            }
        }
        room_id.map(|_| Self { draft, forwarded, client_message_id, after_seq })
    }
}

/// The message to forward. Its content replaces that of the draft, so the request must not have any.
fn forwarded(fields: &mut Fields) -> Option<(RoomId, MessageId)> {
    if ["content", "message_type", "media_url", "payload"].iter().any(|name| fields.has(name)) {
        let message = "cannot be combined with content, message_type, media_url or payload";
        fields.violation("forward_message_id", message);
    }
    let (room, message) = (fields.required("forward_room_id"), fields.required("forward_message_id"));
    Some((room?, message?))
}

impl MessageCreate {
    /// Converts the request to one of this sender.
    pub fn from_sender(self, sender_id: UserId) -> SendRequest {
        let Self { draft, forwarded, client_message_id, after_seq } = self;
        SendRequest { sender_id, draft, forwarded, client_message_id, after_seq }
    }
}

/// `GET /chat/rooms/{room_id}/messages`.
pub struct History {
    /// The part of the log to read.
    pub window: Window,
    /// The maximum number of messages.
    pub limit: usize,
}

/// The number of messages without a `limit`.
const DEFAULT_LIMIT: usize = 50;

impl Input for History {
    fn read(fields: &mut Fields) -> Option<Self> {
        let limit = fields.within("limit", 1, MAX_PAGE).and_then(|limit| usize::try_from(limit).ok());
        let positions = ["offset", "before_seq", "after_seq", "around_seq"].map(|name| fields.optional(name));
        let window = Window::choose(positions);
        if window.is_none() {
            fields.violation(
                "before_seq",
                "cannot be combined with offset, after_seq or around_seq, nor these with each other",
            );
        }
        Some(Self { window: window?, limit: limit.unwrap_or(DEFAULT_LIMIT) })
    }
}

/// A message, in the same form in all responses and events.
#[expect(clippy::struct_field_names, reason = "the names are part of the API")]
#[derive(Clone, Debug, Serialize)]
pub struct Message {
    id: MessageId,
    chat_room_id: RoomId,
    sender_id: UserId,
    sender_username: String,
    sender_display_name: Option<String>,
    content: String,
    message_type: Kind,
    media_url: Option<String>,
    reply_to_id: Option<MessageId>,
    reply_to: Option<Preview>,
    is_edited: bool,
    is_deleted: bool,
    is_forwarded: bool,
    created_at: Timestamp,
    edited_at: Option<Timestamp>,
    seq: u64,
    rev: u64,
    status: Option<MessageStatus>,
    client_message_id: String,
    payload: Option<Box<RawValue>>,
    reactions: Vec<Reaction>,
}

impl From<View> for Message {
    fn from(view: View) -> Self {
        let View { message, status, reply_to, mine } = view;
        Self {
            id: message.id,
            chat_room_id: message.room_id,
            sender_id: message.sender_id,
            is_edited: message.edited_at.is_some(),
            is_deleted: message.is_deleted(),
            sender_username: message.sender_username,
            sender_display_name: message.sender_display_name,
            content: message.content,
            message_type: message.kind,
            media_url: message.media_url,
            reply_to_id: message.reply_to_id,
            reply_to: reply_to.map(Preview::from),
            is_forwarded: message.is_forwarded,
            created_at: message.created_at,
            edited_at: message.edited_at,
            seq: message.seq,
            rev: message.rev,
            status,
            client_message_id: message.client_message_id,
            payload: message.payload.map(Payload::into_raw),
            reactions: Reaction::all(message.reactions, &mine),
        }
    }
}

/// A preview of the message that another one replies to.
#[derive(Clone, Debug, Serialize)]
struct Preview {
    id: MessageId,
    seq: u64,
    sender_id: UserId,
    sender_username: String,
    sender_display_name: Option<String>,
    message_type: Kind,
    content: String,
    is_deleted: bool,
}

/// The maximum length of the content in a preview, in characters.
const PREVIEW_CHARS: usize = 100;

impl From<messages::Message> for Preview {
    fn from(message: messages::Message) -> Self {
        Self {
            id: message.id,
            seq: message.seq,
            sender_id: message.sender_id,
            is_deleted: message.is_deleted(),
            sender_username: message.sender_username,
            sender_display_name: message.sender_display_name,
            message_type: message.kind,
            content: message.content.chars().take(PREVIEW_CHARS).collect(),
        }
    }
}

/// One emoji of a message, with the number of users who reacted with it.
#[derive(Clone, Debug, Serialize)]
pub struct Reaction {
    emoji: Emoji,
    count: u64,
    mine: bool,
}

impl Reaction {
    /// Converts all reactions to a message. `mine` lists the reader's own.
    pub fn all(tallies: Vec<Tally>, mine: &[Emoji]) -> Vec<Self> {
        let shown = |Tally { emoji, count }| Self { mine: mine.contains(&emoji), emoji, count };
        tallies.into_iter().map(shown).collect()
    }
}

/// `PATCH /chat/rooms/{room_id}/messages/{message_id}`.
pub struct MessageEdit {
    /// The new content.
    pub content: String,
}

impl Input for MessageEdit {
    fn read(fields: &mut Fields) -> Option<Self> {
        let content = text::clean(&fields.required::<String>("content")?);
        if let Some(message) = messages::content_violation(&content, false) {
            fields.violation("content", message);
        }
        Some(Self { content })
    }
}

/// The path parameters that name a message.
pub struct MessagePath {
    /// The room of the message.
    pub room_id: RoomId,
    /// The message.
    pub message_id: MessageId,
}

impl Input for MessagePath {
    fn read(fields: &mut Fields) -> Option<Self> {
        let (room_id, message_id) = (fields.required("room_id"), fields.required("message_id"));
        Some(Self { room_id: room_id?, message_id: message_id? })
    }
}

/// The path parameters that name a reaction.
pub struct ReactionPath {
    /// The message.
    pub message: MessagePath,
    /// The emoji.
    pub emoji: Emoji,
}

impl Input for ReactionPath {
    fn read(fields: &mut Fields) -> Option<Self> {
        let (message, emoji) = (MessagePath::read(fields), fields.required("emoji"));
        Some(Self { message: message?, emoji: emoji? })
    }
}

/// A user who reacted to a message.
#[derive(Clone, Debug, Serialize)]
pub struct ReactingUser {
    user_id: UserId,
    username: String,
    display_name: Option<String>,
    avatar_url: Option<String>,
    emojis: Vec<Emoji>,
    reacted_at: Timestamp,
}

impl ReactingUser {
    /// Converts a page.
    pub fn page(page: Page<UserReactions>) -> Page<Self> {
        page.map(|UserReactions { user, emojis, at }| {
            let ShownProfile { id: user_id, username, display_name, avatar_url } = user;
            Self { user_id, username, display_name, avatar_url, emojis, reacted_at: at }
        })
    }
}

impl ListItem for ReactingUser {
    fn cursor(&self) -> String {
        self.user_id.to_string()
    }
}
