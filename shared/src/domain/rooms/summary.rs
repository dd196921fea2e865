//! A room as a list shows it to one of its members.

use std::cmp::Reverse;

use crate::{
    clock::Timestamp,
    domain::{
        messages::{log, view::View},
        rooms::{Member, Room, SHOWN_MEMBERS, settings::RoomSettings},
        sync::SyncPosition,
    },
    error::{Error, Result},
    id::{RoomId, UserId},
};

/// A room as a list shows it to one of its members.
#[derive(Clone, Debug)]
pub struct RoomSummary {
    /// The room.
    pub room: Room,
    /// The member who reads the list.
    pub me: Member,
    /// The other members to show.
    pub others: Vec<Member>,
    /// The newest message, if the member sees it.
    pub last_message: Option<View>,
    /// The newest position of the room's log.
    pub tail: u64,
    /// The member's own settings of the room.
    pub settings: RoomSettings,
}

/// The position of a room in a list: newest activity first, then by id.
type ListPosition = (Reverse<Timestamp>, RoomId);

impl RoomSummary {
    /// The time of the last activity.
    fn active_at(&self) -> Timestamp {
        self.last_message.as_ref().map_or(self.me.shown.joined_at, |view| view.message.created_at)
    }

    /// The number of unread messages.
    pub fn unread(&self) -> u64 {
        log::unread(self.tail, self.me.read_seq, self.me.from_seq)
    }

    /// The room's position in a list.
    pub fn list_position(&self) -> ListPosition {
        (Reverse(self.active_at()), self.room.id)
    }

    /// The cursor of the page that follows this room.
    pub fn cursor(&self) -> String {
        format!("{}_{}", self.active_at(), self.room.id)
    }

    /// The position that a cursor names.
    pub fn position_of_cursor(cursor: &str) -> Result<ListPosition> {
        let position = cursor
            .split_once('_')
            .and_then(|(time, room)| Some((Reverse(time.parse().ok()?), room.parse().ok()?)));
        position.ok_or_else(|| Error::invalid("cursor", "must be one that an earlier page gave"))
    }

    /// The ids of the other members that a list shows.
    pub fn shown_others(&self) -> impl Iterator<Item = UserId> {
        let me = self.me.shown.user_id;
        let others = self.room.first_members.iter().copied().filter(move |user| *user != me);
        others.take(SHOWN_MEMBERS)
    }

    /// The position of a client that holds the whole room.
    pub fn sync_position(&self) -> SyncPosition {
        SyncPosition { seq: self.tail, rev: self.room.rev }
    }
}
