//! Joining and leaving: one system message each, at a dense position, also with concurrent room changes.

use std::time::Duration;

use serde_json::{Value, json};
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
    wire::rooms::ChatRoom,
};

use crate::{
    backend::TestBackend,
    changes::{change, emoji, group, send_message},
    log::send,
    raw::{items, member, meta, number, put, recorded_revisions},
    rooms::join,
};

async fn profile(backend: &TestBackend, name: &str) -> Profile {
    let user = backend.user(name).await;
    backend.app.store.profile(user).await.unwrap().unwrap()
}

async fn add(
    backend: &TestBackend,
    room: RoomId,
    actor: UserId,
    new_member: &Profile,
) -> Result<Option<Committed>> {
    let joined = join(backend, room, actor, new_member.id).await;
    joined.map(|joined| joined.map(|joined| joined.message))
}

async fn remove(backend: &TestBackend, room: RoomId, actor: UserId, member: UserId) -> Result<()> {
    backend.app.store.leave(room, actor, member, backend.app.now()).await.map(drop)
}

/// The log as the reader sees it, oldest first.
async fn log(backend: &TestBackend, room: RoomId, reader: UserId) -> Result<Vec<Message>> {
    let views = backend.app.store.history(room, reader, Window::Newest { offset: 0 }, 100).await?;
    Ok(views.into_iter().rev().map(|view| view.message).collect())
}

async fn roles(backend: &TestBackend, room: RoomId) -> Vec<(UserId, Role)> {
    let room = backend.app.store.room_with_members(room).await.unwrap();
    assert_eq!(room.room.member_count, room.members.len());
    room.members.iter().map(|member| (member.shown.user_id, member.role)).collect()
}

async fn rooms_of(backend: &TestBackend, user: UserId) -> Vec<RoomId> {
    let rooms = backend.app.store.my_rooms(user, PageRequest::default()).await.unwrap().items;
    rooms.iter().map(|summary| summary.room.id).collect()
}

#[tokio::test(start_paused = true)]
async fn the_receipt_for_a_message_before_the_membership_does_not_change_what_a_new_member_sees() {
    let backend = TestBackend::new();
    let (members, room) = group(&backend, 3).await;
    let eve = profile(&backend, "eve").await;
    backend.connect(eve.id, "eve-phone").await;
    let sent = backend.app.store.append(&send(room, members[1], "hi"), backend.app.now()).await.unwrap();
    let joined = add(&backend, room, members[0], &eve).await.unwrap().unwrap();
    let receipts = async || {
        let room = ChatRoom::from(backend.app.store.my_room(eve.id, room).await.unwrap().unwrap());
        let room = serde_json::to_value(room).unwrap();
        let participants = room["participants"].as_array().unwrap().iter();
        let positions = participants.map(|it| json!([it["user_id"], it["read_seq"], it["delivered_seq"]]));
        positions.collect::<Vec<Value>>()
    };
    let on_joining = receipts().await;
    // The sender's read position advances only now. The new member gets no frame about a hidden message.
    backend.app.deliver(&sent, None).await;
    assert!(backend.frames().is_empty());
    assert_eq!(receipts().await, on_joining);
    backend.app.deliver(&joined, None).await;
    assert!(receipts().await.contains(&json!([members[0], 2, 2])));
}

#[tokio::test(start_paused = true)]
async fn a_sender_who_joined_again_meanwhile_sees_no_reply_to_a_hidden_message() {
    let backend = TestBackend::new();
    let (members, room) = group(&backend, 3).await;
    let (app, sender) = (&backend.app, members[1]);
    let first = app.store.append(&send(room, sender, "first"), app.now()).await.unwrap();
    let mut reply = send(room, sender, "reply");
    reply.draft.reply_to_id = Some(first.message().id);
    let sent = app.store.append(&reply, app.now()).await.unwrap();
    assert!(sent.seen_by_sender(&sent.room).unwrap().reply_to.is_some());
    app.remove_participant(room, sender, sender).await.unwrap();
    let profile = app.store.profile(sender).await.unwrap().unwrap();
    add(&backend, room, members[0], &profile).await.unwrap().unwrap();
    let seen = sent.seen_by_sender(&app.deliver(&sent, None).await).unwrap();
    assert!(seen.message.reply_to_id.is_none() && seen.reply_to.is_none());
}

