//! Message changes: exact counts, dense revisions and one change record each, under concurrent actions.

use std::time::Duration;

use shared::{
    Error, Result,
    domain::{
        messages::{
            Draft, Message, SendRequest, action::MessageAction, log::Window, reaction::Emoji, view::View,
        },
        page::PageRequest,
    },
    id::{RoomId, UserId},
    store::{
        db::{item::item, keys},
        messages::changes::Changed,
    },
};

use crate::{
    backend::TestBackend,
    dynamodb::size,
    log::send,
    raw::{items, meta, number, recorded_revisions, set},
    rooms::room,
};

/// Creates a group of `size` members, the owner first.
pub async fn group(backend: &TestBackend, size: usize) -> (Vec<UserId>, RoomId) {
    let mut members = Vec::new();
    for n in 0..size {
        members.push(backend.user(&format!("p{n}")).await);
    }
    let room = room(backend, members[0], &members[1..]).await;
    (members, room)
}

/// Sends a message.
pub async fn send_message(backend: &TestBackend, room: RoomId, sender: UserId, content: &str) -> Message {
    let sent = backend.app.store.append(&send(room, sender, content), backend.app.now()).await.unwrap();
    sent.full_message.message
}

/// Applies an action to a message.
pub async fn change(
    backend: &TestBackend,
    actor: UserId,
    at: &Message,
    action: &MessageAction,
) -> Result<Changed> {
    backend.app.store.change_message(at.room_id, at.id, actor, action, backend.app.now()).await
}

/// Applies an action, and retries while the store is busy, as a client does.
async fn change_with_retries(
    backend: &TestBackend,
    actor: UserId,
    at: &Message,
    action: &MessageAction,
) -> Changed {
    loop {
        match change(backend, actor, at, action).await {
            Err(Error::Busy(_)) => {}
            outcome => return outcome.unwrap(),
        }
    }
}

/// Parses an emoji.
pub fn emoji(text: &str) -> Emoji {
    text.parse().unwrap()
}

/// A message as the reader sees it in the history.
async fn visible_message(backend: &TestBackend, reader: UserId, at: &Message) -> View {
    let window = Window::Before(at.seq + 1);
    backend.app.store.history(at.room_id, reader, window, 1).await.unwrap().remove(0)
}

fn tallies(message: &Message) -> Vec<(String, u64)> {
    message.reactions.iter().map(|tally| (tally.emoji.to_string(), tally.count)).collect()
}

fn code<T: std::fmt::Debug>(result: Result<T>) -> &'static str {
    match result {
        Err(Error::Refused(refusal)) => refusal.code,
        other => panic!("{other:?}"),
    }
}

#[tokio::test(start_paused = true)]
async fn concurrent_reactions_of_sixteen_members_keep_exact_counts_and_revisions() {
    let backend = TestBackend::new();
    let (members, room) = group(&backend, 16).await;
    let message = send_message(&backend, room, members[0], "who is in?").await;
    let emoji_of = |n: usize| emoji(["👍", "🔥", "🎉"][n % 3]);
    let actions: Vec<MessageAction> = (0..16).map(|n| MessageAction::React(emoji_of(n))).collect();
    let reacting =
        members.iter().zip(&actions).map(|(member, action)| change(&backend, *member, &message, action));
    let mut revisions: Vec<u64> = futures::future::try_join_all(reacting)
        .await
        .unwrap()
        .into_iter()
        .map(|changed| changed.message.rev)
        .collect();
    revisions.sort_unstable();
    assert_eq!(revisions, (1..=16).collect::<Vec<u64>>(), "each reaction has its own revision");
    assert_eq!(recorded_revisions(&backend, room), revisions);
    assert_eq!(number(&meta(&backend, room), "rev"), 16);
    for (n, member) in members.iter().enumerate() {
        let view = visible_message(&backend, *member, &message).await;
        assert_eq!(view.mine, [emoji_of(n)]);
        let mut counts = tallies(&view.message);
        counts.sort_by_key(|(emoji, _)| ["👍", "🔥", "🎉"].iter().position(|known| known == emoji));
        assert_eq!(counts, [("👍".into(), 6), ("🔥".into(), 5), ("🎉".into(), 5)]);
        assert_eq!(view.message.rev, 16);
    }
}

