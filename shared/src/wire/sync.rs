//! What a client holds of its rooms, and what it misses.

use std::collections::BTreeMap;

use serde::Serialize;
use serde_json::{Map, Value};

use crate::{
    domain::{
        messages::view::View,
        sync::{RoomSync, SyncPage, SyncPosition, SyncScope},
    },
    id::RoomId,
    wire::{
        fields::{Fields, Input},
        messages::Message,
        rooms::ChatRoom,
    },
};

/// So many rooms may be named in one call; they fit its body.
const MAX_NAMED: usize = 500;

/// `POST /chat/sync`.
pub struct SyncRequest {
    /// How far the client has each room that it holds.
    pub held: BTreeMap<RoomId, SyncPosition>,
    /// Whether it asks about these alone.
    pub which: SyncScope,
    /// What the last answer said in `next_cursor`.
    pub after: Option<RoomId>,
}

impl Input for SyncRequest {
    fn read(fields: &mut Fields) -> Option<Self> {
        let rooms: Option<Map<String, Value>> = fields.required("rooms");
        let (after, only_named) = (fields.optional("cursor"), fields.optional("only_named"));
        let which = if only_named.unwrap_or(false) { SyncScope::Named } else { SyncScope::All };
        let rooms = rooms?;
        if rooms.len() > MAX_NAMED {
            fields.fault("rooms", "must name at most 500 rooms");
        }
        let held: Option<BTreeMap<RoomId, SyncPosition>> = rooms.iter().map(held).collect();
        if held.is_none() {
            fields.fault("rooms", "must be an object of {\"seq\", \"rev\"} by room id");
        }
        Some(Self { held: held?, which, after })
    }
}

fn held((id, position): (&String, &Value)) -> Option<(RoomId, SyncPosition)> {
    let number = |name: &str| position.get(name)?.as_u64();
    Some((id.parse().ok()?, SyncPosition { seq: number("seq")?, rev: number("rev")? }))
}

/// What a client misses.
#[derive(Debug, Serialize)]
pub struct Sync {
    complete: bool,
    next_cursor: Option<RoomId>,
    rooms: Vec<SyncedRoom>,
    left: Vec<RoomId>,
}

impl Sync {
    /// The rooms in it.
    pub fn rooms_mut(&mut self) -> impl Iterator<Item = &mut ChatRoom> {
        self.rooms.iter_mut().map(|synced| &mut synced.room)
    }
}

impl From<SyncPage> for Sync {
    fn from(news: SyncPage) -> Self {
        Self {
            complete: news.next.is_none(),
            next_cursor: news.next,
            rooms: news.rooms.into_iter().map(SyncedRoom::from).collect(),
            left: news.left,
        }
    }
}

/// What a client misses of one room.
#[derive(Debug, Serialize)]
struct SyncedRoom {
    room: ChatRoom,
    complete: bool,
    seq: u64,
    rev: u64,
    messages: Vec<Message>,
    changed: Vec<Message>,
    others_read_seq: u64,
    others_delivered_seq: u64,
}

impl From<RoomSync> for SyncedRoom {
    fn from(news: RoomSync) -> Self {
        let shown = |views: Vec<View>| views.into_iter().map(Message::from).collect();
        let complete = news.messages.is_some();
        let messages = news.messages.unwrap_or_default();
        Self {
            room: news.summary.into(),
            complete,
            seq: news.held.seq,
            rev: news.held.rev,
            messages: shown(messages.new),
            changed: shown(messages.changed),
            others_read_seq: news.others.read_seq,
            others_delivered_seq: news.others.delivered_seq,
        }
    }
}
