//! Invalid input: each call is rejected with a specific error and changes nothing.

use futures::{SinkExt, StreamExt};
use reqwest::Method;
use serde_json::{Value, json};
use tokio::{
    io::AsyncWriteExt,
    net::{TcpSocket, TcpStream},
};
use tokio_tungstenite::{client_async, connect_async, tungstenite::Message};

use crate::{
    harness::{Actor, TestStack, rate_limited},
    probes::probes,
};

/// All items of the table except rate limits, which count rejected calls as well.
async fn all_items(stack: &TestStack) -> Vec<Value> {
    let mut items =
        stack.database("Scan", json!({"ConsistentRead": true})).await["Items"].as_array().unwrap().clone();
    items.retain(|item| !item["sk"]["S"].as_str().unwrap().starts_with("RATE#"));
    items.sort_by_key(Value::to_string);
    items
}

/// Calls with an invalid body that are rejected with 422: path, body, and the invalid fields.
fn unprocessable(room: &str, me: &str) -> Vec<(&'static str, Value, Vec<&'static str>)> {
    let message = |field: &str, value: Value| {
        let mut message = json!({"chat_room_id": room, "content": "hello"});
        message[field] = value;
        message
    };
    vec![
        ("/chat/messages", json!({}), vec!["chat_room_id", "content"]),
        ("/chat/messages", message("content", json!(["hello"])), vec!["content"]),
        ("/chat/messages", message("content", json!("\u{0}")), vec!["content"]),
        ("/chat/messages", message("content", json!("x".repeat(4001))), vec!["content"]),
        ("/chat/messages", message("message_type", json!("")), vec!["message_type"]),
        ("/chat/messages", message("message_type", json!("TEXT")), vec!["message_type"]),
        ("/chat/messages", message("message_type", json!("system")), vec!["message_type"]),
        ("/chat/messages", message("media_url", json!("https://media.example.com/a")), vec!["media_url"]),
        ("/chat/messages", message("reply_to_id", json!("latest")), vec!["reply_to_id"]),
        ("/chat/messages", message("payload", json!({"a": 1})), vec!["payload"]),
        ("/chat/messages", message("after_seq", json!(1e300)), vec!["after_seq"]),
        ("/chat/messages", message("after_seq", json!(0.5)), vec!["after_seq"]),
        ("/chat/messages", message("client_message_id", json!(7)), vec!["client_message_id"]),
        ("/chat/messages", message("client_message_id", json!("a\n")), vec!["client_message_id"]),
        (
            "/chat/messages",
            json!({"chat_room_id": "x", "content": "", "payload": 1}),
            vec!["chat_room_id", "payload", "content"],
        ),
        (
            "/chat/messages",
            json!({"chat_room_id": room, "forward_room_id": "x", "content": "hi"}),
            vec!["forward_message_id", "forward_room_id"],
        ),
        ("/chat/sync", json!({}), vec!["rooms"]),
        ("/chat/sync", json!({"rooms": [], "cursor": 7}), vec!["rooms", "cursor"]),
        ("/chat/sync", json!({"rooms": {room: {"seq": -1, "rev": 0}}}), vec!["rooms"]),
        ("/chat/rooms", json!({"participant_ids": []}), vec!["participant_ids"]),
        ("/chat/rooms", json!({"participant_ids": [me]}), vec!["participant_ids"]),
        ("/chat/rooms", json!({"participant_ids": [me, me]}), vec!["participant_ids"]),
        ("/chat/rooms", json!({"participant_ids": {"0": me}}), vec!["participant_ids"]),
        ("/chat/rooms", json!({"participant_ids": [me, "ben"]}), vec!["participant_ids[1]"]),
        ("/chat/rooms", json!({"participant_ids": vec![me; 1001]}), vec!["participant_ids"]),
        ("/chat/rooms", json!({"name": 7, "is_group": "yes"}), vec!["name", "is_group", "participant_ids"]),
        ("/friends/requests", json!({}), vec!["receiver_id"]),
        ("/friends/requests", json!({"receiver_id": ""}), vec!["receiver_id"]),
        ("/friends/requests", json!({"receiver_id": format!("{{{me}}}")}), vec!["receiver_id"]),
        ("/friends/requests", json!({"receiver_id": me.replace('-', "")}), vec!["receiver_id"]),
    ]
}

