//! What becomes of a group: the group itself, who is in it, the lists that hold it, and the system message that says so,
//! in one transaction.

use super::{
    Store,
    changes::{MAX_TRIES, changed_all_the_time},
    counts::{Given, Writes},
    item::Update,
    keys,
    messages::{Committed, message_at},
    rooms::{MyRoom, RoomAndRoster},
    table::{Transacted, wait_before_retry},
    unfinished::Doomed,
};
use crate::{
    clock::Timestamp,
    domain::{
        counted::Counted,
        message::{Draft, Kind, Message},
        profile::Profile,
        room::{Member, Role, RoomKind, ShownMember},
        roster::Deed,
        system::Happening,
        view::InFull,
    },
    error::{Error, Result},
    id::{RoomId, UserId},
};

/// What has become of a group.
#[derive(Clone, Debug)]
pub struct GroupChange {
    /// The system message, and the group and its people as they are now.
    pub said: Committed,
    /// Those who were in it before and have another role now.
    pub in_other_roles: Vec<Member>,
}

impl Store {
    /// Does something to a group, if the actor may. `None` if it is so already, and nothing is written. Two sequential
    /// round trips, and as many more for each change of somebody else in between.
    pub async fn change_group(
        &self,
        room_id: RoomId,
        actor: UserId,
        deed: &Deed,
        now: Timestamp,
    ) -> Result<Option<GroupChange>> {
        self.change_group_leaving(room_id, actor, deed, Leaving::Now, now).await
    }

    async fn change_group_leaving(
        &self,
        room_id: RoomId,
        actor_id: UserId,
        deed: &Deed,
        leaving: Leaving,
        now: Timestamp,
    ) -> Result<Option<GroupChange>> {
        for attempt in 1..=MAX_TRIES {
            let (mut before, newest, (deed, place)) = futures::try_join!(
                self.room_and_roster(room_id),
                self.newest_message(room_id),
                self.as_of_now(deed),
            )?;
            if leaving == Leaving::ForGood {
                before.hide_name(actor_id);
            }
            let actor = before.member(actor_id)?;
            let seq = newest.map_or(0, |message| message.seq) + 1;
            let Some(outcome) = deed.apply(&before.room, &before.members, actor, seq)? else {
                return Ok(None);
            };
            let said = system_message(room_id, seq, actor, &outcome.said, now);
            let after = RoomAndRoster { room: outcome.room, members: outcome.members };
            let mut writes = Writes::default();
            writes.extend(self.revision(&before.room, &after.room, None, now)?);
            writes.push(self.put_new(keys::message(room_id, seq), &said)?);
            self.roster_writes(&mut writes, &before, &after, leaving, place)?;
            if after.room.is_closed {
                writes.push(self.begin_deletion(Doomed::Room(room_id), now)?);
            }
            match self.table.transact_once(&writes.all).await? {
                Transacted::Written => {
                    let in_other_roles = in_other_roles(&before, &after);
                    let said = Committed { in_full: InFull::fresh(said), room: after };
                    return Ok(Some(GroupChange { said, in_other_roles }));
                }
                Transacted::Refused(at) => self.check_gifts(&writes, &at, actor_id).await?,
            }
            wait_before_retry(attempt).await;
        }
        Err(changed_all_the_time())
    }

    /// A deed as it is to be done now: somebody is added as their profile shows them at this revision of it. A change of it
    /// finds the rooms that it has to follow into by the list of them, which does not hold this one yet.
    async fn as_of_now(&self, deed: &Deed) -> Result<(Deed, Given)> {
        let Deed::Add(shown, role) = deed else { return Ok((deed.clone(), Given::Nothing)) };
        let profile = self.profile(shown.user_id).await?.ok_or(Error::NotFound)?;
        Ok((Deed::Add(ShownMember::new(&profile, shown.joined_at), *role), Given::Place(profile.rev)))
    }

