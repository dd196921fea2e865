//! Values of clients come back as they were sent, and a frame that cannot be read is answered all the same.

use serde_json::{Value, json};
use shared::id::UserId;

use crate::{
    backend::TestBackend,
    call::{Answer, Call},
};

/// Numbers that a parser changes: beyond the precision of a double or of 64 bits, or in another notation.
const NUMBERS: [&str; 12] = [
    "117.63331139400017",
    "0.1",
    "18446744073709551616",
    "123456789012345678901234567890123456789012345",
    "-9223372036854775809",
    "1.0",
    "-0.0",
    "-0",
    "1E5",
    "1e-400",
    "2.50e+10",
    "0.30000000000000004",
];

/// Two connected users in a direct room.
async fn direct_room(backend: &TestBackend) -> (UserId, UserId, String) {
    let (ana, ben) = (backend.user("ana").await, backend.user("ben").await);
    backend.connect(ana, "ana").await;
    backend.connect(ben, "ben").await;
    let create = Call::of("chat-create-room").body(json!({"participant_ids": [ben]}));
    let room = create.send(backend, ana, "ana").await["id"].as_str().unwrap().to_owned();
    backend.frames();
    (ana, ben, room)
}

async fn text_of(backend: &TestBackend, call: Call, user: UserId, name: &str) -> String {
    let Answer { status, text } = call.answer(backend, user, name).await;
    assert_eq!(status, 200, "{text}");
    text
}

/// Sends a frame, and returns the texts of the answers to its connection.
async fn answers(backend: &TestBackend, function: &str, user: UserId, frame: &str) -> Vec<String> {
    let Answer { status, .. } = Call::of(function).frame(frame).answer(backend, user, "ana").await;
    assert_eq!(status, 200, "{frame}");
    let to_sender = backend.frame_texts().into_iter().filter(|(to, _)| to == "ana");
    to_sender.map(|(_, text)| text).collect()
}

