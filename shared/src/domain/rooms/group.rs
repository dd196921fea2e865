//! Actions on a group and its members, and the permissions that they require.

use const_format::formatcp;

use crate::{
    domain::rooms::{
        Member, NOT_ALLOWED, Role, Room, RoomKind, ShownMember, first_members,
        patch::{GroupPatch, HistoryVisibility},
        system_event::SystemEvent,
    },
    error::{Refusal, Result},
    id::UserId,
};

/// The maximum number of members of a group.
pub const MAX_MEMBERS: usize = 256;

const DIRECT_ROOM: Refusal = Refusal {
    status: 403,
    code: "direct_room",
    detail: "You can't add or remove people in a direct chat, or change it.",
};
const ROOM_FULL: Refusal = Refusal {
    status: 409,
    code: "room_full",
    detail: formatcp!("This group is full: at most {MAX_MEMBERS} members."),
};
const NOT_IN_ROOM: Refusal =
    Refusal { status: 409, code: "not_in_room", detail: "This person is not in the group." };
const OWNER_NEEDED: Refusal = Refusal {
    status: 409,
    code: "owner_needed",
    detail: "A group needs an owner. Make someone else the owner instead.",
};

/// An action on a group.
#[derive(Clone, Debug)]
pub enum GroupAction {
    /// Add a user, by default as a member. For an existing member, only set the role, if one is given.
    Add(ShownMember, Option<Role>),
    /// Remove a member, or leave the group if the user is the actor.
    Remove(UserId),
    /// Set the role of a member. If it is the owner role, the previous owner becomes an admin.
    SetRole(UserId, Role),
    /// Update the group's name, avatar, description or history visibility.
    Update(GroupPatch),
}

/// A group after an action.
#[derive(Clone, Debug, PartialEq)]
pub struct GroupOutcome {
    /// The group at its next revision.
    pub room: Room,
    /// All members, in the order of their ids.
    pub members: Vec<Member>,
    /// The event for the log.
    pub event: SystemEvent,
}

impl GroupAction {
    /// The outcome of the action by `actor`, whose system message has the position `seq`; `None` if the
    /// action has no effect, which makes it idempotent.
    pub fn apply(
        &self,
        room: &Room,
        members: &[Member],
        actor: &Member,
        seq: u64,
    ) -> Result<Option<GroupOutcome>> {
        if room.kind == RoomKind::Direct {
            return Err(DIRECT_ROOM.into());
        }
        let change = match self {
            Self::Add(user, role) => add(room, members, actor, user, *role, seq)?,
            Self::Remove(user) => remove(members, actor, *user)?,
            Self::SetRole(user, role) => set_role(members, actor, *user, *role)?,
            Self::Update(patch) => {
                check_manages(actor)?;
                let updated = patch.apply(room);
                return Ok(updated.map(|(room, event)| outcome(&room, members, members.to_vec(), event, seq)));
            }
        };
        Ok(change.map(|(after, event)| {
            let mut outcome = outcome(room, members, after, event, seq);
            if outcome.members.is_empty() {
                outcome.room = outcome.room.closed_permanently(actor.shown.user_id);
            }
            outcome
        }))
    }
}

/// The outcome with these members instead of those before, and a system message at `seq`.
fn outcome(
    room: &Room,
    before: &[Member],
    mut members: Vec<Member>,
    event: SystemEvent,
    seq: u64,
) -> GroupOutcome {
    members.sort_by_key(|member| member.shown.user_id);
    // An action adds or removes at most one member, so another set has another length.
    let is_other_set = members.len() != before.len();
    let mut uncounted = room.uncounted.clone();
    uncounted.insert(seq);
    let room = Room {
        uncounted,
        rev: room.rev + 1,
        members_version: room.members_version + u64::from(is_other_set),
        member_count: members.len(),
        first_members: first_members(members.iter().map(|member| member.shown.user_id)),
        ..room.clone()
    };
    GroupOutcome { room, members, event }
}

/// The members after an action and the event for the log; `None` if the action has no effect.
type MembersChange = Option<(Vec<Member>, SystemEvent)>;

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
    user: &ShownMember,
    role: Option<Role>,
    seq: u64,
) -> Result<MembersChange> {
    check_manages(actor)?;
    if find(members, user.user_id).is_some() {
        return role.map_or(Ok(None), |role| set_role(members, actor, user.user_id, role));
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
    // Messages before the time of joining are not unread, even if the new member sees them.
    let member = Member { from_seq, joined_rev: room.rev + 1, ..Member::new(user.clone(), role, seq) };
    let after = members.iter().cloned().chain([member]).collect();
    Ok(Some((after, SystemEvent::ParticipantAdded { user: user.into(), role })))
}

fn remove(members: &[Member], actor: &Member, user: UserId) -> Result<MembersChange> {
    let is_self = actor.shown.user_id == user;
    let member = find(members, user);
    // Removing a user who is not in the group requires the same permission as removing a member.
    match (actor.role, member.map_or(Role::Member, |member| member.role)) {
        _ if is_self => {}
        (Role::Owner, _) | (Role::Admin, Role::Member) => {}
        (Role::Admin | Role::Member, _) => return Err(NOT_ALLOWED.into()),
    }
    let Some(removed) = member else { return Ok(None) };
    let successor = successor(members, user);
    let after = members.iter().filter(|member| member.shown.user_id != user).cloned();
    let after = after.map(|member| match successor {
        Some(successor) if member.shown.user_id == successor => Member { role: Role::Owner, ..member },
        _ => member,
    });
    let user = (&removed.shown).into();
    let event =
        if is_self { SystemEvent::ParticipantLeft(user) } else { SystemEvent::ParticipantRemoved(user) };
    Ok(Some((after.collect(), event)))
}

fn set_role(members: &[Member], actor: &Member, user: UserId, role: Role) -> Result<MembersChange> {
    check_manages(actor)?;
    let subject = find(members, user).ok_or(NOT_IN_ROOM)?;
    if subject.role == role {
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
    Ok(Some((after.collect(), SystemEvent::RoleChanged { user: (&subject.shown).into(), role })))
}

/// The next owner if `user` owns the group and leaves it: the first admin to join, or else the first member.
fn successor(members: &[Member], user: UserId) -> Option<UserId> {
    find(members, user).filter(|member| member.role == Role::Owner)?;
    let others = members.iter().filter(|member| member.shown.user_id != user);
    let first = others.min_by_key(|member| (member.role == Role::Member, member.shown.joined_at));
    first.map(|member| member.shown.user_id)
}

/// Checks that `actor` may add members to the room.
pub fn check_add(room: &Room, actor: &Member) -> Result<()> {
    match room.kind {
        RoomKind::Direct => Err(DIRECT_ROOM.into()),
        RoomKind::Group => check_manages(actor),
    }
}

/// Checks that `actor` may delete the room.
pub fn check_delete(room: &Room, actor: &Member) -> Result<()> {
    match (room.kind, actor.role) {
        (RoomKind::Direct, _) => Err(DIRECT_ROOM.into()),
        (RoomKind::Group, Role::Owner) => Ok(()),
        (RoomKind::Group, Role::Admin | Role::Member) => Err(NOT_ALLOWED.into()),
    }
}

#[cfg(test)]
mod tests;
