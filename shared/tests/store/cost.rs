//! What one message costs, counted: round trips and capacity units, for rooms of any size.

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

use crate::{cloud::Cloud, log::send, raw::put, rooms::room};

/// A room of `n` people who are all online, among them the returned sender.
async fn room_of(cloud: &Cloud, n: usize) -> (UserId, RoomId) {
    let (ana, ben) = (cloud.person("ana").await, cloud.person("ben").await);
    let room = room(cloud, ana, &[ben]).await;
    cloud.connect(ana, "ana").await;
    cloud.connect(ben, "ben").await;
    for extra in 2..n {
        let user = UserId::from(Uuid::new_v4());
        join(cloud, room, user, &format!("member{extra}"), cloud.app.now()).await;
        cloud.connect(user, &format!("member{extra}")).await;
    }
    (ana, room)
}

/// Puts somebody into a room, without the system message that says so.
async fn join(cloud: &Cloud, room: RoomId, user_id: UserId, name: &str, joined_at: Timestamp) {
    let shown =
        ShownMember { user_id, username: name.to_owned(), avatar_url: None, hides_reads: false, joined_at };
    let member = item(keys::member(room, user_id), Member::new(shown, Role::Member, 1)).unwrap();
    put(cloud, member).await;
}

#[tokio::test(start_paused = true)]
async fn one_message_stays_within_its_budget_whatever_the_size_of_the_room() {
    for (online, read_budget) in [(2, 6.0), (10, 14.0), (100, 115.0)] {
        let cloud = Cloud::new();
        let (ana, room) = room_of(&cloud, online).await;
        // The second message: the first also creates the head hint.
        for n in 0..2 {
            let message = SendRequest {
                client_message_id: Some(format!("{n}")),
                after_seq: Some(n),
                ..send(room, ana, &"x".repeat(400))
            };
            cloud.calls();
            let start = cloud.elapsed();
            let sent = cloud.app.append(&message).await.unwrap();
            assert_eq!(cloud.elapsed() - start, 2, "sequential round trips to the commit");
            cloud.app.deliver(&sent, None).await;

            let calls = cloud.calls();
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
            assert!(posts.iter().all(|post| post.ended - start == 4), "all pushes in the fourth round trip");
            assert_eq!(of("PutItem")[0].ended - start, 2);

            let written = units(&["PutItem", "UpdateItem", "TransactWriteItems"]);
            assert!(written > 0.0 && written <= 4.0, "{online} online: {written} write units");
            let read = units(&["GetItem", "Query", "BatchGetItem"]);
            assert!(read > 0.0 && read <= read_budget, "{online} online: {read} read units");
            println!("{online} online: {read} read units, {written} write units, {} pushes", posts.len());
            assert_eq!(of("Scan").len(), 0);
            assert!(calls.iter().all(|call| !call.on_index), "no index is read");
        }
    }
}

#[tokio::test(start_paused = true)]
async fn each_slot_lost_to_another_sender_costs_one_round_trip_more() {
    let cloud = Cloud::new();
    let (ana, room) = room_of(&cloud, 2).await;
    let sends: Vec<SendRequest> = (0..4).map(|n| send(room, ana, &format!("m{n}"))).collect();
    cloud.calls();
    let start = cloud.elapsed();
    let appends = sends.iter().map(|send| cloud.app.store.append(send, cloud.app.now()));
    futures::future::try_join_all(appends).await.unwrap();
    assert_eq!(cloud.elapsed() - start, 1 + 4, "one read, and as many tries as senders for the last of them");
    let puts = cloud.calls().into_iter().filter(|call| call.operation == "PutItem").count();
    assert_eq!(puts, 4 + 3 + 2 + 1);
}

#[tokio::test(start_paused = true)]
async fn a_send_that_does_not_say_where_to_look_pays_for_the_last_hundred_messages() {
    let cloud = Cloud::new();
    let (ana, room) = room_of(&cloud, 2).await;
    let text = "x".repeat(400);
    for _ in 0..150 {
        cloud.app.store.append(&send(room, ana, &text), cloud.app.now()).await.unwrap();
    }
    let units = async |message: SendRequest| {
        cloud.calls();
        cloud.app.store.append(&message, cloud.app.now()).await.unwrap();
        let reads = cloud.calls().into_iter().filter(|call| call.operation == "Query");
        reads.map(|call| call.units).sum::<f64>()
    };
    let named = |after_seq| {
        let client_message_id = Some(format!("{after_seq:?}"));
        SendRequest { client_message_id, after_seq, ..send(room, ana, &text) }
    };
    let (unnamed, bounded) = (units(send(room, ana, &text)).await, units(named(Some(151))).await);
    assert!(unnamed <= 2.0 && bounded <= 2.0, "{unnamed} without a name, {bounded} with a bound");
    let unbounded = units(named(None)).await;
    println!("reading before the commit: {bounded} read units with after_seq, {unbounded} without");
    assert!(unbounded > 10.0 && unbounded <= 26.0, "{unbounded}");
}
