//! Changes of a group: one transaction changes the group, its members, their lists, and appends the system
//! message.

use crate::{
    clock::Timestamp,
    domain::{
        accounts::DeletionTarget,
        messages::{Draft, Kind, Message, view::FullMessage},
        rooms::{
            Member, Role, RoomKind, RoomWithMembers, ShownMember, group::GroupAction, new_room::Invitee,
            system_event::SystemEvent,
        },
        users::quota::Quota,
    },
    error::{Error, Result},
    id::{RoomId, UserId},
    store::{
        Store,
        db::{
            item::Update,
            keys,
            transaction::{Attempt, Transaction, retrying},
        },
        messages::{Committed, changes::ROOM_IS_BUSY, message_at},
        rooms::{FormerRoom, MyRoom},
        users::quotas::QuotaChange,
    },
};

/// The result of a change of a group.
#[derive(Clone, Debug)]
pub struct GroupChange {
    /// The system message, and the group and its members after the change.
    pub message: Committed,
    /// The members whose role changed.
    pub role_changes: Vec<Member>,
}

impl GroupChange {
    /// The new owner, if the change replaced the owner.
    pub fn new_owner_id(&self) -> Option<UserId> {
        let new_owner = self.role_changes.iter().find(|member| member.role == Role::Owner);
        new_owner.map(|member| member.shown.user_id)
    }
}

/// The group before and after an action, and what its transaction needs beside that.
struct Step<'a> {
    before: &'a RoomWithMembers,
    after: &'a RoomWithMembers,
    actor: UserId,
    /// The new member, if the action adds one.
    invitee: Option<Invitee>,
}

impl Store {
    /// Applies an action to a group, if the rules allow it. `None` if it changes nothing. Three sequential
    /// round trips, and as many for each intervening change.
    pub async fn update_group(
        &self,
        room_id: RoomId,
        actor: UserId,
        action: &GroupAction,
        now: Timestamp,
    ) -> Result<Option<GroupChange>> {
        self.change_group(room_id, actor, now, || async { Ok((action.clone(), None)) }).await
    }

    /// Adds the user that `check` returns to a group. `None` if the user is a member, with that role if one
    /// is given. After an intervening change of the group or of the user, `check` decides again.
    pub async fn join<Checking>(
        &self,
        room_id: RoomId,
        actor: UserId,
        role: Option<Role>,
        now: Timestamp,
        check: impl Fn() -> Checking,
    ) -> Result<Option<GroupChange>>
    where
        Checking: Future<Output = Result<Invitee>>,
    {
        let check = &check;
        let add = || async move {
            let invitee = check().await?;
            Ok((GroupAction::Add(ShownMember::new(&invitee.profile, now), role), Some(invitee)))
        };
        self.change_group(room_id, actor, now, add).await
    }

    async fn change_group<Deciding>(
        &self,
        room_id: RoomId,
        actor: UserId,
        now: Timestamp,
        decide: impl Fn() -> Deciding,
    ) -> Result<Option<GroupChange>>
    where
        Deciding: Future<Output = Result<(GroupAction, Option<Invitee>)>>,
    {
        retrying(ROOM_IS_BUSY, || async {
            let before = self.room_of_member(room_id, actor).await?;
            let (tail, (action, invitee)) = futures::try_join!(self.newest_position(room_id), decide())?;
            let Some((message, after)) = apply(&action, &before, actor, tail + 1, now)? else {
                return Ok(Attempt::Done(None));
            };
            let step = Step { before: &before, after: &after, actor, invitee };
            let mut tx = self.transaction();
            tx.group_step(&step, &message, now)?.leave_lists(&step)?;
            let committed = tx.commit().await?;
            Ok(committed.map(|()| Some(GroupChange::new(message, &before, after))))
        })
        .await
    }

    /// Removes a member from a group; `actor` may be the member. `None` if the user is not a member. If the
    /// owner leaves, the successor is the new owner; if the last member leaves, the deletion of the group
    /// begins.
    pub async fn leave(
        &self,
        room_id: RoomId,
        actor: UserId,
        member: UserId,
        now: Timestamp,
    ) -> Result<Option<GroupChange>> {
        self.update_group(room_id, actor, &GroupAction::Remove(member), now).await
    }

