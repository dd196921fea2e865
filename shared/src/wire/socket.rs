//! The frames of the WebSocket, both ways `{"type", "data"}` with an optional `"ref"`.

use std::sync::Arc;

use serde::Serialize;
use serde_json::Value;

use crate::{
    clock::Timestamp,
    domain::{
        messages::reaction::Emoji,
        rooms::{Member, Room, RoomWithMembers, patch::HistoryVisibility},
    },
    error::{Error, Result},
    id::{DeviceId, MessageId, RequestId, RoomId, UserId},
    wire::{
        fields::{Fields, Input},
        messages::{Message, Reaction},
        relationships::FriendRequest,
        rooms::{ChatRoom, Participant, Settings},
        users::Me,
    },
};

/// What we send.
#[derive(Clone, Debug, Serialize)]
#[serde(tag = "type", content = "data", rename_all = "snake_case")]
pub enum Event {
    /// The answer to `hello`.
    ConnectionEstablished {
        /// Whom the connection's token means.
        user_id: UserId,
        /// Our time.
        server_time: Timestamp,
    },
    /// The answer to `send_message`: it is in the log.
    MessageSent(Message),
    /// A message from somebody else, or from another device of one's own.
    NewMessage(Message),
    /// A message has other words.
    MessageUpdated(Message),
    /// A message was emptied.
    MessageDeleted(Message),
    /// Somebody put an emoji to a message, or took it back.
    MessageReaction(ReactionChange),
    /// Somebody has read up to a position.
    MessageReadReceipt(Receipt),
    /// A device of somebody's has everything up to a position.
    MessageDeliveredReceipt(Receipt),
    /// Somebody is writing something, or has stopped.
    TypingIndicator {
        /// Where.
        chat_room_id: RoomId,
        /// Who.
        user_id: UserId,
        /// Their username.
        username: String,
        /// Whether they are writing.
        is_typing: bool,
    },
    /// A friend has come online, or gone offline.
    UserStatusChange {
        /// Who.
        user_id: UserId,
        /// Whether they are online.
        is_online: bool,
        /// When they last were, if they show that.
        last_seen: Option<Timestamp>,
    },
    /// A room that one is in from now on.
    RoomCreated(Box<ChatRoom>),
    /// The room itself is another one.
    RoomUpdated(RoomState),
    /// Somebody is in the room from now on.
    ParticipantJoined {
        /// Which room.
        chat_room_id: RoomId,
        /// Its revision now.
        rev: u64,
        /// Who.
        participant: Participant,
        /// How many are in it now.
        participant_count: usize,
    },
    /// Somebody is no longer in the room.
    ParticipantLeft {
        /// Which room.
        chat_room_id: RoomId,
        /// Its revision now.
        rev: u64,
        /// Who.
        user_id: UserId,
        /// How many are in it now.
        participant_count: usize,
        /// Who owns the room now, if its owner left.
        new_owner_id: Option<UserId>,
    },
    /// People in the room are shown otherwise, or may do something else.
    ParticipantUpdated {
        /// Which room.
        chat_room_id: RoomId,
        /// Its revision now.
        rev: u64,
        /// All whom this revision changed, as they are now.
        participants: Vec<Participant>,
    },
    /// One's own profile has changed.
    ProfileUpdated(Me),
    /// A group is no more.
    RoomDeleted {
        /// Which room.
        chat_room_id: RoomId,
    },
    /// Another device of one's own keeps a room otherwise.
    RoomSettingsUpdated {
        /// Which room.
        chat_room_id: RoomId,
        /// How.
        settings: Settings,
    },
    /// Somebody asks to be friends.
    FriendRequestReceived(FriendRequest),
    /// Somebody has answered a request.
    FriendRequestResponded {
        /// Which request.
        request_id: RequestId,
        /// Who answered.
        user_id: UserId,
        /// `accepted` or `rejected`.
        action: &'static str,
    },
    /// A request does not wait any more: its sender has taken it back.
    FriendRequestCancelled {
        /// Which request.
        request_id: RequestId,
    },
    /// Somebody is not a friend any more.
    FriendRemoved {
        /// Who.
        user_id: UserId,
    },
    /// The reader, on one of their devices, has blocked somebody or taken that back.
    BlockChanged {
        /// Whom.
        user_id: UserId,
        /// Whether they are blocked now.
        is_blocked: bool,
    },
    /// The answer to `ping`.
    Pong {
        /// What the client sent.
        timestamp: Value,
    },
    /// The answer to a frame that failed.
    Error {
        /// As in a problem over HTTP.
        code: &'static str,
        /// As a problem's `detail`.
        message: String,
        /// Seconds after which the same frame may succeed, where waiting helps.
        retry_after: Option<u32>,
    },
}

impl Event {
    /// Some people of a room, as they are now and as one of its members may see them.
    pub fn participants_updated(room: &RoomWithMembers, people: &[UserId], reader: &Member) -> Self {
        let updated = room.members.iter().filter(|member| people.contains(&member.shown.user_id));
        let participants = updated.cloned().map(|member| Participant::seen_by(reader, member)).collect();
        Self::ParticipantUpdated { chat_room_id: room.room.id, rev: room.room.rev, participants }
    }
}

