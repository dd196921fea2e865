//! The creation of rooms. That of a group with a client id begins with an item that fixes the id of the group,
//! so that a repeated call does not create another one.

use std::collections::HashMap;

use crate::{
    clock::Timestamp,
    domain::rooms::{
        Member, RoomKind, RoomWithMembers, ShownMember,
        new_room::{GroupCreation, Invitee, NewRoom},
    },
    error::{Error, Result},
    id::{RoomId, UserId},
    store::{
        Store,
        db::{
            keys,
            transaction::{Attempt, CommitOutcome, Transaction, retrying},
        },
        rooms::MyRoom,
        users::{quotas::QuotaChange, sha256_hex},
    },
};

/// The room exists, or it is a direct room and one of the two users blocks the other.
struct Exists;

/// A concurrent call has begun the creation of the group.
struct Begun;

impl Store {
    /// The group that an earlier call with this client id creates or has created, if there was one.
    pub async fn begun_group(&self, new: &NewRoom) -> Result<Option<RoomId>> {
        let Some(client_id) = &new.client_id else { return Ok(None) };
        let key = keys::group_creation(new.creator, client_id);
        let begun: Option<GroupCreation> = self.table.get(key, true).await?;
        begun.map(|begun| begun.repeated_by(&sha256_hex(&new.requested()))).transpose()
    }

    /// Begins the creation of a group with a client id. Returns the id of the group: that of a concurrent call,
    /// if it was first.
    pub async fn begin_group(&self, new: &NewRoom, now: Timestamp) -> Result<RoomId> {
        let Some(client_id) = &new.client_id else { return Ok(new.id) };
        let begun = GroupCreation {
            room_id: new.id,
            requested_sha256: sha256_hex(&new.requested()),
            expires_at: now.plus(GroupCreation::RETENTION).seconds(),
        };
        retrying("the group cannot be created under contention", || async {
            let mut tx: Transaction<'_, Begun> = self.transaction();
            tx.put_new(keys::group_creation(new.creator, client_id), &begun).or_refuse(Begun);
            tx.quota(QuotaChange::of(new.creator, new.creator).require_active())?;
            Ok(match tx.try_commit().await? {
                CommitOutcome::Committed => Attempt::Done(new.id),
                CommitOutcome::Refused(_) => match self.begun_group(new).await? {
                    Some(id) => Attempt::Done(id),
                    None => Attempt::Again(()),
                },
                CommitOutcome::Stale => Attempt::Again(()),
            })
        })
        .await
    }

    /// Creates a room in one transaction, of the members that `check` returns. `None` if it exists, or is a
    /// direct room whose users block each other. An error if a member's account is deleted or in too many
    /// rooms. After an intervening change of a member, `check` decides again.
    pub async fn create_room<Checking>(
        &self,
        new: &NewRoom,
        now: Timestamp,
        check: impl Fn() -> Checking,
    ) -> Result<Option<RoomWithMembers>>
    where
        Checking: Future<Output = Result<HashMap<UserId, Invitee>>>,
    {
        let room = new.room(now);
        let users: Vec<UserId> = new.members.iter().copied().collect();
        retrying("the room cannot be created under contention", || async {
            let invitees = check().await?;
            let mut tx: Transaction<'_, Exists> = self.transaction();
            tx.put_new(keys::meta(room.id), &room).or_refuse(Exists);
            if let (RoomKind::Direct, [low, high]) = (room.kind, &users[..]) {
                tx.check_unblocked(*low, *high).or_refuse(Exists);
            }
            let mut members = Vec::with_capacity(users.len());
            for user in &users {
                let invitee = invitees.get(user).ok_or(Error::NotFound)?;
                let member = Member::new(ShownMember::new(&invitee.profile, now), new.role(*user), 1);
                tx.put_new(keys::member(room.id, *user), &member).or_refuse(Exists);
                tx.put_new(keys::my_room(*user, room.id), MyRoom::new(room.id, now)).or_refuse(Exists);
                tx.quota(QuotaChange::of(*user, new.creator).add_member(invitee))?;
                members.push(member);
            }
            Ok(match tx.try_commit().await? {
                CommitOutcome::Committed => {
                    Attempt::Done(Some(RoomWithMembers { room: room.clone(), members }))
                }
                CommitOutcome::Refused(_) => Attempt::Done(None),
                CommitOutcome::Stale => Attempt::Again(()),
            })
        })
        .await
    }
}
