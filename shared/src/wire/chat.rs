//! Rooms and messages, as clients send and see them.

use serde::Serialize;
use serde_json::{Map, Value};

use crate::{
    clock::Timestamp,
    domain::{
        log::Window,
        message::{self, Draft, Kind},
        room::{self, Member, Role, Room, RoomKind, Status, caller_last},
    },
    id::{MessageId, RoomId, UserId},
    store::{
        messages::Send,
        rooms::{RoomAndRoster, RoomSummary},
    },
    wire::fields::{Fields, Input, MAX_PAGE},
};

/// `POST /chat/rooms`.
pub struct RoomCreate {
    /// What a group is called.
    pub name: Option<String>,
    /// Whether two people want a group rather than their direct room.
    pub is_group: bool,
    /// Who shall be in it; the caller is added.
    pub participant_ids: Vec<UserId>,
}

impl Input for RoomCreate {
    fn read(fields: &mut Fields) -> Option<Self> {
        let (name, is_group): (Option<String>, _) = (fields.optional("name"), fields.optional("is_group"));
        let participant_ids: Option<Vec<UserId>> = fields.required("participant_ids");
        if let Some(fault) = name.as_deref().and_then(room::name_fault) {
            fields.fault("name", fault);
        }
        if let Some(fault) = participant_ids.as_deref().and_then(room::people_fault) {
            fields.fault("participant_ids", fault);
        }
        Some(Self { name, is_group: is_group.unwrap_or(false), participant_ids: participant_ids? })
    }
}

/// `POST /chat/messages`, and the data of a `send_message` frame.
pub struct MessageCreate {
    draft: Draft,
    client_message_id: Option<String>,
    after_seq: Option<u64>,
}

/// The longest `client_message_id`, in bytes.
const MAX_CLIENT_ID_BYTES: usize = 64;

impl Input for MessageCreate {
    fn read(fields: &mut Fields) -> Option<Self> {
        let room_id = fields.required_either("chat_room_id", "room_id");
        let draft = Draft {
            // Stands in for a missing id, so that every other fault is found too; such a draft never leaves here.
            room_id: room_id.unwrap_or_else(RoomId::random),
            content: fields.optional("content").unwrap_or_default(),
            kind: fields.choice("message_type", &Kind::SENDABLE).unwrap_or(Kind::Text),
            media_url: fields.optional::<String>("media_url").map(|url| message::normal_url(&url)),
            reply_to_id: fields.optional("reply_to_id"),
            payload: fields.optional("payload"),
        };
        let client_message_id: Option<String> = fields.optional("client_message_id");
        if client_message_id.as_ref().is_some_and(|id| id.is_empty() || id.len() > MAX_CLIENT_ID_BYTES) {
            fields.fault("client_message_id", "must have 1 to 64 bytes");
        }
        let after_seq = fields.optional("after_seq");
        for fault in draft.faults(fields.media_origins()) {
            fields.fault(&fault.field, &fault.message);
        }
        room_id.map(|_| Self { draft, client_message_id, after_seq })
    }
}

impl MessageCreate {
    /// This message, sent by somebody.
    pub fn from_sender(self, sender_id: UserId) -> Send {
        let Self { draft, client_message_id, after_seq } = self;
        Send { sender_id, draft, client_message_id, after_seq }
    }
}

/// `GET /chat/rooms/{room_id}/messages`.
pub struct History {
    /// Which part of the log.
    pub window: Window,
    /// At most so many.
    pub limit: u64,
}

/// The plan's page size.
const DEFAULT_LIMIT: u64 = 50;

impl Input for History {
    fn read(fields: &mut Fields) -> Option<Self> {
        let limit = fields.within("limit", 1, MAX_PAGE).unwrap_or(DEFAULT_LIMIT);
        let [offset, before, after] = ["offset", "before_seq", "after_seq"].map(|name| fields.optional(name));
        let window = Window::choose(offset, before, after);
        if window.is_none() {
            fields
                .fault("before_seq", "cannot stand beside offset or after_seq, nor these beside each other");
        }
        Some(Self { window: window?, limit })
    }
}

