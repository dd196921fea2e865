//! The frames of the WebSocket. In both directions they are `{"type", "data"}` with an optional `"ref"`.

use std::sync::Arc;

use const_format::formatcp;
use serde::Serialize;

use crate::{
    clock::Timestamp,
    domain::{
        messages::reaction::Emoji,
        receipts::{MAX_NAMED_MESSAGES, ReceiptTarget},
        rooms::{Member, Room, RoomWithMembers, patch::HistoryVisibility},
    },
    error::{Error, Result},
    id::{DeviceId, MessageId, RequestId, RoomId, UserId},
    wire::{
        fields::{Fields, Input},
        json::Echo,
        messages::{Message, Reaction},
        relationships::{FriendRequest, ListedFriend},
        rooms::{ChatRoom, Participant, RoomSettingsView},
        users::Me,
    },
};

/// An event that the server sends.
#[derive(Clone, Debug, Serialize)]
#[serde(tag = "type", content = "data", rename_all = "snake_case")]
pub enum Event {
    /// The reply to `hello`.
    ConnectionEstablished {
        /// The user of the connection's token.
        user_id: UserId,
        /// The server's time.
        server_time: Timestamp,
    },
    /// The reply to `send_message`: the message is in the log.
    MessageSent(Message),
    /// A message from another user, or from another device of the recipient.
    NewMessage(Message),
    /// A message was edited.
    MessageUpdated(Message),
    /// A message was deleted. Its content is empty.
    MessageDeleted(Message),
    /// A reaction was added or removed.
    MessageReaction(ReactionChange),
    /// A member has read the messages up to a position.
    MessageReadReceipt(Receipt),
    /// A device of a member has received the messages up to a position.
    MessageDeliveredReceipt(Receipt),
    /// A member started or stopped typing.
    TypingIndicator {
        /// The room.
        chat_room_id: RoomId,
        /// The typing member.
        user_id: UserId,
        /// The member's username.
        username: String,
        /// The member's display name.
        display_name: Option<String>,
        /// The URL of the member's avatar.
        avatar_url: Option<String>,
        /// Whether the member is typing.
        is_typing: bool,
    },
    /// A friend came online, went offline, or changed who sees that.
    UserStatusChange {
        /// The friend.
        user_id: UserId,
        /// Whether the friend is online and shows it.
        is_online: bool,
        /// When the friend was last online; `None` if unknown or hidden.
        last_seen: Option<Timestamp>,
    },
    /// The recipient joined a room, or created it on another device.
    RoomCreated(Box<ChatRoom>),
    /// The name, avatar, description, history visibility or pins of a room changed.
    RoomUpdated(RoomState),
    /// A user joined a room.
    ParticipantJoined {
        /// The room.
        chat_room_id: RoomId,
        /// The room's new revision.
        rev: u64,
        /// The new participant.
        participant: Participant,
        /// The new number of participants.
        participant_count: usize,
    },
    /// A user left a room or was removed.
    ParticipantLeft {
        /// The room.
        chat_room_id: RoomId,
        /// The room's new revision.
        rev: u64,
        /// The former participant.
        user_id: UserId,
        /// The new number of participants.
        participant_count: usize,
        /// The new owner, if the owner left.
        new_owner_id: Option<UserId>,
    },
    /// The profile, role or read receipts of participants changed.
    ParticipantUpdated {
        /// The room.
        chat_room_id: RoomId,
        /// The room's new revision.
        rev: u64,
        /// All participants that this revision changed, in their new state.
        participants: Vec<Participant>,
    },
    /// The recipient's own profile changed.
    ProfileUpdated(Me),
    /// A group was deleted.
    RoomDeleted {
        /// The room.
        chat_room_id: RoomId,
    },
    /// The recipient changed the settings of a room on another device.
    RoomSettingsUpdated {
        /// The room.
        chat_room_id: RoomId,
        /// The new settings.
        settings: RoomSettingsView,
    },
    /// The recipient received a friend request.
    FriendRequestReceived(FriendRequest),
    /// The recipient sent a friend request on one of their devices.
    FriendRequestSent(FriendRequest),
    /// A friend request was accepted or rejected. Sent to both users.
    FriendRequestResponded {
        /// The request.
        request_id: RequestId,
        /// The user who answered.
        user_id: UserId,
        /// `accepted` or `rejected`.
        action: &'static str,
        /// The recipient's new friend, if the request was accepted.
        friend: Option<ListedFriend>,
    },
    /// The sender of a friend request cancelled it.
    FriendRequestCancelled {
        /// The request.
        request_id: RequestId,
    },
    /// A friendship ended.
    FriendRemoved {
        /// The former friend.
        user_id: UserId,
    },
    /// The recipient blocked or unblocked a user on one of their devices.
    BlockChanged {
        /// The other user.
        user_id: UserId,
        /// Whether the user is blocked.
        is_blocked: bool,
    },
    /// The reply to `ping`.
    Pong {
        /// The `timestamp` of the `ping`.
        timestamp: Option<Echo>,
    },
    /// The reply to a frame that failed.
    Error {
        /// The `code` of [`Problem`](super::problem::Problem).
        code: &'static str,
        /// The `detail` of the problem.
        message: String,
        /// When the same frame may succeed, in seconds; `None` if waiting does not help.
        retry_after: Option<u32>,
    },
}

impl Event {
    /// The new state of some members of a room, as `reader` may see them.
    pub fn participants_updated(room: &RoomWithMembers, users: &[UserId], reader: &Member) -> Self {
        let updated = room.members.iter().filter(|member| users.contains(&member.shown.user_id));
        let participants = updated.cloned().map(|member| Participant::seen_by(reader, member)).collect();
        Self::ParticipantUpdated { chat_room_id: room.room.id, rev: room.room.rev, participants }
    }
}

