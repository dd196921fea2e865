//! Joining and leaving: one system message each, at a dense position, whatever else happens in the room at that moment.

use std::time::Duration;

use shared::{
    Error, Result,
    domain::{
        messages::{Kind, Message, log::Window},
        page::PageRequest,
        rooms::Role,
        users::profile::Profile,
    },
    id::{RoomId, UserId},
    store::{
        db::{item::item, keys},
        messages::Committed,
    },
};

use crate::{
    changes::{change, emoji, group, said},
    cloud::Cloud,
    log::send,
    raw::{items, member, meta, number, put, recorded_revisions},
};

async fn profile(cloud: &Cloud, name: &str) -> Profile {
    let user = cloud.person(name).await;
    cloud.app.store.profile(user).await.unwrap().unwrap()
}

async fn add(cloud: &Cloud, room: RoomId, actor: UserId, newcomer: &Profile) -> Result<Option<Committed>> {
    cloud
        .app
        .store
        .join(room, actor, newcomer, None, cloud.app.now())
        .await
        .map(|joined| joined.map(|joined| joined.said))
}

async fn take_out(cloud: &Cloud, room: RoomId, actor: UserId, leaver: UserId) -> Result<()> {
    cloud.app.store.leave(room, actor, leaver, cloud.app.now()).await.map(drop)
}

/// The whole log as somebody sees it, oldest first.
async fn log(cloud: &Cloud, room: RoomId, reader: UserId) -> Result<Vec<Message>> {
    let views = cloud.app.store.history(room, reader, Window::Newest { offset: 0 }, 100).await?;
    Ok(views.into_iter().rev().map(|view| view.message).collect())
}

async fn roles(cloud: &Cloud, room: RoomId) -> Vec<(UserId, Role)> {
    let room = cloud.app.store.room_with_members(room).await.unwrap();
    assert_eq!(room.room.member_count, room.members.len());
    room.members.iter().map(|member| (member.shown.user_id, member.role)).collect()
}

async fn rooms_of(cloud: &Cloud, user: UserId) -> Vec<RoomId> {
    let rooms = cloud.app.store.my_rooms(user, PageRequest::default()).await.unwrap().items;
    rooms.iter().map(|summary| summary.room.id).collect()
}

#[tokio::test(start_paused = true)]
async fn joining_and_leaving_take_dense_positions_among_those_who_send_at_the_same_time() {
    let cloud = Cloud::new();
    let (people, room) = group(&cloud, 4).await;
    let (eve, fay) = (profile(&cloud, "eve").await, profile(&cloud, "fay").await);
    let sends: Vec<_> = (0..12).map(|n| send(room, people[n % 3], &format!("m{n}"))).collect();
    let sending = sends.iter().map(|send| cloud.app.store.append(send, cloud.app.now()));
    let (sent, joined, joined_too, left) = tokio::join!(
        futures::future::try_join_all(sending),
        add(&cloud, room, people[0], &eve),
        add(&cloud, room, people[0], &fay),
        take_out(&cloud, room, people[3], people[3]),
    );
    sent.unwrap();
    left.unwrap();
    let log = log(&cloud, room, people[0]).await.unwrap();
    assert_eq!(log.iter().map(|message| message.seq).collect::<Vec<_>>(), (1..=15).collect::<Vec<_>>());
    let system = log.iter().filter(|message| message.kind == Kind::System);
    let mut system: Vec<_> = system.map(|message| (&*message.content, message.sender_id)).collect();
    system.sort_unstable();
    let owner = people[0];
    assert_eq!(system, [("p0 added eve", owner), ("p0 added fay", owner), ("p3 left", people[3])]);
    for joined in [joined, joined_too] {
        let (joined, newcomer) = (joined.unwrap().unwrap(), [eve.id, fay.id]);
        let said = joined.message();
        assert_eq!(log[usize::try_from(said.seq).unwrap() - 1], *said);
        let who = newcomer
            .into_iter()
            .find(|user| said.content.contains(if *user == eve.id { "eve" } else { "fay" }));
        assert_eq!(joined.room.member(who.unwrap()).unwrap().from_seq, said.seq);
    }
    assert_eq!(recorded_revisions(&cloud, room), [1, 2, 3]);
    assert_eq!(number(&meta(&cloud, room), "members_version"), 4);
    assert_eq!(roles(&cloud, room).await.len(), 5);
}