#[tokio::test(flavor = "multi_thread")]
async fn rejected_calls_name_each_invalid_field_and_change_nothing() {
    let stack = TestStack::new().await;
    let [ana, ben, eve] = stack.actors(["ana", "ben", "eve"]).await;
    let room = ana.room_with(&ben).await;
    let foreign = ben.room_with(&eve).await;
    let nowhere = uuid::Uuid::new_v4().to_string();
    let before = all_items(&stack).await;

    for (path, body, fields) in unprocessable(&room, &ana.id) {
        let problem = ana.post(path, body.clone()).await.problem(422, "validation_failed");
        let named: Vec<_> =
            problem["errors"].as_array().unwrap().iter().map(|error| &error["field"]).collect();
        assert_eq!(named, fields, "{path} {body}");
        assert!(fields.iter().all(|field| problem["detail"].as_str().unwrap().contains(field)), "{problem}");
    }
    for room in [&foreign, &nowhere] {
        ana.post("/chat/messages", json!({"chat_room_id": room, "content": "hi"}))
            .await
            .problem(404, "not_found");
        ana.put(&format!("/chat/rooms/{room}/read")).await.problem(404, "not_found");
    }
    // Probes with status 204 need no existing subject and may change something.
    for probe in probes(&nowhere).iter().filter(|probe| probe.leads_to != 204) {
        assert_eq!(probe.call(&ana).await.status, probe.leads_to);
    }
    ana.post("/chat/rooms", json!({"participant_ids": [ben.id, nowhere]})).await.problem(404, "not_found");
    ana.post("/friends/requests", json!({"receiver_id": nowhere})).await.problem(404, "not_found");
    ana.post("/friends/requests", json!({"receiver_id": ana.id}))
        .await
        .problem(400, "cannot_request_yourself");
    for query in [
        "limit=0",
        "limit=101",
        "limit=",
        "limit=99999999999999999999",
        "offset=-1",
        "offset=1e3",
        "before_seq=x",
    ] {
        ana.get(&format!("/chat/rooms/{room}/messages?{query}")).await.problem(422, "validation_failed");
    }
    for path in ["/chat/rooms/7/read", "/chat/rooms/%20/read", "/friends/requests/7?action=accepted"] {
        ana.put(path).await.problem(422, "validation_failed");
    }
    ana.put(&format!("/friends/requests/{nowhere}")).await.problem(422, "validation_failed");
    let mut socket = ana.socket().await;
    stack.local.settle().await;
    let with_socket = all_items(&stack).await;
    for data in [
        json!({}),
        json!({"chat_room_id": room, "content": " "}),
        json!({"chat_room_id": nowhere, "content": "hi"}),
    ] {
        socket.send("send_message", data).await;
        socket.expect("error").await;
    }
    assert_eq!(all_items(&stack).await, with_socket);
    socket.close().await;
    stack.local.settle().await;
    let after = all_items(&stack).await;
    // Created and removed items leave behind a presence item and quotas of zero.
    let is_kept = |item: &&Value| !["PRESENCE", "QUOTAS"].contains(&item["sk"]["S"].as_str().unwrap());
    let kept = |items: &[Value]| items.iter().filter(is_kept).cloned().collect::<Vec<_>>();
    assert_eq!(kept(&after), kept(&before));
}