/// A message: one shape everywhere.
#[expect(clippy::struct_field_names, reason = "the plan names the fields")]
#[derive(Clone, Debug, Serialize)]
pub struct Message {
    id: MessageId,
    chat_room_id: RoomId,
    sender_id: UserId,
    sender_username: String,
    content: String,
    message_type: Kind,
    media_url: Option<String>,
    reply_to_id: Option<MessageId>,
    is_edited: bool,
    created_at: Timestamp,
    seq: u64,
    rev: u64,
    status: Option<Status>,
    client_message_id: String,
    payload: Option<Map<String, Value>>,
}

impl Message {
    /// A message with the status that its reader may see: only on their own.
    pub fn shown(message: &message::Message, status: Option<Status>) -> Self {
        let message = message.clone();
        Self {
            id: message.id,
            chat_room_id: message.room_id,
            sender_id: message.sender_id,
            sender_username: message.sender_username,
            content: message.content,
            message_type: message.kind,
            media_url: message.media_url,
            reply_to_id: message.reply_to_id,
            is_edited: false,
            created_at: message.created_at,
            seq: message.seq,
            rev: message.rev,
            status,
            client_message_id: message.client_message_id,
            payload: message.payload,
        }
    }

    /// A message as one member of its room sees it.
    pub fn seen_by(reader: UserId, message: &message::Message, members: &[Member]) -> Self {
        let own = message.sender_id == reader;
        Self::shown(message, own.then(|| Status::of(message.seq, reader, members)))
    }
}

/// A person in a room.
#[derive(Clone, Debug, Serialize)]
pub struct Participant {
    user_id: UserId,
    username: String,
    avatar_url: Option<String>,
    joined_at: Timestamp,
    last_read_at: Option<Timestamp>,
    role: Role,
    read_seq: u64,
    delivered_seq: u64,
}

impl From<Member> for Participant {
    fn from(member: Member) -> Self {
        let delivered_seq = member.reached_seq();
        let room::ShownMember { user_id, username, avatar_url, joined_at } = member.shown;
        let (last_read_at, role, read_seq) = (member.read_at, member.role, member.read_seq);
        Self { user_id, username, avatar_url, joined_at, last_read_at, role, read_seq, delivered_seq }
    }
}

/// A chat room, as one of its members sees it: the caller comes last among the participants.
#[derive(Clone, Debug, Serialize)]
pub struct ChatRoom {
    id: RoomId,
    name: Option<String>,
    is_group: bool,
    created_at: Timestamp,
    last_message: Option<Message>,
    unread_count: u64,
    participants: Vec<Participant>,
    participant_count: usize,
    seq: u64,
    rev: u64,
}

impl ChatRoom {
    fn new(room: Room, mut members: Vec<Member>, reader: UserId) -> Self {
        caller_last(&mut members, |member| member.shown.user_id == reader);
        Self {
            id: room.id,
            name: room.name,
            is_group: room.kind == RoomKind::Group,
            created_at: room.created_at,
            last_message: None,
            unread_count: 0,
            participants: members.into_iter().map(Participant::from).collect(),
            participant_count: room.member_count,
            seq: 0,
            rev: room.rev,
        }
    }

    /// A room that has no messages yet.
    pub fn fresh(room: RoomAndRoster, reader: UserId) -> Self {
        Self::new(room.room, room.members, reader)
    }
}

impl From<RoomSummary> for ChatRoom {
    fn from(summary: RoomSummary) -> Self {
        let reader = summary.me.shown.user_id;
        let (unread_count, seq) = (summary.unread(), summary.tail);
        let last = summary.last_message.as_ref();
        let last_message = last.map(|message| Message::shown(message, summary.last_status));
        let members = summary.others.into_iter().chain([summary.me]).collect();
        Self { last_message, unread_count, seq, ..Self::new(summary.room, members, reader) }
    }
}
