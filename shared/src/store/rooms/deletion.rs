//! The end of a group: it is closed in one transaction, and then all that is left of it is removed.

use crate::{
    clock::Timestamp,
    domain::{
        accounts::DeletionTarget,
        rooms::{Room, RoomWithMembers, group},
        users::quota::Quota,
    },
    error::{Error, Result},
    id::{RoomId, UserId},
    store::{
        Store,
        db::{
            item::{Query, key},
            keys,
            table::{Transacted, wait_before_retry},
        },
        messages::changes::{KEPT, MAX_TRIES, changed_all_the_time},
        users::quotas::{Given, Writes},
    },
};

/// So many people lose a room by one transaction: two writes each, of the hundred that DynamoDB takes.
const PEOPLE_AT_ONCE: usize = 50;

/// So many items of a room are removed in one call. A partition takes about a thousand writes a second: this many are
/// done well within a function's time.
const MAX_REMOVED: usize = 2000;

impl Store {
    /// Closes a group for good, if `actor` may, and gives it with everyone who is to hear of it. From then on it exists for
    /// nobody. Who has closed it may do so again, to finish the rest.
    pub async fn close_group(
        &self,
        room_id: RoomId,
        actor: UserId,
        now: Timestamp,
    ) -> Result<RoomWithMembers> {
        for attempt in 1..=MAX_TRIES {
            let before = self.open_or_closed_room(room_id).await?.ok_or(Error::NotFound)?;
            if before.room.deleted_by == Some(actor) {
                return Ok(before);
            }
            if before.room.is_closed {
                return Err(Error::NotFound);
            }
            group::check_delete(&before.room, before.member(actor)?)?;
            let room = before.room.with_members_changed().closed_permanently(actor);
            let mut writes = self.revision(&before.room, &room, None, now)?;
            writes.push(self.begin_deletion(DeletionTarget::Room(room.id), now)?);
            if self.table.transact_as_read(writes).await? {
                return Ok(RoomWithMembers { room, members: before.members });
            }
            wait_before_retry(attempt).await;
        }
        Err(changed_all_the_time())
    }

    /// Removes what is left of a closed group: first what leads to it, then its people, messages and records. Its own item
    /// stays until the table collects it, so that whoever deleted it may ask again. Its deletion is not crossed out: what
    /// somebody was still saying may come afterwards.
    ///
    /// Each part may be removed twice. A large room is not done in one call: `false` then, until it is.
    pub async fn clear_room(&self, closed: &RoomWithMembers, now: Timestamp) -> Result<bool> {
        let room_id = closed.room.id;
        for people in closed.member_ids().chunks(PEOPLE_AT_ONCE) {
            self.take_from_lists(room_id, people).await?;
        }
        let left = Query::of(keys::whole_room(room_id)).consistent().limit(MAX_REMOVED + 1);
        let mut left: Vec<_> = self.table.query(left).await?.iter().filter_map(key).collect();
        left.retain(|key| *key != keys::meta(room_id));
        let more = left.len() > MAX_REMOVED;
        left.truncate(MAX_REMOVED);
        self.table.delete_all(left).await?;
        if more {
            return Ok(false);
        }
        let room = Room {
            expires_at: Some(now.plus(KEPT).seconds()),
            member_count: 0,
            first_members: Vec::new(),
            ..closed.room.clone()
        };
        match self.table.transact(&[self.replace(keys::meta(room_id), &room, room.rev)?]).await? {
            Transacted::Written => Ok(true),
            Transacted::Refused(_) => Err(changed_all_the_time()),
        }
    }

    /// Takes a room out of the lists of some of its people that still have it, and out of their counts.
    async fn take_from_lists(&self, room: RoomId, people: &[UserId]) -> Result<()> {
        let mut left = people.to_vec();
        while !left.is_empty() {
            let mut writes = Writes::default();
            for user in &left {
                writes.push(self.delete_existing(keys::my_room(*user, room))?);
                self.count(&mut writes, *user, &[(Quota::Rooms, -1)], Given::Nothing)?;
            }
            match self.table.transact(&writes.all).await? {
                Transacted::Written => break,
                // Two writes each, of which the first one is under condition.
                Transacted::Refused(at) => {
                    let mut place = 0..;
                    left.retain(|_| place.next().is_some_and(|n: usize| !at.contains(&(2 * n))));
                }
            }
        }
        Ok(())
    }

    /// A group that is closed for good, with who is still in it.
    pub async fn deleted_group(&self, room: RoomId) -> Result<Option<RoomWithMembers>> {
        let found = self.open_or_closed_room(room).await?;
        Ok(found.filter(|found| found.room.deleted_by.is_some()))
    }
}
