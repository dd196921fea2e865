//! The message log: every acknowledged message once, at its own dense position, in one order for everybody.

use std::collections::{BTreeMap, BTreeSet};

use shared::{
    Error,
    domain::{
        messages::{Draft, Kind, Message, SendRequest, log::Window},
        page::PageRequest,
        sync::{SyncPosition, SyncScope},
    },
    id::{MessageId, RoomId, UserId},
    store::db::{item::item, keys},
};

use crate::{cloud::Cloud, rooms::room};

/// A plain message, never tried before.
pub fn send(room_id: RoomId, sender_id: UserId, content: &str) -> SendRequest {
    let (media_url, reply_to_id, payload) = (None, None, None);
    let draft =
        Draft { room_id, content: content.to_owned(), kind: Kind::Text, media_url, reply_to_id, payload };
    SendRequest { sender_id, draft, forwarded: None, client_message_id: None, after_seq: None }
}

fn retry_of(room: RoomId, sender: UserId, id: &str, after_seq: Option<u64>) -> SendRequest {
    SendRequest { client_message_id: Some(id.to_owned()), after_seq, ..send(room, sender, id) }
}

async fn whole_log(cloud: &Cloud, room: RoomId, reader: UserId) -> Vec<Message> {
    let mut whole = Vec::new();
    loop {
        let window = Window::Newest { offset: whole.len() as u64 };
        let page = cloud.app.store.history(room, reader, window, 100).await.unwrap();
        if page.is_empty() {
            whole.reverse();
            return whole;
        }
        whole.extend(page.into_iter().map(|view| view.message));
    }
}

async fn pair(cloud: &Cloud) -> (UserId, UserId, RoomId) {
    let (ana, ben) = (cloud.person("ana").await, cloud.person("ben").await);
    (ana, ben, room(cloud, ana, &[ben]).await)
}

#[tokio::test(start_paused = true)]
async fn sixteen_senders_at_once_fill_dense_positions_without_loss() {
    let cloud = Cloud::new();
    let (ana, ben, room) = pair(&cloud).await;
    let texts: Vec<String> = (0..16 * 5).map(|n| format!("m{n}")).collect();
    for round in texts.chunks(16) {
        let sends: Vec<SendRequest> = round
            .iter()
            .enumerate()
            .map(|(n, text)| send(room, if n % 2 == 0 { ana } else { ben }, text))
            .collect();
        let appends = sends.iter().map(|send| cloud.app.store.append(send, cloud.app.now()));
        let committed = futures::future::try_join_all(appends).await.unwrap();
        for (send, committed) in sends.iter().zip(committed) {
            assert_eq!(send.draft.content, committed.message().content);
        }
    }
    let log = whole_log(&cloud, room, ben).await;
    assert_eq!(log.iter().map(|message| message.seq).collect::<Vec<_>>(), (1..=80).collect::<Vec<_>>());
    let contents: BTreeSet<&str> = log.iter().map(|message| message.content.as_str()).collect();
    assert_eq!(contents, texts.iter().map(String::as_str).collect());
    assert_eq!(whole_log(&cloud, room, ana).await, log);
}

#[tokio::test(start_paused = true)]
async fn the_same_send_sixteen_times_at_once_is_one_message() {
    let cloud = Cloud::new();
    let (ana, ben, room) = pair(&cloud).await;
    cloud.app.store.append(&send(room, ben, "before"), cloud.app.now()).await.unwrap();
    let once = retry_of(room, ana, "once", Some(1));
    let tries = (0..16).map(|_| cloud.app.store.append(&once, cloud.app.now()));
    let answers = futures::future::try_join_all(tries).await.unwrap();
    assert!(answers.iter().all(|answer| answer.message() == answers[0].message()));
    assert_eq!(whole_log(&cloud, room, ben).await.len(), 2);
}

#[tokio::test(start_paused = true)]
async fn a_retry_finds_its_message_below_those_that_came_after() {
    let cloud = Cloud::new();
    let (ana, ben, room) = pair(&cloud).await;
    let store = &cloud.app.store;
    let first = store
        .append(&retry_of(room, ana, "once", Some(0)), cloud.app.now())
        .await
        .unwrap()
        .full_message
        .message;
    for n in 0..150 {
        store.append(&send(room, ben, &format!("m{n}")), cloud.app.now()).await.unwrap();
    }
    cloud.wait(30 * 24 * 3600).await;
    let again = store
        .append(&retry_of(room, ana, "once", Some(0)), cloud.app.now())
        .await
        .unwrap()
        .full_message
        .message;
    assert_eq!(again, first, "also with other words");
    let other_words = SendRequest {
        client_message_id: Some("once".into()),
        after_seq: Some(0),
        ..send(room, ana, "other")
    };
    assert_eq!(store.append(&other_words, cloud.app.now()).await.unwrap().full_message.message, first);
    assert_eq!(whole_log(&cloud, room, ben).await.len(), 151);
}

