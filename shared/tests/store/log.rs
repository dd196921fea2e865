//! The message log: every acknowledged message once, at a dense position, in one order for all members.

use std::collections::{BTreeMap, BTreeSet};

use shared::{
    Error,
    domain::{
        messages::{Draft, Kind, Message, Payload, SendRequest, log::Window},
        page::PageRequest,
        sync::{SyncPosition, SyncScope},
    },
    id::{MessageId, RoomId, UserId},
    store::db::{item::item, keys},
};

use crate::{backend::TestBackend, rooms::room};

/// A text message without retry information.
pub fn send(room_id: RoomId, sender_id: UserId, content: &str) -> SendRequest {
    let (media_url, reply_to_id, payload) = (None, None, None);
    let draft =
        Draft { room_id, content: content.to_owned(), kind: Kind::Text, media_url, reply_to_id, payload };
    SendRequest { sender_id, draft, forwarded: None, client_message_id: None, after_seq: None }
}

fn retry_of(room: RoomId, sender: UserId, id: &str, after_seq: Option<u64>) -> SendRequest {
    SendRequest { client_message_id: Some(id.to_owned()), after_seq, ..send(room, sender, id) }
}

async fn full_log(backend: &TestBackend, room: RoomId, reader: UserId) -> Vec<Message> {
    let mut log = Vec::new();
    loop {
        let window = Window::Newest { offset: log.len() as u64 };
        let page = backend.app.store.history(room, reader, window, 100).await.unwrap();
        if page.is_empty() {
            log.reverse();
            return log;
        }
        log.extend(page.into_iter().map(|view| view.message));
    }
}

async fn direct_room(backend: &TestBackend) -> (UserId, UserId, RoomId) {
    let (ana, ben) = (backend.user("ana").await, backend.user("ben").await);
    (ana, ben, room(backend, ana, &[ben]).await)
}

#[tokio::test(start_paused = true)]
async fn sixteen_concurrent_senders_fill_dense_positions_without_loss() {
    let backend = TestBackend::new();
    let (ana, ben, room) = direct_room(&backend).await;
    let texts: Vec<String> = (0..16 * 5).map(|n| format!("m{n}")).collect();
    for round in texts.chunks(16) {
        let sends: Vec<SendRequest> = round
            .iter()
            .enumerate()
            .map(|(n, text)| send(room, if n % 2 == 0 { ana } else { ben }, text))
            .collect();
        let appends = sends.iter().map(|send| backend.app.store.append(send, backend.app.now()));
        let committed = futures::future::try_join_all(appends).await.unwrap();
        for (send, committed) in sends.iter().zip(committed) {
            assert_eq!(send.draft.content, committed.message().content);
        }
    }
    let log = full_log(&backend, room, ben).await;
    assert_eq!(log.iter().map(|message| message.seq).collect::<Vec<_>>(), (1..=80).collect::<Vec<_>>());
    let contents: BTreeSet<&str> = log.iter().map(|message| message.content.as_str()).collect();
    assert_eq!(contents, texts.iter().map(String::as_str).collect());
    assert_eq!(full_log(&backend, room, ana).await, log);
}

#[tokio::test(start_paused = true)]
async fn sixteen_concurrent_attempts_of_a_send_are_one_message() {
    let backend = TestBackend::new();
    let (ana, ben, room) = direct_room(&backend).await;
    backend.app.store.append(&send(room, ben, "before"), backend.app.now()).await.unwrap();
    let once = retry_of(room, ana, "once", Some(1));
    let attempts = (0..16).map(|_| backend.app.store.append(&once, backend.app.now()));
    let results = futures::future::try_join_all(attempts).await.unwrap();
    assert!(results.iter().all(|result| result.message() == results[0].message()));
    assert_eq!(full_log(&backend, room, ben).await.len(), 2);
}

#[tokio::test(start_paused = true)]
async fn a_retry_finds_its_message_below_later_messages() {
    let backend = TestBackend::new();
    let (ana, ben, room) = direct_room(&backend).await;
    let store = &backend.app.store;
    let first = store
        .append(&retry_of(room, ana, "once", Some(0)), backend.app.now())
        .await
        .unwrap()
        .full_message
        .message;
    for n in 0..150 {
        store.append(&send(room, ben, &format!("m{n}")), backend.app.now()).await.unwrap();
    }
    backend.wait(30 * 24 * 3600).await;
    let again = store
        .append(&retry_of(room, ana, "once", Some(0)), backend.app.now())
        .await
        .unwrap()
        .full_message
        .message;
    assert_eq!(again, first, "after 30 days");
    let other_content = SendRequest {
        client_message_id: Some("once".into()),
        after_seq: Some(0),
        ..send(room, ana, "other")
    };
    assert_eq!(store.append(&other_content, backend.app.now()).await.unwrap().full_message.message, first);
    assert_eq!(full_log(&backend, room, ben).await.len(), 151);
}