#[tokio::test(start_paused = true)]
async fn the_same_reaction_from_two_devices_of_a_member_counts_once() {
    for _ in 0..20 {
        let backend = TestBackend::new();
        let (members, room) = group(&backend, 3).await;
        let message = send_message(&backend, room, members[0], "hi").await;
        let action = MessageAction::React(emoji("👍"));
        let (phone, laptop) = tokio::join!(
            change(&backend, members[1], &message, &action),
            change(&backend, members[1], &message, &action)
        );
        assert_eq!(phone.unwrap().message, laptop.unwrap().message);
        let view = visible_message(&backend, members[1], &message).await;
        assert_eq!((tallies(&view.message), view.mine.len()), (vec![("👍".into(), 1)], 1));
        assert_eq!(recorded_revisions(&backend, room), [1]);
        let other = MessageAction::React(emoji("🔥"));
        let unreact = MessageAction::Unreact(emoji("👍"));
        let (phone, laptop) = tokio::join!(
            change(&backend, members[1], &message, &other),
            change(&backend, members[1], &message, &unreact)
        );
        assert!(phone.is_ok() && laptop.is_ok());
        let view = visible_message(&backend, members[1], &message).await;
        assert_eq!((tallies(&view.message), view.mine), (vec![("🔥".into(), 1)], vec![emoji("🔥")]));
    }
}

#[tokio::test(start_paused = true)]
async fn a_concurrent_edit_and_deletion_leave_a_deleted_message() {
    for _ in 0..20 {
        let backend = TestBackend::new();
        let (members, room) = group(&backend, 3).await;
        let message = send_message(&backend, room, members[1], "words").await;
        let edit = MessageAction::Edit("other words".into());
        let (edited, deleted) = tokio::join!(
            change(&backend, members[1], &message, &edit),
            change(&backend, members[0], &message, &MessageAction::Delete)
        );
        let is_edited = edited.is_ok();
        if !is_edited {
            assert_eq!(code(edited), "message_deleted");
        }
        let deleted = deleted.unwrap().message;
        assert!(deleted.is_deleted() && deleted.content.is_empty() && deleted.edited_at.is_none());
        assert_eq!(visible_message(&backend, members[2], &message).await.message, deleted);
        let expected: &[u64] = if is_edited { &[1, 2] } else { &[1] };
        assert_eq!(recorded_revisions(&backend, room), expected);
    }
}

#[tokio::test(start_paused = true)]
async fn a_concurrent_edit_and_sixteen_reactions_are_all_kept() {
    let backend = TestBackend::new();
    let (members, room) = group(&backend, 17).await;
    let message = send_message(&backend, room, members[0], "words").await;
    let mut actions = vec![MessageAction::React(emoji("👍")); 16];
    actions.insert(0, MessageAction::Edit("other words".into()));
    let acting = members.iter().zip(&actions);
    let acting = acting.map(|(member, action)| change_with_retries(&backend, *member, &message, action));
    futures::future::join_all(acting).await;
    let view = visible_message(&backend, members[1], &message).await;
    assert_eq!(view.message.content, "other words");
    assert_eq!(tallies(&view.message), [("👍".into(), 16)]);
    assert_eq!(recorded_revisions(&backend, room), (1..=17).collect::<Vec<u64>>());
}

#[tokio::test(start_paused = true)]
async fn a_change_is_one_transaction_after_its_reads() {
    let backend = TestBackend::new();
    let (members, room) = group(&backend, 3).await;
    let message = send_message(&backend, room, members[0], "words").await;
    let thumb = emoji("👍");
    for (rev, action, round_trips) in [
        (1, MessageAction::React(thumb.clone()), 3),
        (1, MessageAction::React(thumb.clone()), 2),
        (2, MessageAction::Edit("other words".into()), 3),
        (2, MessageAction::Edit("other words".into()), 2),
        (3, MessageAction::Unreact(thumb.clone()), 3),
        (3, MessageAction::Unreact(thumb), 2),
        (4, MessageAction::Pin, 3),
        (4, MessageAction::Pin, 2),
        (5, MessageAction::Unpin, 3),
        (5, MessageAction::Unpin, 2),
        (6, MessageAction::Delete, 3),
        (6, MessageAction::Delete, 2),
    ] {
        backend.calls();
        let (start, before) = (backend.elapsed(), items(&backend, room, ""));
        let changed = change(&backend, members[0], &message, &action).await.unwrap();
        assert_eq!(backend.elapsed() - start, round_trips, "{action:?}");
        assert_eq!(changed.room.room.rev, rev, "{action:?}");
        let calls = backend.calls();
        let mut operations: Vec<&str> = calls.iter().map(|call| call.operation.as_str()).collect();
        operations.sort_unstable();
        let expected = ["BatchGetItem", "Query", "TransactWriteItems"];
        assert_eq!(operations, expected[..usize::try_from(round_trips).unwrap()], "{action:?}");
        if round_trips == 2 {
            assert_eq!(items(&backend, room, ""), before, "{action:?} again writes nothing");
        }
        assert_eq!(recorded_revisions(&backend, room), (1..=rev).collect::<Vec<u64>>());
        let record = items(&backend, room, "CHANGE#").pop().unwrap();
        let is_of_message = !matches!(action, MessageAction::Pin | MessageAction::Unpin);
        assert_eq!(record["seq"]["N"] == "1", is_of_message, "{action:?}");
    }
    assert_eq!(items(&backend, room, "REACTION#"), Vec::<serde_json::Value>::new());
}