#[tokio::test(start_paused = true)]
async fn the_same_name_from_another_sender_is_another_message() {
    let cloud = Cloud::new();
    let (ana, ben, room) = pair(&cloud).await;
    let store = &cloud.app.store;
    let anas =
        store.append(&retry_of(room, ana, "1", None), cloud.app.now()).await.unwrap().full_message.message;
    let bens =
        store.append(&retry_of(room, ben, "1", None), cloud.app.now()).await.unwrap().full_message.message;
    assert_eq!((anas.seq, bens.seq), (1, 2));
}

#[tokio::test(start_paused = true)]
async fn positions_that_cannot_be_are_refused_and_write_nothing() {
    let cloud = Cloud::new();
    let (ana, ben, room) = pair(&cloud).await;
    let store = &cloud.app.store;
    for n in 0..1001 {
        store.append(&send(room, ben, &format!("m{n}")), cloud.app.now()).await.unwrap();
    }
    for (after_seq, code) in [(0, "position_too_old"), (1002, "bad_position"), (u64::MAX, "bad_position")] {
        let result = store.append(&retry_of(room, ana, "x", Some(after_seq)), cloud.app.now()).await;
        assert!(
            matches!(result, Err(Error::Refused(refusal)) if refusal.code == code),
            "{after_seq}: {result:?}"
        );
    }
    assert_eq!(
        store.append(&retry_of(room, ana, "x", Some(1)), cloud.app.now()).await.unwrap().message().seq,
        1002
    );
}

#[tokio::test(start_paused = true)]
async fn a_reply_answers_a_message_of_its_own_room() {
    let cloud = Cloud::new();
    let (ana, ben, here) = pair(&cloud).await;
    let eve = cloud.person("eve").await;
    let elsewhere = room(&cloud, ana, &[eve]).await;
    let store = &cloud.app.store;
    let message =
        store.append(&send(here, ben, "question"), cloud.app.now()).await.unwrap().full_message.message;
    let foreign =
        store.append(&send(elsewhere, eve, "other"), cloud.app.now()).await.unwrap().full_message.message;
    let reply = |to| {
        let answer = send(here, ana, "answer");
        SendRequest { draft: Draft { reply_to_id: Some(to), ..answer.draft }, ..answer }
    };
    assert!(matches!(store.append(&reply(foreign.id), cloud.app.now()).await, Err(Error::Invalid(_))));
    let answer = store.append(&reply(message.id), cloud.app.now()).await.unwrap().full_message.message;
    assert_eq!((answer.reply_to_id, answer.seq), (Some(message.id), 2));
}

#[tokio::test(start_paused = true)]
async fn history_pages_cost_what_they_hold_however_long_the_log_is() {
    let cloud = Cloud::new();
    let (ana, ben, room) = pair(&cloud).await;
    for n in 1..=300 {
        cloud.app.store.append(&send(room, ana, &format!("m{n}")), cloud.app.now()).await.unwrap();
    }
    let seqs = async |window| {
        let page = cloud.app.store.history(room, ben, window, 10).await.unwrap();
        page.into_iter().map(|view| view.message.seq).collect::<Vec<_>>()
    };
    cloud.calls();
    assert_eq!(seqs(Window::Newest { offset: 0 }).await, (291..=300).rev().collect::<Vec<_>>());
    let newest: f64 = cloud.calls().iter().map(|call| call.units).sum();
    assert_eq!(seqs(Window::Newest { offset: 290 }).await, (1..=10).rev().collect::<Vec<_>>());
    let oldest: f64 = cloud.calls().iter().map(|call| call.units).sum();
    assert!((newest - oldest).abs() < f64::EPSILON, "{newest} and {oldest} units");
    assert_eq!(seqs(Window::Before(5)).await, [4, 3, 2, 1]);
    assert_eq!(seqs(Window::After(297)).await, [300, 299, 298]);
}

#[tokio::test(start_paused = true)]
async fn a_payload_comes_back_as_it_was_given() {
    let cloud = Cloud::new();
    let (ana, ben, room) = pair(&cloud).await;
    let mut nested = serde_json::json!(1);
    for _ in 0..40 {
        nested = serde_json::json!({"in": nested});
    }
    let payload =
        serde_json::json!({"": 1, "huge": 1e200, "one": 1.0, "nested": nested, "none": null, "empty": ""});
    let plain = send(room, ana, "");
    let draft = Draft { kind: Kind::Workout, payload: payload.as_object().cloned(), ..plain.draft };
    let said =
        cloud.app.store.append(&SendRequest { draft, ..send(room, ana, "") }, cloud.app.now()).await.unwrap();
    let log = whole_log(&cloud, room, ben).await;
    assert_eq!(log, [said.full_message.message]);
    assert_eq!(serde_json::to_string(&log[0].payload).unwrap(), payload.to_string());
}

