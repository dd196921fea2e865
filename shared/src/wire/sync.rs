//! Synchronization: the positions that a client holds, and the messages and changes that it misses.

use std::collections::BTreeMap;

use const_format::formatcp;
use serde::Serialize;
use serde_json::value::RawValue;

use crate::{
    domain::{
        messages::view::View,
        rooms::Member,
        sync::{RoomSync, SyncPage, SyncPosition, SyncScope},
    },
    id::{RoomId, UserId},
    wire::{
        fields::{Fields, Input},
        json::{self, Object},
        messages::Message,
        rooms::{ChatRoom, RoomSettingsView},
    },
};

/// The maximum number of rooms in one call. They fit its body.
const MAX_NAMED_ROOMS: usize = 500;

/// `POST /chat/sync`.
pub struct SyncRequest {
    /// The position that the client holds of each of its rooms.
    pub positions: BTreeMap<RoomId, SyncPosition>,
    /// Whether to include rooms that the client does not hold.
    pub scope: SyncScope,
    /// The `next_cursor` of the previous response.
    pub after: Option<RoomId>,
}

impl Input for SyncRequest {
    fn read(fields: &mut Fields) -> Option<Self> {
        let rooms: Option<Object> = fields.required("rooms");
        let (after, only_named) = (fields.optional("cursor"), fields.optional("only_named"));
        let scope = if only_named.unwrap_or(false) { SyncScope::Named } else { SyncScope::All };
        let rooms = rooms?;
        if rooms.len() > MAX_NAMED_ROOMS {
            fields.violation("rooms", formatcp!("must name at most {MAX_NAMED_ROOMS} rooms"));
        }
        let positions = rooms.iter().map(|(id, held)| position(id, held));
        let positions: Option<BTreeMap<RoomId, SyncPosition>> = positions.collect();
        if positions.is_none() {
            fields.violation("rooms", "must be an object of {\"seq\", \"rev\"} by room id");
        }
        Some(Self { positions: positions?, scope, after })
    }
}

fn position(id: &str, position: &RawValue) -> Option<(RoomId, SyncPosition)> {
    let position = json::object(position.get())?;
    let number = |name: &str| json::integer(position.get(name)?.get());
    Some((id.parse().ok()?, SyncPosition { seq: number("seq")?, rev: number("rev")? }))
}

/// A page of the messages and changes that a client misses.
#[derive(Debug, Serialize)]
pub struct Sync {
    complete: bool,
    next_cursor: Option<RoomId>,
    rooms: Vec<SyncedRoom>,
    unchanged: Vec<UnchangedRoom>,
    left: Vec<RoomId>,
}

impl From<SyncPage> for Sync {
    fn from(page: SyncPage) -> Self {
        let (unchanged, rooms): (Vec<_>, Vec<_>) = page.rooms.into_iter().partition(|room| room.is_unchanged);
        Self {
            complete: page.next.is_none(),
            next_cursor: page.next,
            rooms: rooms.into_iter().map(SyncedRoom::from).collect(),
            unchanged: unchanged.into_iter().map(UnchangedRoom::from).collect(),
            left: page.left,
        }
    }
}

/// The messages and changes that a client misses in one room.
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
    fn from(sync: RoomSync) -> Self {
        let shown = |views: Vec<View>| views.into_iter().map(Message::from).collect();
        let complete = sync.messages.is_some();
        let messages = sync.messages.unwrap_or_default();
        Self {
            room: sync.summary.into(),
            complete,
            seq: sync.position.seq,
            rev: sync.position.rev,
            messages: shown(messages.new),
            changed: shown(messages.changed),
            others_read_seq: sync.others.read_seq,
            others_delivered_seq: sync.others.delivered_seq,
        }
    }
}

/// What can differ in a room of which the client misses nothing: receipts, and what follows from them, and the
/// member's own settings.
#[derive(Debug, Serialize)]
struct UnchangedRoom {
    id: RoomId,
    unread_count: u64,
    read_seq: u64,
    delivered_seq: u64,
    others_read_seq: u64,
    others_delivered_seq: u64,
    /// The other members beyond `others_read_seq` or `others_delivered_seq`.
    receipts: Vec<MemberReceipt>,
    /// `None` if they have never been changed.
    settings: Option<RoomSettingsView>,
}

/// The receipts of a member.
#[derive(Debug, Serialize)]
struct MemberReceipt {
    user_id: UserId,
    read_seq: u64,
    delivered_seq: u64,
}

impl MemberReceipt {
    fn seen_by(reader: &Member, member: &Member) -> Self {
        Self {
            user_id: member.shown.user_id,
            read_seq: member.read_seq_shown_to(reader),
            delivered_seq: member.received_seq_shown_to(reader),
        }
    }
}

impl From<RoomSync> for UnchangedRoom {
    fn from(sync: RoomSync) -> Self {
        let RoomSync { summary, others, .. } = sync;
        let MemberReceipt { read_seq, delivered_seq, .. } = MemberReceipt::seen_by(&summary.me, &summary.me);
        let receipts = summary.others.iter().map(|member| MemberReceipt::seen_by(&summary.me, member));
        let is_ahead = |receipt: &MemberReceipt| {
            receipt.read_seq > others.read_seq || receipt.delivered_seq > others.delivered_seq
        };
        Self {
            id: summary.room.id,
            unread_count: summary.unread(),
            read_seq,
            delivered_seq,
            others_read_seq: others.read_seq,
            others_delivered_seq: others.delivered_seq,
            receipts: receipts.filter(is_ahead).collect(),
            settings: Some(summary.settings).filter(|settings| settings.version > 0).map(Into::into),
        }
    }
}
