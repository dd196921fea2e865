//! The making of rooms.

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
            table::{Transacted, wait_before_retry},
        },
        messages::changes::MAX_TRIES,
        rooms::MyRoom,
        users::quotas::{Given, Writes},
    },
};

impl Store {
    /// Makes a room; `None` if it is a pair's and they have it already, or one blocks the other. An error if one of its
    /// people is gone or in too many rooms. Who has changed their profile since it was read is shown as it is now.
    pub async fn create_room(
        &self,
        new_room: &NewRoom,
        mut profiles: HashMap<UserId, Profile>,
        now: Timestamp,
    ) -> Result<Option<RoomWithMembers>> {
        let room = new_room.room(now);
        let people: Vec<UserId> = new_room.members.iter().copied().collect();
        for attempt in 1..=MAX_TRIES {
            let mut writes = Writes::default();
            writes.push(self.put_new(keys::meta(room.id), &room)?);
            if let (RoomKind::Direct, [low, high]) = (room.kind, &people[..]) {
                writes.push(self.check_unblocked(*low, *high)?);
            }
            let mut members = Vec::with_capacity(people.len());
            for user in &people {
                let profile = profiles.get(user).ok_or(Error::NotFound)?;
                let member = Member::new(ShownMember::new(profile, now), new_room.role(*user), 1);
                writes.push(self.put_new(keys::member(room.id, *user), &member)?);
                writes.push(self.put_new(keys::my_room(*user, room.id), MyRoom::new(room.id, now))?);
                self.count(&mut writes, *user, &[(Quota::Rooms, 1)], Given::Place(profile.rev))?;
                members.push(member);
            }
            match self.table.transact(&writes.all).await? {
                Transacted::Written => return Ok(Some(RoomWithMembers { room, members })),
                Transacted::Refused(at) if writes.are_gifts(&at) => {
                    self.check_gifts(&writes, &at, new_room.creator).await?;
                    profiles = self.profiles(&people).await?;
                }
                Transacted::Refused(_) => return Ok(None),
            }
            wait_before_retry(attempt).await;
        }
        Err(Error::Busy("the people change all the time".into()))
    }
}