#[tokio::test(start_paused = true)]
async fn two_who_add_the_same_person_at_once_add_them_once() {
    for _ in 0..20 {
        let cloud = Cloud::new();
        let (people, room) = group(&cloud, 3).await;
        let eve = profile(&cloud, "eve").await;
        let mut admin =
            cloud.app.store.room_with_members(room).await.unwrap().member(people[1]).unwrap().clone();
        admin.role = Role::Admin;
        put(&cloud, item(keys::member(room, people[1]), admin).unwrap()).await;
        let (one, other) =
            tokio::join!(add(&cloud, room, people[0], &eve), add(&cloud, room, people[1], &eve));
        let added = [one.unwrap(), other.unwrap()];
        assert_eq!(added.iter().flatten().count(), 1, "who comes second finds her there");
        assert_eq!(log(&cloud, room, people[1]).await.unwrap().len(), 1);
        assert_eq!((roles(&cloud, room).await.len(), rooms_of(&cloud, eve.id).await), (4, vec![room]));
        assert_eq!(recorded_revisions(&cloud, room), [1]);
    }
}

#[tokio::test(start_paused = true)]
async fn joining_is_one_transaction_and_repeating_it_writes_nothing() {
    let cloud = Cloud::new();
    let (people, room) = group(&cloud, 3).await;
    let eve = profile(&cloud, "eve").await;
    for (is_new, round_trips) in [(true, 2), (false, 1)] {
        let (start, before) = (cloud.elapsed(), items(&cloud, room, ""));
        cloud.calls();
        let added = add(&cloud, room, people[0], &eve).await.unwrap();
        assert_eq!((added.is_some(), cloud.elapsed() - start), (is_new, round_trips));
        let writes = cloud.calls().into_iter().filter(|call| call.operation == "TransactWriteItems").count();
        assert_eq!(writes, usize::from(is_new));
        assert_eq!(items(&cloud, room, "") == before, !is_new);
    }
    cloud.set_conflicts("TransactWriteItems", 3);
    take_out(&cloud, room, people[0], eve.id).await.unwrap();
    take_out(&cloud, room, people[0], eve.id).await.unwrap();
    assert_eq!(recorded_revisions(&cloud, room), [1, 2]);
}

#[tokio::test(start_paused = true)]
async fn who_joins_later_sees_the_log_from_there_and_who_leaves_sees_nothing_more() {
    let cloud = Cloud::new();
    let (people, room) = group(&cloud, 3).await;
    let eve = profile(&cloud, "eve").await;
    let secret = said(&cloud, room, people[0], "before eve").await;
    add(&cloud, room, people[0], &eve).await.unwrap();
    said(&cloud, room, people[0], "hi eve").await;
    let contents = |log: &[Message]| log.iter().map(|message| message.content.clone()).collect::<Vec<_>>();
    assert_eq!(contents(&log(&cloud, room, eve.id).await.unwrap()), ["p0 added eve", "hi eve"]);
    let thumb = shared::domain::messages::action::MessageAction::React(emoji("👍"));
    let unseen = change(&cloud, eve.id, &secret, &thumb).await;
    assert!(matches!(unseen, Err(Error::NotFound)), "{unseen:?}");
    let summary = cloud.app.store.my_room(eve.id, room).await.unwrap().unwrap();
    assert_eq!((summary.tail, summary.unread()), (3, 2));

    take_out(&cloud, room, eve.id, eve.id).await.unwrap();
    assert!(matches!(log(&cloud, room, eve.id).await, Err(Error::NotFound)));
    assert!(rooms_of(&cloud, eve.id).await.is_empty() && member(&cloud, room, eve.id).is_none());
    let kept = cloud.partition(&format!("USER#{}", eve.id));
    assert!(kept.iter().all(|item| !item["sk"]["S"].as_str().unwrap().starts_with("ROOM#")), "{kept:?}");
    said(&cloud, room, people[0], "without eve").await;

    add(&cloud, room, people[0], &eve).await.unwrap();
    assert_eq!(contents(&log(&cloud, room, eve.id).await.unwrap()), ["p0 added eve"]);
    let summary = cloud.app.store.my_room(eve.id, room).await.unwrap().unwrap();
    assert_eq!((summary.me.from_seq, summary.tail, summary.unread()), (6, 6, 1));
}

