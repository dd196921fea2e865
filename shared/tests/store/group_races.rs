//! Concurrent group actions are equivalent to one sequential order. Each applies completely or not at all.

use std::{collections::BTreeMap, time::Duration};

use futures::future::join_all;
use serde_json::{Value, json};
use shared::{
    Error, Result,
    domain::{
        messages::{Kind, Message},
        rooms::{
            Member, Role, RoomWithMembers, ShownMember, first_members,
            group::{GroupAction, MAX_MEMBERS},
            patch::{GroupField, GroupPatch},
            system_event::{NamedUser, SystemEvent},
        },
        users::profile::Profile,
    },
    id::{RoomId, UserId},
    store::{
        db::{item::item, keys},
        rooms::group::GroupChange,
    },
};
use uuid::Uuid;

use crate::{
    backend::TestBackend,
    changes::group,
    group_state::{all, check_consistent},
    log::send,
    raw::{items, put, put_all},
    relationship_lists::code,
    rooms::invitee,
};

pub async fn profiles(backend: &TestBackend, users: &[UserId]) -> Vec<Profile> {
    let profiles = backend.app.store.profiles(users).await.unwrap();
    users.iter().map(|user| profiles[user].clone()).collect()
}

/// Waits for a random time.
pub async fn random_pause(milliseconds: u64) {
    tokio::time::sleep(Duration::from_millis(fastrand::u64(0..=milliseconds))).await;
}

/// Applies an action to a group.
pub async fn change(
    backend: &TestBackend,
    room: RoomId,
    actor: UserId,
    action: &GroupAction,
) -> Result<Option<GroupChange>> {
    let store = &backend.app.store;
    match action {
        GroupAction::Add(shown, role) => {
            let check = || invitee(backend, shown.user_id);
            store.join(room, actor, *role, shown.joined_at, check).await
        }
        action => store.update_group(room, actor, action, backend.app.now()).await,
    }
}

/// A change of the name.
pub fn named(name: &str) -> GroupAction {
    GroupAction::Update(GroupPatch { name: Some(Some(name.to_owned())), ..GroupPatch::default() })
}

fn any_action(backend: &TestBackend, actor: UserId, users: &[Profile]) -> GroupAction {
    let other = &users[fastrand::usize(..users.len())];
    match fastrand::u8(..24) {
        0..=4 => GroupAction::SetRole(other.id, Role::Admin),
        5..=9 => GroupAction::SetRole(other.id, Role::Member),
        10..=12 => GroupAction::SetRole(other.id, Role::Owner),
        13 => GroupAction::Remove(actor),
        14 | 15 => GroupAction::Remove(other.id),
        16..=21 => {
            let role = [None, Some(Role::Member), Some(Role::Admin)][fastrand::usize(..3)];
            GroupAction::Add(ShownMember::new(other, backend.app.now()), role)
        }
        _ => named(&format!("group {}", fastrand::u8(..3))),
    }
}

/// The system event that the log must contain for an action, given the group before it.
fn expected_event(before: &RoomWithMembers, actor: UserId, action: &GroupAction) -> SystemEvent {
    let named = |user| NamedUser::from(&before.member(user).unwrap().shown);
    match action {
        GroupAction::Add(shown, role) if before.member(shown.user_id).is_err() => {
            SystemEvent::ParticipantAdded { user: shown.into(), role: role.unwrap_or(Role::Member) }
        }
        GroupAction::Add(ShownMember { user_id, .. }, Some(role)) | GroupAction::SetRole(user_id, role) => {
            SystemEvent::RoleChanged { user: named(*user_id), role: *role }
        }
        GroupAction::Remove(user) if *user == actor => SystemEvent::ParticipantLeft(named(*user)),
        GroupAction::Remove(user) => SystemEvent::ParticipantRemoved(named(*user)),
        GroupAction::Update(GroupPatch { name: Some(name), .. }) => {
            SystemEvent::RoomChanged { changed: vec![GroupField::Name], name: name.clone() }
        }
        other => panic!("no system event for {other:?}"),
    }
}

/// Checks that applying the rules to the actions in order yields the same states and system messages.
fn check_order(
    before: RoomWithMembers,
    mut done: Vec<(UserId, GroupAction, GroupChange)>,
) -> RoomWithMembers {
    done.sort_by_key(|(_, _, change)| change.message.room.room.rev);
    let mut current = before;
    for (actor, action, change) in done {
        let (message, after) = (change.message.message(), &change.message.room);
        let acting = current.member(actor).unwrap();
        let outcome = action.apply(&current.room, &current.members, acting, message.seq).unwrap().unwrap();
        assert_eq!((&outcome.room, &outcome.members), (&after.room, &after.members), "{action:?}");
        assert_eq!((message.kind, message.sender_id), (Kind::System, actor));
        assert_eq!(
            SystemEvent::from_payload(message.payload.as_ref()),
            Some(expected_event(&current, actor, &action))
        );
        assert_eq!(message.content, outcome.event.sentence(&acting.shown.username));
        current = after.clone();
    }
    current
}

