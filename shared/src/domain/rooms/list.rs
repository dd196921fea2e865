//! The order of a user's list of rooms, and its pages.

use std::{cmp::Reverse, fmt, str::FromStr};

use crate::{
    clock::Timestamp,
    domain::{page::Page, rooms::summary::RoomSummary},
    error::Error,
    id::RoomId,
};

/// The place of a room in a list, from which the next page continues.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ListCursor {
    /// The newest activity of the list when its first page was read.
    as_of: Timestamp,
    /// The last activity of the room.
    active_at: Timestamp,
    room: RoomId,
}

impl ListCursor {
    /// The order of a list: newest activity first, then by id.
    ///
    /// A room that is active after the first page would move to a page that the client has already read. It
    /// comes last instead, where only ids count: it cannot move again before a later page has it.
    fn place(self) -> (bool, Reverse<Timestamp>, RoomId) {
        (self.active_at > self.as_of, Reverse(self.active_at.min(self.as_of)), self.room)
    }
}

impl fmt::Display for ListCursor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}_{}_{}", self.as_of, self.active_at, self.room)
    }
}

impl FromStr for ListCursor {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self, Error> {
        let mut parts = text.split('_');
        let mut next = || parts.next();
        let cursor = (|| {
            let (as_of, active_at) = (next()?.parse().ok()?, next()?.parse().ok()?);
            Some(Self { as_of, active_at, room: next()?.parse().ok()? }).filter(|_| next().is_none())
        })();
        cursor.ok_or_else(|| Error::invalid("cursor", "must be one that an earlier page gave"))
    }
}

/// The page of at most `limit` of a user's rooms that follows `after`.
///
/// The pages of a list have every room that it had when the first page was read and still has. A room that
/// is active meanwhile can be listed twice, with its later state on the later page.
pub fn page(rooms: Vec<RoomSummary>, after: Option<ListCursor>, limit: Option<usize>) -> Page<RoomSummary> {
    let newest = || rooms.iter().map(RoomSummary::active_at).max();
    let Some(as_of) = after.map(|after| after.as_of).or_else(newest) else {
        return Page { items: rooms, next: None };
    };
    let placed = rooms.into_iter().map(|room| {
        let at = ListCursor { as_of, active_at: room.active_at(), room: room.room.id };
        RoomSummary { list_cursor: Some(at), ..room }
    });
    let place = |room: &RoomSummary| room.list_cursor.map(ListCursor::place);
    let after = after.map(ListCursor::place);
    let mut items: Vec<RoomSummary> = placed.filter(|room| place(room) > after).collect();
    items.sort_by_key(place);
    let has_more = limit.is_some_and(|limit| items.len() > limit);
    items.truncate(limit.unwrap_or(usize::MAX));
    let last = items.last().filter(|_| has_more);
    let next = last.and_then(|room| room.list_cursor).map(|cursor| cursor.to_string());
    Page { items, next }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn cursor(as_of: i64, active_at: i64, room: u128) -> ListCursor {
        let [as_of, active_at] = [as_of, active_at].map(Timestamp::from_seconds);
        ListCursor { as_of, active_at, room: uuid::Uuid::from_u128(room).into() }
    }

    #[test]
    fn rooms_that_were_active_since_the_first_page_are_last_by_id() {
        let mut places = [(90, 1), (120, 3), (100, 2), (110, 4), (90, 0)].map(|(at, id)| cursor(100, at, id));
        places.sort_by_key(|at| at.place());
        let expected = [(100, 2), (90, 0), (90, 1), (120, 3), (110, 4)].map(|(at, id)| cursor(100, at, id));
        assert_eq!(places, expected);
    }

    #[test]
    fn a_cursor_is_read_as_it_was_written() {
        let written = cursor(100, 110, 7);
        assert_eq!(written.to_string().parse::<ListCursor>().unwrap(), written);
        let text = written.to_string();
        for bad in ["", "gym", "_", &text[1..], &text[..text.len() - 1], &format!("{text}_")] {
            assert!(bad.parse::<ListCursor>().is_err(), "{bad}");
        }
    }
}
