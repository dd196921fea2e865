//! Synchronization: the state of a room that a client holds, and the messages that it misses.

use crate::{
    domain::{messages::view::View, receipts::ReceiptPosition, rooms::summary::RoomSummary},
    id::RoomId,
};

/// The maximum number of messages and changes that a sync returns for one room. For a client further behind,
/// reloading the room is cheaper.
pub const MAX_CATCH_UP: u64 = 500;

/// The state of a room that a client holds: all messages up to a position, as of a revision.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SyncPosition {
    /// The client has every visible message up to this position.
    pub seq: u64,
    /// The client has every change up to this revision.
    pub rev: u64,
}

impl SyncPosition {
    /// The number of messages (`seq`) and of changes (`rev`) that the client misses in a room at position
    /// `now`. The member sees the log above `hidden_seq` and joined at revision `joined_rev`.
    ///
    /// `None` if the client has to reload the room: it is too far behind, its position never existed, or its
    /// state is from an earlier membership.
    pub fn missing(self, hidden_seq: u64, joined_rev: u64, now: Self) -> Option<Self> {
        if self.seq > now.seq || self.rev > now.rev || self.rev < joined_rev {
            return None;
        }
        let (seq, rev) = (now.seq.saturating_sub(self.seq.max(hidden_seq)), now.rev - self.rev);
        (seq.saturating_add(rev) <= MAX_CATCH_UP).then_some(Self { seq, rev })
    }
}

/// The rooms that a sync covers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SyncScope {
    /// All rooms of the user, including those that the client does not hold.
    All,
    /// The rooms that the client names.
    Named,
}

/// A page of the rooms of a sync.
#[derive(Clone, Debug)]
pub struct SyncPage {
    /// The rooms of this page, in the order of their ids.
    pub rooms: Vec<RoomSync>,
    /// Rooms that the client holds and of which the user is not a member.
    pub left: Vec<RoomId>,
    /// The next page starts after this room; `None` on the last page.
    pub next: Option<RoomId>,
}

/// The state of one room that a client needs to catch up.
#[derive(Clone, Debug)]
pub struct RoomSync {
    /// The room as a list of rooms shows it.
    pub summary: RoomSummary,
    /// The receipts of the other members.
    pub others: ReceiptPosition,
    /// The client's position once it has applied this page.
    pub position: SyncPosition,
    /// Whether the client is at this position. Then only receipts and the member's own settings can differ
    /// from what it holds, and the summary has no last message.
    pub is_unchanged: bool,
    /// The missing messages; `None` if the client has to reload the room.
    pub messages: Option<CatchUp>,
}

impl RoomSync {
    /// The approximate size of the messages as JSON, in bytes.
    pub fn bytes(&self) -> usize {
        let views = self.messages.iter().flat_map(|messages| messages.new.iter().chain(&messages.changed));
        views.map(|view| serde_json::to_string(&view.message).map_or(0, |json| json.len())).sum()
    }
}

/// The messages that a client misses.
#[derive(Clone, Debug, Default)]
pub struct CatchUp {
    /// Messages above the client's position, in order.
    pub new: Vec<View>,
    /// Messages up to the client's position that have changed, in their current state.
    pub changed: Vec<View>,
}

impl CatchUp {
    /// The new and the changed messages.
    pub fn views_mut(&mut self) -> impl Iterator<Item = &mut View> {
        self.new.iter_mut().chain(&mut self.changed)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_client_within_the_limit_catches_up_and_one_beyond_it_reloads() {
        let missing =
            |seq, rev| SyncPosition { seq, rev }.missing(0, 0, SyncPosition { seq: 1000, rev: 100 });
        assert_eq!(missing(1000, 100), Some(SyncPosition { seq: 0, rev: 0 }));
        assert_eq!(missing(990, 95), Some(SyncPosition { seq: 10, rev: 5 }));
        assert_eq!(missing(600, 0), Some(SyncPosition { seq: 400, rev: 100 }));
        assert_eq!(missing(599, 0), None);
        assert_eq!(missing(1001, 0), None);
        assert_eq!(missing(1000, 101), None);
    }

    #[test]
    fn a_rejoined_member_reloads_and_hidden_messages_are_never_missing() {
        let missing =
            |seq, rev| SyncPosition { seq, rev }.missing(900, 90, SyncPosition { seq: 1000, rev: 100 });
        assert_eq!(missing(990, 89), None);
        assert_eq!(missing(990, 90), Some(SyncPosition { seq: 10, rev: 10 }));
        assert_eq!(missing(0, 90), Some(SyncPosition { seq: 100, rev: 10 }));
    }
}
