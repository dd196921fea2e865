//! The creation of rooms.

use std::collections::HashMap;

use crate::{
    clock::Timestamp,
    domain::{
        rooms::{Member, RoomKind, RoomWithMembers, ShownMember, new_room::NewRoom},
        users::{profile::Profile, quota::Quota},
    },
    error::{Error, Result},
    id::UserId,
    store::{
        Store,
        db::{
            keys,
            transaction::{Attempt, CommitOutcome, Transaction, retrying_with},
        },
        rooms::MyRoom,
        users::quotas::QuotaChange,
    },
};

/// The direct room exists, or one of the two users blocks the other.
struct Exists;

impl Store {
    /// Creates a room in one transaction. `None` if it is a direct room that exists, or whose users block
    /// each other. An error if a member's account is deleted or in too many rooms. A profile that changed
    /// since it was read is read again.
    pub async fn create_room(
        &self,
        new: &NewRoom,
        profiles: HashMap<UserId, Profile>,
        now: Timestamp,
    ) -> Result<Option<RoomWithMembers>> {
        let room = new.room(now);
        let users: Vec<UserId> = new.members.iter().copied().collect();
        retrying_with("the room cannot be created under contention", profiles, |profiles| async {
            let profiles: HashMap<UserId, Profile> = profiles;
            let mut tx: Transaction<'_, Exists> = self.transaction();
            tx.put_new(keys::meta(room.id), &room).or_refuse(Exists);
            if let (RoomKind::Direct, [low, high]) = (room.kind, &users[..]) {
                tx.check_unblocked(*low, *high).or_refuse(Exists);
            }
            let mut members = Vec::with_capacity(users.len());
            for user in &users {
                let profile = profiles.get(user).ok_or(Error::NotFound)?;
                let member = Member::new(ShownMember::new(profile, now), new.role(*user), 1);
                tx.put_new(keys::member(room.id, *user), &member).or_refuse(Exists);
                tx.put_new(keys::my_room(*user, room.id), MyRoom::new(room.id, now)).or_refuse(Exists);
                let joins = QuotaChange::of(*user, new.creator).add(Quota::Rooms, 1);
                tx.quota(joins.require_profile_rev(profile.rev))?;
                members.push(member);
            }
            match tx.try_commit().await? {
                CommitOutcome::Committed => {
                    Ok(Attempt::Done(Some(RoomWithMembers { room: room.clone(), members })))
                }
                CommitOutcome::Refused(_) => Ok(Attempt::Done(None)),
                CommitOutcome::Stale => Ok(Attempt::Again(self.profiles(&users).await?)),
            }
        })
        .await
    }
}