    /// Adds somebody to a group. `None` if they are in it already, in that role if one is named.
    pub async fn join(
        &self,
        room_id: RoomId,
        actor: UserId,
        newcomer: &Profile,
        role: Option<Role>,
        now: Timestamp,
    ) -> Result<Option<GroupChange>> {
        let shown = ShownMember::new(newcomer, now);
        self.change_group(room_id, actor, &Deed::Add(shown, role), now).await
    }

    /// Takes somebody out of a group, themselves or by another; `None` if they are not in it. Where its owner leaves, it
    /// also says who owns it now; where nobody is left, its deletion has begun.
    pub async fn leave(
        &self,
        room_id: RoomId,
        actor: UserId,
        leaver: UserId,
        now: Timestamp,
    ) -> Result<Option<(Committed, Option<UserId>)>> {
        self.change_group(room_id, actor, &Deed::Remove(leaver), now).await.map(left)
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
        let deed = Deed::Remove(leaver);
        match self.change_group_leaving(room_id, leaver, &deed, Leaving::ForGood, now).await {
            Err(Error::NotFound) => Ok(None),
            change => change.map(left),
        }
    }

    /// Adds the writes that make one roster of another.
    fn roster_writes(
        &self,
        writes: &mut Writes,
        before: &RoomAndRoster,
        after: &RoomAndRoster,
        leaving: Leaving,
        place: Given,
    ) -> Result<()> {
        let room_id = before.room.id;
        for member in &after.members {
            let user_id = member.shown.user_id;
            if before.member(user_id).is_err() {
                writes.push(self.put_new(keys::member(room_id, user_id), member)?);
                // Whatever an earlier membership may have left there.
                let mine = MyRoom::new(room_id, member.shown.joined_at);
                writes.push(self.put(keys::my_room(user_id, room_id), mine)?);
                self.count(writes, user_id, &[(Counted::Rooms, 1)], place)?;
            }
        }
        for member in in_other_roles(before, after) {
            let key = keys::member(room_id, member.shown.user_id);
            // Positions move without a revision: only the role may be written.
            let update = Update::of(key, "SET #role = :role").name("#role", "role");
            writes.push(self.update(update.only_if("attribute_exists(pk)").value(":role", member.role)?)?);
        }
        for leaver in before.people() {
            if after.member(leaver).is_err() {
                writes.push(self.delete(keys::member(room_id, leaver))?);
                match leaving {
                    Leaving::Now => {
                        writes.push(self.delete(keys::my_room(leaver, room_id))?);
                        // Of who is gone, the deletion takes the name out of the room, which it finds in their list.
                        self.count(writes, leaver, &[(Counted::Rooms, -1)], Given::Something)?;
                    }
                    // The room stays in their list until their name is out of it.
                    Leaving::ForGood => writes.push(self.check_gone(leaver)?),
                }
            }
        }
        Ok(())
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

/// What somebody's leaving has come to: the message that says so, and who owns the group now if its owner left.
fn left(change: Option<GroupChange>) -> Option<(Committed, Option<UserId>)> {
    change.map(|GroupChange { said, in_other_roles }| {
        (said, in_other_roles.first().map(|heir| heir.shown.user_id))
    })
}

fn in_other_roles(before: &RoomAndRoster, after: &RoomAndRoster) -> Vec<Member> {
    let is_other =
        |member: &&Member| before.member(member.shown.user_id).is_ok_and(|before| before.role != member.role);
    after.members.iter().filter(is_other).cloned().collect()
}

/// What the log says at a position of something that `actor` did.
fn system_message(
    room_id: RoomId,
    seq: u64,
    actor: &Member,
    happening: &Happening,
    now: Timestamp,
) -> Message {
    let content = happening.sentence(&actor.shown.username);
    let (kind, payload) = (Kind::System, happening.payload());
    let draft = Draft { room_id, content, kind, media_url: None, reply_to_id: None, payload };
    message_at(seq, &draft, actor, &uuid::Uuid::new_v4().to_string(), now)
}
