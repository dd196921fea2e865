//! The making of rooms.

use std::collections::HashMap;

use super::{
    Store,
    changes::MAX_TRIES,
    counts::{Given, Writes},
    keys,
    rooms::{MyRoom, RoomAndRoster},
    table::{Transacted, wait_before_retry},
    unfinished::Doomed,
};
use crate::{
    clock::Timestamp,
    domain::{
        counted::Counted,
        founding::Founding,
        profile::Profile,
        room::{Member, Room, RoomKind, ShownMember},
    },
    error::{Error, Result},
    id::UserId,
};

/// So many people get into a room by one transaction: three writes each, beside two of the room's, of the hundred that
/// DynamoDB takes.
const PEOPLE_AT_ONCE: usize = 32;

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
        let people: Vec<UserId> = founding.people.iter().copied().collect();
        let steps: Vec<&[UserId]> = people.chunks(PEOPLE_AT_ONCE).collect();
        let mut members = Vec::with_capacity(people.len());
        for (n, people) in steps.iter().enumerate() {
            let step = Step { people, is_first: n == 0, is_last: n + 1 == steps.len() };
            let Some(added) = self.take_step(founding, step, profiles.clone(), now).await? else {
                return Ok(None);
            };
            members.extend(added);
        }
        Ok(Some(RoomAndRoster { room: founding.room(now), members }))
    }

    /// Brings some people into a room that is being made, as their profiles show them at that moment.
    async fn take_step(
        &self,
        founding: &Founding,
        step: Step<'_>,
        mut profiles: HashMap<UserId, Profile>,
        now: Timestamp,
    ) -> Result<Option<Vec<Member>>> {
        let room = Room { is_closed: !step.is_last, ..founding.room(now) };
        for attempt in 1..=MAX_TRIES {
            let mut writes = Writes::default();
            writes.push(if step.is_first {
                self.put_new(keys::meta(room.id), &room)?
            } else {
                self.replace(keys::meta(room.id), &room, room.rev)?
            });
            match (step.is_first, step.is_last) {
                (true, false) => writes.push(self.begin_deletion(Doomed::Room(room.id), now)?),
                (false, true) => writes.push(self.end_deletion(Doomed::Room(room.id))?),
                _ => {}
            }
            if let (RoomKind::Direct, [low, high]) = (room.kind, step.people) {
                writes.push(self.check_unblocked(*low, *high)?);
            }
            let mut members = Vec::with_capacity(step.people.len());
            for user in step.people {
                let profile = profiles.get(user).ok_or(Error::NotFound)?;
                let member = Member::new(ShownMember::new(profile, now), founding.role(*user), 1);
                writes.push(self.put_new(keys::member(room.id, *user), &member)?);
                writes.push(self.put_new(keys::my_room(*user, room.id), MyRoom::new(room.id, now))?);
                self.count(&mut writes, *user, &[(Counted::Rooms, 1)], Given::Place(profile.rev))?;
                members.push(member);
            }
            match self.table.transact(writes.all.clone()).await? {
                Transacted::Written => return Ok(Some(members)),
                Transacted::Refused(at) if at.iter().all(|at| writes.is_gift(*at)) => {
                    self.check_gifts(&writes, &at, founding.founder).await?;
                    profiles = self.profiles(step.people).await?;
                }
                Transacted::Refused(_) => return Ok(None),
            }
            wait_before_retry(attempt).await;
        }
        Err(Error::Busy("the people change all the time".into()))
    }
}

/// A part of the making of a room.
#[derive(Clone, Copy)]
struct Step<'a> {
    people: &'a [UserId],
    is_first: bool,
    is_last: bool,
}