#[tokio::test(flavor = "multi_thread")]
async fn upper_case_ids_unknown_fields_and_repeated_keys_are_accepted() {
    let stack = TestStack::new().await;
    let [ana, ben] = stack.actors(["ana", "ben"]).await;
    let room = ana
        .post("/chat/rooms", json!({"participant_ids": [ben.id.to_uppercase()], "color": "red"}))
        .await
        .ok();
    let room = room["id"].as_str().unwrap();
    assert_eq!(room, ana.room_with(&ben).await);
    let upper_case = room.to_uppercase();
    let message = ana.send_message(&upper_case, "hi").await;
    assert_eq!(message["chat_room_id"], room);
    let reply = json!({"chat_room_id": room, "content": "re", "reply_to_id": message["id"].as_str().unwrap().to_uppercase()});
    assert_eq!(ben.post("/chat/messages", reply).await.ok()["reply_to_id"], message["id"]);
    assert_eq!(ana.history(&upper_case).await.len(), 2);
    // RFC 8259 leaves repeated keys to the parser. The last value applies here.
    let twice = format!(r#"{{"chat_room_id":"{room}","content":"first","content":"second"}}"#);
    assert_eq!(ana.call(Method::POST, "/chat/messages", Some(twice)).await.ok()["content"], "second");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_gateway_rejects_a_body_over_its_limit() {
    let stack = TestStack::new().await;
    let [ana] = stack.actors(["ana"]).await;
    let huge = json!({"content": "x".repeat(11 * 1024 * 1024)}).to_string();
    assert_eq!(ana.call(Method::POST, "/chat/messages", Some(huge)).await.status, 413);
    ana.get("/users/me").await.ok();
}

#[tokio::test(flavor = "multi_thread")]
async fn each_of_ten_thousand_frames_is_answered_and_other_users_are_not_delayed() {
    const FRAMES: usize = 10_000;
    let stack = TestStack::with(rate_limited("off")).await;
    let [ana, ben, cleo] = stack.actors(["ana", "ben", "cleo"]).await;
    let url = format!("{}?token={}", stack.local.ws_url(), ana.token.as_deref().unwrap());
    let (mut frames, mut answers) = connect_async(url).await.unwrap().0.split();
    let flood = tokio::spawn(async move {
        for n in 0..FRAMES {
            let frame = format!(r#"{{"type":"ping","data":{{"timestamp":{n}}}}}"#);
            frames.send(Message::text(frame)).await.unwrap();
        }
        frames
    });
    let counting = tokio::spawn(async move {
        let mut answered = vec![false; FRAMES];
        while answered.iter().any(|answered| !answered) {
            let Some(Ok(Message::Text(text))) = answers.next().await else { continue };
            let answer: Value = serde_json::from_str(&text).unwrap();
            assert_eq!(answer["type"], "pong", "{answer}");
            let n = usize::try_from(answer["data"]["timestamp"].as_u64().unwrap()).unwrap();
            assert!(!std::mem::replace(&mut answered[n], true), "frame {n} is answered once");
        }
    });
    // Meanwhile, other users are served.
    let mut at_ben = ben.socket().await;
    let room = ben.room_with(&cleo).await;
    ben.send_message(&room, "calm").await;
    at_ben.expect("room_created").await;
    at_ben.expect("new_message").await;
    let _frames = flood.await.unwrap();
    counting.await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn silent_connections_delay_no_other_user() {
    let stack = TestStack::new().await;
    let [ana, ben] = stack.actors(["ana", "ben"]).await;
    let mut silent = Vec::new();
    for url in [stack.local.http_url(), stack.local.ws_url()] {
        let address = url.split("//").nth(1).unwrap().split('/').next().unwrap();
        for prefix in [
            "",
            "GET /live HTTP/1.1\r\nHost: x\r\n",
            "POST /api/v1/chat/messages HTTP/1.1\r\nHost: x\r\nContent-Length: 99\r\n\r\n{",
        ] {
            for _ in 0..20 {
                let mut stream = TcpStream::connect(address).await.unwrap();
                stream.write_all(prefix.as_bytes()).await.unwrap();
                silent.push(stream);
            }
        }
    }
    let room = ana.room_with(&ben).await;
    let mut at_ben = ben.socket().await;
    let message = ana.send_message(&room, "hello").await;
    assert_eq!(at_ben.expect("new_message").await["data"]["id"], message["id"]);
    drop(silent);
}

/// A socket with the smallest receive buffer that is never read.
async fn slow_reader(stack: &TestStack, user: &Actor) -> impl Sized {
    let url = format!("{}?token={}", stack.local.ws_url(), user.token.as_deref().unwrap());
    let address =
        stack.local.ws_url().split("//").nth(1).unwrap().split('/').next().unwrap().parse().unwrap();
    let socket = TcpSocket::new_v4().unwrap();
    socket.set_recv_buffer_size(1024).unwrap();
    let stream = socket.connect(address).await.unwrap();
    client_async(url, stream).await.unwrap().0
}

#[tokio::test(flavor = "multi_thread")]
async fn a_client_that_never_reads_delays_no_other_user() {
    let stack = TestStack::with(rate_limited("off")).await;
    let [ana, ben, cleo] = stack.actors(["ana", "ben", "cleo"]).await;
    let room = ana.group_with(&[&ben, &cleo]).await;
    let (mut at_ana, mut at_cleo) = (ana.socket().await, cleo.socket().await);
    let _never_read = slow_reader(&stack, &ben).await;
    let content = "x".repeat(4000);
    let mut sent = 0;
    let mut send_one = async || {
        sent += 1;
        at_ana.send("send_message", json!({"chat_room_id": room, "content": content})).await;
        assert_eq!(at_ana.expect("message_sent").await["data"]["seq"], sent);
        assert_eq!(at_cleo.expect("new_message").await["data"]["seq"], sent);
        sent
    };
    while !is_full(&stack, &ben).await {
        assert!(send_one().await < MAX_BUFFERED, "the queue is bounded");
    }
    for _ in 0..5 {
        send_one().await;
    }
    let sent = send_one().await;
    assert_eq!(ben.history(&room).await.len(), sent, "the log contains each message");
}

/// An upper bound of the messages that the buffers and the queue of a client hold.
const MAX_BUFFERED: usize = 5000;

/// Whether the gateway rejects further frames for the user's only connection.
async fn is_full(stack: &TestStack, user: &Actor) -> bool {
    let key = json!({"pk": {"S": format!("USER#{}", user.id)}, "sk": {"S": "PRESENCE"}});
    let presence = stack.database("GetItem", json!({"Key": key})).await;
    let attributes = presence["Item"].as_object().unwrap();
    let connection = attributes.keys().find_map(|name| name.strip_prefix("connection:")).unwrap();
    let url = format!("{}/@connections/{connection}", stack.local.ws_url().replace("ws://", "http://"));
    let signature = "AWS4-HMAC-SHA256 Credential=test/20260101/us-east-1/execute-api/aws4_request, \
                     SignedHeaders=host;x-amz-date, Signature=0";
    let request = reqwest::Client::new().post(url).header("authorization", signature);
    request.header("x-amz-date", "20260101T000000Z").body("{}").send().await.unwrap().status() == 429
}