#[tokio::test(start_paused = true)]
async fn a_change_is_retried_after_a_transaction_conflict() {
    let backend = TestBackend::new();
    let (members, room) = group(&backend, 3).await;
    let message = send_message(&backend, room, members[0], "words").await;
    backend.set_conflicts("TransactWriteItems", 5);
    let changed = change(&backend, members[1], &message, &MessageAction::React(emoji("👍"))).await.unwrap();
    assert_eq!(tallies(&changed.message), [("👍".into(), 1)]);
    assert_eq!(recorded_revisions(&backend, room), [1]);

    let before = items(&backend, room, "");
    backend.set_conflicts("TransactWriteItems", usize::MAX);
    let refused = change(&backend, members[2], &message, &MessageAction::React(emoji("👍"))).await;
    assert!(matches!(refused, Err(Error::Busy(_))), "{refused:?}");
    assert_eq!(items(&backend, room, ""), before);
}

#[tokio::test(start_paused = true)]
async fn a_failed_condition_writes_nothing() {
    let backend = TestBackend::new();
    let (members, room) = group(&backend, 3).await;
    let message = send_message(&backend, room, members[0], "words").await;
    let thumb = MessageAction::React(emoji("👍"));
    change(&backend, members[1], &message, &thumb).await.unwrap();
    // Each item that a change replaces is modified between the read and the write.
    for key in
        [keys::message(room, message.seq), keys::meta(room), keys::reaction(room, message.seq, members[1])]
    {
        let rev = i64::try_from(number(&items(&backend, room, &key.sk)[0], "rev")).unwrap();
        let untouched = || {
            let mut others = items(&backend, room, "");
            others.retain(|item| item["sk"]["S"] != *key.sk);
            others
        };
        let (before, fire) = (untouched(), MessageAction::React(emoji("🔥")));
        backend.calls();
        let interfering = async {
            // The change reads in the first two seconds and writes in the third.
            tokio::time::sleep(Duration::from_millis(1500)).await;
            set(&backend, key.clone(), "rev", 77).await;
            assert_eq!(untouched(), before, "{key:?}");
            set(&backend, key.clone(), "rev", rev).await;
        };
        let (changed, ()) = tokio::join!(change(&backend, members[1], &message, &fire), interfering);
        changed.unwrap();
        let attempts =
            backend.calls().into_iter().filter(|call| call.operation == "TransactWriteItems").count();
        assert_eq!(attempts, 2, "{key:?}");
        change(&backend, members[1], &message, &MessageAction::Unreact(emoji("🔥"))).await.unwrap();
    }
    let view = visible_message(&backend, members[1], &message).await;
    assert_eq!(tallies(&view.message), [("👍".into(), 1)]);

    // An existing change record fails every attempt.
    let rev = number(&meta(&backend, room), "rev") + 1;
    let record = serde_json::json!({"rev": rev, "expires_at": 1});
    crate::raw::put(&backend, item(keys::change(room, rev), record).unwrap()).await;
    let before = items(&backend, room, "");
    let refused = change(&backend, members[2], &message, &thumb).await;
    assert!(matches!(refused, Err(Error::Busy(_))), "{refused:?}");
    assert_eq!(items(&backend, room, ""), before);
}

