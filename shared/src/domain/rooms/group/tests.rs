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
        avatar_url: None,
        hides_reads: false,
        joined_at,
    }
}

fn member(n: u128, role: Role, joined_at: i64) -> Member {
    Member::new(shown(n, joined_at), role, 1)
}

/// An owner, two admins and a member, in this order of ids.
fn four() -> Vec<Member> {
    vec![
        member(1, Role::Owner, 0),
        member(2, Role::Admin, 0),
        member(3, Role::Admin, 0),
        member(4, Role::Member, 0),
    ]
}

/// What becomes of the four: who is in it and what they may do, or the code of the refusal.
fn done(actor: u128, deed: &GroupAction) -> Result<Option<Vec<(UserId, Role)>>, &'static str> {
    let members = four();
    let actor = find(&members, user(actor)).unwrap();
    match deed.apply(&group(), &members, actor, 9) {
        Ok(outcome) => Ok(outcome.map(|outcome| roles(&outcome.members))),
        Err(Error::Refused(refusal)) => Err(refusal.code),
        Err(other) => panic!("{other}"),
    }
}

fn roles(members: &[Member]) -> Vec<(UserId, Role)> {
    members.iter().map(|member| (member.shown.user_id, member.role)).collect()
}

/// The pairs of actor and other for which a deed is allowed.
fn allowed(deed: impl Fn(UserId) -> GroupAction) -> Vec<(u128, u128)> {
    let pairs = (1..=4).flat_map(|actor| (1..=4).map(move |other| (actor, other)));
    pairs.filter(|(actor, other)| done(*actor, &deed(user(*other))).is_ok()).collect()
}

#[test]
fn owners_and_admins_add_members_and_only_owners_add_admins() {
    let add = |role| GroupAction::Add(shown(9, 5), role);
    let by_whom = |role| (1..=4).filter(|actor| done(*actor, &add(role)).is_ok()).collect::<Vec<u128>>();
    assert_eq!((by_whom(None), by_whom(Some(Role::Member))), (vec![1, 2, 3], vec![1, 2, 3]));
    assert_eq!(by_whom(Some(Role::Admin)), [1]);
    assert_eq!(done(1, &add(Some(Role::Owner))), Err("not_in_room"));
    assert_eq!(done(1, &add(Some(Role::Admin))).unwrap().unwrap()[4], (user(9), Role::Admin));
    assert_eq!(done(1, &GroupAction::Add(shown(4, 5), None)), Ok(None), "who is in it keeps their role");
    let promoted = done(1, &GroupAction::Add(shown(4, 5), Some(Role::Admin))).unwrap().unwrap();
    assert_eq!(promoted[3], (user(4), Role::Admin), "who is in it gets the role");
}

#[test]
fn a_group_takes_256_people() {
    let members = four();
    let add = |member_count, newcomer| {
        let room = Room { member_count, ..group() };
        GroupAction::Add(shown(newcomer, 5), None).apply(&room, &members, &members[0], 9)
    };
    assert!(add(255, 9).is_ok() && add(256, 9).is_err());
    assert_eq!(add(256, 4).unwrap(), None, "who is in it takes no place");
}

#[test]
fn a_newcomer_sees_the_log_from_their_joining_on_or_all_of_it_and_has_read_what_was_before() {
    let members = four();
    for (history_visibility, from_seq) in [(HistoryVisibility::Joined, 9), (HistoryVisibility::Shared, 1)] {
        let room = Room { history_visibility, rev: 6, ..group() };
        let deed = GroupAction::Add(shown(9, 5), None);
        let outcome = deed.apply(&room, &members, &members[0], 9).unwrap().unwrap();
        let newcomer = &outcome.members[4];
        assert_eq!((newcomer.from_seq, newcomer.read_seq, newcomer.received_seq()), (from_seq, 8, 8));
        assert_eq!((newcomer.joined_rev, outcome.room.rev, outcome.room.members_version), (7, 7, 2));
    }
}

#[test]
fn everyone_may_leave_and_only_those_above_may_make_others_leave() {
    let expected = [(1, 1), (1, 2), (1, 3), (1, 4), (2, 2), (2, 4), (3, 3), (3, 4), (4, 4)];
    assert_eq!(allowed(GroupAction::Remove), expected);
    assert_eq!(done(1, &GroupAction::Remove(user(9))), Ok(None));
    assert_eq!(done(2, &GroupAction::Remove(user(9))), Ok(None));
    assert_eq!(done(4, &GroupAction::Remove(user(9))), Err("not_allowed"));
}

#[test]
fn only_the_owner_changes_roles_and_who_runs_the_group_may_say_again_what_is_so() {
    let to_member = allowed(|user| GroupAction::SetRole(user, Role::Member));
    assert_eq!(to_member, [(1, 2), (1, 3), (1, 4), (2, 4), (3, 4)]);
    assert_eq!(done(2, &GroupAction::SetRole(user(4), Role::Member)), Ok(None));
    let to_admin = allowed(|user| GroupAction::SetRole(user, Role::Admin));
    assert_eq!(to_admin, [(1, 2), (1, 3), (1, 4), (2, 2), (2, 3), (3, 2), (3, 3)]);
    assert_eq!(done(1, &GroupAction::SetRole(user(1), Role::Member)), Err("owner_needed"));
    assert_eq!(done(1, &GroupAction::SetRole(user(9), Role::Admin)), Err("not_in_room"));
    assert_eq!(done(4, &GroupAction::SetRole(user(9), Role::Admin)), Err("not_allowed"));
}