#[tokio::test(start_paused = true)]
async fn concurrent_group_actions_have_one_order_and_one_system_message_each() {
    let mut events = BTreeMap::<String, usize>::new();
    for seed in 0..60 {
        fastrand::seed(seed);
        let backend = TestBackend::new();
        let (mut users, room) = group(&backend, 6).await;
        for n in 6..9 {
            users.push(backend.user(&format!("p{n}")).await);
        }
        let profiles = profiles(&backend, &users).await;
        let (mut system_messages, mut texts) = (Vec::new(), 0);
        for round in 0..6 {
            let before = check_consistent(&backend, room, &users);
            backend.set_conflicts("TransactWriteItems", fastrand::usize(0..3));
            // The owner and the admins act several times, as most actions require these roles.
            let is_manager = |member: &&Member| member.role != Role::Member;
            let managers = before.members.iter().filter(is_manager).map(|member| member.shown.user_id);
            let actors = users.iter().copied().chain(managers.collect::<Vec<_>>().into_iter().cycle());
            let actions: Vec<(UserId, GroupAction)> =
                actors.take(12).map(|actor| (actor, any_action(&backend, actor, &profiles))).collect();
            let doing = actions.iter().map(async |(actor, action)| {
                random_pause(if round % 2 == 0 { 0 } else { 3000 }).await;
                change(&backend, room, *actor, action).await
            });
            let sends: Vec<_> = (0..2).map(|n| send(room, users[n], "hi")).collect();
            let sending = sends.iter().map(|send| backend.app.store.append(send, backend.app.now()));
            let (outcomes, sent) = tokio::join!(join_all(doing), join_all(sending));
            texts += sent.iter().filter(|sent| sent.is_ok()).count();
            let mut done = Vec::new();
            for ((actor, action), outcome) in actions.into_iter().zip(outcomes) {
                match outcome {
                    Ok(Some(change)) => done.push((actor, action, change)),
                    Ok(None) | Err(Error::NotFound | Error::Refused(_)) => {}
                    other => panic!("seed {seed}: {action:?}: {other:?}"),
                }
            }
            system_messages.extend(done.iter().map(|(_, _, change)| change.message.message().clone()));
            let (expected, found) = (check_order(before, done), check_consistent(&backend, room, &users));
            assert_eq!((expected.room, expected.members), (found.room, found.members), "seed {seed}");
        }
        system_messages.sort_by_key(|message| message.seq);
        let log: Vec<Message> = all(&backend, room, "MSG#");
        let (system, others): (Vec<_>, Vec<_>) =
            log.into_iter().partition(|message| message.kind == Kind::System);
        assert_eq!((&system, others.len()), (&system_messages, texts), "seed {seed}");
        for payload in system.into_iter().filter_map(|message| message.payload?.read::<Value>()) {
            let event =
                ["action", "role"].map(|name| payload.get(name).and_then(Value::as_str).unwrap_or(""));
            *events.entry(event.join(" ")).or_default() += 1;
        }
    }
    for event in [
        "participant_added member",
        "participant_added admin",
        "participant_removed ",
        "participant_left ",
        "role_changed owner",
        "role_changed admin",
        "role_changed member",
        "room_changed ",
    ] {
        assert!(events.get(event).is_some_and(|times| *times >= 10), "{event}: {events:?}");
    }
}

/// Adds members to a group until it has `size`.
async fn fill(backend: &TestBackend, room: RoomId, size: usize) -> Vec<UserId> {
    let RoomWithMembers { mut room, mut members } = backend.app.store.room_with_members(room).await.unwrap();
    let mut puts = Vec::new();
    for n in members.len()..size {
        let (user_id, joined_at) = (UserId::from(Uuid::new_v4()), backend.app.now());
        let username = format!("m{n}");
        let shown = ShownMember { username, ..ShownMember::deleted(user_id, joined_at) };
        let member = Member::new(shown, Role::Member, 1);
        puts.push(item(keys::member(room.id, user_id), &member).unwrap());
        let mine = json!({"room_id": room.id, "joined_at": joined_at});
        puts.push(item(keys::my_room(user_id, room.id), mine).unwrap());
        puts.push(item(keys::quotas(user_id), json!({"rooms": 1})).unwrap());
        members.push(member);
    }
    put_all(backend, puts).await;
    members.sort_by_key(|member| member.shown.user_id);
    (room.member_count, room.first_members) =
        (members.len(), first_members(members.iter().map(|member| member.shown.user_id)));
    put(backend, item(keys::meta(room.id), &room).unwrap()).await;
    members.iter().map(|member| member.shown.user_id).collect()
}

