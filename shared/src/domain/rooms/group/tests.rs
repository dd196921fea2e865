use uuid::Uuid;

use crate::{
    clock::Timestamp,
    domain::rooms::{group::*, tests::group},
    error::Error,
};

fn user(n: u128) -> UserId {
    Uuid::from_u128(n).into()
}

fn shown(n: u128, joined_at: i64) -> ShownMember {
    let joined_at = Timestamp::from_seconds(joined_at);
    ShownMember {
        user_id: user(n),
        username: format!("u{n}"),
        display_name: None,
        avatar_url: None,
        hides_reads: false,
        joined_at,
    }
}

fn member(n: u128, role: Role, joined_at: i64) -> Member {
    Member::new(shown(n, joined_at), role, 1)
}

/// An owner, two admins and a member, in this order of ids.
fn four_members() -> Vec<Member> {
    vec![
        member(1, Role::Owner, 0),
        member(2, Role::Admin, 0),
        member(3, Role::Admin, 0),
        member(4, Role::Member, 0),
    ]
}

/// The roles after an action on the four members, or the code of the refusal.
fn result(actor: u128, action: &GroupAction) -> Result<Option<Vec<(UserId, Role)>>, &'static str> {
    let members = four_members();
    let actor = find(&members, user(actor)).unwrap();
    match action.apply(&group(), &members, actor, 9) {
        Ok(outcome) => Ok(outcome.map(|outcome| roles(&outcome.members))),
        Err(Error::Refused(refusal)) => Err(refusal.code),
        Err(other) => panic!("{other}"),
    }
}

fn roles(members: &[Member]) -> Vec<(UserId, Role)> {
    members.iter().map(|member| (member.shown.user_id, member.role)).collect()
}

/// The pairs of actor and subject for which an action is allowed.
fn allowed(action: impl Fn(UserId) -> GroupAction) -> Vec<(u128, u128)> {
    let pairs = (1..=4).flat_map(|actor| (1..=4).map(move |subject| (actor, subject)));
    pairs.filter(|(actor, subject)| result(*actor, &action(user(*subject))).is_ok()).collect()
}

#[test]
fn owners_and_admins_add_members_and_only_owners_add_admins() {
    let add = |role| GroupAction::Add(shown(9, 5), role);
    let actors = |role| (1..=4).filter(|actor| result(*actor, &add(role)).is_ok()).collect::<Vec<u128>>();
    assert_eq!((actors(None), actors(Some(Role::Member))), (vec![1, 2, 3], vec![1, 2, 3]));
    assert_eq!(actors(Some(Role::Admin)), [1]);
    assert_eq!(result(1, &add(Some(Role::Owner))), Err("not_in_room"));
    assert_eq!(result(1, &add(Some(Role::Admin))).unwrap().unwrap()[4], (user(9), Role::Admin));
    assert_eq!(result(1, &GroupAction::Add(shown(4, 5), None)), Ok(None), "a member keeps their role");
    let promoted = result(1, &GroupAction::Add(shown(4, 5), Some(Role::Admin))).unwrap().unwrap();
    assert_eq!(promoted[3], (user(4), Role::Admin), "a member gets the role");
}

#[test]
fn a_group_has_at_most_256_members() {
    let members = four_members();
    let add = |member_count, n| {
        let room = Room { member_count, ..group() };
        GroupAction::Add(shown(n, 5), None).apply(&room, &members, &members[0], 9)
    };
    assert!(add(255, 9).is_ok() && add(256, 9).is_err());
    assert_eq!(add(256, 4).unwrap(), None, "adding an existing member has no effect");
}

#[test]
fn a_new_member_sees_new_or_all_messages_and_has_read_the_earlier_ones() {
    let members = four_members();
    for (history_visibility, from_seq) in [(HistoryVisibility::Joined, 9), (HistoryVisibility::Shared, 1)] {
        let room = Room { history_visibility, rev: 6, ..group() };
        let add = GroupAction::Add(shown(9, 5), None);
        let outcome = add.apply(&room, &members, &members[0], 9).unwrap().unwrap();
        let new_member = &outcome.members[4];
        assert_eq!((new_member.from_seq, new_member.read_seq, new_member.received_seq()), (from_seq, 8, 8));
        assert_eq!((new_member.joined_rev, outcome.room.rev, outcome.room.members_version), (7, 7, 2));
    }
}

#[test]
fn every_member_can_leave_and_only_higher_roles_can_remove_others() {
    let expected = [(1, 1), (1, 2), (1, 3), (1, 4), (2, 2), (2, 4), (3, 3), (3, 4), (4, 4)];
    assert_eq!(allowed(GroupAction::Remove), expected);
    assert_eq!(result(1, &GroupAction::Remove(user(9))), Ok(None));
    assert_eq!(result(2, &GroupAction::Remove(user(9))), Ok(None));
    assert_eq!(result(4, &GroupAction::Remove(user(9))), Err("not_allowed"));
}

#[test]
fn only_the_owner_changes_roles_and_admins_can_set_the_current_role() {
    let to_member = allowed(|user| GroupAction::SetRole(user, Role::Member));
    assert_eq!(to_member, [(1, 2), (1, 3), (1, 4), (2, 4), (3, 4)]);
    assert_eq!(result(2, &GroupAction::SetRole(user(4), Role::Member)), Ok(None));
    let to_admin = allowed(|user| GroupAction::SetRole(user, Role::Admin));
    assert_eq!(to_admin, [(1, 2), (1, 3), (1, 4), (2, 2), (2, 3), (3, 2), (3, 3)]);
    assert_eq!(result(1, &GroupAction::SetRole(user(1), Role::Member)), Err("owner_needed"));
    assert_eq!(result(1, &GroupAction::SetRole(user(9), Role::Admin)), Err("not_in_room"));
    assert_eq!(result(4, &GroupAction::SetRole(user(9), Role::Admin)), Err("not_allowed"));
}

