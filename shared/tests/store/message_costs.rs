//! The cost of one message in round trips and capacity units, by room size: the first table in
//! `docs/costs.md`.

use shared::{
    clock::Timestamp,
    domain::{
        messages::SendRequest,
        rooms::{Member, Role, ShownMember},
    },
    id::{RoomId, UserId},
    store::db::{item::item, keys},
};
use uuid::Uuid;

use crate::{backend::TestBackend, costs::DOCUMENT, log::send, raw::put, rooms::room};

/// A room of `n` online members, with the sender.
async fn room_of(backend: &TestBackend, n: usize) -> (UserId, RoomId) {
    let (ana, ben) = (backend.user("ana").await, backend.user("ben").await);
    let room = room(backend, ana, &[ben]).await;
    backend.connect(ana, "ana").await;
    backend.connect(ben, "ben").await;
    for extra in 2..n {
        // After the sender in the order in which members are read.
        let user = UserId::from(Uuid::from_u128(extra as u128));
        join(backend, room, user, &format!("member{extra}"), backend.app.now()).await;
        backend.connect(user, &format!("member{extra}")).await;
    }
    (ana, room)
}

/// Adds a member to a room without a system message.
async fn join(backend: &TestBackend, room: RoomId, user_id: UserId, name: &str, joined_at: Timestamp) {
    let shown = ShownMember { username: name.to_owned(), ..ShownMember::deleted(user_id, joined_at) };
    let member = item(keys::member(room, user_id), Member::new(shown, Role::Member, 1)).unwrap();
    put(backend, member).await;
}

#[tokio::test(start_paused = true)]
async fn a_message_stays_within_its_budget_in_a_room_of_any_size() {
    for (online, read_budget, to_commit) in [(2, 6.0, 2), (10, 14.0, 2), (100, 115.0, 3)] {
        let backend = TestBackend::new();
        let (ana, room) = room_of(&backend, online).await;
        // The second message: the first also creates the head hint.
        for n in 0..2 {
            let message = SendRequest {
                client_message_id: Some(format!("{n}")),
                after_seq: Some(n),
                ..send(room, ana, &"x".repeat(400))
            };
            backend.calls();
            let start = backend.elapsed();
            let sent = backend.app.append(&message).await.unwrap();
            assert_eq!(backend.elapsed() - start, to_commit, "sequential round trips to the commit");
            backend.app.deliver(&sent, None).await;

            let calls = backend.calls();
            let of =
                |operation: &str| calls.iter().filter(|call| call.operation == operation).collect::<Vec<_>>();
            let units = |operations: &[&str]| -> f64 {
                calls
                    .iter()
                    .filter(|call| operations.contains(&call.operation.as_str()))
                    .map(|call| call.units)
                    .sum()
            };
            let posts = of("POST");
            assert_eq!(posts.len(), online, "every connection gets one frame");
            assert!(posts.iter().all(|post| post.ended - start == to_commit + 2), "all pushes together");
            assert_eq!(of("PutItem")[0].ended - start, to_commit);

            let written = units(&["PutItem", "UpdateItem", "TransactWriteItems"]);
            assert!(written > 0.0 && written <= 4.0, "{online} online: {written} write units");
            let read = units(&["GetItem", "Query", "BatchGetItem"]);
            assert!(read > 0.0 && read <= read_budget, "{online} online: {read} read units");
            let row = format!(
                "| {online} | {read} | {written} | {} | {to_commit} | {} |",
                posts.len(),
                to_commit + 2
            );
            println!("{row}");
            assert!(DOCUMENT.lines().any(|line| line == row), "missing from docs/costs.md: {row}");
            assert_eq!(of("Scan").len(), 0);
            assert!(calls.iter().all(|call| !call.on_index), "no index is read");
        }
    }
}

#[tokio::test(start_paused = true)]
async fn each_position_lost_to_another_sender_costs_one_round_trip() {
    let backend = TestBackend::new();
    let (ana, room) = room_of(&backend, 2).await;
    let sends: Vec<SendRequest> = (0..4).map(|n| send(room, ana, &format!("m{n}"))).collect();
    backend.calls();
    let start = backend.elapsed();
    let appends = sends.iter().map(|send| backend.app.store.append(send, backend.app.now()));
    futures::future::try_join_all(appends).await.unwrap();
    assert_eq!(backend.elapsed() - start, 1 + 4, "one read, and four attempts for the last of four senders");
    let puts = backend.calls().into_iter().filter(|call| call.operation == "PutItem").count();
    assert_eq!(puts, 4 + 3 + 2 + 1);
}

#[tokio::test(start_paused = true)]
async fn a_retryable_send_without_after_seq_reads_the_last_hundred_messages() {
    let backend = TestBackend::new();
    let (ana, room) = room_of(&backend, 2).await;
    let text = "x".repeat(400);
    for _ in 0..150 {
        backend.app.store.append(&send(room, ana, &text), backend.app.now()).await.unwrap();
    }
    backend.app.store.advance_head(room, 150).await.unwrap();
    let units = async |message: SendRequest| {
        backend.calls();
        backend.app.store.append(&message, backend.app.now()).await.unwrap();
        let reads = backend.calls().into_iter().filter(|call| call.operation == "Query");
        reads.map(|call| call.units).sum::<f64>()
    };
    let named = |after_seq| {
        let client_message_id = Some(format!("{after_seq:?}"));
        SendRequest { client_message_id, after_seq, ..send(room, ana, &text) }
    };
    let (unnamed, bounded) = (units(send(room, ana, &text)).await, units(named(Some(151))).await);
    assert!(
        unnamed <= 2.0 && bounded <= 2.0,
        "{unnamed} without client_message_id, {bounded} with after_seq"
    );
    let unbounded = units(named(None)).await;
    println!("reading before the commit: {bounded} read units with after_seq, {unbounded} without");
    assert!(unbounded > 10.0 && unbounded <= 26.0, "{unbounded}");
}