#[test]
fn a_hand_over_makes_the_former_owner_an_admin_and_may_be_repeated() {
    let members = four();
    let deed = GroupAction::SetRole(user(4), Role::Owner);
    let outcome = deed.apply(&group(), &members, &members[0], 9).unwrap().unwrap();
    let expected = [(1, Role::Admin), (2, Role::Admin), (3, Role::Admin), (4, Role::Owner)];
    assert_eq!(roles(&outcome.members), expected.map(|(n, role)| (user(n), role)));
    assert_eq!(outcome.room.members_version, group().members_version, "who is in it is the same");
    assert_eq!(deed.apply(&outcome.room, &outcome.members, &outcome.members[0], 10).unwrap(), None);
}

#[test]
fn an_owner_who_leaves_is_followed_by_the_first_admin_else_the_first_member() {
    let owner = member(1, Role::Owner, 0);
    let members =
        [owner.clone(), member(2, Role::Member, 1), member(3, Role::Admin, 3), member(4, Role::Admin, 2)];
    assert_eq!(successor(&members, user(1)), Some(user(4)));
    assert_eq!(successor(&members[..2], user(1)), Some(user(2)));
    assert_eq!(successor(&members, user(3)), None);
    assert_eq!(successor(&[owner], user(1)), None);
}

#[test]
fn a_group_that_its_last_member_leaves_is_closed_for_good() {
    let owner = member(1, Role::Owner, 0);
    let room = Room { name: Some("gym".into()), member_count: 1, ..group() };
    let members = [owner.clone()];
    let outcome = GroupAction::Remove(user(1)).apply(&room, &members, &owner, 9).unwrap().unwrap();
    assert!(outcome.room.is_closed && outcome.members.is_empty());
    assert_eq!((outcome.room.deleted_by, outcome.room.name), (Some(user(1)), None));
}

#[test]
fn those_who_run_a_group_change_it_and_only_its_owner_deletes_it() {
    let rename = GroupAction::Change(GroupPatch { name: Some(Some("gym".into())), ..GroupPatch::default() });
    let by_whom: Vec<u128> = (1..=4).filter(|actor| done(*actor, &rename).is_ok()).collect();
    assert_eq!(by_whom, [1, 2, 3]);
    let members = four();
    let deletes = members.iter().filter(|actor| check_delete(&group(), actor).is_ok()).count();
    assert_eq!(deletes, 1);
    assert!(check_delete(&group(), &members[0]).is_ok());
    let outcome = rename.apply(&group(), &members, &members[1], 9).unwrap().unwrap();
    assert_eq!((outcome.room.rev, outcome.room.members_version), (1, 1));
    assert_eq!(outcome.members, members);
}

#[test]
fn nobody_does_anything_to_a_direct_room() {
    let (direct, members) = (Room { kind: RoomKind::Direct, ..group() }, four());
    let deeds = [
        GroupAction::Add(shown(9, 5), None),
        GroupAction::Remove(user(1)),
        GroupAction::SetRole(user(2), Role::Owner),
        GroupAction::Change(GroupPatch::default()),
    ];
    for deed in deeds {
        assert!(deed.apply(&direct, &members, &members[0], 9).is_err(), "{deed:?}");
    }
    assert!(check_delete(&direct, &members[0]).is_err());
}

/// Somebody does something at random.
fn random_deed(random: &mut fastrand::Rng) -> (UserId, GroupAction) {
    let (actor, other) = (user(random.u128(1..8)), random.u128(1..8));
    let role = [Role::Owner, Role::Admin, Role::Member][random.usize(..3)];
    let deed = match random.u8(..4) {
        0 => GroupAction::Add(shown(other, random.i64(..100)), random.bool().then_some(role)),
        1 => GroupAction::Remove(user(other)),
        _ => GroupAction::SetRole(user(other), role),
    };
    (actor, deed)
}

#[test]
fn whatever_people_do_a_group_with_anyone_in_it_has_exactly_one_owner() {
    for seed in 0..200 {
        let mut random = fastrand::Rng::with_seed(seed);
        let (mut room, mut members) = (Room { member_count: 4, ..group() }, four());
        let mut changes = 0;
        for seq in 1..=100 {
            let (actor, deed) = random_deed(&mut random);
            let Some(actor) = find(&members, actor).cloned() else { continue };
            let Ok(Some(outcome)) = deed.apply(&room, &members, &actor, seq) else { continue };
            changes += 1;
            (room, members) = (outcome.room, outcome.members);
            let owners = members.iter().filter(|member| member.role == Role::Owner).count();
            assert_eq!(owners, usize::from(!members.is_empty()), "seed {seed}: {deed:?}");
            assert_eq!((room.rev, room.member_count), (changes, members.len()), "seed {seed}");
            let is_over = members.is_empty();
            assert_eq!((room.is_closed, room.deleted_by), (is_over, is_over.then_some(actor.shown.user_id)));
        }
        assert!(changes > 0, "seed {seed}");
    }
}
