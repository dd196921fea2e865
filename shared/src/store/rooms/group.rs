//! What becomes of a group: the group itself, who is in it, the lists that hold it, and the system message that says so,
//! in one transaction.

use crate::{
    clock::Timestamp,
    domain::{
        accounts::DeletionTarget,
        messages::{Draft, Kind, Message, view::FullMessage},
        rooms::{
            Member, Role, RoomKind, RoomWithMembers, ShownMember, group::GroupAction,
            system_event::SystemEvent,
        },
        users::{profile::Profile, quota::Quota},
    },
    error::{Error, Result},
    id::{RoomId, UserId},
    store::{
        Store,
        db::{
            item::Update,
            keys,
            table::{Transacted, wait_before_retry},
        },
        messages::{
            Committed,
            changes::{MAX_TRIES, changed_all_the_time},
            message_at,
        },
        rooms::MyRoom,
        users::quotas::{Given, Writes},
    },
};

/// What has become of a group.
#[derive(Clone, Debug)]
pub struct GroupChange {
    /// The system message, and the group and its people as they are now.
    pub said: Committed,
    /// Those who were in it before and have another role now.
    pub role_changes: Vec<Member>,
}

impl Store {
    /// Does something to a group, if the actor may. `None` if it is so already, and nothing is written. Two sequential
    /// round trips, and as many more for each change of somebody else in between.
    pub async fn update_group(
        &self,
        room_id: RoomId,
        actor: UserId,
        deed: &GroupAction,
        now: Timestamp,
    ) -> Result<Option<GroupChange>> {
        self.change_group_leaving(room_id, actor, deed, Leaving::Now, now).await
    }

    async fn change_group_leaving(
        &self,
        room_id: RoomId,
        actor_id: UserId,
        deed: &GroupAction,
        leaving: Leaving,
        now: Timestamp,
    ) -> Result<Option<GroupChange>> {
        for attempt in 1..=MAX_TRIES {
            let (mut before, newest, (deed, place)) = futures::try_join!(
                self.room_with_members(room_id),
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
            let said = system_message(room_id, seq, actor, &outcome.event, now);
            let after = RoomWithMembers { room: outcome.room, members: outcome.members };
            let mut writes = Writes::default();
            writes.extend(self.revision(&before.room, &after.room, None, now)?);
            writes.push(self.put_new(keys::message(room_id, seq), &said)?);
            self.member_writes(&mut writes, &before, &after, leaving, place)?;
            if after.room.is_closed {
                writes.push(self.begin_deletion(DeletionTarget::Room(room_id), now)?);
            }
            match self.table.transact_once(&writes.all).await? {
                Transacted::Written => {
                    let role_changes = role_changes(&before, &after);
                    let said = Committed { full_message: FullMessage::new(said), room: after };
                    return Ok(Some(GroupChange { said, role_changes }));
                }
                Transacted::Refused(at) => self.check_gifts(&writes, &at, actor_id).await?,
            }
            wait_before_retry(attempt).await;
        }
        Err(changed_all_the_time())
    }

    /// A deed as it is to be done now: somebody is added as their profile shows them at this revision of it. A change of it
    /// finds the rooms that it has to follow into by the list of them, which does not hold this one yet.
    async fn as_of_now(&self, deed: &GroupAction) -> Result<(GroupAction, Given)> {
        let GroupAction::Add(shown, role) = deed else { return Ok((deed.clone(), Given::Nothing)) };
        let profile = self.profile(shown.user_id).await?.ok_or(Error::NotFound)?;
        Ok((GroupAction::Add(ShownMember::new(&profile, shown.joined_at), *role), Given::Place(profile.rev)))
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
        self.update_group(room_id, actor, &GroupAction::Add(shown, role), now).await
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
        self.update_group(room_id, actor, &GroupAction::Remove(leaver), now).await.map(left)
    }

    /// Takes somebody out of a group who is gone. `None` if they are not in it, or it is a direct room.
    pub async fn leave_for_good(
        &self,
        room_id: RoomId,
        leaver: UserId,
        now: Timestamp,
    ) -> Result<Option<(Committed, Option<UserId>)>> {
        if let Some(room) = self.open_or_closed_room(room_id).await?
            && room.room.kind == RoomKind::Direct
        {
            return Ok(None);
        }
        let deed = GroupAction::Remove(leaver);
        match self.change_group_leaving(room_id, leaver, &deed, Leaving::ForGood, now).await {
            Err(Error::NotFound) => Ok(None),
            change => change.map(left),
        }
    }

    /// Adds the writes that make one roster of another.
    fn member_writes(
        &self,
        writes: &mut Writes,
        before: &RoomWithMembers,
        after: &RoomWithMembers,
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
                self.count(writes, user_id, &[(Quota::Rooms, 1)], place)?;
            }
        }
        for member in role_changes(before, after) {
            let key = keys::member(room_id, member.shown.user_id);
            // Positions move without a revision: only the role may be written.
            let update = Update::of(key, "SET #role = :role").name("#role", "role");
            writes.push(self.update(update.only_if("attribute_exists(pk)").value(":role", member.role)?)?);
        }
        for leaver in before.member_ids() {
            if after.member(leaver).is_err() {
                writes.push(self.delete(keys::member(room_id, leaver))?);
                match leaving {
                    Leaving::Now => {
                        writes.push(self.delete(keys::my_room(leaver, room_id))?);
                        // Of who is gone, the deletion takes the name out of the room, which it finds in their list.
                        self.count(writes, leaver, &[(Quota::Rooms, -1)], Given::Something)?;
                    }
                    // The room stays in their list until their name is out of it.
                    Leaving::ForGood => writes.push(self.check_deleted(leaver)?),
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
    change.map(|GroupChange { said, role_changes }| {
        (said, role_changes.first().map(|successor| successor.shown.user_id))
    })
}

fn role_changes(before: &RoomWithMembers, after: &RoomWithMembers) -> Vec<Member> {
    let is_other =
        |member: &&Member| before.member(member.shown.user_id).is_ok_and(|before| before.role != member.role);
    after.members.iter().filter(is_other).cloned().collect()
}

/// What the log says at a position of something that `actor` did.
fn system_message(
    room_id: RoomId,
    seq: u64,
    actor: &Member,
    happening: &SystemEvent,
    now: Timestamp,
) -> Message {
    let content = happening.sentence(&actor.shown.username);
    let (kind, payload) = (Kind::System, happening.payload());
    let draft = Draft { room_id, content, kind, media_url: None, reply_to_id: None, payload };
    message_at(seq, &draft, actor, &uuid::Uuid::new_v4().to_string(), now)
}