#[tokio::test(start_paused = true)]
async fn the_same_client_message_id_from_another_sender_is_another_message() {
    let backend = TestBackend::new();
    let (ana, ben, room) = direct_room(&backend).await;
    let store = &backend.app.store;
    let anas =
        store.append(&retry_of(room, ana, "1", None), backend.app.now()).await.unwrap().full_message.message;
    let bens =
        store.append(&retry_of(room, ben, "1", None), backend.app.now()).await.unwrap().full_message.message;
    assert_eq!((anas.seq, bens.seq), (1, 2));
}

#[tokio::test(start_paused = true)]
async fn invalid_positions_are_refused_and_write_nothing() {
    let backend = TestBackend::new();
    let (ana, ben, room) = direct_room(&backend).await;
    let store = &backend.app.store;
    for n in 0..1001 {
        store.append(&send(room, ben, &format!("m{n}")), backend.app.now()).await.unwrap();
        store.advance_head(room, n + 1).await.unwrap();
    }
    for (after_seq, code) in [(0, "position_too_old"), (1002, "bad_position"), (u64::MAX, "bad_position")] {
        let result = store.append(&retry_of(room, ana, "x", Some(after_seq)), backend.app.now()).await;
        assert!(
            matches!(result, Err(Error::Refused(refusal)) if refusal.code == code),
            "{after_seq}: {result:?}"
        );
    }
    assert_eq!(
        store.append(&retry_of(room, ana, "x", Some(1)), backend.app.now()).await.unwrap().message().seq,
        1002
    );
}

#[tokio::test(start_paused = true)]
async fn a_reply_must_refer_to_a_message_of_its_room() {
    let backend = TestBackend::new();
    let (ana, ben, here) = direct_room(&backend).await;
    let eve = backend.user("eve").await;
    let elsewhere = room(&backend, ana, &[eve]).await;
    let store = &backend.app.store;
    let message =
        store.append(&send(here, ben, "question"), backend.app.now()).await.unwrap().full_message.message;
    let foreign =
        store.append(&send(elsewhere, eve, "other"), backend.app.now()).await.unwrap().full_message.message;
    let reply = |to| {
        let answer = send(here, ana, "answer");
        SendRequest { draft: Draft { reply_to_id: Some(to), ..answer.draft }, ..answer }
    };
    assert!(matches!(store.append(&reply(foreign.id), backend.app.now()).await, Err(Error::Invalid(_))));
    let answer = store.append(&reply(message.id), backend.app.now()).await.unwrap().full_message.message;
    assert_eq!((answer.reply_to_id, answer.seq), (Some(message.id), 2));
}

#[tokio::test(start_paused = true)]
async fn the_cost_of_a_history_page_does_not_depend_on_the_length_of_the_log() {
    let backend = TestBackend::new();
    let (ana, ben, room) = direct_room(&backend).await;
    for n in 1..=300 {
        backend.app.store.append(&send(room, ana, &format!("m{n}")), backend.app.now()).await.unwrap();
    }
    let seqs = async |window| {
        let page = backend.app.store.history(room, ben, window, 10).await.unwrap();
        page.into_iter().map(|view| view.message.seq).collect::<Vec<_>>()
    };
    backend.calls();
    assert_eq!(seqs(Window::Newest { offset: 0 }).await, (291..=300).rev().collect::<Vec<_>>());
    let newest: f64 = backend.calls().iter().map(|call| call.units).sum();
    assert_eq!(seqs(Window::Before(11)).await, (1..=10).rev().collect::<Vec<_>>());
    let oldest: f64 = backend.calls().iter().map(|call| call.units).sum();
    assert!((newest - oldest).abs() < f64::EPSILON, "{newest} and {oldest} units");
    assert_eq!(seqs(Window::Newest { offset: 290 }).await, (1..=10).rev().collect::<Vec<_>>());
    let by_offset: f64 = backend.calls().iter().map(|call| call.units).sum();
    assert!((newest + 1.0 - by_offset).abs() < f64::EPSILON, "{newest} and {by_offset} units");
    assert_eq!(seqs(Window::Before(1000)).await, (291..=300).rev().collect::<Vec<_>>());
    assert_eq!(seqs(Window::Before(5)).await, [4, 3, 2, 1]);
    assert_eq!(seqs(Window::After(297)).await, [300, 299, 298]);
}

#[tokio::test(start_paused = true)]
async fn a_payload_is_returned_unchanged() {
    let backend = TestBackend::new();
    let (ana, ben, room) = direct_room(&backend).await;
    let mut nested = serde_json::json!(1);
    for _ in 0..40 {
        nested = serde_json::json!({"in": nested});
    }
    let payload =
        serde_json::json!({"": 1, "huge": 1e200, "one": 1.0, "nested": nested, "none": null, "empty": ""});
    let plain = send(room, ana, "");
    let draft =
        Draft { kind: Kind::Workout, payload: Payload::parse(&payload.to_string()).ok(), ..plain.draft };
    let sent = backend
        .app
        .store
        .append(&SendRequest { draft, ..send(room, ana, "") }, backend.app.now())
        .await
        .unwrap();
    let log = full_log(&backend, room, ben).await;
    assert_eq!(log, [sent.full_message.message]);
    assert_eq!(log[0].payload.as_ref().unwrap().json(), payload.to_string());
}

