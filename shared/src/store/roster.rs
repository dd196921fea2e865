//! Joining and leaving a group: the membership, both lists that hold it, and the system message that says so, in one
//! transaction.

use super::{
    Store,
    changes::{MAX_TRIES, changed_all_the_time},
    item::Update,
    keys,
    messages::message_at,
    rooms::{MyRoom, RoomAndRoster},
    table::wait_before_retry,
};
use crate::{
    clock::Timestamp,
    domain::{
        message::{Draft, Kind, Message},
        profile::Profile,
        room::{self, Member, Role, Room, RoomKind, ShownMember},
        roster,
        view::InFull,
    },
    error::{Error, Result},
    id::{RoomId, UserId},
    store::messages::Committed,
};

impl Store {
    /// Adds somebody to a group. They see the log from the message on that says so. `None` if they are in it already.
    pub async fn join(
        &self,
        room_id: RoomId,
        actor: UserId,
        newcomer: &Profile,
        now: Timestamp,
    ) -> Result<Option<Committed>> {
        for attempt in 1..=MAX_TRIES {
            let (before, newest) =
                futures::try_join!(self.room_and_roster(room_id), self.newest_message(room_id))?;
            let actor = before.member(actor)?;
            let is_in = before.member(newcomer.id).is_ok();
            roster::check_add(&before.room, actor, is_in)?;
            if is_in {
                return Ok(None);
            }
            let said = system_message(&before, newest, actor, roster::joined(actor, &newcomer.username), now);
            let user_id = newcomer.id;
            let joined_rev = before.room.rev + 1;
            let shown = ShownMember::new(newcomer, now);
            let member = Member { joined_rev, ..Member::new(shown, Role::Member, said.seq) };
            let mut members = before.members.clone();
            members.push(member.clone());
            let after = roster_after(&before.room, members);
            let mut writes = self.revision(&before.room, &after.room, None, now)?;
            writes.push(self.put_new(keys::message(room_id, said.seq), &said)?);
            writes.push(self.put_new(keys::member(room_id, user_id), &member)?);
            // Whatever an earlier membership may have left there.
            writes.push(self.put(keys::my_room(user_id, room_id), MyRoom { room_id, joined_at: now })?);
            if self.table.transact_as_read(writes).await? {
                return Ok(Some(Committed { in_full: InFull::fresh(said), room: after }));
            }
            wait_before_retry(attempt).await;
        }
        Err(changed_all_the_time())
    }

    /// Takes somebody out of a group, themselves or by another; `None` if they are not in it. Where its owner leaves, it
    /// also says who owns it now.
    pub async fn leave(
        &self,
        room_id: RoomId,
        actor: UserId,
        leaver: UserId,
        now: Timestamp,
    ) -> Result<Option<(Committed, Option<UserId>)>> {
        self.take_out(room_id, actor, leaver, Leaving::Now, now).await
    }

    /// Takes somebody out of a group who is gone. `None` if they are not in it, or it is a direct room.
    pub async fn leave_for_good(
        &self,
        room_id: RoomId,
        leaver: UserId,
        now: Timestamp,
    ) -> Result<Option<(Committed, Option<UserId>)>> {
        if let Some(room) = self.room_open_or_closed(room_id).await?
            && room.room.kind == RoomKind::Direct
        {
            return Ok(None);
        }
        match self.take_out(room_id, leaver, leaver, Leaving::ForGood, now).await {
            Err(Error::NotFound) => Ok(None),
            left => left,
        }
    }

    async fn take_out(
        &self,
        room_id: RoomId,
        actor: UserId,
        leaver: UserId,
        leaving: Leaving,
        now: Timestamp,
    ) -> Result<Option<(Committed, Option<UserId>)>> {
        for attempt in 1..=MAX_TRIES {
            let (mut before, newest) =
                futures::try_join!(self.room_and_roster(room_id), self.newest_message(room_id))?;
            if leaving == Leaving::ForGood {
                before.hide_name(leaver);
            }
            let actor = before.member(actor)?;
            roster::check_remove(&before.room, &before.members, actor, leaver)?;
            let Ok(left) = before.member(leaver) else { return Ok(None) };
            let said = roster::left(actor, left);
            let said = system_message(&before, newest, actor, said, now);
            let heir = roster::heir(&before.members, leaver);
            let mut members = before.members.clone();
            members.retain(|member| member.shown.user_id != leaver);
            for member in &mut members {
                if Some(member.shown.user_id) == heir {
                    member.role = Role::Owner;
                }
            }
            let after = roster_after(&before.room, members);
            let mut writes = self.revision(&before.room, &after.room, None, now)?;
            writes.push(self.put_new(keys::message(room_id, said.seq), &said)?);
            writes.push(self.delete(keys::member(room_id, leaver))?);
            writes.push(match leaving {
                Leaving::Now => self.delete(keys::my_room(leaver, room_id))?,
                // The room stays in their list until their name is out of it.
                Leaving::ForGood => self.check_gone(leaver)?,
            });
            if let Some(heir) = heir {
                let update =
                    Update::of(keys::member(room_id, heir), "SET #role = :role").name("#role", "role");
                let update = update.only_if("attribute_exists(pk)").value(":role", Role::Owner)?;
                writes.push(self.update(update)?);
            }
            if self.table.transact_as_read(writes).await? {
                return Ok(Some((Committed { in_full: InFull::fresh(said), room: after }, heir)));
            }
            wait_before_retry(attempt).await;
        }
        Err(changed_all_the_time())
    }
}

/// How somebody leaves.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Leaving {
    /// They may come back.
    Now,
    /// They have deleted their account.
    ForGood,
}

/// A room with other members: the next revision, and the next version of its roster.
fn roster_after(before: &Room, mut members: Vec<Member>) -> RoomAndRoster {
    members.sort_by_key(|member| member.shown.user_id);
    let room = Room {
        rev: before.rev + 1,
        roster_version: before.roster_version + 1,
        member_count: members.len(),
        first_members: room::first_members(&members),
        ..before.clone()
    };
    RoomAndRoster { room, members }
}

/// What the log says next of something that `actor` did.
fn system_message(
    room: &RoomAndRoster,
    newest: Option<Message>,
    actor: &Member,
    content: String,
    now: Timestamp,
) -> Message {
    let seq = newest.map_or(0, |message| message.seq) + 1;
    let (room_id, kind) = (room.room.id, Kind::System);
    let draft = Draft { room_id, content, kind, media_url: None, reply_to_id: None, payload: None };
    message_at(seq, &draft, actor, &uuid::Uuid::new_v4().to_string(), now)
}
