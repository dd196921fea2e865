//! The deletion of a group: one transaction closes it, then its items are deleted in batches.

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
            item::{Condition, Query, key, read_or_recover},
            keys,
            transaction::{Attempt, CommitOutcome, Transaction, retrying},
        },
        messages::changes::{CHANGE_RETENTION, ROOM_IS_BUSY},
        users::quotas::QuotaChange,
    },
};

/// Members per transaction that removes the room from their lists: two writes each, of at most 100.
const MEMBERS_PER_TRANSACTION: usize = 50;

/// Items of a room deleted per call. A partition takes about 1,000 writes per second, so these finish well
/// within a function's timeout.
const MAX_DELETED: usize = 2000;

impl Store {
    /// Closes a group permanently, if `actor` may, and returns it with its former members. The user who
    /// closed it may call again, to delete the rest; to any other user the group no longer exists.
    pub async fn close_group(
        &self,
        room_id: RoomId,
        actor: UserId,
        now: Timestamp,
    ) -> Result<RoomWithMembers> {
        retrying(ROOM_IS_BUSY, || async {
            let before = match self.room_of_member(room_id, actor).await {
                Err(Error::NotFound) => return self.closed_by(room_id, actor).await.map(Attempt::Done),
                before => before?,
            };
            group::check_delete(&before.room, before.member(actor)?)?;
            let room = before.room.with_members_changed().closed_permanently(actor);
            let mut tx = self.transaction();
            tx.revision(&before.room, &room, None, now).begin_deletion(DeletionTarget::Room(room.id), now);
            Ok(tx.commit().await?.map(|()| RoomWithMembers { room, members: before.members }))
        })
        .await
    }

    /// A group that this user closed.
    async fn closed_by(&self, room_id: RoomId, actor: UserId) -> Result<RoomWithMembers> {
        let room: Option<Room> = self.table.get(keys::meta(room_id), true).await?;
        room.filter(|room| room.deleted_by == Some(actor)).ok_or(Error::NotFound)?;
        self.open_or_closed_room(room_id).await?.ok_or(Error::NotFound)
    }

    /// Deletes the items of a closed group: first its entries in the members' lists, then members, messages
    /// and records. The room's own item stays until its TTL, so that the call is idempotent. The pending
    /// deletion stays too, because a message in flight may still arrive.
    ///
    /// Idempotent. A large room takes several calls: `false` until it is done.
    pub async fn delete_room_items(&self, closed: &RoomWithMembers, now: Timestamp) -> Result<bool> {
        let room_id = closed.room.id;
        for members in closed.member_ids().chunks(MEMBERS_PER_TRANSACTION) {
            self.remove_from_lists(room_id, members).await?;
        }
        let rest = Query::of(keys::room_items(room_id)).consistent().limit(MAX_DELETED + 1);
        let mut rest: Vec<_> = self.table.query(rest).await?.iter().filter_map(key).collect();
        rest.retain(|key| *key != keys::meta(room_id));
        let has_more = rest.len() > MAX_DELETED;
        rest.truncate(MAX_DELETED);
        self.table.delete_all(rest).await?;
        if has_more {
            return Ok(false);
        }
        let room = Room {
            expires_at: Some(now.plus(CHANGE_RETENTION).seconds()),
            member_count: 0,
            first_members: Vec::new(),
            ..closed.room.clone()
        };
        let mut tx = self.transaction();
        tx.replace(keys::meta(room_id), &room, room.rev);
        match tx.commit_through_conflicts().await? {
            Attempt::Done(()) => Ok(true),
            Attempt::Again(()) => Err(Error::Busy(ROOM_IS_BUSY.into())),
        }
    }

    /// Removes a room from the lists and quotas of those members that still have it.
    async fn remove_from_lists(&self, room: RoomId, members: &[UserId]) -> Result<()> {
        let mut remaining = members.to_vec();
        while !remaining.is_empty() {
            let mut tx: Transaction<'_, UserId> = self.transaction();
            for user in &remaining {
                tx.delete_if(keys::my_room(*user, room), Condition::exists()).or_refuse(*user);
                tx.quota(QuotaChange::of(*user, *user).add(Quota::Rooms, -1))?;
            }
            match tx.try_commit_through_conflicts().await? {
                CommitOutcome::Committed => break,
                CommitOutcome::Stale => return Err(Error::Busy(ROOM_IS_BUSY.into())),
                CommitOutcome::Refused(removed) => remaining.retain(|user| !removed.contains(user)),
            }
        }
        Ok(())
    }

    /// The permanently closed group of a pending deletion, with its remaining members.
    pub async fn deleted_group(&self, room: RoomId) -> Result<Option<RoomWithMembers>> {
        let found = match self.open_or_closed_room(room).await {
            Err(Error::Unreadable(_)) => {
                self.close_unreadable(room).await?;
                self.open_or_closed_room(room).await?
            }
            found => found?,
        };
        Ok(found.filter(|found| found.room.deleted_by.is_some()))
    }

    /// Replaces the item of a group that cannot be read by one of a closed group, as its pending deletion proves
    /// it to be.
    async fn close_unreadable(&self, room_id: RoomId) -> Result<()> {
        let Some(item) = self.table.get_item(keys::meta(room_id), true).await? else { return Ok(()) };
        let as_read = Condition::at_revision_of(&item);
        let room = read_or_recover(item, || Room::unreadable(room_id)).unwrap_or_else(|recovered| recovered);
        let deleted_by = room.deleted_by.unwrap_or(room.created_by);
        let mut tx = self.transaction();
        tx.replace_if(keys::meta(room_id), room.closed_permanently(deleted_by), as_read);
        tx.commit_through_conflicts().await.map(drop)
    }
}