#[tokio::test(start_paused = true)]
async fn of_sixteen_concurrent_additions_to_a_group_with_six_places_six_succeed() {
    for seed in 0..4 {
        fastrand::seed(seed);
        let backend = TestBackend::new();
        let (members, room) = group(&backend, 3).await;
        let promoted =
            change(&backend, room, members[0], &GroupAction::SetRole(members[1], Role::Admin)).await;
        assert!(promoted.unwrap().is_some());
        let mut users = fill(&backend, room, MAX_MEMBERS - 6).await;
        let mut new_users = Vec::new();
        for n in 0..16 {
            new_users.push(backend.user(&format!("new{n}")).await);
        }
        users.extend(&new_users);
        let actions = profiles(&backend, &new_users).await;
        let actions = actions
            .iter()
            .map(|profile| GroupAction::Add(ShownMember::new(profile, backend.app.now()), None));
        let actions: Vec<GroupAction> = actions.collect();
        backend.set_conflicts("TransactWriteItems", fastrand::usize(0..8));
        let adding = actions.iter().enumerate().map(async |(n, action)| {
            loop {
                match change(&backend, room, members[n % 2], action).await {
                    Err(Error::Busy(_)) => {}
                    outcome => return outcome,
                }
            }
        });
        let outcomes = join_all(adding).await;
        let added = outcomes.iter().filter(|outcome| matches!(outcome, Ok(Some(_)))).count();
        assert_eq!(added, 6, "seed {seed}");
        let found = check_consistent(&backend, room, &users);
        assert_eq!(found.room.member_count, MAX_MEMBERS);
        assert_eq!(items(&backend, room, "MSG#").len(), 1 + 6);
        for (action, outcome) in actions.iter().zip(outcomes) {
            let again = change(&backend, room, members[0], action).await;
            match outcome {
                Ok(Some(_)) => assert!(again.unwrap().is_none(), "already a member"),
                refused => assert_eq!((code(refused), code(again)), ("room_full", "room_full")),
            }
        }
    }
}

#[tokio::test(start_paused = true)]
async fn an_owner_who_transfers_the_group_and_leaves_concurrently_leaves_one_owner() {
    let mut transferred = BTreeMap::<bool, usize>::new();
    for seed in 0..48 {
        fastrand::seed(seed);
        let backend = TestBackend::new();
        let (members, room) = group(&backend, 4).await;
        let (owner, admin, receiver) = (members[0], members[1], members[2]);
        change(&backend, room, owner, &GroupAction::SetRole(admin, Role::Admin)).await.unwrap().unwrap();
        let receiver_leaves = seed % 3 == 0;
        let mut actions =
            vec![(owner, GroupAction::SetRole(receiver, Role::Owner)), (owner, GroupAction::Remove(owner))];
        if receiver_leaves {
            actions.push((receiver, GroupAction::Remove(receiver)));
        }
        let before = check_consistent(&backend, room, &members);
        backend.set_conflicts("TransactWriteItems", fastrand::usize(0..3));
        let doing = actions.iter().map(async |(actor, action)| {
            random_pause(if seed % 2 == 0 { 0 } else { 2500 }).await;
            change(&backend, room, *actor, action).await
        });
        let outcomes = join_all(doing).await;
        let is_transferred = outcomes[0].is_ok();
        match &outcomes[0] {
            Ok(Some(_)) | Err(Error::NotFound) => {}
            Err(Error::Refused(refusal)) if receiver_leaves => assert_eq!(refusal.code, "not_in_room"),
            other => panic!("seed {seed}: {other:?}"),
        }
        assert!(outcomes[1..].iter().all(|left| matches!(left, Ok(Some(_)))), "seed {seed}: {outcomes:?}");
        let done = actions.into_iter().zip(outcomes);
        let done = done.filter_map(|((actor, action), outcome)| Some((actor, action, outcome.ok()??)));
        let (expected, found) =
            (check_order(before, done.collect()), check_consistent(&backend, room, &members));
        assert_eq!((&expected.room, &expected.members), (&found.room, &found.members), "seed {seed}");
        let owners = found.members.iter().filter(|member| member.role == Role::Owner);
        let owners: Vec<UserId> = owners.map(|member| member.shown.user_id).collect();
        let expected = if is_transferred && !receiver_leaves { receiver } else { admin };
        assert_eq!(owners, [expected], "seed {seed}");
        *transferred.entry(is_transferred).or_default() += 1;
    }
    assert!(transferred.len() == 2 && transferred.values().all(|times| *times > 5), "{transferred:?}");
}
