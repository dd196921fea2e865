//! The frames of the WebSocket, both ways `{"type", "data"}` with an optional `"ref"`.

use std::sync::Arc;

use serde::Serialize;
use serde_json::Value;

use super::{
    chat::{ChatRoom, Message},
    friends::FriendRequest,
};
use crate::{
    clock::Timestamp,
    error::{Error, Result},
    id::{MessageId, RequestId, RoomId, UserId},
    wire::fields::{Fields, Input},
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
    /// Somebody has read up to a position.
    MessageReadReceipt(Receipt),
    /// A device of somebody's has everything up to a position.
    MessageDeliveredReceipt(Receipt),
    /// A room that one is in from now on.
    RoomCreated(ChatRoom),
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
    },
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