/// All of a room that revisions change, beside its messages and its people.
#[derive(Clone, Debug, Serialize)]
pub struct RoomState {
    /// Which room.
    pub chat_room_id: RoomId,
    /// Its revision now.
    pub rev: u64,
    /// What it is called.
    pub name: Option<String>,
    /// Its picture.
    pub avatar_url: Option<String>,
    /// What it is about.
    pub description: Option<String>,
    /// How much of its log newcomers see.
    pub history_visibility: HistoryVisibility,
    /// The pinned messages that the reader sees, the newest pin first.
    pub pinned_message_ids: Vec<MessageId>,
}

impl RoomState {
    /// As somebody sees it who sees the log from `from_seq` on.
    pub fn of(room: &Room, from_seq: u64) -> Self {
        Self {
            chat_room_id: room.id,
            rev: room.rev,
            name: room.name.clone(),
            avatar_url: room.avatar_url.clone(),
            description: room.description.clone(),
            history_visibility: room.history_visibility,
            pinned_message_ids: room.pinned_from(from_seq),
        }
    }
}

/// What became of the reactions to a message.
#[derive(Clone, Debug, Serialize)]
pub struct ReactionChange {
    /// In which room.
    pub chat_room_id: RoomId,
    /// At which message.
    pub message_id: MessageId,
    /// Its position.
    pub seq: u64,
    /// The room's revision at its last change.
    pub rev: u64,
    /// Who put an emoji there or took it back.
    pub user_id: UserId,
    /// Their username.
    pub username: String,
    /// Which emoji.
    pub emoji: Emoji,
    /// Put there, or taken back.
    pub is_added: bool,
    /// All reactions to it, as the reader sees them.
    pub reactions: Vec<Reaction>,
}

/// How far somebody has come in a room.
#[derive(Clone, Debug, Serialize)]
pub struct Receipt {
    /// Where.
    pub chat_room_id: RoomId,
    /// Who.
    pub user_id: UserId,
    /// Up to which message, included.
    pub seq: u64,
    /// Always empty: positions say it all. Kept for clients that look for it.
    pub message_ids: [(); 0],
}

/// An event on its way, with the reference of the frame that it answers.
#[derive(Debug, Serialize)]
pub struct Frame<'a> {
    /// What is said.
    #[serde(flatten)]
    pub event: &'a Event,
    /// What the client called its frame.
    #[serde(rename = "ref", skip_serializing_if = "Option::is_none")]
    pub reference: Option<&'a Value>,
}

impl<'a> Frame<'a> {
    /// An event that answers nothing.
    pub fn of(event: &'a Event) -> Self {
        Self { event, reference: None }
    }

    /// The frame's JSON.
    pub fn encode(&self) -> Result<Arc<[u8]>> {
        Ok(serde_json::to_vec(self).map_err(Error::internal)?.into())
    }
}

/// The data of a `hello` frame.
pub struct Hello {
    /// The device that the connection belongs to.
    pub device_id: Option<DeviceId>,
}

impl Input for Hello {
    fn read(fields: &mut Fields) -> Option<Self> {
        Some(Self { device_id: fields.optional("device_id") })
    }
}

/// The data of a `ping` frame.
pub struct Ping {
    /// Comes back in the answer, `null` if absent.
    pub timestamp: Value,
}

impl Input for Ping {
    fn read(fields: &mut Fields) -> Option<Self> {
        let timestamp: Value = fields.optional("timestamp").unwrap_or_default();
        if !(timestamp.is_null() || timestamp.is_number() || timestamp.is_string()) {
            fields.fault("timestamp", "must be a number or a string");
        }
        Some(Self { timestamp })
    }
}

/// The data of a `message_read` frame.
pub struct MessageRead {
    /// Where.
    pub room_id: RoomId,
    /// Up to which message, included; without it, up to the newest.
    pub seq: Option<u64>,
}

impl Input for MessageRead {
    fn read(fields: &mut Fields) -> Option<Self> {
        let room_id = fields.required_either("chat_room_id", "room_id");
        let ids: Option<Vec<MessageId>> = fields.optional("message_ids");
        let newest_named = ids.unwrap_or_default().into_iter().map(MessageId::seq).max();
        Some(Self { seq: fields.optional("seq").max(newest_named), room_id: room_id? })
    }
}

/// The data of a `message_delivered` frame.
pub struct MessageDelivered {
    /// Where.
    pub room_id: RoomId,
    /// Up to which message, included.
    pub seq: u64,
}

impl Input for MessageDelivered {
    fn read(fields: &mut Fields) -> Option<Self> {
        let (room_id, seq) = (fields.required_either("chat_room_id", "room_id"), fields.required("seq"));
        Some(Self { room_id: room_id?, seq: seq? })
    }
}

/// The data of a `typing_start` or `typing_stop` frame.
pub struct Typing {
    /// Where.
    pub room_id: RoomId,
}

impl Input for Typing {
    fn read(fields: &mut Fields) -> Option<Self> {
        Some(Self { room_id: fields.required_either("chat_room_id", "room_id")? })
    }
}
