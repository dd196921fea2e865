//! The end of a group: it is closed in one transaction, and then all that is left of it is removed.

use super::{
    Store,
    changes::{KEPT, MAX_TRIES, changed_all_the_time},
    item::{Query, key},
    keys,
    rooms::RoomAndRoster,
    table::{Transacted, wait_before_retry},
};
use crate::{
    clock::Timestamp,
    domain::{room::Room, roster},
    error::{Error, Result},
    id::{RoomId, UserId},
};

/// So many items of a room are removed in one call. A partition takes about a thousand writes a second: this many are
/// done well within a function's time.
const MAX_REMOVED: usize = 2000;

impl Store {
    /// Closes a group for good, if `actor` may, and gives it with everyone who is to hear of it. From then on it exists for
    /// nobody. Who has closed it may do so again, to finish the rest.
    pub async fn close_group(&self, room_id: RoomId, actor: UserId, now: Timestamp) -> Result<RoomAndRoster> {
        for attempt in 1..=MAX_TRIES {
            let before = self.room_open_or_closed(room_id).await?.ok_or(Error::NotFound)?;
            if before.room.deleted_by == Some(actor) {
                return Ok(before);
            }
            if before.room.is_closed {
                return Err(Error::NotFound);
            }
            roster::check_delete(&before.room, before.member(actor)?)?;
            // What it was called and looked like goes at once.
            let room = Room {
                name: None,
                avatar_url: None,
                description: None,
                is_closed: true,
                deleted_by: Some(actor),
                rev: before.room.rev + 1,
                roster_version: before.room.roster_version + 1,
                pinned: Vec::new(),
                ..before.room.clone()
            };
            let writes = self.revision(&before.room, &room, None, now)?;
            if self.table.transact_as_read(writes).await? {
                return Ok(RoomAndRoster { room, members: before.members });
            }
            wait_before_retry(attempt).await;
        }
        Err(changed_all_the_time())
    }

    /// Removes what is left of a closed group: first what leads to it, then its people, messages and records. Its own item
    /// stays until the table collects it, so that whoever deleted it may ask again.
    ///
    /// Each part may be removed twice. A large room is not done in one call: [`Error::Busy`] then, until it is.
    pub async fn clear_room(&self, closed: &RoomAndRoster, now: Timestamp) -> Result<()> {
        let room_id = closed.room.id;
        let leading = closed.people().into_iter().map(|user| keys::my_room(user, room_id));
        self.table.delete_all(leading.collect()).await?;
        let left = Query::of(keys::whole_room(room_id)).consistent().limit(MAX_REMOVED + 1);
        let mut left: Vec<_> = self.table.query(left).await?.iter().filter_map(key).collect();
        left.retain(|key| *key != keys::meta(room_id));
        let more = left.len() > MAX_REMOVED;
        left.truncate(MAX_REMOVED);
        self.table.delete_all(left).await?;
        if more {
            return Err(Error::Busy("more of the room is left".into()));
        }
        let room = Room {
            expires_at: Some(now.plus(KEPT).seconds()),
            member_count: 0,
            first_members: Vec::new(),
            ..closed.room.clone()
        };
        match self.table.transact(vec![self.replace(keys::meta(room_id), &room, room.rev)?]).await? {
            Transacted::Written => Ok(()),
            Transacted::Refused(_) => Err(changed_all_the_time()),
        }
    }
}
