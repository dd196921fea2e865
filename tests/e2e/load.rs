//! Concurrent callers.

use serde_json::{Value, json};

use crate::harness::{Actor, Seen, TestStack, rate_limited};

/// The maximum number of attempts of one send.
const MAX_ATTEMPTS: usize = 5;

/// Sends a message until the response is 200, and returns the number of attempts. The only accepted error is
/// `busy` (contention on one slot) with a `Retry-After`. A retry has the same `client_message_id`.
async fn send(user: &Actor, message: &Value) -> usize {
    for attempts in 1..=MAX_ATTEMPTS {
        let answer = user.post("/chat/messages", message.clone()).await;
        if answer.status == 200 {
            return attempts;
        }
        assert!(answer.status == 429 || answer.status == 503, "{answer:?}");
        answer.problem(answer.status, "busy");
        let seconds: u64 = answer.headers["retry-after"].to_str().unwrap().parse().unwrap();
        assert!((1..=5).contains(&seconds), "{seconds}");
        tokio::time::sleep(std::time::Duration::from_secs(seconds)).await;
    }
    panic!("{MAX_ATTEMPTS} attempts were not enough");
}

#[tokio::test(flavor = "multi_thread")]
async fn two_hundred_fifty_six_concurrent_callers_all_get_a_response() {
    let stack = TestStack::with(rate_limited("off")).await;
    let [ana, ben] = stack.actors(["ana", "ben"]).await;
    let room = ana.room_with(&ben).await;
    let callers = (0..256).map(|n| {
        let (caller, room) = (if n % 2 == 0 { ana.clone() } else { ben.clone() }, room.clone());
        async move {
            match n % 4 {
                0 | 1 => {
                    let message = json!({"chat_room_id": room, "content": format!("m{n}"), "client_message_id": n.to_string()});
                    send(&caller, &message).await;
                }
                2 => drop(caller.get("/chat/rooms").await.ok()),
                _ => drop(caller.get("/friends/search?query=an").await.ok()),
            }
        }
    });
    futures::future::join_all(callers.map(tokio::spawn)).await.into_iter().for_each(|call| call.unwrap());
    let history = ana.history(&room).await;
    let seqs: Vec<_> = history.iter().map(|message| message["seq"].as_u64().unwrap()).collect();
    assert_eq!(seqs, (1..=128).collect::<Vec<_>>());
}

#[tokio::test(flavor = "multi_thread")]
async fn sixty_four_concurrent_senders_store_each_message_once_in_one_order() {
    const SENDERS: usize = 64;
    const MESSAGES_EACH: usize = 2;
    /// The maximum number of members at the creation of a group; the others are added later.
    const INITIAL_MEMBERS: usize = 33;
    let (stack, proxy) = TestStack::with_proxy_and(rate_limited("off")).await;
    let names: Vec<String> = (0..SENDERS).map(|n| format!("writer{n}")).collect();
    let users = futures::future::join_all(names.iter().map(|name| stack.actor(name))).await;
    let room = users[0].group_with(&users[1..INITIAL_MEMBERS].iter().collect::<Vec<_>>()).await;
    for user in &users[INITIAL_MEMBERS..] {
        users[0].add(&room, user).await.ok();
    }
    let is_put = |call: &Seen| call.operation == "PutItem" && call.body.contains("client_message_id");
    let puts_before = proxy.seen().iter().filter(|call| is_put(call)).count();

    let sending = users.iter().enumerate().map(|(n, user)| {
        let (user, room) = (user.clone(), room.clone());
        async move {
            let mut attempts = 0;
            for round in 0..MESSAGES_EACH {
                let name = format!("{n}/{round}");
                let message = json!({"chat_room_id": room, "content": name, "client_message_id": name});
                attempts += send(&user, &message).await;
            }
            attempts
        }
    });
    let attempts = futures::future::join_all(sending.map(tokio::spawn)).await;
    let attempts: usize = attempts.into_iter().map(|attempts| attempts.unwrap()).sum();
    let messages = SENDERS * MESSAGES_EACH;
    let puts = proxy.seen().iter().filter(|call| is_put(call)).count() - puts_before;
    // Only printed: counts this small are exact.
    #[expect(clippy::cast_precision_loss)]
    let extra = |count: usize| (count - messages) as f64 / messages as f64;
    println!(
        "{SENDERS} senders, {messages} messages: {:.2} extra calls and {:.2} extra writes per message",
        extra(attempts),
        extra(puts)
    );

    let log = users[0].history(&room).await;
    let joined = SENDERS - INITIAL_MEMBERS;
    let seqs: Vec<_> = log.iter().map(|message| message["seq"].as_u64().unwrap()).collect();
    assert_eq!(seqs, (1..=(joined + messages) as u64).collect::<Vec<_>>(), "no gaps");
    let mut contents: Vec<_> =
        log[joined..].iter().map(|message| message["content"].as_str().unwrap()).collect();
    for (n, prefix) in (0..SENDERS).map(|n| (n, format!("{n}/"))) {
        let sent: Vec<_> = contents.iter().filter(|content| content.starts_with(&prefix)).copied().collect();
        assert_eq!(sent, (0..MESSAGES_EACH).map(|round| format!("{n}/{round}")).collect::<Vec<_>>());
    }
    contents.sort_unstable();
    contents.dedup();
    assert_eq!(contents.len(), messages, "none lost or duplicated");
    let ids = |log: &[Value]| log.iter().map(|message| message["id"].clone()).collect::<Vec<_>>();
    assert_eq!(ids(&users[1].history(&room).await), ids(&log), "the same order for every member");
}