#[tokio::test(start_paused = true)]
async fn joining_and_leaving_take_dense_positions_among_concurrent_messages() {
    let backend = TestBackend::new();
    let (members, room) = group(&backend, 4).await;
    let (eve, fay) = (profile(&backend, "eve").await, profile(&backend, "fay").await);
    let sends: Vec<_> = (0..12).map(|n| send(room, members[n % 3], &format!("m{n}"))).collect();
    let sending = sends.iter().map(|send| backend.app.store.append(send, backend.app.now()));
    let (sent, eve_joined, fay_joined, left) = tokio::join!(
        futures::future::try_join_all(sending),
        add(&backend, room, members[0], &eve),
        add(&backend, room, members[0], &fay),
        remove(&backend, room, members[3], members[3]),
    );
    sent.unwrap();
    left.unwrap();
    let log = log(&backend, room, members[0]).await.unwrap();
    assert_eq!(log.iter().map(|message| message.seq).collect::<Vec<_>>(), (1..=15).collect::<Vec<_>>());
    let system = log.iter().filter(|message| message.kind == Kind::System);
    let mut system: Vec<_> = system.map(|message| (&*message.content, message.sender_id)).collect();
    system.sort_unstable();
    let owner = members[0];
    assert_eq!(system, [("p0 added eve", owner), ("p0 added fay", owner), ("p3 left", members[3])]);
    for joined in [eve_joined, fay_joined] {
        let (joined, new_members) = (joined.unwrap().unwrap(), [eve.id, fay.id]);
        let message = joined.message();
        assert_eq!(log[usize::try_from(message.seq).unwrap() - 1], *message);
        let user = new_members
            .into_iter()
            .find(|user| message.content.contains(if *user == eve.id { "eve" } else { "fay" }));
        assert_eq!(joined.room.member(user.unwrap()).unwrap().from_seq, message.seq);
    }
    assert_eq!(recorded_revisions(&backend, room), [1, 2, 3]);
    assert_eq!(number(&meta(&backend, room), "members_version"), 4);
    assert_eq!(roles(&backend, room).await.len(), 5);
}

#[tokio::test(start_paused = true)]
async fn a_user_who_is_added_twice_concurrently_joins_once() {
    for _ in 0..20 {
        let backend = TestBackend::new();
        let (members, room) = group(&backend, 3).await;
        let eve = profile(&backend, "eve").await;
        let mut admin =
            backend.app.store.room_with_members(room).await.unwrap().member(members[1]).unwrap().clone();
        admin.role = Role::Admin;
        put(&backend, item(keys::member(room, members[1]), admin).unwrap()).await;
        let (one, other) =
            tokio::join!(add(&backend, room, members[0], &eve), add(&backend, room, members[1], &eve));
        let added = [one.unwrap(), other.unwrap()];
        assert_eq!(added.iter().flatten().count(), 1, "the second call finds her in the group");
        assert_eq!(log(&backend, room, members[1]).await.unwrap().len(), 1);
        assert_eq!((roles(&backend, room).await.len(), rooms_of(&backend, eve.id).await), (4, vec![room]));
        assert_eq!(recorded_revisions(&backend, room), [1]);
    }
}

