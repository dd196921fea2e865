//! Upper bounds of what large lists read.

use serde_json::{Map, Value, json};

use super::DOCUMENT;
use crate::{backend::TestBackend, call::Call};

/// The direct rooms and friends of the user.
const COUNT: usize = 100;

#[tokio::test(start_paused = true)]
async fn a_hundred_rooms_and_friends_cost_what_the_document_says() {
    let backend = TestBackend::new();
    let ana = backend.user("ana").await;
    for n in 0..COUNT {
        let name = format!("friend{n:02}");
        let friend = backend.user(&name).await;
        let ask = Call::of("friends-send-request").body(json!({"receiver_id": ana}));
        let request = Box::pin(ask.send(&backend, friend, &name)).await["id"].as_str().unwrap().to_owned();
        let accept = Call::of("friends-respond-to-request").path("request_id", request);
        Box::pin(accept.query("action", "accepted").send(&backend, ana, "ana")).await;
        let open = Call::of("chat-create-room").body(json!({"participant_ids": [ana]}));
        let room = Box::pin(open.send(&backend, friend, &name)).await["id"].clone();
        let message = json!({"chat_room_id": room, "content": "hello"});
        Box::pin(Call::of("chat-send-message").body(message).send(&backend, friend, &name)).await;
        // Beyond the interval of every rate limit.
        backend.wait(3600).await;
    }
    let rooms = Box::pin(Call::of("chat-list-rooms").send(&backend, ana, "ana")).await;
    let positions = rooms.as_array().unwrap().iter().map(|room| {
        (room["id"].as_str().unwrap().to_owned(), json!({"seq": room["seq"], "rev": room["rev"]}))
    });
    let positions = json!({"rooms": positions.collect::<Map<String, Value>>()});
    let cost = async |call: Call| {
        backend.calls();
        let list = Box::pin(call.send(&backend, ana, "ana")).await;
        let rows = list.as_array().or_else(|| list["unchanged"].as_array()).unwrap();
        assert_eq!(rows.len(), COUNT);
        let calls = backend.calls().into_iter().filter(|call| call.operation != "UpdateItem");
        (calls.map(|call| call.units).sum::<f64>(), list.to_string().len())
    };
    let (rooms, _) = cost(Call::of("chat-list-rooms")).await;
    let (friends, _) = cost(Call::of("friends-list")).await;
    let (sync, bytes) = cost(Call::of("chat-sync").body(positions)).await;
    assert!(rooms <= 400.0 && friends <= 110.0 && sync <= 250.0, "{rooms}, {friends}, {sync}");
    assert!(bytes <= 20_000, "{bytes}");
    let row = format!("| 100 | {rooms} | {sync} | {friends} |");
    assert!(DOCUMENT.contains(&row), "{row}");
    let charged = format!("charges\n{} of 60000 units", 20.0 * (rooms + sync));
    assert!(DOCUMENT.contains(&charged), "{charged}");
}
