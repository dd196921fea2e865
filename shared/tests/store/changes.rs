//! Changes of messages: exact counts, dense revisions, and one record each, however many people act at once.

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
    cloud::Cloud,
    log::send,
    raw::{items, meta, number, recorded_revisions, set, size},
    rooms::room,
};

/// A group of so many people, its owner first.
pub async fn group(cloud: &Cloud, people: usize) -> (Vec<UserId>, RoomId) {
    let mut everyone = Vec::new();
    for n in 0..people {
        everyone.push(cloud.person(&format!("p{n}")).await);
    }
    let room = room(cloud, everyone[0], &everyone[1..]).await;
    (everyone, room)
}

/// A message that is in the log.
pub async fn said(cloud: &Cloud, room: RoomId, sender: UserId, content: &str) -> Message {
    let sent = cloud.app.store.append(&send(room, sender, content), cloud.app.now()).await.unwrap();
    sent.full_message.message
}

/// Does something to a message.
pub async fn change(cloud: &Cloud, actor: UserId, at: &Message, action: &MessageAction) -> Result<Changed> {
    cloud.app.store.change_message(at.room_id, at.id, actor, action, cloud.app.now()).await
}

/// Does it again while too many others are in the way, as a client does.
async fn change_in_the_end(cloud: &Cloud, actor: UserId, at: &Message, action: &MessageAction) -> Changed {
    loop {
        match change(cloud, actor, at, action).await {
            Err(Error::Busy(_)) => {}
            outcome => return outcome.unwrap(),
        }
    }
}

/// An emoji.
pub fn emoji(text: &str) -> Emoji {
    text.parse().unwrap()
}