#[tokio::test(start_paused = true)]
async fn writes_that_meet_a_transaction_are_made_again() {
    let cloud = Cloud::new();
    let (ana, ben, room) = pair(&cloud).await;
    for operation in ["PutItem", "UpdateItem", "TransactWriteItems"] {
        cloud.set_conflicts(operation, 3);
    }
    let sent = cloud.app.store.append(&send(room, ana, "hi"), cloud.app.now()).await.unwrap();
    assert!(cloud.app.store.advance_read(room, ben, sent.message().seq, cloud.app.now()).await.unwrap());
    let cleo = cloud.person("cleo").await;
    assert_eq!(cloud.app.store.profile(cleo).await.unwrap().unwrap().username, "cleo");

    cloud.set_conflicts("PutItem", usize::MAX);
    let refused = cloud.app.store.append(&send(room, ana, "never"), cloud.app.now()).await;
    assert!(matches!(refused, Err(Error::Busy(_))), "{refused:?}");
    assert_eq!(whole_log(&cloud, room, ben).await.len(), 1);
}

#[tokio::test(start_paused = true)]
async fn sixty_four_writers_at_once_all_succeed_at_one_try_more_for_each_slot_lost() {
    const WRITERS: usize = 64;
    let cloud = Cloud::new();
    let (ana, ben, room) = pair(&cloud).await;
    let sends: Vec<SendRequest> =
        (0..WRITERS).map(|n| retry_of(room, ana, &format!("m{n}"), Some(0))).collect();
    cloud.calls();
    let appends = sends.iter().map(|send| cloud.app.store.append(send, cloud.app.now()));
    futures::future::try_join_all(appends).await.unwrap();
    let tries = cloud.calls().into_iter().filter(|call| call.operation == "PutItem").count();
    println!("{WRITERS} writers at once: {tries} tries");
    assert_eq!(tries, WRITERS * (WRITERS + 1) / 2, "all at the same moment: the worst that can be");
    let log = whole_log(&cloud, room, ben).await;
    assert_eq!(log.iter().map(|message| message.seq).collect::<Vec<_>>(), (1..=64).collect::<Vec<_>>());
}

/// Puts the newest message of a room to a position, as if all before it had been said.
#[expect(clippy::disallowed_methods, reason = "no call of the store leaves positions out")]
async fn lengthen(cloud: &Cloud, room: RoomId, seq: u64) {
    let newest = cloud.app.store.newest_message(room).await.unwrap().unwrap();
    let (id, key) = (MessageId::new(cloud.app.now(), seq), keys::message(room, seq));
    let message = item(key, Message { id, seq, ..newest }).unwrap();
    cloud.client.put_item().table_name("chat").set_item(Some(message)).send().await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn a_room_of_a_million_messages_costs_what_a_room_of_ten_does() {
    let mut costs = Vec::new();
    for length in [10, 1_000_000] {
        let cloud = Cloud::new();
        let (ana, ben, room) = pair(&cloud).await;
        let (store, mut units) = (&cloud.app.store, Vec::new());
        let say = async |content: &str| {
            let sent = store.append(&send(room, ana, content), cloud.app.now()).await.unwrap();
            cloud.app.deliver(&sent, None).await;
            sent.full_message.message.seq
        };
        say("the first").await;
        lengthen(&cloud, room, length - 9).await;
        store.advance_head(room, length - 9).await.unwrap();
        for n in 2..=10 {
            say(&format!("m{n:02}")).await;
        }
        cloud.calls();
        assert_eq!(say("one more").await, length + 1);
        let mut note = |what: &'static str| {
            let calls = cloud.calls();
            units.push((what, calls.len(), calls.iter().map(|call| call.units).sum::<f64>()));
        };
        note("a send");
        let page = store.history(room, ben, Window::Newest { offset: 0 }, 5).await.unwrap();
        assert_eq!(page[0].message.seq, length + 1);
        note("the newest page");
        store.history(room, ben, Window::Before(length - 2), 5).await.unwrap();
        note("an older page");
        assert_eq!(store.my_rooms(ben, PageRequest::default()).await.unwrap().items[0].tail, length + 1);
        note("the list of rooms");
        let held = BTreeMap::from([(room, SyncPosition { seq: length - 2, rev: 0 })]);
        let news = store.sync(ben, &held, SyncScope::All, None, cloud.app.now()).await.unwrap();
        assert_eq!(news.rooms[0].messages.as_ref().unwrap().new.len(), 3);
        note("a sync");
        costs.push(units);
    }
    assert_eq!(costs[0], costs[1]);
}
