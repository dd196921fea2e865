//! The making of rooms.

use std::collections::HashMap;

use super::{
    Store,
    counts::Writes,
    keys,
    rooms::{MyRoom, RoomAndRoster},
    table::Transacted,
    unfinished::Doomed,
};
use crate::{
    clock::Timestamp,
    domain::{
        counted::Counted,
        details::NewcomersSee,
        founding::Founding,
        profile::Profile,
        room::{self, Member, Role, Room, RoomKind, ShownMember},
    },
    error::{Error, Result},
    id::UserId,
};

/// So many people get into a room by one transaction: three writes each, beside two of the room's, of the hundred that
/// DynamoDB takes.
const PEOPLE_AT_ONCE: usize = 32;

/// The place of the room's own write in a transaction.
const ROOM: usize = 0;

impl Store {
    /// Makes a room; `None` if it is a pair's and they have it already, or one blocks the other. An error if one of its
    /// people is gone or in too many rooms.
    ///
    /// A large group takes two transactions. In between it is closed, so that nobody sees a part of it, and noted as one to be
    /// deleted, in case this call dies.
    pub async fn found_room(
        &self,
        founding: &Founding,
        profiles: &HashMap<UserId, Profile>,
        now: Timestamp,
    ) -> Result<Option<RoomAndRoster>> {
        let founded = founded(founding, profiles, now)?;
        let steps: Vec<&[Member]> = founded.members.chunks(PEOPLE_AT_ONCE).collect();
        for (n, people) in steps.iter().enumerate() {
            let (is_first, is_last) = (n == 0, n + 1 == steps.len());
            let room = Room { is_closed: !is_last, ..founded.room.clone() };
            let mut writes = Writes::default();
            writes.push(if is_first {
                self.put_new(keys::meta(room.id), &room)?
            } else {
                self.replace(keys::meta(room.id), &room, room.rev)?
            });
            match (is_first, is_last) {
                (true, false) => writes.push(self.begin_deletion(Doomed::Room(room.id), now)?),
                (false, true) => writes.push(self.end_deletion(Doomed::Room(room.id))?),
                _ => {}
            }
            if let (RoomKind::Direct, [low, high]) = (room.kind, &room.first_members[..]) {
                writes.push(self.check_unblocked(*low, *high)?);
            }
            for member in *people {
                let user = member.shown.user_id;
                writes.push(self.put_new(keys::member(room.id, user), member)?);
                writes.push(self.put_new(keys::my_room(user, room.id), MyRoom::new(room.id, now))?);
                self.count(&mut writes, user, &[(Counted::Rooms, 1)], true)?;
            }
            match self.table.transact(writes.all.clone()).await? {
                Transacted::Written => {}
                Transacted::Refused(at) if at.contains(&ROOM) => return Ok(None),
                Transacted::Refused(at) => {
                    self.check_gifts(&writes, &at, founding.founder).await?;
                    return Ok(None);
                }
            }
        }
        Ok(Some(founded))
    }
}

/// A room as it is at its beginning.
fn founded(
    founding: &Founding,
    profiles: &HashMap<UserId, Profile>,
    now: Timestamp,
) -> Result<RoomAndRoster> {
    let role = |user| match founding.kind {
        RoomKind::Group if user == founding.founder => Role::Owner,
        RoomKind::Group | RoomKind::Direct => Role::Member,
    };
    let mut members = Vec::with_capacity(founding.people.len());
    for user in &founding.people {
        let profile = profiles.get(user).ok_or(Error::NotFound)?;
        members.push(Member::new(ShownMember::new(profile, now), role(*user), 1));
    }
    let room = Room {
        id: founding.id,
        kind: founding.kind,
        name: founding.name.clone(),
        avatar_url: None,
        description: None,
        newcomers_see: NewcomersSee::default(),
        created_at: now,
        created_by: founding.founder,
        roster_version: 1,
        rev: 0,
        is_closed: false,
        deleted_by: None,
        expires_at: None,
        member_count: members.len(),
        first_members: room::first_members(&members),
        pinned: Vec::new(),
    };
    Ok(RoomAndRoster { room, members })
}
