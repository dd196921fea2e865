//! Many callers at once.

use serde_json::json;

use crate::world::World;

/// How often a send that gave way is repeated.
const MOST_TRIES: usize = 5;

#[tokio::test(flavor = "multi_thread")]
async fn two_hundred_and_fifty_six_callers_at_once_all_get_their_answers() {
    let world = World::new().await;
    let [ana, ben] = world.actors(["ana", "ben"]).await;
    let room = ana.room_with(&ben).await;
    let callers = (0..256).map(|n| {
        let (caller, room) = (if n % 2 == 0 { ana.clone() } else { ben.clone() }, room.clone());
        async move {
            match n % 4 {
                0 | 1 => {
                    let message = json!({"chat_room_id": room, "content": format!("m{n}"), "client_message_id": n.to_string()});
                    for _ in 0..MOST_TRIES {
                        let answer = caller.post("/chat/messages", message.clone()).await;
                        if answer.status == 200 {
                            return;
                        }
                        // The one explained refusal: too many at one slot. The retry has the same name.
                        answer.problem(503, "busy");
                        assert!(answer.headers.contains_key("retry-after"));
                    }
                    panic!("{MOST_TRIES} tries were not enough");
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