    /// Removes a deleted account from a group. The room stays in the account's list until its name is removed
    /// from the messages. `None` if the user is not a member, or the room is direct.
    pub async fn leave_deleted_account(
        &self,
        room_id: RoomId,
        user: UserId,
        now: Timestamp,
    ) -> Result<Option<GroupChange>> {
        if let Some(room) = self.open_or_closed_room(room_id).await?
            && room.room.kind == RoomKind::Direct
        {
            return Ok(None);
        }
        let left = retrying(ROOM_IS_BUSY, || async {
            let (mut before, tail) =
                futures::try_join!(self.room_with_members(room_id), self.newest_position(room_id))?;
            before.hide_name(user);
            let Some((message, after)) = apply(&GroupAction::Remove(user), &before, user, tail + 1, now)?
            else {
                return Ok(Attempt::Done(None));
            };
            let step = Step { before: &before, after: &after, actor: user, invitee: None };
            let mut tx = self.transaction();
            tx.group_step(&step, &message, now)?.check_deleted(user);
            let committed = tx.commit().await?;
            Ok(committed.map(|()| Some(GroupChange::new(message, &before, after))))
        });
        match left.await {
            Err(Error::NotFound) => Ok(None),
            left => left,
        }
    }
}

/// The system message at `seq` and the group after an action; `None` if the action changes nothing.
fn apply(
    action: &GroupAction,
    before: &RoomWithMembers,
    actor_id: UserId,
    seq: u64,
    now: Timestamp,
) -> Result<Option<(Message, RoomWithMembers)>> {
    let actor = before.member(actor_id)?;
    let outcome = action.apply(&before.room, &before.members, actor, seq)?;
    Ok(outcome.map(|outcome| {
        let message = system_message(before.room.id, seq, actor, &outcome.event, now);
        (message, RoomWithMembers { room: outcome.room, members: outcome.members })
    }))
}

impl<R> Transaction<'_, R> {
    /// The writes of every change of a group, without those of the lists of members who leave.
    fn group_step(&mut self, step: &Step, message: &Message, now: Timestamp) -> Result<&mut Self> {
        let Step { before, after, actor, invitee } = step;
        let room_id = before.room.id;
        self.revision(&before.room, &after.room, None, now);
        self.put_new(keys::message(room_id, message.seq), message);
        for member in &after.members {
            let user_id = member.shown.user_id;
            if before.member(user_id).is_err() {
                self.put_new(keys::member(room_id, user_id), member);
                // An earlier membership may have left an entry.
                self.put(keys::my_room(user_id, room_id), MyRoom::new(room_id, member.shown.joined_at));
                let invitee = invitee.as_ref().ok_or(Error::NotFound)?;
                self.quota(QuotaChange::of(user_id, *actor).add_member(invitee))?;
            }
        }
        for member in role_changes(before, after) {
            let key = keys::member(room_id, member.shown.user_id);
            // Receipts advance without a revision: only the role may be written.
            let update = Update::of(key, "SET #role = :role").name("#role", "role");
            self.update(update.only_if("attribute_exists(pk)").value(":role", member.role)?);
        }
        for user in leaving(before, after) {
            self.delete(keys::member(room_id, user));
        }
        if after.room.is_closed {
            self.begin_deletion(DeletionTarget::Room(room_id), now);
        }
        Ok(self)
    }

    /// Removes the room from the lists and quotas of members who leave. An entry remains by which the
    /// deletion of the account finds the messages to anonymize, unless the group is deleted with all its
    /// messages. A deleted account does not leave this way: its deletion finds the room in its list.
    fn leave_lists(&mut self, step: &Step) -> Result<&mut Self> {
        let room_id = step.before.room.id;
        for user in leaving(step.before, step.after) {
            self.delete(keys::my_room(user, room_id));
            if !step.after.room.is_closed {
                self.put(keys::former_room(user, room_id), FormerRoom { room_id });
            }
            self.quota(QuotaChange::of(user, step.actor).add(Quota::Rooms, -1).require_active())?;
        }
        Ok(self)
    }
}

impl GroupChange {
    fn new(message: Message, before: &RoomWithMembers, after: RoomWithMembers) -> Self {
        let role_changes = role_changes(before, &after);
        let message = Committed { full_message: FullMessage::new(message), room: after };
        Self { message, role_changes }
    }
}

fn leaving(before: &RoomWithMembers, after: &RoomWithMembers) -> impl Iterator<Item = UserId> {
    before.member_ids().into_iter().filter(|user| after.member(*user).is_err())
}

fn role_changes(before: &RoomWithMembers, after: &RoomWithMembers) -> Vec<Member> {
    let is_changed =
        |member: &&Member| before.member(member.shown.user_id).is_ok_and(|before| before.role != member.role);
    after.members.iter().filter(is_changed).cloned().collect()
}

/// The system message of an event that `actor` caused.
fn system_message(room_id: RoomId, seq: u64, actor: &Member, event: &SystemEvent, now: Timestamp) -> Message {
    let content = event.sentence(&actor.shown.username);
    let (kind, payload) = (Kind::System, event.payload());
    let draft = Draft { room_id, content, kind, media_url: None, reply_to_id: None, payload };
    message_at(seq, &draft, actor, &uuid::Uuid::new_v4().to_string(), now)
}