/// A message as somebody sees it in the history.
async fn seen(cloud: &Cloud, reader: UserId, at: &Message) -> View {
    let window = Window::Before(at.seq + 1);
    cloud.app.store.history(at.room_id, reader, window, 1).await.unwrap().remove(0)
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
async fn sixteen_people_react_at_once_and_every_count_and_revision_is_exact() {
    let cloud = Cloud::new();
    let (people, room) = group(&cloud, 16).await;
    let message = said(&cloud, room, people[0], "who is in?").await;
    let emoji_of = |n: usize| emoji(["👍", "🔥", "🎉"][n % 3]);
    let actions: Vec<MessageAction> = (0..16).map(|n| MessageAction::React(emoji_of(n))).collect();
    let reacting = people.iter().zip(&actions).map(|(who, action)| change(&cloud, *who, &message, action));
    let mut revisions: Vec<u64> = futures::future::try_join_all(reacting)
        .await
        .unwrap()
        .into_iter()
        .map(|changed| changed.message.rev)
        .collect();
    revisions.sort_unstable();
    assert_eq!(revisions, (1..=16).collect::<Vec<u64>>(), "each has a revision of its own");
    assert_eq!(recorded_revisions(&cloud, room), revisions);
    assert_eq!(number(&meta(&cloud, room), "rev"), 16);
    for (n, who) in people.iter().enumerate() {
        let view = seen(&cloud, *who, &message).await;
        assert_eq!(view.mine, [emoji_of(n)]);
        let mut counts = tallies(&view.message);
        counts.sort_by_key(|(emoji, _)| ["👍", "🔥", "🎉"].iter().position(|known| known == emoji));
        assert_eq!(counts, [("👍".into(), 6), ("🔥".into(), 5), ("🎉".into(), 5)]);
        assert_eq!(view.message.rev, 16);
    }
}

#[tokio::test(start_paused = true)]
async fn two_devices_of_one_person_react_with_the_same_emoji_at_once_and_count_once() {
    for _ in 0..20 {
        let cloud = Cloud::new();
        let (people, room) = group(&cloud, 3).await;
        let message = said(&cloud, room, people[0], "hi").await;
        let action = MessageAction::React(emoji("👍"));
        let (phone, laptop) = tokio::join!(
            change(&cloud, people[1], &message, &action),
            change(&cloud, people[1], &message, &action)
        );
        assert_eq!(phone.unwrap().message, laptop.unwrap().message);
        let view = seen(&cloud, people[1], &message).await;
        assert_eq!((tallies(&view.message), view.mine.len()), (vec![("👍".into(), 1)], 1));
        assert_eq!(recorded_revisions(&cloud, room), [1]);
        let other = MessageAction::React(emoji("🔥"));
        let unreact = MessageAction::Unreact(emoji("👍"));
        let (phone, laptop) = tokio::join!(
            change(&cloud, people[1], &message, &other),
            change(&cloud, people[1], &message, &unreact)
        );
        assert!(phone.is_ok() && laptop.is_ok());
        let view = seen(&cloud, people[1], &message).await;
        assert_eq!((tallies(&view.message), view.mine), (vec![("🔥".into(), 1)], vec![emoji("🔥")]));
    }
}

#[tokio::test(start_paused = true)]
async fn an_edit_and_a_deletion_at_once_leave_a_deleted_message() {
    for _ in 0..20 {
        let cloud = Cloud::new();
        let (people, room) = group(&cloud, 3).await;
        let message = said(&cloud, room, people[1], "words").await;
        let edit = MessageAction::Edit("other words".into());
        let (edited, deleted) = tokio::join!(
            change(&cloud, people[1], &message, &edit),
            change(&cloud, people[0], &message, &MessageAction::Delete)
        );
        let is_edited = edited.is_ok();
        if !is_edited {
            assert_eq!(code(edited), "message_deleted");
        }
        let deleted = deleted.unwrap().message;
        assert!(deleted.is_deleted() && deleted.content.is_empty() && deleted.edited_at.is_none());
        assert_eq!(seen(&cloud, people[2], &message).await.message, deleted);
        let expected: &[u64] = if is_edited { &[1, 2] } else { &[1] };
        assert_eq!(recorded_revisions(&cloud, room), expected);
    }
}

#[tokio::test(start_paused = true)]
async fn an_edit_against_sixteen_reactions_loses_neither() {
    let cloud = Cloud::new();
    let (people, room) = group(&cloud, 17).await;
    let message = said(&cloud, room, people[0], "words").await;
    let mut actions = vec![MessageAction::React(emoji("👍")); 16];
    actions.insert(0, MessageAction::Edit("other words".into()));
    let acting = people.iter().zip(&actions);
    let acting = acting.map(|(who, action)| change_in_the_end(&cloud, *who, &message, action));
    futures::future::join_all(acting).await;
    let view = seen(&cloud, people[1], &message).await;
    assert_eq!(view.message.content, "other words");
    assert_eq!(tallies(&view.message), [("👍".into(), 16)]);
    assert_eq!(recorded_revisions(&cloud, room), (1..=17).collect::<Vec<u64>>());
}

#[tokio::test(start_paused = true)]
async fn a_change_is_one_transaction_after_one_read() {
    let cloud = Cloud::new();
    let (people, room) = group(&cloud, 3).await;
    let message = said(&cloud, room, people[0], "words").await;
    let thumb = emoji("👍");
    for (rev, action, round_trips) in [
        (1, MessageAction::React(thumb.clone()), 2),
        (1, MessageAction::React(thumb.clone()), 1),
        (2, MessageAction::Edit("other words".into()), 2),
        (2, MessageAction::Edit("other words".into()), 1),
        (3, MessageAction::Unreact(thumb.clone()), 2),
        (3, MessageAction::Unreact(thumb), 1),
        (4, MessageAction::Pin, 2),
        (4, MessageAction::Pin, 1),
        (5, MessageAction::Unpin, 2),
        (5, MessageAction::Unpin, 1),
        (6, MessageAction::Delete, 2),
        (6, MessageAction::Delete, 1),
    ] {
        cloud.calls();
        let (start, before) = (cloud.elapsed(), items(&cloud, room, ""));
        let changed = change(&cloud, people[0], &message, &action).await.unwrap();
        assert_eq!(cloud.elapsed() - start, round_trips, "{action:?}");
        assert_eq!(changed.room.room.rev, rev, "{action:?}");
        let calls = cloud.calls();
        let mut operations: Vec<&str> = calls.iter().map(|call| call.operation.as_str()).collect();
        operations.sort_unstable();
        let expected = ["BatchGetItem", "Query", "TransactWriteItems"];
        assert_eq!(operations, expected[..=usize::try_from(round_trips).unwrap()], "{action:?}");
        if round_trips == 1 {
            assert_eq!(items(&cloud, room, ""), before, "{action:?} again writes nothing");
        }
        assert_eq!(recorded_revisions(&cloud, room), (1..=rev).collect::<Vec<u64>>());
        let record = items(&cloud, room, "CHANGE#").pop().unwrap();
        let is_of_message = !matches!(action, MessageAction::Pin | MessageAction::Unpin);
        assert_eq!(record["seq"]["N"] == "1", is_of_message, "{action:?}");
    }
    assert_eq!(items(&cloud, room, "REACTION#"), Vec::<serde_json::Value>::new());
}

#[tokio::test(start_paused = true)]
async fn a_change_that_meets_another_transaction_is_made_again() {
    let cloud = Cloud::new();
    let (people, room) = group(&cloud, 3).await;
    let message = said(&cloud, room, people[0], "words").await;
    cloud.set_conflicts("TransactWriteItems", 5);
    let changed = change(&cloud, people[1], &message, &MessageAction::React(emoji("👍"))).await.unwrap();
    assert_eq!(tallies(&changed.message), [("👍".into(), 1)]);
    assert_eq!(recorded_revisions(&cloud, room), [1]);

    let before = items(&cloud, room, "");
    cloud.set_conflicts("TransactWriteItems", usize::MAX);
    let refused = change(&cloud, people[2], &message, &MessageAction::React(emoji("👍"))).await;
    assert!(matches!(refused, Err(Error::Busy(_))), "{refused:?}");
    assert_eq!(items(&cloud, room, ""), before);
}

#[tokio::test(start_paused = true)]
async fn where_one_condition_fails_nothing_is_written() {
    let cloud = Cloud::new();
    let (people, room) = group(&cloud, 3).await;
    let message = said(&cloud, room, people[0], "words").await;
    let thumb = MessageAction::React(emoji("👍"));
    change(&cloud, people[1], &message, &thumb).await.unwrap();
    // Each of the items that a change replaces, as if somebody had changed it since it was read.
    for key in
        [keys::message(room, message.seq), keys::meta(room), keys::reaction(room, message.seq, people[1])]
    {
        let rev = i64::try_from(number(&items(&cloud, room, &key.sk)[0], "rev")).unwrap();
        let untouched = || {
            let mut others = items(&cloud, room, "");
            others.retain(|item| item["sk"]["S"] != *key.sk);
            others
        };
        let (before, fire) = (untouched(), MessageAction::React(emoji("🔥")));
        cloud.calls();
        let interfering = async {
            // The change reads in its first second and writes in its second.
            tokio::time::sleep(Duration::from_millis(500)).await;
            set(&cloud, key.clone(), "rev", 77).await;
            assert_eq!(untouched(), before, "{key:?}");
            set(&cloud, key.clone(), "rev", rev).await;
        };
        let (changed, ()) = tokio::join!(change(&cloud, people[1], &message, &fire), interfering);
        changed.unwrap();
        let tries = cloud.calls().into_iter().filter(|call| call.operation == "TransactWriteItems").count();
        assert_eq!(tries, 2, "{key:?}");
        change(&cloud, people[1], &message, &MessageAction::Unreact(emoji("🔥"))).await.unwrap();
    }
    let view = seen(&cloud, people[1], &message).await;
    assert_eq!(tallies(&view.message), [("👍".into(), 1)]);

    // A record that is there already stops every try.
    let rev = number(&meta(&cloud, room), "rev") + 1;
    let record = serde_json::json!({"rev": rev, "expires_at": 1});
    crate::raw::put(&cloud, item(keys::change(room, rev), record).unwrap()).await;
    let before = items(&cloud, room, "");
    let refused = change(&cloud, people[2], &message, &thumb).await;
    assert!(matches!(refused, Err(Error::Busy(_))), "{refused:?}");
    assert_eq!(items(&cloud, room, ""), before);
}

#[tokio::test(start_paused = true)]
async fn the_record_of_a_change_expires_after_thirty_days() {
    let cloud = Cloud::new();
    let (people, room) = group(&cloud, 3).await;
    let message = said(&cloud, room, people[0], "words").await;
    let now = cloud.app.now().seconds();
    change(&cloud, people[1], &message, &MessageAction::React(emoji("👍"))).await.unwrap();
    let record = items(&cloud, room, "CHANGE#").remove(0);
    assert_eq!(record["expires_at"]["N"], (now + 30 * 24 * 3600).to_string());
    let others = items(&cloud, room, "").into_iter().filter(|item| item.get("expires_at").is_some());
    assert_eq!(others.count(), 1, "nothing else ends by itself");
}

#[tokio::test(start_paused = true)]
async fn a_deleted_message_keeps_its_place_and_its_name_so_that_a_retried_send_finds_it() {
    let cloud = Cloud::new();
    let (people, room) = group(&cloud, 3).await;
    let store = &cloud.app.store;
    let question = said(&cloud, room, people[0], "question").await;
    let plain = send(room, people[1], "answer");
    let draft = Draft { reply_to_id: Some(question.id), ..plain.draft };
    let once = SendRequest {
        draft,
        client_message_id: Some("once".into()),
        after_seq: Some(1),
        ..send(room, people[1], "")
    };
    let sent = store.append(&once, cloud.app.now()).await.unwrap().full_message.message;
    change(&cloud, people[2], &sent, &MessageAction::React(emoji("👍"))).await.unwrap();
    change(&cloud, people[0], &sent, &MessageAction::Pin).await.unwrap();
    let deleted = change(&cloud, people[1], &sent, &MessageAction::Delete).await.unwrap();
    assert!(
        deleted.part == Some(shared::store::messages::changes::Part::Message)
            && deleted.room.room.pinned.is_empty(),
        "the pin goes with it"
    );
    let tombstone = deleted.message;
    let kept = |message: &Message| {
        let name = message.client_message_id.clone();
        (message.id, message.seq, message.sender_id, name, message.created_at, message.kind)
    };
    assert_eq!(kept(&tombstone), kept(&sent));
    assert_eq!((&*tombstone.content, tombstone.reply_to_id), ("", None));
    assert!(tombstone.reactions.is_empty());

    let again = store.append(&once, cloud.app.now()).await.unwrap().full_message.message;
    assert_eq!(again, tombstone);
    assert_eq!(items(&cloud, room, "MSG#").len(), 2);
    let view = seen(&cloud, people[2], &sent).await;
    assert_eq!((view.message, view.mine), (tombstone, Vec::new()));
    let page = store.reactions_to(room, sent.id, people[2], PageRequest::default()).await.unwrap();
    assert!(page.items.is_empty());
}

#[tokio::test(start_paused = true)]
async fn a_room_with_fifty_pins_is_read_for_the_price_of_one() {
    let cloud = Cloud::new();
    let (people, room) = group(&cloud, 20).await;
    let mut messages = Vec::new();
    for n in 0..51 {
        messages.push(said(&cloud, room, people[0], &format!("m{n}")).await);
    }
    let empty = size(&meta(&cloud, room));
    for message in &messages[..50] {
        change(&cloud, people[0], message, &MessageAction::Pin).await.unwrap();
    }
    assert_eq!(code(change(&cloud, people[0], &messages[50], &MessageAction::Pin).await), "too_many_pins");
    let full = size(&meta(&cloud, room));
    println!("a room's own item: {empty} bytes without pins, {full} with fifty");
    assert!(full <= 4096, "{full} bytes: more than one read unit");
    let pins = cloud.app.store.pins(room, people[1]).await.unwrap();
    let pinned: Vec<u64> = pins.iter().map(|view| view.message.seq).collect();
    assert_eq!(pinned, (1..=50).rev().collect::<Vec<u64>>(), "the newest pin first");
}

#[tokio::test(start_paused = true)]
async fn nobody_changes_what_they_do_not_see() {
    let cloud = Cloud::new();
    let (people, room) = group(&cloud, 3).await;
    let eve = cloud.person("eve").await;
    let message = said(&cloud, room, people[0], "words").await;
    let before = items(&cloud, room, "");
    let thumb = MessageAction::React(emoji("👍"));
    let elsewhere = Message { room_id: RoomId::random(), ..message.clone() };
    let unknown = Message { id: shared::id::MessageId::new(cloud.app.now(), 1), ..message.clone() };
    for (who, at) in [(eve, &message), (people[1], &elsewhere), (people[1], &unknown)] {
        let refused = change(&cloud, who, at, &thumb).await;
        assert!(matches!(refused, Err(Error::NotFound)), "{refused:?}");
    }
    assert_eq!(items(&cloud, room, ""), before);
}
