//! The creation of rooms.

use std::collections::HashMap;

use crate::{
    clock::Timestamp,
    domain::rooms::{
        Member, RoomKind, RoomWithMembers, ShownMember,
        new_room::{Invitee, NewRoom},
    },
    error::{Error, Result},
    id::UserId,
    store::{
        Store,
        db::{
            keys,
            transaction::{Attempt, CommitOutcome, Transaction, retrying},
        },
        rooms::MyRoom,
        users::quotas::QuotaChange,
    },
};

/// The direct room exists, or one of the two users blocks the other.
struct Exists;

impl Store {
    /// Creates a room in one transaction, of the members that `check` returns. `None` if it is a direct room
    /// that exists, or whose users block each other. An error if a member's account is deleted or in too many
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
