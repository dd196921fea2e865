//! What may become of a group and the people in it, and by whom.

use crate::{
    domain::rooms::{
        Member, NOT_ALLOWED, Role, Room, RoomKind, ShownMember, first_members,
        patch::{GroupPatch, HistoryVisibility},
        system_event::SystemEvent,
    },
    error::{Refusal, Result},
    id::UserId,
};

/// The most people in a group.
pub const MAX_MEMBERS: usize = 256;

const DIRECT_ROOM: Refusal = Refusal {
    status: 403,
    code: "direct_room",
    detail: "A direct room belongs to its two people: nobody can join, leave or change it.",
};
const ROOM_FULL: Refusal =
    Refusal { status: 409, code: "room_full", detail: "A group has at most 256 members." };
const NOT_IN_ROOM: Refusal =
    Refusal { status: 409, code: "not_in_room", detail: "This person is not in the group." };
const OWNER_NEEDED: Refusal = Refusal {
    status: 409,
    code: "owner_needed",
    detail: "A group needs an owner: make somebody else the owner instead.",
};

/// What somebody wants to become of a group.
#[derive(Clone, Debug)]
pub enum GroupAction {
    /// Somebody is in it from now on, a member unless a role is named. Who is in it already gets that role, if any.
    Add(ShownMember, Option<Role>),
    /// Somebody is in it no more, themselves or by another.
    Remove(UserId),
    /// Somebody in it has another role. A new owner makes the former one an admin.
    SetRole(UserId, Role),
    /// It is called, looks or is otherwise.
    Change(GroupPatch),
}

/// A group as it is after a deed.
#[derive(Clone, Debug, PartialEq)]
pub struct Outcome {
    /// The group, at its next revision.
    pub room: Room,
    /// Everyone in it, in the order of their ids.
    pub members: Vec<Member>,
    /// What the log says of it.
    pub said: SystemEvent,
}

impl GroupAction {
    /// What comes of it when `actor` does it and the log says so at `seq`; `None` if it is so already, so that it may be
    /// repeated.
    pub fn apply(
        &self,
        room: &Room,
        members: &[Member],
        actor: &Member,
        seq: u64,
    ) -> Result<Option<Outcome>> {
        if room.kind == RoomKind::Direct {
            return Err(DIRECT_ROOM.into());
        }
        let done = match self {
            Self::Add(newcomer, role) => add(room, members, actor, newcomer, *role, seq)?,
            Self::Remove(leaver) => remove(members, actor, *leaver)?,
            Self::SetRole(user, role) => set_role(members, actor, *user, *role)?,
            Self::Change(details) => {
                check_manages(actor)?;
                let changed = details.apply(room);
                return Ok(changed.map(|(room, said)| outcome(&room, members, members.to_vec(), said)));
            }
        };
        Ok(done.map(|(after, said)| {
            let mut outcome = outcome(room, members, after, said);
            if outcome.members.is_empty() {
                outcome.room = outcome.room.closed_for_good(actor.shown.user_id);
            }
            outcome
        }))
    }
}

/// The group with other members.
fn outcome(room: &Room, before: &[Member], mut members: Vec<Member>, said: SystemEvent) -> Outcome {
    members.sort_by_key(|member| member.shown.user_id);
    // One person comes or goes at a time.
    let is_other_roster = members.len() != before.len();
    let room = Room {
        rev: room.rev + 1,
        members_version: room.members_version + u64::from(is_other_roster),
        member_count: members.len(),
        first_members: first_members(members.iter().map(|member| member.shown.user_id)),
        ..room.clone()
    };
    Outcome { room, members, said }
}

/// What becomes of the members, and what the log says of it.
type Done = Option<(Vec<Member>, SystemEvent)>;

fn check_manages(actor: &Member) -> Result<()> {
    if actor.role == Role::Member { Err(NOT_ALLOWED.into()) } else { Ok(()) }
}

fn find(members: &[Member], user: UserId) -> Option<&Member> {
    members.iter().find(|member| member.shown.user_id == user)
}

