//! Many callers at once.

use serde_json::{Value, json};

use crate::harness::{Actor, Seen, TestStack, rate_limited};

/// How often a send that gave way is repeated.
const MOST_TRIES: usize = 5;

/// Sends until it is answered with 200, and says how often that had to be tried. The one explained refusal is that too
/// many came at one slot; it says after how long to come back, and the retry has the same name.
async fn send(who: &Actor, message: &Value) -> usize {
    for tries in 1..=MOST_TRIES {
        let answer = who.post("/chat/messages", message.clone()).await;
        if answer.status == 200 {
            return tries;
        }
        assert!(answer.status == 429 || answer.status == 503, "{answer:?}");
        answer.problem(answer.status, "busy");
        let seconds: u64 = answer.headers["retry-after"].to_str().unwrap().parse().unwrap();
        assert!((1..=5).contains(&seconds), "{seconds}");
        tokio::time::sleep(std::time::Duration::from_secs(seconds)).await;
    }
    panic!("{MOST_TRIES} tries were not enough");
}

#[tokio::test(flavor = "multi_thread")]
async fn two_hundred_and_fifty_six_callers_at_once_all_get_their_answers() {
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
async fn sixty_four_writers_in_one_room_are_all_heard_once_in_one_order() {
    const WRITERS: usize = 64;
    const EACH: usize = 2;
    /// So many can make a group together; the others are brought in.
    const FOUNDERS: usize = 33;
    let (stack, proxy) = TestStack::with_proxy_and(rate_limited("off")).await;
    let names: Vec<String> = (0..WRITERS).map(|n| format!("writer{n}")).collect();
    let people = futures::future::join_all(names.iter().map(|name| stack.actor(name))).await;
    let room = people[0].group_with(&people[1..FOUNDERS].iter().collect::<Vec<_>>()).await;
    for late in &people[FOUNDERS..] {
        people[0].add(&room, late).await.ok();
    }
    let is_put = |call: &Seen| call.operation == "PutItem" && call.body.contains("client_message_id");
    let puts_before = proxy.seen().iter().filter(|call| is_put(call)).count();

    let writing = people.iter().enumerate().map(|(n, who)| {
        let (who, room) = (who.clone(), room.clone());
        async move {
            let mut tries = 0;
            for round in 0..EACH {
                let name = format!("{n}/{round}");
                let message = json!({"chat_room_id": room, "content": name, "client_message_id": name});
                tries += send(&who, &message).await;
            }
            tries
        }
    });
    let tries = futures::future::join_all(writing.map(tokio::spawn)).await;
    let tries: usize = tries.into_iter().map(|tries| tries.unwrap()).sum();
    let messages = WRITERS * EACH;
    let puts = proxy.seen().iter().filter(|call| is_put(call)).count() - puts_before;
    // What is printed for people: counts this small are exact.
    #[expect(clippy::cast_precision_loss)]
    let extra = |count: usize| (count - messages) as f64 / messages as f64;
    println!(
        "{WRITERS} writers, {messages} messages: {:.2} extra calls and {:.2} extra writes a message",
        extra(tries),
        extra(puts)
    );

    let log = people[0].history(&room).await;
    let joined = WRITERS - FOUNDERS;
    let seqs: Vec<_> = log.iter().map(|message| message["seq"].as_u64().unwrap()).collect();
    assert_eq!(seqs, (1..=(joined + messages) as u64).collect::<Vec<_>>(), "dense");
    let mut contents: Vec<_> =
        log[joined..].iter().map(|message| message["content"].as_str().unwrap()).collect();
    for (n, mark) in (0..WRITERS).map(|n| (n, format!("{n}/"))) {
        let own: Vec<_> = contents.iter().filter(|content| content.starts_with(&mark)).copied().collect();
        assert_eq!(own, (0..EACH).map(|round| format!("{n}/{round}")).collect::<Vec<_>>());
    }
    contents.sort_unstable();
    contents.dedup();
    assert_eq!(contents.len(), messages, "none lost, none twice");
    let ids = |log: &[Value]| log.iter().map(|message| message["id"].clone()).collect::<Vec<_>>();
    assert_eq!(ids(&people[1].history(&room).await), ids(&log), "one order for everyone");
}
