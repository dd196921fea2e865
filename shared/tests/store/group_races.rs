//! What everyone in a group does to it at once: as if they had done it one after the other, and nothing of it half done.

use std::{collections::BTreeMap, time::Duration};

use futures::future::join_all;
use serde_json::{Value, json};
use shared::{
    Error, Result,
    domain::{
        messages::{Kind, Message, log::Window},
        page::PageRequest,
        rooms::{
            Member, Role, Room, RoomWithMembers, ShownMember, first_members,
            group::{GroupAction, MAX_MEMBERS},
            patch::{GroupField, GroupPatch},
            settings::RoomSettingsChange,
            system_event::SystemEvent,
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
    changes::group,
    cloud::Cloud,
    friendships::code,
    group_state::{all, consistent, is_listed},
    log::send,
    raw::{items, meta, put, put_all},
};

async fn profiles(cloud: &Cloud, people: &[UserId]) -> Vec<Profile> {
    let found = cloud.app.store.profiles(people).await.unwrap();
    people.iter().map(|who| found[who].clone()).collect()
}

async fn later(milliseconds: u64) {
    tokio::time::sleep(Duration::from_millis(fastrand::u64(0..=milliseconds))).await;
}

async fn change(
    cloud: &Cloud,
    room: RoomId,
    actor: UserId,
    deed: &GroupAction,
) -> Result<Option<GroupChange>> {
    cloud.app.store.update_group(room, actor, deed, cloud.app.now()).await
}

fn named(name: &str) -> GroupAction {
    GroupAction::Update(GroupPatch { name: Some(Some(name.to_owned())), ..GroupPatch::default() })
}

fn any_deed(cloud: &Cloud, actor: UserId, people: &[Profile]) -> GroupAction {
    let other = &people[fastrand::usize(..people.len())];
    match fastrand::u8(..24) {
        0..=4 => GroupAction::SetRole(other.id, Role::Admin),
        5..=9 => GroupAction::SetRole(other.id, Role::Member),
        10..=12 => GroupAction::SetRole(other.id, Role::Owner),
        13 => GroupAction::Remove(actor),
        14 | 15 => GroupAction::Remove(other.id),
        16..=21 => {
            let role = [None, Some(Role::Member), Some(Role::Admin)][fastrand::usize(..3)];
            GroupAction::Add(ShownMember::new(other, cloud.app.now()), role)
        }
        _ => named(&format!("group {}", fastrand::u8(..3))),
    }
}

/// What the log has to say of a deed in a group as it was before it.
fn to_be_said(before: &RoomWithMembers, actor: UserId, deed: &GroupAction) -> SystemEvent {
    let username = |who| before.member(who).unwrap().shown.username.clone();
    match deed {
        GroupAction::Add(ShownMember { user_id, username, .. }, role) if before.member(*user_id).is_err() => {
            let (role, username) = (role.unwrap_or(Role::Member), username.clone());
            SystemEvent::ParticipantAdded { user_id: *user_id, username, role }
        }
        GroupAction::Add(ShownMember { user_id, .. }, Some(role)) | GroupAction::SetRole(user_id, role) => {
            SystemEvent::RoleChanged { user_id: *user_id, username: username(*user_id), role: *role }
        }
        GroupAction::Remove(who) if *who == actor => {
            SystemEvent::ParticipantLeft { user_id: *who, username: username(*who) }
        }
        GroupAction::Remove(who) => {
            SystemEvent::ParticipantRemoved { user_id: *who, username: username(*who) }
        }
        GroupAction::Update(GroupPatch { name: Some(name), .. }) => {
            SystemEvent::RoomChanged { changed: vec![GroupField::Name], name: name.clone() }
        }
        other => panic!("nothing is to be said of {other:?}"),
    }
}

/// Checks that what was done is what the rules make of it, one after the other, and that the log says each once.
fn check_order(
    before: RoomWithMembers,
    mut done: Vec<(UserId, GroupAction, GroupChange)>,
) -> RoomWithMembers {
    done.sort_by_key(|(_, _, change)| change.said.room.room.rev);
    let mut at = before;
    for (actor, deed, change) in done {
        let (said, after) = (change.said.message(), &change.said.room);
        let doer = at.member(actor).unwrap();
        let outcome = deed.apply(&at.room, &at.members, doer, said.seq).unwrap().unwrap();
        assert_eq!((&outcome.room, &outcome.members), (&after.room, &after.members), "{deed:?}");
        assert_eq!((said.kind, said.sender_id), (Kind::System, actor));
        assert_eq!(SystemEvent::from_payload(said.payload.as_ref()), Some(to_be_said(&at, actor, &deed)));
        assert_eq!(said.content, outcome.event.sentence(&doer.shown.username));
        at = after.clone();
    }
    at
}

#[tokio::test(start_paused = true)]
async fn whatever_everyone_does_at_once_is_done_in_one_order_and_the_log_says_each_deed_once() {
    let mut happened = BTreeMap::<String, usize>::new();
    for seed in 0..40 {
        fastrand::seed(seed);
        let cloud = Cloud::new();
        let (mut everyone, room) = group(&cloud, 6).await;
        for n in 6..9 {
            everyone.push(cloud.person(&format!("p{n}")).await);
        }
        let people = profiles(&cloud, &everyone).await;
        let (mut said, mut texts) = (Vec::new(), 0);
        for round in 0..6 {
            let before = consistent(&cloud, room, &everyone);
            cloud.set_conflicts("TransactWriteItems", fastrand::usize(0..3));
            // Those who run it act from more devices, as only they may do most of it.
            let runs = |member: &&Member| member.role != Role::Member;
            let running = before.members.iter().filter(runs).map(|member| member.shown.user_id);
            let actors = everyone.iter().copied().chain(running.collect::<Vec<_>>().into_iter().cycle());
            let deeds: Vec<(UserId, GroupAction)> =
                actors.take(12).map(|who| (who, any_deed(&cloud, who, &people))).collect();
            let doing = deeds.iter().map(async |(actor, deed)| {
                later(if round % 2 == 0 { 0 } else { 3000 }).await;
                change(&cloud, room, *actor, deed).await
            });
            let sends: Vec<_> = (0..2).map(|n| send(room, everyone[n], "hi")).collect();
            let sending = sends.iter().map(|send| cloud.app.store.append(send, cloud.app.now()));
            let (outcomes, sent) = tokio::join!(join_all(doing), join_all(sending));
            texts += sent.iter().filter(|sent| sent.is_ok()).count();
            let mut done = Vec::new();
            for ((actor, deed), outcome) in deeds.into_iter().zip(outcomes) {
                match outcome {
                    Ok(Some(change)) => done.push((actor, deed, change)),
                    Ok(None) | Err(Error::NotFound | Error::Refused(_)) => {}
                    other => panic!("seed {seed}: {deed:?}: {other:?}"),
                }
            }
            said.extend(done.iter().map(|(_, _, change)| change.said.message().clone()));
            let (expected, found) = (check_order(before, done), consistent(&cloud, room, &everyone));
            assert_eq!((expected.room, expected.members), (found.room, found.members), "seed {seed}");
        }
        said.sort_by_key(|message| message.seq);
        let log: Vec<Message> = all(&cloud, room, "MSG#");
        let (system, others): (Vec<_>, Vec<_>) =
            log.into_iter().partition(|message| message.kind == Kind::System);
        assert_eq!((&system, others.len()), (&said, texts), "seed {seed}");
        for payload in system.into_iter().filter_map(|message| message.payload) {
            let what = ["action", "role"].map(|name| payload.get(name).and_then(Value::as_str).unwrap_or(""));
            *happened.entry(what.join(" ")).or_default() += 1;
        }
    }
    for what in [
        "participant_added member",
        "participant_added admin",
        "participant_removed ",
        "participant_left ",
        "role_changed owner",
        "role_changed admin",
        "role_changed member",
        "room_changed ",
    ] {
        assert!(happened.get(what).is_some_and(|times| *times >= 10), "{what}: {happened:?}");
    }
}

/// Puts people into a group until it has so many.
async fn fill(cloud: &Cloud, room: RoomId, members: usize) -> Vec<UserId> {
    let RoomWithMembers { mut room, members: mut roster } =
        cloud.app.store.room_with_members(room).await.unwrap();
    let mut puts = Vec::new();
    for n in roster.len()..members {
        let (user_id, joined_at) = (UserId::from(Uuid::new_v4()), cloud.app.now());
        let username = format!("m{n}");
        let shown = ShownMember { user_id, username, avatar_url: None, hides_reads: false, joined_at };
        let member = Member::new(shown, Role::Member, 1);
        puts.push(item(keys::member(room.id, user_id), &member).unwrap());
        let mine = json!({"room_id": room.id, "joined_at": joined_at});
        puts.push(item(keys::my_room(user_id, room.id), mine).unwrap());
        puts.push(item(keys::quotas(user_id), json!({"rooms": 1})).unwrap());
        roster.push(member);
    }
    put_all(cloud, puts).await;
    roster.sort_by_key(|member| member.shown.user_id);
    (room.member_count, room.first_members) =
        (roster.len(), first_members(roster.iter().map(|member| member.shown.user_id)));
    put(cloud, item(keys::meta(room.id), &room).unwrap()).await;
    roster.iter().map(|member| member.shown.user_id).collect()
}

#[tokio::test(start_paused = true)]
async fn of_sixteen_who_are_added_at_once_to_a_group_with_six_places_six_get_in() {
    for seed in 0..4 {
        fastrand::seed(seed);
        let cloud = Cloud::new();
        let (founders, room) = group(&cloud, 3).await;
        let made = change(&cloud, room, founders[0], &GroupAction::SetRole(founders[1], Role::Admin)).await;
        assert!(made.unwrap().is_some());
        let mut everyone = fill(&cloud, room, MAX_MEMBERS - 6).await;
        let mut newcomers = Vec::new();
        for n in 0..16 {
            newcomers.push(cloud.person(&format!("new{n}")).await);
        }
        everyone.extend(&newcomers);
        let deeds = profiles(&cloud, &newcomers).await;
        let deeds = deeds.iter().map(|who| GroupAction::Add(ShownMember::new(who, cloud.app.now()), None));
        let deeds: Vec<GroupAction> = deeds.collect();
        cloud.set_conflicts("TransactWriteItems", fastrand::usize(0..8));
        let adding = deeds.iter().enumerate().map(async |(n, deed)| {
            loop {
                match change(&cloud, room, founders[n % 2], deed).await {
                    Err(Error::Busy(_)) => {}
                    outcome => return outcome,
                }
            }
        });
        let outcomes = join_all(adding).await;
        let got_in = outcomes.iter().filter(|outcome| matches!(outcome, Ok(Some(_)))).count();
        assert_eq!(got_in, 6, "seed {seed}");
        let found = consistent(&cloud, room, &everyone);
        assert_eq!(found.room.member_count, MAX_MEMBERS);
        assert_eq!(items(&cloud, room, "MSG#").len(), 1 + 6);
        for (deed, outcome) in deeds.iter().zip(outcomes) {
            let again = change(&cloud, room, founders[0], deed).await;
            match outcome {
                Ok(Some(_)) => assert!(again.unwrap().is_none(), "who is in it is in it"),
                refused => assert_eq!((code(refused), code(again)), ("room_full", "room_full")),
            }
        }
    }
}

/// Makes sure that a deleted group is nothing to anyone.
async fn check_not_found(cloud: &Cloud, room: RoomId, people: &[Profile]) {
    let store = &cloud.app.store;
    for who in people.iter().map(|who| who.id) {
        let add = GroupAction::Add(ShownMember::new(&people[0], cloud.app.now()), None);
        for deed in [add, GroupAction::Remove(who), GroupAction::SetRole(who, Role::Owner), named("anew")] {
            let outcome = change(cloud, room, who, &deed).await;
            assert!(matches!(outcome, Err(Error::NotFound)), "{deed:?}: {outcome:?}");
        }
        let muted = RoomSettingsChange { is_pinned: Some(true), ..RoomSettingsChange::default() };
        let outcomes = [
            store.append(&send(room, who, "hi"), cloud.app.now()).await.map(drop),
            store.history(room, who, Window::Newest { offset: 0 }, 100).await.map(drop),
            store.pins(room, who).await.map(drop),
            store.whole_room(who, room).await.map(drop),
            store.change_room_settings(who, room, &muted).await.map(drop),
        ];
        let are_hidden = outcomes.iter().all(|outcome| matches!(outcome, Err(Error::NotFound)));
        assert!(are_hidden, "{outcomes:?}");
        assert!(store.my_room(who, room).await.unwrap().is_none());
        assert!(store.my_rooms(who, PageRequest::default()).await.unwrap().items.is_empty());
        assert!(store.leave_for_good(room, who, cloud.app.now()).await.unwrap().is_none());
    }
}

/// Deletes a group, again and again while too much is in the way.
async fn delete(cloud: &Cloud, room: RoomId, actor: UserId) -> Result<()> {
    loop {
        match cloud.app.delete_room(room, actor).await {
            Err(Error::Busy(_)) => {}
            outcome => return outcome,
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_group_that_is_deleted_while_everyone_acts_in_it_is_gone_for_all_and_leaves_nothing_behind() {
    let mut acted = 0;
    for seed in 0..32 {
        fastrand::seed(seed);
        let cloud = Cloud::new();
        let (mut everyone, room) = group(&cloud, 8).await;
        for n in 8..12 {
            everyone.push(cloud.person(&format!("p{n}")).await);
        }
        let people = profiles(&cloud, &everyone).await;
        let (owner, successor) = (everyone[0], everyone[1]);
        let store = &cloud.app.store;
        let add = |n: usize| GroupAction::Add(ShownMember::new(&people[n], cloud.app.now()), None);
        let mut deeds: Vec<(UserId, GroupAction)> = (8..12).map(|n| (owner, add(n))).collect();
        deeds.extend([2, 3].map(|n| (owner, GroupAction::SetRole(everyone[n], Role::Admin))));
        deeds.extend([4, 5].map(|n| (everyone[n], GroupAction::Remove(everyone[n]))));
        if seed % 2 == 0 {
            deeds.push((owner, GroupAction::SetRole(successor, Role::Owner)));
        }
        cloud.set_conflicts("TransactWriteItems", fastrand::usize(0..4));
        let doing = deeds.iter().map(async |(actor, deed)| {
            later(12_000).await;
            change(&cloud, room, *actor, deed).await.map(|change| change.is_some())
        });
        let sending = everyone.iter().map(async |who| {
            later(12_000).await;
            let sent = store.append(&send(room, *who, "hi"), cloud.app.now()).await?;
            store.advance_head(room, sent.message().seq).await?;
            store.advance_read(room, *who, sent.message().seq, cloud.app.now()).await?;
            let pinned = RoomSettingsChange { is_pinned: Some(true), ..RoomSettingsChange::default() };
            store.change_room_settings(*who, room, &pinned).await.map(|_| true)
        });
        let deleting = [owner, successor].map(async |who| {
            later(12_000).await;
            let deleted = delete(&cloud, room, who).await;
            if deleted.is_ok() {
                let listed = everyone.iter().filter(|who| is_listed(&cloud, **who, room));
                assert_eq!(listed.count(), 0, "seed {seed}: nobody, as soon as it is acknowledged");
                check_not_found(&cloud, room, &people).await;
            }
            deleted
        });
        let (done, sent, deleted) = tokio::join!(join_all(doing), join_all(sending), join_all(deleting));
        let is_expected = |error: &Error| matches!(error, Error::NotFound | Error::Refused(_));
        let refusals = done.iter().chain(&sent).filter_map(|outcome| outcome.as_ref().err());
        let mut refusals = refusals.chain(deleted.iter().filter_map(|outcome| outcome.as_ref().err()));
        assert!(refusals.all(is_expected), "seed {seed}: {done:?} {sent:?} {deleted:?}");
        acted += done.iter().chain(&sent).filter(|outcome| matches!(outcome, Ok(true))).count();
        let by =
            [owner, successor].into_iter().zip(deleted).filter_map(|(who, it)| it.is_ok().then_some(who));
        let by: Vec<UserId> = by.collect();
        // Each of the two may have tried while the other owned it.
        let by = match by[..] {
            [] => {
                delete(&cloud, room, successor).await.unwrap();
                successor
            }
            [by] => by,
            _ => panic!("seed {seed}: it was deleted by both"),
        };
        for who in everyone.iter().filter(|who| **who != by) {
            let outcome = delete(&cloud, room, *who).await;
            assert!(matches!(outcome, Err(Error::NotFound)), "seed {seed}: {outcome:?}");
        }
        delete(&cloud, room, by).await.unwrap();
        check_not_found(&cloud, room, &people).await;
        assert!(everyone.iter().all(|who| !is_listed(&cloud, *who, room)));
        let left = items(&cloud, room, "");
        assert_eq!(left, [meta(&cloud, room)], "seed {seed}: nothing but its own item");
        let left: Room = all(&cloud, room, "META").remove(0);
        assert_eq!((left.is_closed, left.deleted_by, left.member_count), (true, Some(by), 0));
        assert!(left.name.is_none() && left.first_members.is_empty() && left.expires_at.is_some());
        delete(&cloud, room, by).await.unwrap();
    }
    assert!(acted > 100, "{acted} deeds came before the deletion");
}

#[tokio::test(start_paused = true)]
async fn an_owner_who_hands_over_and_leaves_at_once_leaves_exactly_one_owner() {
    let mut handed_over = BTreeMap::<bool, usize>::new();
    for seed in 0..48 {
        fastrand::seed(seed);
        let cloud = Cloud::new();
        let (people, room) = group(&cloud, 4).await;
        let (owner, admin, receiver) = (people[0], people[1], people[2]);
        change(&cloud, room, owner, &GroupAction::SetRole(admin, Role::Admin)).await.unwrap().unwrap();
        let receiver_leaves = seed % 3 == 0;
        let mut deeds =
            vec![(owner, GroupAction::SetRole(receiver, Role::Owner)), (owner, GroupAction::Remove(owner))];
        if receiver_leaves {
            deeds.push((receiver, GroupAction::Remove(receiver)));
        }
        let before = consistent(&cloud, room, &people);
        cloud.set_conflicts("TransactWriteItems", fastrand::usize(0..3));
        let doing = deeds.iter().map(async |(actor, deed)| {
            later(if seed % 2 == 0 { 0 } else { 2500 }).await;
            change(&cloud, room, *actor, deed).await
        });
        let outcomes = join_all(doing).await;
        let is_handed_over = outcomes[0].is_ok();
        match &outcomes[0] {
            Ok(Some(_)) | Err(Error::NotFound) => {}
            Err(Error::Refused(refusal)) if receiver_leaves => assert_eq!(refusal.code, "not_in_room"),
            other => panic!("seed {seed}: {other:?}"),
        }
        assert!(outcomes[1..].iter().all(|left| matches!(left, Ok(Some(_)))), "seed {seed}: {outcomes:?}");
        let done = deeds.into_iter().zip(outcomes);
        let done = done.filter_map(|((actor, deed), outcome)| Some((actor, deed, outcome.ok()??)));
        let (expected, found) = (check_order(before, done.collect()), consistent(&cloud, room, &people));
        assert_eq!((&expected.room, &expected.members), (&found.room, &found.members), "seed {seed}");
        let owners = found.members.iter().filter(|member| member.role == Role::Owner);
        let owners: Vec<UserId> = owners.map(|member| member.shown.user_id).collect();
        let expected = if is_handed_over && !receiver_leaves { receiver } else { admin };
        assert_eq!(owners, [expected], "seed {seed}");
        *handed_over.entry(is_handed_over).or_default() += 1;
    }
    assert!(handed_over.len() == 2 && handed_over.values().all(|times| *times > 5), "{handed_over:?}");
}
