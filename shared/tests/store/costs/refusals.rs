//! What a refusal costs: a caller must not learn from it whether something exists.

use serde_json::{Value, json};
use shared::id::{MessageId, UserId};
use uuid::Uuid;

use crate::{
    backend::TestBackend,
    call::{Answer, Call},
};

/// The number of members of the large group.
const MEMBERS: usize = 33;

/// The maximum difference in read units.
const MAX_DIFFERENCE: f64 = 3.0;

/// Calls on a room and one of its messages that the caller may not make.
fn calls(room: &str, message: &str, own_room: &str) -> Vec<Call> {
    let in_room = |function| Call::of(function).path("room_id", room);
    let on_message = |function| in_room(function).path("message_id", message);
    let send = |more: Value| {
        let mut body = json!({"chat_room_id": room, "content": "hi", "client_message_id": "c"});
        body.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        body
    };
    let forward = json!({
        "chat_room_id": own_room, "forward_room_id": room, "forward_message_id": message,
        "client_message_id": "f", "after_seq": 0,
    });
    let frame = |function, data: Value| {
        let mut data = data;
        data["chat_room_id"] = room.into();
        Call::of(function).body(data)
    };
    vec![
        in_room("chat-get-room"),
        in_room("chat-list-messages"),
        in_room("chat-list-messages").query("before_seq", "9"),
        in_room("chat-list-messages").query("after_seq", "0"),
        in_room("chat-list-messages").query("offset", "3"),
        in_room("chat-list-messages").query("around_seq", "9"),
        on_message("chat-get-message"),
        in_room("chat-list-pins"),
        in_room("chat-mark-read"),
        in_room("chat-update-room").body(json!({"name": "mine"})),
        in_room("chat-update-room-settings").body(json!({"is_pinned": true})),
        in_room("chat-delete-room"),
        in_room("chat-add-participant").path("user_id", Uuid::from_u128(1).to_string()),
        in_room("chat-remove-participant").path("user_id", Uuid::from_u128(1).to_string()),
        on_message("chat-edit-message").body(json!({"content": "mine"})),
        on_message("chat-delete-message"),
        on_message("chat-add-reaction").path("emoji", "👍"),
        on_message("chat-remove-reaction").path("emoji", "👍"),
        on_message("chat-list-reactions"),
        on_message("chat-pin-message"),
        on_message("chat-unpin-message"),
        Call::of("chat-send-message").body(send(json!({"after_seq": 0}))),
        Call::of("chat-send-message").body(send(json!({}))),
        Call::of("chat-send-message").body(send(json!({"reply_to_id": message, "after_seq": 0}))),
        Call::of("chat-send-message").body(forward),
        Call::of("reports-create")
            .body(json!({"chat_room_id": room, "message_id": message, "reason": "spam"})),
        Call::of("chat-sync").body(json!({"rooms": {room: {"seq": 0, "rev": 0}}, "only_named": true})),
        frame("socket-send-message", json!({"content": "hi", "client_message_id": "s", "after_seq": 0})),
        frame("socket-message-read", json!({"seq": 3})),
        frame("socket-message-delivered", json!({"seq": 3})),
        frame("socket-typing-start", json!({})),
        frame("socket-typing-stop", json!({})),
    ]
}

/// The status and the read units of a call of `caller`.
async fn refused(backend: &TestBackend, caller: UserId, call: Call) -> (u16, f64) {
    backend.calls();
    let Answer { status, .. } = Box::pin(call.answer(backend, caller, "mallory")).await;
    let reads = backend.calls().into_iter().filter(|call| call.operation != "POST");
    let reads = reads.filter(|call| ["GetItem", "Query", "BatchGetItem"].contains(&call.operation.as_str()));
    (status, reads.map(|call| call.units).sum())
}

#[tokio::test(start_paused = true)]
async fn a_refusal_costs_no_more_than_for_an_id_that_nobody_has() {
    let backend = TestBackend::new();
    let mut users = Vec::new();
    for n in 0..MEMBERS {
        users.push(backend.user(&format!("person{n:02}")).await);
    }
    let mallory = backend.user("mallory").await;
    let friend = backend.user("friend").await;
    let room =
        |participants: &[UserId]| Call::of("chat-create-room").body(json!({"participant_ids": participants}));
    let own_room = Box::pin(room(&[friend]).send(&backend, mallory, "mallory")).await["id"].clone();
    // The longest messages: a stranger must not pay for them.
    let text = "💪".repeat(4000);
    for participants in [&users[1..2], &users[1..]] {
        let existing = Box::pin(room(participants).send(&backend, users[0], "person00")).await["id"].clone();
        let existing = existing.as_str().unwrap();
        let mut message = Value::Null;
        for _ in 0..9 {
            let send = Call::of("chat-send-message").body(json!({"chat_room_id": existing, "content": text}));
            message = Box::pin(send.send(&backend, users[0], "person00")).await["id"].clone();
        }
        let (message, own_room) = (message.as_str().unwrap(), own_room.as_str().unwrap());
        let unknown_room = Uuid::new_v4().to_string();
        let unknown_message = MessageId::new(backend.app.now(), 9).to_string();
        let unknown = calls(&unknown_room, &unknown_message, own_room);
        for (call, unknown) in calls(existing, message, own_room).into_iter().zip(unknown) {
            let shown = format!("{call:?}");
            let unknown = refused(&backend, mallory, unknown).await;
            let existing = refused(&backend, mallory, call).await;
            assert_eq!(existing.0, unknown.0, "{shown}");
            assert!(existing.1 <= unknown.1 + MAX_DIFFERENCE, "{existing:?}, not {unknown:?}: {shown}");
        }
    }
}