/// The part of a room that has revisions, without its messages and participants.
#[derive(Clone, Debug, Serialize)]
pub struct RoomState {
    /// The room.
    pub chat_room_id: RoomId,
    /// The room's new revision.
    pub rev: u64,
    /// The name of the group; `None` for a direct room.
    pub name: Option<String>,
    /// The URL of the group's avatar.
    pub avatar_url: Option<String>,
    /// The description of the group.
    pub description: Option<String>,
    /// The part of the log that new members see.
    pub history_visibility: HistoryVisibility,
    /// The pinned messages that are visible to the reader, newest pin first.
    pub pinned_message_ids: Vec<MessageId>,
}

impl RoomState {
    /// The state for a reader who sees the log from `from_seq` on.
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

/// A change of the reactions to a message.
#[derive(Clone, Debug, Serialize)]
pub struct ReactionChange {
    /// The room of the message.
    pub chat_room_id: RoomId,
    /// The message.
    pub message_id: MessageId,
    /// The position of the message.
    pub seq: u64,
    /// The room's revision at the last change of the message.
    pub rev: u64,
    /// The user who added or removed the reaction.
    pub user_id: UserId,
    /// The user's username.
    pub username: String,
    /// The user's display name.
    pub display_name: Option<String>,
    /// The URL of the user's avatar.
    pub avatar_url: Option<String>,
    /// The emoji of the reaction.
    pub emoji: Emoji,
    /// Whether the reaction was added; otherwise it was removed.
    pub is_added: bool,
    /// All reactions to the message, with the reader's own marked.
    pub reactions: Vec<Reaction>,
}

/// The receipt of a member in a room.
#[derive(Clone, Debug, Serialize)]
pub struct Receipt {
    /// The room.
    pub chat_room_id: RoomId,
    /// The member.
    pub user_id: UserId,
    /// The position of the last message that the receipt covers.
    pub seq: u64,
    /// Always empty: `seq` covers all messages. Kept for clients that expect the field.
    pub message_ids: [(); 0],
}

/// An event, with the `ref` of the frame that it replies to.
#[derive(Debug, Serialize)]
pub struct Frame<'a> {
    /// The event.
    #[serde(flatten)]
    pub event: &'a Event,
    /// The `ref` of the client's frame.
    #[serde(rename = "ref", skip_serializing_if = "Option::is_none")]
    pub reference: Option<&'a Echo>,
}

impl<'a> Frame<'a> {
    /// A frame that does not reply to another one.
    pub fn of(event: &'a Event) -> Self {
        Self { event, reference: None }
    }

    /// Encodes the frame as JSON.
    pub fn encode(&self) -> Result<Arc<[u8]>> {
        Ok(serde_json::to_vec(self).map_err(Error::internal)?.into())
    }
}

/// The data of a `hello` frame.
pub struct Hello {
    /// The device of the connection.
    pub device_id: Option<DeviceId>,
}

impl Input for Hello {
    fn read(fields: &mut Fields) -> Option<Self> {
        Some(Self { device_id: fields.optional("device_id") })
    }
}

/// The data of a `ping` frame.
pub struct Ping {
    /// Returned in the reply; `null` if absent.
    pub timestamp: Option<Echo>,
}

impl Input for Ping {
    fn read(fields: &mut Fields) -> Option<Self> {
        Some(Self { timestamp: fields.optional("timestamp") })
    }
}

/// The position and the messages of a receipt. Without either, it covers all messages of the room.
impl Input for ReceiptTarget {
    fn read(fields: &mut Fields) -> Option<Self> {
        let (seq, messages) = (fields.optional("seq"), fields.optional::<Vec<MessageId>>("message_ids"));
        if messages.as_ref().is_some_and(|messages| messages.len() > MAX_NAMED_MESSAGES) {
            fields.violation("message_ids", TOO_MANY_MESSAGES);
        }
        Some(match (seq, messages) {
            (None, None) => Self::Newest,
            (seq, messages) => {
                Self::UpTo { seq: seq.unwrap_or_default(), messages: messages.unwrap_or_default() }
            }
        })
    }
}

const TOO_MANY_MESSAGES: &str = formatcp!("must have at most {MAX_NAMED_MESSAGES} elements");

/// The data of a `message_read` frame.
pub struct MessageRead {
    /// The room.
    pub room_id: RoomId,
    /// The messages that were read.
    pub target: ReceiptTarget,
}

impl Input for MessageRead {
    fn read(fields: &mut Fields) -> Option<Self> {
        let (room_id, target) =
            (fields.required_either("chat_room_id", "room_id"), ReceiptTarget::read(fields));
        Some(Self { room_id: room_id?, target: target? })
    }
}

/// The data of a `message_delivered` frame.
pub struct MessageDelivered {
    /// The room.
    pub room_id: RoomId,
    /// The messages that were received.
    pub target: ReceiptTarget,
}

impl Input for MessageDelivered {
    fn read(fields: &mut Fields) -> Option<Self> {
        let MessageRead { room_id, target } = MessageRead::read(fields)?;
        if target == ReceiptTarget::Newest {
            fields.violation("seq", "is required");
        }
        Some(Self { room_id, target })
    }
}

/// The data of a `typing_start` or `typing_stop` frame.
pub struct Typing {
    /// The room.
    pub room_id: RoomId,
}

impl Input for Typing {
    fn read(fields: &mut Fields) -> Option<Self> {
        Some(Self { room_id: fields.required_either("chat_room_id", "room_id")? })
    }
}