#[tokio::test(start_paused = true)]
async fn joining_is_one_transaction_and_idempotent() {
    let backend = TestBackend::new();
    let (members, room) = group(&backend, 3).await;
    let eve = profile(&backend, "eve").await;
    for (is_new, round_trips) in [(true, 3), (false, 2)] {
        let (start, before) = (backend.elapsed(), items(&backend, room, ""));
        backend.calls();
        let added = add(&backend, room, members[0], &eve).await.unwrap();
        assert_eq!((added.is_some(), backend.elapsed() - start), (is_new, round_trips));
        let writes =
            backend.calls().into_iter().filter(|call| call.operation == "TransactWriteItems").count();
        assert_eq!(writes, usize::from(is_new));
        assert_eq!(items(&backend, room, "") == before, !is_new);
    }
    backend.set_conflicts("TransactWriteItems", 3);
    remove(&backend, room, members[0], eve.id).await.unwrap();
    remove(&backend, room, members[0], eve.id).await.unwrap();
    assert_eq!(recorded_revisions(&backend, room), [1, 2]);
}

#[tokio::test(start_paused = true)]
async fn a_new_member_sees_the_log_from_joining_and_a_former_member_sees_nothing() {
    let backend = TestBackend::new();
    let (members, room) = group(&backend, 3).await;
    let eve = profile(&backend, "eve").await;
    let secret = send_message(&backend, room, members[0], "before eve").await;
    add(&backend, room, members[0], &eve).await.unwrap();
    send_message(&backend, room, members[0], "hi eve").await;
    let contents = |log: &[Message]| log.iter().map(|message| message.content.clone()).collect::<Vec<_>>();
    assert_eq!(contents(&log(&backend, room, eve.id).await.unwrap()), ["p0 added eve", "hi eve"]);
    let thumb = shared::domain::messages::action::MessageAction::React(emoji("👍"));
    let unseen = change(&backend, eve.id, &secret, &thumb).await;
    assert!(matches!(unseen, Err(Error::NotFound)), "{unseen:?}");
    let summary = backend.app.store.my_room(eve.id, room).await.unwrap().unwrap();
    assert_eq!((summary.tail, summary.unread()), (3, 1));

    remove(&backend, room, eve.id, eve.id).await.unwrap();
    assert!(matches!(log(&backend, room, eve.id).await, Err(Error::NotFound)));
    assert!(rooms_of(&backend, eve.id).await.is_empty() && member(&backend, room, eve.id).is_none());
    let items = backend.partition(&format!("USER#{}", eve.id));
    assert!(items.iter().all(|item| !item["sk"]["S"].as_str().unwrap().starts_with("ROOM#")), "{items:?}");
    send_message(&backend, room, members[0], "without eve").await;

    add(&backend, room, members[0], &eve).await.unwrap();
    assert_eq!(contents(&log(&backend, room, eve.id).await.unwrap()), ["p0 added eve"]);
    let summary = backend.app.store.my_room(eve.id, room).await.unwrap().unwrap();
    assert_eq!((summary.me.from_seq, summary.tail, summary.unread()), (6, 6, 0));
}

#[tokio::test(start_paused = true)]
async fn an_owner_who_leaves_while_a_user_joins_has_exactly_one_successor() {
    for delay in [0, 500, 1000, 1500, 2500] {
        let backend = TestBackend::new();
        let (members, room) = group(&backend, 3).await;
        let eve = profile(&backend, "eve").await;
        let adding = async {
            tokio::time::sleep(Duration::from_millis(delay)).await;
            add(&backend, room, members[0], &eve).await
        };
        let (left, added) = tokio::join!(remove(&backend, room, members[0], members[0]), adding);
        left.unwrap();
        let is_added = added.is_ok();
        let roles = roles(&backend, room).await;
        let owners: Vec<UserId> =
            roles.iter().filter(|(_, role)| *role == Role::Owner).map(|(user, _)| *user).collect();
        assert_eq!((owners.len(), roles.len()), (1, 2 + usize::from(is_added)), "{delay} ms");
        assert!(members[1..].contains(&owners[0]), "a member from the start");
        assert_eq!(rooms_of(&backend, eve.id).await.len(), usize::from(is_added));
        assert_eq!(recorded_revisions(&backend, room).len(), 1 + usize::from(is_added));
    }
}