#[tokio::test(start_paused = true)]
async fn a_change_record_expires_after_thirty_days() {
    let backend = TestBackend::new();
    let (members, room) = group(&backend, 3).await;
    let message = send_message(&backend, room, members[0], "words").await;
    let now = backend.app.now().seconds();
    change(&backend, members[1], &message, &MessageAction::React(emoji("👍"))).await.unwrap();
    let record = items(&backend, room, "CHANGE#").remove(0);
    assert_eq!(record["expires_at"]["N"], (now + 30 * 24 * 3600).to_string());
    let others = items(&backend, room, "").into_iter().filter(|item| item.get("expires_at").is_some());
    assert_eq!(others.count(), 1, "nothing else expires");
}

#[tokio::test(start_paused = true)]
async fn a_deleted_message_keeps_its_position_and_client_id_for_retried_sends() {
    let backend = TestBackend::new();
    let (members, room) = group(&backend, 3).await;
    let store = &backend.app.store;
    let question = send_message(&backend, room, members[0], "question").await;
    let plain = send(room, members[1], "answer");
    let draft = Draft { reply_to_id: Some(question.id), ..plain.draft };
    let once = SendRequest {
        draft,
        client_message_id: Some("once".into()),
        after_seq: Some(1),
        ..send(room, members[1], "")
    };
    let sent = store.append(&once, backend.app.now()).await.unwrap().full_message.message;
    change(&backend, members[2], &sent, &MessageAction::React(emoji("👍"))).await.unwrap();
    change(&backend, members[0], &sent, &MessageAction::Pin).await.unwrap();
    let deleted = change(&backend, members[1], &sent, &MessageAction::Delete).await.unwrap();
    assert!(
        deleted.part == Some(shared::store::messages::changes::Part::Message)
            && deleted.room.room.pinned.is_empty(),
        "the deletion removes the pin"
    );
    let tombstone = deleted.message;
    let identity = |message: &Message| {
        let client_id = message.client_message_id.clone();
        (message.id, message.seq, message.sender_id, client_id, message.created_at, message.kind)
    };
    assert_eq!(identity(&tombstone), identity(&sent));
    assert_eq!((&*tombstone.content, tombstone.reply_to_id), ("", None));
    assert!(tombstone.reactions.is_empty());

    let again = store.append(&once, backend.app.now()).await.unwrap().full_message.message;
    assert_eq!(again, tombstone);
    assert_eq!(items(&backend, room, "MSG#").len(), 2);
    let view = visible_message(&backend, members[2], &sent).await;
    assert_eq!((view.message, view.mine), (tombstone, Vec::new()));
    let page = store.reactions_to(room, sent.id, members[2], PageRequest::default()).await.unwrap();
    assert!(page.items.is_empty());
}

#[tokio::test(start_paused = true)]
async fn a_room_with_fifty_pins_fits_one_read_unit() {
    let backend = TestBackend::new();
    let (members, room) = group(&backend, 20).await;
    let mut messages = Vec::new();
    for n in 0..51 {
        messages.push(send_message(&backend, room, members[0], &format!("m{n}")).await);
    }
    let empty = size(&meta(&backend, room));
    for message in &messages[..50] {
        change(&backend, members[0], message, &MessageAction::Pin).await.unwrap();
    }
    assert_eq!(code(change(&backend, members[0], &messages[50], &MessageAction::Pin).await), "too_many_pins");
    let full = size(&meta(&backend, room));
    println!("META item: {empty} bytes without pins, {full} with fifty");
    assert!(full <= 4096, "{full} bytes: more than one read unit");
    let pins = backend.app.store.pins(room, members[1]).await.unwrap();
    let pinned: Vec<u64> = pins.iter().map(|view| view.message.seq).collect();
    assert_eq!(pinned, (1..=50).rev().collect::<Vec<u64>>(), "the newest pin first");
}

#[tokio::test(start_paused = true)]
async fn a_change_requires_that_the_actor_sees_the_message() {
    let backend = TestBackend::new();
    let (members, room) = group(&backend, 3).await;
    let eve = backend.user("eve").await;
    let message = send_message(&backend, room, members[0], "words").await;
    let before = items(&backend, room, "");
    let thumb = MessageAction::React(emoji("👍"));
    let elsewhere = Message { room_id: RoomId::random(), ..message.clone() };
    let unknown = Message { id: shared::id::MessageId::new(backend.app.now(), 1), ..message.clone() };
    for (actor, at) in [(eve, &message), (members[1], &elsewhere), (members[1], &unknown)] {
        let refused = change(&backend, actor, at, &thumb).await;
        assert!(matches!(refused, Err(Error::NotFound)), "{refused:?}");
    }
    assert_eq!(items(&backend, room, ""), before);
}