#[tokio::test(start_paused = true)]
async fn writes_are_retried_after_a_transaction_conflict() {
    let backend = TestBackend::new();
    let (ana, ben, room) = direct_room(&backend).await;
    for operation in ["PutItem", "UpdateItem", "TransactWriteItems"] {
        backend.set_conflicts(operation, 3);
    }
    let sent = backend.app.store.append(&send(room, ana, "hi"), backend.app.now()).await.unwrap();
    assert!(backend.app.store.advance_read(room, ben, sent.message().seq, backend.app.now()).await.unwrap());
    let cleo = backend.user("cleo").await;
    assert_eq!(backend.app.store.profile(cleo).await.unwrap().unwrap().username, "cleo");

    backend.set_conflicts("PutItem", usize::MAX);
    let refused = backend.app.store.append(&send(room, ana, "never"), backend.app.now()).await;
    assert!(matches!(refused, Err(Error::Busy(_))), "{refused:?}");
    assert_eq!(full_log(&backend, room, ben).await.len(), 1);
}

#[tokio::test(start_paused = true)]
async fn sixty_four_concurrent_writers_succeed_with_one_attempt_per_lost_position() {
    const WRITERS: usize = 64;
    let backend = TestBackend::new();
    let (ana, ben, room) = direct_room(&backend).await;
    let sends: Vec<SendRequest> =
        (0..WRITERS).map(|n| retry_of(room, ana, &format!("m{n}"), Some(0))).collect();
    backend.calls();
    let appends = sends.iter().map(|send| backend.app.store.append(send, backend.app.now()));
    futures::future::try_join_all(appends).await.unwrap();
    let attempts = backend.calls().into_iter().filter(|call| call.operation == "PutItem").count();
    println!("{WRITERS} concurrent writers: {attempts} attempts");
    assert_eq!(attempts, WRITERS * (WRITERS + 1) / 2, "the worst case: all at the same moment");
    let log = full_log(&backend, room, ben).await;
    assert_eq!(log.iter().map(|message| message.seq).collect::<Vec<_>>(), (1..=64).collect::<Vec<_>>());
}

/// Moves the newest message of a room to a position, as if all positions before it were filled.
#[expect(clippy::disallowed_methods, reason = "the store skips no positions")]
async fn lengthen(backend: &TestBackend, room: RoomId, seq: u64) {
    let newest = backend.app.store.newest_message(room).await.unwrap().unwrap();
    let (id, key) = (MessageId::new(backend.app.now(), seq), keys::message(room, seq));
    let message = item(key, Message { id, seq, ..newest }).unwrap();
    backend.client.put_item().table_name("chat").set_item(Some(message)).send().await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn a_room_with_a_million_messages_costs_as_much_as_one_with_ten() {
    let mut costs = Vec::new();
    for length in [10, 1_000_000] {
        let backend = TestBackend::new();
        let (ana, ben, room) = direct_room(&backend).await;
        let (store, mut units) = (&backend.app.store, Vec::new());
        let send_message = async |content: &str| {
            let sent = store.append(&send(room, ana, content), backend.app.now()).await.unwrap();
            backend.app.deliver(&sent, None).await;
            sent.full_message.message.seq
        };
        send_message("the first").await;
        lengthen(&backend, room, length - 9).await;
        store.advance_head(room, length - 9).await.unwrap();
        for n in 2..=10 {
            send_message(&format!("m{n:02}")).await;
        }
        backend.calls();
        assert_eq!(send_message("one more").await, length + 1);
        let mut record = |operation: &'static str| {
            let calls = backend.calls();
            units.push((operation, calls.len(), calls.iter().map(|call| call.units).sum::<f64>()));
        };
        record("a send");
        let page = store.history(room, ben, Window::Newest { offset: 0 }, 5).await.unwrap();
        assert_eq!(page[0].message.seq, length + 1);
        record("the newest page");
        store.history(room, ben, Window::Before(length - 2), 5).await.unwrap();
        record("an older page");
        assert_eq!(store.my_rooms(ben, PageRequest::default()).await.unwrap().items[0].tail, length + 1);
        record("the list of rooms");
        let positions = BTreeMap::from([(room, SyncPosition { seq: length - 2, rev: 0 })]);
        let page = store.sync(ben, &positions, SyncScope::All, None, backend.app.now()).await.unwrap();
        assert_eq!(page.rooms[0].messages.as_ref().unwrap().new.len(), 3);
        record("a sync");
        costs.push(units);
    }
    assert_eq!(costs[0], costs[1]);
}