#[tokio::test(start_paused = true)]
async fn an_owner_and_their_successor_who_leave_concurrently_leave_one_owner() {
    for _ in 0..20 {
        let backend = TestBackend::new();
        let (members, room) = group(&backend, 3).await;
        let (first, second) = (members[1].min(members[2]), members[1].max(members[2]));
        let (owner, successor) = tokio::join!(
            remove(&backend, room, members[0], members[0]),
            remove(&backend, room, first, first)
        );
        assert!(owner.is_ok() && successor.is_ok());
        assert_eq!(roles(&backend, room).await, [(second, Role::Owner)]);
        remove(&backend, room, second, second).await.unwrap();
        let room = meta(&backend, room);
        assert_eq!((number(&room, "member_count"), &room["is_closed"]["BOOL"]), (0, &true.into()));
    }
}

#[tokio::test(start_paused = true)]
async fn a_receipt_of_a_leaving_member_does_not_restore_them() {
    for delay in [0, 500, 1000, 1500, 2500] {
        let backend = TestBackend::new();
        let (members, room) = group(&backend, 3).await;
        send_message(&backend, room, members[0], "hi").await;
        let reading = async {
            tokio::time::sleep(Duration::from_millis(delay)).await;
            let (store, now) = (&backend.app.store, backend.app.now());
            store.advance_delivered(room, members[1], 1).await.unwrap();
            store.advance_read(room, members[1], 1, now).await.unwrap();
        };
        let (left, ()) = tokio::join!(remove(&backend, room, members[1], members[1]), reading);
        left.unwrap();
        assert_eq!(member(&backend, room, members[1]), None, "{delay} ms");
        assert_eq!(roles(&backend, room).await.len(), 2);
    }
}

#[tokio::test(start_paused = true)]
async fn a_receipt_of_the_successor_is_kept_while_the_owner_leaves() {
    for delay in [500, 1500] {
        let backend = TestBackend::new();
        let (members, room) = group(&backend, 2 + 1).await;
        let successor = members[1].min(members[2]);
        send_message(&backend, room, members[0], "hi").await;
        let reading = async {
            tokio::time::sleep(Duration::from_millis(delay)).await;
            backend.app.store.advance_read(room, successor, 1, backend.app.now()).await.unwrap()
        };
        let (left, moved) = tokio::join!(remove(&backend, room, members[0], members[0]), reading);
        left.unwrap();
        assert!(moved);
        let member = member(&backend, room, successor).unwrap();
        assert_eq!((number(&member, "read_seq"), &member["role"]["S"]), (1, &"owner".into()), "{delay} ms");
    }
}

#[tokio::test(start_paused = true)]
async fn a_full_group_accepts_no_member_and_a_direct_room_cannot_change_members() {
    let backend = TestBackend::new();
    let (members, room) = group(&backend, 3).await;
    let eve = profile(&backend, "eve").await;
    crate::raw::set(&backend, keys::meta(room), "member_count", 256).await;
    let code = |result: Result<Option<Committed>>| match result {
        Err(Error::Refused(refusal)) => refusal.code,
        other => panic!("{other:?}"),
    };
    assert_eq!(code(add(&backend, room, members[0], &eve).await), "room_full");
    assert_eq!(code(add(&backend, room, members[1], &eve).await), "not_allowed");
    let direct = crate::rooms::room(&backend, members[0], &[members[1]]).await;
    let before = items(&backend, direct, "");
    assert_eq!(code(add(&backend, direct, members[0], &eve).await), "direct_room");
    assert_eq!(code(remove(&backend, direct, members[0], members[0]).await.map(|()| None)), "direct_room");
    assert_eq!(items(&backend, direct, ""), before);
}
