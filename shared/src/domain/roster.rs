//! Who may bring whom into a group, and who may make whom leave it.

use super::room::{Member, NOT_ALLOWED, Role, Room, RoomKind};
use crate::{
    error::{Refusal, Result},
    id::UserId,
};

/// The most people in a group.
pub const MAX_MEMBERS: usize = 256;

const DIRECT_ROOM: Refusal = Refusal {
    status: 403,
    code: "direct_room",
    detail: "A direct room belongs to its two people: nobody can join or leave it.",
};
const ROOM_FULL: Refusal =
    Refusal { status: 409, code: "room_full", detail: "A group has at most 256 members." };

/// Whether `actor` may add somebody to the room. Who `is_in` it already takes no place.
pub fn check_add(room: &Room, actor: &Member, is_in: bool) -> Result<()> {
    if room.kind == RoomKind::Direct {
        return Err(DIRECT_ROOM.into());
    }
    if actor.role == Role::Member {
        return Err(NOT_ALLOWED.into());
    }
    if room.member_count >= MAX_MEMBERS && !is_in {
        return Err(ROOM_FULL.into());
    }
    Ok(())
}

/// Whether `actor` may make `user` leave; everybody may leave by themselves. Who is not in it is no more than a member.
pub fn check_remove(room: &Room, members: &[Member], actor: &Member, user: UserId) -> Result<()> {
    if room.kind == RoomKind::Direct {
        return Err(DIRECT_ROOM.into());
    }
    let who = members.iter().find(|member| member.shown.user_id == user);
    let is_self = actor.shown.user_id == user;
    match (actor.role, who.map_or(Role::Member, |who| who.role)) {
        _ if is_self => Ok(()),
        (Role::Owner, _) | (Role::Admin, Role::Member) => Ok(()),
        (Role::Admin | Role::Member, _) => Err(NOT_ALLOWED.into()),
    }
}

/// Who owns the room once `leaver` is gone: if its owner leaves, the admin, else the member, who joined first.
pub fn heir(members: &[Member], leaver: UserId) -> Option<UserId> {
    let is_owner = |member: &&Member| member.shown.user_id == leaver && member.role == Role::Owner;
    members.iter().find(is_owner)?;
    let left = members.iter().filter(|member| member.shown.user_id != leaver);
    let first = left.min_by_key(|member| (member.role == Role::Member, member.shown.joined_at));
    first.map(|member| member.shown.user_id)
}

/// What the log says of somebody's joining.
pub fn joined(actor: &Member, newcomer: &str) -> String {
    format!("{} added {newcomer}", actor.shown.username)
}

/// What the log says of somebody's leaving.
pub fn left(actor: &Member, leaver: &Member) -> String {
    if actor.shown.user_id == leaver.shown.user_id {
        format!("{} left", actor.shown.username)
    } else {
        format!("{} removed {}", actor.shown.username, leaver.shown.username)
    }
}

#[cfg(test)]
mod tests {
    use uuid::Uuid;

    use super::*;
    use crate::{
        clock::Timestamp,
        domain::room::{ShownMember, tests::group},
    };

    fn member(n: u128, role: Role, joined_at: i64) -> Member {
        let joined_at = Timestamp::from_seconds(joined_at);
        let shown = ShownMember {
            user_id: Uuid::from_u128(n).into(),
            username: format!("u{n}"),
            avatar_url: None,
            hides_reads: false,
            joined_at,
        };
        Member::new(shown, role, 1)
    }

    fn user(n: u128) -> UserId {
        Uuid::from_u128(n).into()
    }

    #[test]
    fn owners_and_admins_add_people_until_the_group_is_full() {
        for (role, allowed) in [(Role::Owner, true), (Role::Admin, true), (Role::Member, false)] {
            assert_eq!(check_add(&group(), &member(1, role, 0), false).is_ok(), allowed, "{role:?}");
        }
        let owner = member(1, Role::Owner, 0);
        let full = Room { member_count: 256, ..group() };
        assert!(check_add(&Room { member_count: 255, ..group() }, &owner, false).is_ok());
        assert!(check_add(&full, &owner, false).is_err());
        assert!(check_add(&full, &owner, true).is_ok());
        assert!(check_add(&Room { kind: RoomKind::Direct, ..group() }, &owner, false).is_err());
    }

    #[test]
    fn everyone_may_leave_and_only_those_above_may_make_others_leave() {
        let members = [
            member(1, Role::Owner, 0),
            member(2, Role::Admin, 0),
            member(3, Role::Admin, 0),
            member(4, Role::Member, 0),
        ];
        let may = |actor: usize, who: u128| {
            check_remove(&group(), &members, &members[actor - 1], user(who)).is_ok()
        };
        let allowed: Vec<(usize, u128)> =
            (1..=4).flat_map(|a| (1..=4).map(move |w| (a, w))).filter(|(a, w)| may(*a, *w)).collect();
        let expected = [(1, 1), (1, 2), (1, 3), (1, 4), (2, 2), (2, 4), (3, 3), (3, 4), (4, 4)];
        assert_eq!(allowed, expected);
        let direct = Room { kind: RoomKind::Direct, ..group() };
        assert!(check_remove(&direct, &members, &members[0], user(1)).is_err());
        let absent = |actor: usize| check_remove(&group(), &members, &members[actor], user(9)).is_ok();
        assert!(absent(0) && absent(1) && !absent(3));
    }

    #[test]
    fn an_owner_who_leaves_is_followed_by_the_first_admin_else_the_first_member() {
        let owner = member(1, Role::Owner, 0);
        let members =
            [owner.clone(), member(2, Role::Member, 1), member(3, Role::Admin, 3), member(4, Role::Admin, 2)];
        assert_eq!(heir(&members, user(1)), Some(user(4)));
        assert_eq!(heir(&members[..2], user(1)), Some(user(2)));
        assert_eq!(heir(&members, user(3)), None);
        assert_eq!(heir(&[owner], user(1)), None);
    }
}