#[tokio::test(start_paused = true)]
async fn every_call_returns_a_payload_as_it_was_sent() {
    let backend = TestBackend::new();
    let (ana, ben, room) = direct_room(&backend).await;
    fastrand::seed(1);
    let doubles = (0..100).map(|_| (fastrand::f64() * 200.0).to_string()).collect::<Vec<_>>().join(",");
    let payload = format!(
        r#"{{"z":[{}],"a":{{"😀":"\n\\ud83d","doubles":[{doubles}]}},"empty":[{{}},[],"",null]}}"#,
        NUMBERS.join(",")
    );
    let workout = |more: &str| {
        let body =
            format!(r#"{{"chat_room_id":"{room}","message_type":"workout","payload":{payload}{more}}}"#);
        Call::of("chat-send-message").text(body)
    };
    let has_payload = |what: &str, text: &str| {
        let expected = format!("\"payload\":{payload}");
        assert!(text.contains(&expected), "{what}\n{text}\n{expected}");
    };
    let sent = text_of(&backend, workout(""), ana, "ana").await;
    has_payload("send", &sent);
    let sent: Value = serde_json::from_str(&sent).unwrap();
    let id = sent["id"].as_str().unwrap();
    for (to, frame) in backend.frame_texts() {
        has_payload(&format!("new_message to {to}"), &frame);
    }
    let message = |function: &str| Call::of(function).path("room_id", &*room).path("message_id", id);
    let edit = message("chat-edit-message").body(json!({"content": "run"}));
    has_payload("edit", &text_of(&backend, edit, ana, "ana").await);
    let react = message("chat-add-reaction").path("emoji", "👍");
    has_payload("reaction", &text_of(&backend, react, ben, "ben").await);
    message("chat-pin-message").send(&backend, ben, "ben").await;
    let forward = json!({"chat_room_id": room, "forward_room_id": room, "forward_message_id": id});
    has_payload("forward", &text_of(&backend, Call::of("chat-send-message").body(forward), ben, "ben").await);
    has_payload("reply", &text_of(&backend, workout(&format!(r#","reply_to_id":"{id}""#)), ben, "ben").await);
    let frame = format!(
        r#"{{"type":"send_message","ref":1,"data":{{"chat_room_id":"{room}","message_type":"voice","payload":{payload}}}}}"#
    );
    backend.frame_texts();
    for answer in answers(&backend, "socket-send-message", ana, &frame).await {
        has_payload("message_sent", &answer);
    }
    let in_room = |function: &str| Call::of(function).path("room_id", &*room);
    let sync = json!({"rooms": {&room: {"seq": 0, "rev": 0}}});
    let reads = || {
        [
            ("history", in_room("chat-list-messages"), 4),
            ("pins", in_room("chat-list-pins"), 1),
            // A listed room has a preview of its last message.
            ("rooms", Call::of("chat-list-rooms"), 0),
            ("room", in_room("chat-get-room"), 1),
            ("sync", Call::of("chat-sync").body(sync.clone()), 4),
        ]
    };
    for (what, call, times) in reads() {
        let text = text_of(&backend, call, ben, "ben").await;
        assert_eq!(text.matches(&format!("\"payload\":{payload}")).count(), times, "{what}\n{text}");
    }
    assert_eq!(Call::of("users-delete-me").answer(&backend, ana, "ana").await.status, 204);
    for (what, call, times) in reads() {
        let text = text_of(&backend, call, ben, "ben").await;
        assert_eq!(
            text.matches(&format!("\"payload\":{payload}")).count(),
            times,
            "{what} after the deletion"
        );
    }
    let delete = message("chat-delete-message");
    assert!(delete.answer(&backend, ana, "ana").await.status >= 400, "the sender is deleted");
}

#[tokio::test(start_paused = true)]
async fn a_ref_and_a_timestamp_are_repeated_as_they_were_sent() {
    let backend = TestBackend::new();
    let (ana, _, room) = direct_room(&backend).await;
    let texts = ["\"7\"", "\"😀\"", "\"a\\\"b\\\\\"", "\"\"", "1e400"];
    for value in NUMBERS.iter().chain(&texts) {
        let ping = format!(r#"{{"type":"ping","ref":{value},"data":{{"timestamp":{value}}}}}"#);
        let answer = format!(r#"{{"type":"pong","data":{{"timestamp":{value}}},"ref":{value}}}"#);
        assert_eq!(answers(&backend, "socket-ping", ana, &ping).await, [answer]);
        let send = format!(
            r#"{{"ref": {value} ,"type":"send_message","data":{{"chat_room_id":"{room}","content":"hi"}}}}"#
        );
        for answer in answers(&backend, "socket-send-message", ana, &send).await {
            assert!(
                answer.contains("\"message_sent\"") && answer.ends_with(&format!("\"ref\":{value}}}")),
                "{answer}"
            );
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_frame_that_cannot_be_accepted_is_answered_with_its_ref() {
    let backend = TestBackend::new();
    let (ana, ben, room) = direct_room(&backend).await;
    let deep = "[".repeat(10_000) + &"]".repeat(10_000);
    let with = |payload: &str| {
        format!(
            r#"{{"type":"send_message","data":{{"chat_room_id":"{room}","message_type":"workout","payload":{payload}}},"ref":7}}"#
        )
    };
    for (payload, code) in [
        (r#"{"pace":1e400}"#.to_owned(), "validation_failed"),
        (format!("{{\"a\":{deep}}}"), "validation_failed"),
        (r#"{"pace":NaN}"#.to_owned(), "malformed_json"),
        (r#"{"pace":1,}"#.to_owned(), "malformed_json"),
        ("{\"text\":\"a\nb\"}".to_owned(), "malformed_json"),
    ] {
        let answered = answers(&backend, "socket-send-message", ana, &with(&payload)).await;
        let answer: Value = serde_json::from_str(&answered[0]).unwrap();
        assert_eq!((answered.len(), &answer["ref"], &answer["data"]["code"]), (1, &json!(7), &json!(code)));
    }
    let history = Call::of("chat-list-messages").path("room_id", &*room);
    assert_eq!(history.send(&backend, ben, "ben").await, json!([]));
}

#[tokio::test(start_paused = true)]
async fn a_lone_surrogate_is_sent_as_the_replacement_character() {
    let backend = TestBackend::new();
    let (ana, ben, room) = direct_room(&backend).await;
    let data = format!(
        r#"{{"chat_room_id":"{room}","message_type":"workout","content":"run \ud83d","payload":{{"\ud83d":"\ude00"}}}}"#
    );
    let frame = format!(r#"{{"type":"send_message","ref":"\ud83d","data":{data}}}"#);
    let answered = answers(&backend, "socket-send-message", ana, &frame).await;
    assert!(answered[0].ends_with("\"ref\":\"\\ufffd\"}"), "{answered:?}");
    let sent = Call::of("chat-send-message").text(data).send(&backend, ana, "ana").await;
    let history = Call::of("chat-list-messages").path("room_id", &*room).send(&backend, ben, "ben").await;
    for message in [&sent, &history[0], &history[1]] {
        assert_eq!(message["content"], "run \u{fffd}");
        assert_eq!(message["payload"], json!({"\u{fffd}": "\u{fffd}"}));
    }
}

#[tokio::test(start_paused = true)]
async fn integers_are_accepted_in_every_notation() {
    let backend = TestBackend::new();
    let (ana, ben, room) = direct_room(&backend).await;
    for after_seq in ["0", "1.0", "2e0", "0.3E1", "400e-2"] {
        let body = format!(r#"{{"chat_room_id":"{room}","content":"hi","after_seq":{after_seq}}}"#);
        Call::of("chat-send-message").text(body).send(&backend, ana, "ana").await;
    }
    let read = format!(r#"{{"type":"message_read","data":{{"chat_room_id":"{room}","seq":4.0}}}}"#);
    Call::of("socket-message-read").frame(read).answer(&backend, ben, "ben").await;
    let sync = format!(r#"{{"rooms":{{"{room}":{{"seq":3.0,"rev":0e5}}}}}}"#);
    let synced = Call::of("chat-sync").text(sync).send(&backend, ben, "ben").await;
    let room = &synced["rooms"][0];
    assert_eq!((room["messages"].as_array().unwrap().len(), &room["room"]["unread_count"]), (2, &json!(1)));
    for (call, after_seq) in
        [("chat-send-message", "0.5"), ("chat-send-message", "1e400"), ("chat-send-message", "-1.0")]
    {
        let body =
            format!(r#"{{"chat_room_id":{},"content":"hi","after_seq":{after_seq}}}"#, room["room"]["id"]);
        assert_eq!(Call::of(call).text(body).answer(&backend, ana, "ana").await.status, 422, "{after_seq}");
    }
}