#[tokio::test(start_paused = true)]
async fn an_owner_who_leaves_while_somebody_joins_hands_the_room_on_and_it_has_one_owner() {
    for delay in [0, 500, 1000, 1500, 2500] {
        let cloud = Cloud::new();
        let (people, room) = group(&cloud, 3).await;
        let eve = profile(&cloud, "eve").await;
        let adding = async {
            tokio::time::sleep(Duration::from_millis(delay)).await;
            add(&cloud, room, people[0], &eve).await
        };
        let (left, added) = tokio::join!(take_out(&cloud, room, people[0], people[0]), adding);
        left.unwrap();
        let is_added = added.is_ok();
        let roles = roles(&cloud, room).await;
        let owners: Vec<UserId> =
            roles.iter().filter(|(_, role)| *role == Role::Owner).map(|(user, _)| *user).collect();
        assert_eq!((owners.len(), roles.len()), (1, 2 + usize::from(is_added)), "{delay} ms");
        assert!(people[1..].contains(&owners[0]), "one who was there from the beginning");
        assert_eq!(rooms_of(&cloud, eve.id).await.len(), usize::from(is_added));
        assert_eq!(recorded_revisions(&cloud, room).len(), 1 + usize::from(is_added));
    }
}

#[tokio::test(start_paused = true)]
async fn an_owner_and_the_heir_who_leave_at_once_leave_an_owner_behind() {
    for _ in 0..20 {
        let cloud = Cloud::new();
        let (people, room) = group(&cloud, 3).await;
        let (first, second) = (people[1].min(people[2]), people[1].max(people[2]));
        let (owner, successor) =
            tokio::join!(take_out(&cloud, room, people[0], people[0]), take_out(&cloud, room, first, first));
        assert!(owner.is_ok() && successor.is_ok());
        assert_eq!(roles(&cloud, room).await, [(second, Role::Owner)]);
        take_out(&cloud, room, second, second).await.unwrap();
        let room = meta(&cloud, room);
        assert_eq!((number(&room, "member_count"), &room["is_closed"]["BOOL"]), (0, &true.into()));
    }
}

#[tokio::test(start_paused = true)]
async fn a_read_position_that_comes_while_somebody_leaves_does_not_bring_them_back() {
    for delay in [0, 500, 1000, 1500, 2500] {
        let cloud = Cloud::new();
        let (people, room) = group(&cloud, 3).await;
        said(&cloud, room, people[0], "hi").await;
        let reading = async {
            tokio::time::sleep(Duration::from_millis(delay)).await;
            let (store, now) = (&cloud.app.store, cloud.app.now());
            store.advance_delivered(room, people[1], 1, now).await.unwrap();
            store.advance_read(room, people[1], 1, now).await.unwrap();
        };
        let (left, ()) = tokio::join!(take_out(&cloud, room, people[1], people[1]), reading);
        left.unwrap();
        assert_eq!(member(&cloud, room, people[1]), None, "{delay} ms");
        assert_eq!(roles(&cloud, room).await.len(), 2);
    }
}

#[tokio::test(start_paused = true)]
async fn a_position_that_moves_while_the_owner_leaves_is_kept_by_the_heir() {
    for delay in [500, 1500] {
        let cloud = Cloud::new();
        let (people, room) = group(&cloud, 2 + 1).await;
        let successor = people[1].min(people[2]);
        said(&cloud, room, people[0], "hi").await;
        let reading = async {
            tokio::time::sleep(Duration::from_millis(delay)).await;
            cloud.app.store.advance_read(room, successor, 1, cloud.app.now()).await.unwrap()
        };
        let (left, moved) = tokio::join!(take_out(&cloud, room, people[0], people[0]), reading);
        left.unwrap();
        assert!(moved);
        let member = member(&cloud, room, successor).unwrap();
        assert_eq!((number(&member, "read_seq"), &member["role"]["S"]), (1, &"owner".into()), "{delay} ms");
    }
}

#[tokio::test(start_paused = true)]
async fn a_full_group_takes_nobody_and_a_direct_room_neither_takes_nor_loses_anybody() {
    let cloud = Cloud::new();
    let (people, room) = group(&cloud, 3).await;
    let eve = profile(&cloud, "eve").await;
    crate::raw::set(&cloud, keys::meta(room), "member_count", 256).await;
    let code = |result: Result<Option<Committed>>| match result {
        Err(Error::Refused(refusal)) => refusal.code,
        other => panic!("{other:?}"),
    };
    assert_eq!(code(add(&cloud, room, people[0], &eve).await), "room_full");
    assert_eq!(code(add(&cloud, room, people[1], &eve).await), "not_allowed");
    let direct = crate::rooms::room(&cloud, people[0], &[people[1]]).await;
    let before = items(&cloud, direct, "");
    assert_eq!(code(add(&cloud, direct, people[0], &eve).await), "direct_room");
    assert_eq!(code(take_out(&cloud, direct, people[0], people[0]).await.map(|()| None)), "direct_room");
    assert_eq!(items(&cloud, direct, ""), before);
}