#[test]
fn an_ownership_transfer_makes_the_previous_owner_an_admin_and_is_idempotent() {
    let members = four_members();
    let transfer = GroupAction::SetRole(user(4), Role::Owner);
    let outcome = transfer.apply(&group(), &members, &members[0], 9).unwrap().unwrap();
    let expected = [(1, Role::Admin), (2, Role::Admin), (3, Role::Admin), (4, Role::Owner)];
    assert_eq!(roles(&outcome.members), expected.map(|(n, role)| (user(n), role)));
    assert_eq!(outcome.room.members_version, group().members_version, "the set of members is the same");
    assert_eq!(transfer.apply(&outcome.room, &outcome.members, &outcome.members[0], 10).unwrap(), None);
}

#[test]
fn the_successor_of_an_owner_is_the_first_admin_or_else_the_first_member() {
    let owner = member(1, Role::Owner, 0);
    let members =
        [owner.clone(), member(2, Role::Member, 1), member(3, Role::Admin, 3), member(4, Role::Admin, 2)];
    assert_eq!(successor(&members, user(1)), Some(user(4)));
    assert_eq!(successor(&members[..2], user(1)), Some(user(2)));
    assert_eq!(successor(&members, user(3)), None);
    assert_eq!(successor(&[owner], user(1)), None);
}

#[test]
fn a_group_is_closed_permanently_when_the_last_member_leaves() {
    let owner = member(1, Role::Owner, 0);
    let room = Room { name: Some("gym".into()), member_count: 1, ..group() };
    let members = [owner.clone()];
    let outcome = GroupAction::Remove(user(1)).apply(&room, &members, &owner, 9).unwrap().unwrap();
    assert!(outcome.room.is_closed && outcome.members.is_empty());
    assert_eq!((outcome.room.deleted_by, outcome.room.name), (Some(user(1)), None));
}

#[test]
fn owners_and_admins_update_a_group_and_only_the_owner_deletes_it() {
    let rename = GroupAction::Update(GroupPatch { name: Some(Some("gym".into())), ..GroupPatch::default() });
    let actors: Vec<u128> = (1..=4).filter(|actor| result(*actor, &rename).is_ok()).collect();
    assert_eq!(actors, [1, 2, 3]);
    let members = four_members();
    let deleters = members.iter().filter(|actor| check_delete(&group(), actor).is_ok()).count();
    assert_eq!(deleters, 1);
    assert!(check_delete(&group(), &members[0]).is_ok());
    let outcome = rename.apply(&group(), &members, &members[1], 9).unwrap().unwrap();
    assert_eq!((outcome.room.rev, outcome.room.members_version), (1, 1));
    assert_eq!(outcome.members, members);
}

#[test]
fn no_group_action_is_allowed_in_a_direct_room() {
    let (direct, members) = (Room { kind: RoomKind::Direct, ..group() }, four_members());
    let actions = [
        GroupAction::Add(shown(9, 5), None),
        GroupAction::Remove(user(1)),
        GroupAction::SetRole(user(2), Role::Owner),
        GroupAction::Update(GroupPatch::default()),
    ];
    for action in actions {
        assert!(action.apply(&direct, &members, &members[0], 9).is_err(), "{action:?}");
    }
    assert!(check_delete(&direct, &members[0]).is_err());
}

/// A random action and its actor.
fn random_action(random: &mut fastrand::Rng) -> (UserId, GroupAction) {
    let (actor, subject) = (user(random.u128(1..8)), random.u128(1..8));
    let role = [Role::Owner, Role::Admin, Role::Member][random.usize(..3)];
    let action = match random.u8(..4) {
        0 => GroupAction::Add(shown(subject, random.i64(..100)), random.bool().then_some(role)),
        1 => GroupAction::Remove(user(subject)),
        _ => GroupAction::SetRole(user(subject), role),
    };
    (actor, action)
}

#[test]
fn random_actions_leave_every_non_empty_group_with_exactly_one_owner() {
    for seed in 0..200 {
        let mut random = fastrand::Rng::with_seed(seed);
        let (mut room, mut members) = (Room { member_count: 4, ..group() }, four_members());
        let mut changes = 0;
        for seq in 1..=100 {
            let (actor, action) = random_action(&mut random);
            let Some(actor) = find(&members, actor).cloned() else { continue };
            let Ok(Some(outcome)) = action.apply(&room, &members, &actor, seq) else { continue };
            changes += 1;
            (room, members) = (outcome.room, outcome.members);
            let owners = members.iter().filter(|member| member.role == Role::Owner).count();
            assert_eq!(owners, usize::from(!members.is_empty()), "seed {seed}: {action:?}");
            assert_eq!((room.rev, room.member_count), (changes, members.len()), "seed {seed}");
            let is_empty = members.is_empty();
            assert_eq!(
                (room.is_closed, room.deleted_by),
                (is_empty, is_empty.then_some(actor.shown.user_id))
            );
        }
        assert!(changes > 0, "seed {seed}");
    }
}