fn add(
    room: &Room,
    members: &[Member],
    actor: &Member,
    newcomer: &ShownMember,
    role: Option<Role>,
    seq: u64,
) -> Result<Done> {
    check_manages(actor)?;
    if find(members, newcomer.user_id).is_some() {
        return role.map_or(Ok(None), |role| set_role(members, actor, newcomer.user_id, role));
    }
    let role = role.unwrap_or(Role::Member);
    match (actor.role, role) {
        (_, Role::Owner) => return Err(NOT_IN_ROOM.into()),
        (Role::Owner, _) | (_, Role::Member) => {}
        (Role::Admin | Role::Member, Role::Admin) => return Err(NOT_ALLOWED.into()),
    }
    if room.member_count >= MAX_MEMBERS {
        return Err(ROOM_FULL.into());
    }
    let from_seq = match room.history_visibility {
        HistoryVisibility::Joined => seq,
        HistoryVisibility::Shared => 1,
    };
    // What was said before they came is nothing that they have yet to read.
    let member = Member { from_seq, joined_rev: room.rev + 1, ..Member::new(newcomer.clone(), role, seq) };
    let after = members.iter().cloned().chain([member]).collect();
    let ShownMember { user_id, username, .. } = newcomer.clone();
    Ok(Some((after, SystemEvent::ParticipantAdded { user_id, username, role })))
}

fn remove(members: &[Member], actor: &Member, leaver: UserId) -> Result<Done> {
    let is_self = actor.shown.user_id == leaver;
    let who = find(members, leaver);
    // Who is not in it is no more than a member.
    match (actor.role, who.map_or(Role::Member, |who| who.role)) {
        _ if is_self => {}
        (Role::Owner, _) | (Role::Admin, Role::Member) => {}
        (Role::Admin | Role::Member, _) => return Err(NOT_ALLOWED.into()),
    }
    let Some(who) = who else { return Ok(None) };
    let successor = successor(members, leaver);
    let after = members.iter().filter(|member| member.shown.user_id != leaver).cloned();
    let after = after.map(|member| match successor {
        Some(successor) if member.shown.user_id == successor => Member { role: Role::Owner, ..member },
        _ => member,
    });
    let ShownMember { user_id, username, .. } = who.shown.clone();
    let said = if is_self {
        SystemEvent::ParticipantLeft { user_id, username }
    } else {
        SystemEvent::ParticipantRemoved { user_id, username }
    };
    Ok(Some((after.collect(), said)))
}

fn set_role(members: &[Member], actor: &Member, user: UserId, role: Role) -> Result<Done> {
    check_manages(actor)?;
    let who = find(members, user).ok_or(NOT_IN_ROOM)?;
    if who.role == role {
        return Ok(None);
    }
    if actor.role != Role::Owner {
        return Err(NOT_ALLOWED.into());
    }
    if actor.shown.user_id == user {
        return Err(OWNER_NEEDED.into());
    }
    let after = members.iter().cloned().map(|member| match member.role {
        _ if member.shown.user_id == user => Member { role, ..member },
        Role::Owner if role == Role::Owner => Member { role: Role::Admin, ..member },
        _ => member,
    });
    let ShownMember { user_id, username, .. } = who.shown.clone();
    Ok(Some((after.collect(), SystemEvent::RoleChanged { user_id, username, role })))
}

/// Who owns the room once `leaver` is gone: if its owner leaves, the admin, else the member, who joined first.
fn successor(members: &[Member], leaver: UserId) -> Option<UserId> {
    find(members, leaver).filter(|leaver| leaver.role == Role::Owner)?;
    let left = members.iter().filter(|member| member.shown.user_id != leaver);
    let first = left.min_by_key(|member| (member.role == Role::Member, member.shown.joined_at));
    first.map(|member| member.shown.user_id)
}

/// Whether `actor` may bring people into the room.
pub fn check_add(room: &Room, actor: &Member) -> Result<()> {
    match room.kind {
        RoomKind::Direct => Err(DIRECT_ROOM.into()),
        RoomKind::Group => check_manages(actor),
    }
}

/// Whether `actor` may delete the group.
pub fn check_delete(room: &Room, actor: &Member) -> Result<()> {
    match (room.kind, actor.role) {
        (RoomKind::Direct, _) => Err(DIRECT_ROOM.into()),
        (RoomKind::Group, Role::Owner) => Ok(()),
        (RoomKind::Group, Role::Admin | Role::Member) => Err(NOT_ALLOWED.into()),
    }
}

#[cfg(test)]
mod tests;
