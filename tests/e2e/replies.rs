//! Replies, with a current preview of the original message, and forwarded messages.

use local::Options;
use serde_json::{Value, json};

use crate::harness::{TestStack, as_others_see, next_on_each};

#[tokio::test(flavor = "multi_thread")]
async fn a_reply_shows_a_current_preview_of_the_original() {
    let stack = TestStack::new().await;
    let [ana, ben] = stack.actors(["ana", "ben"]).await;
    let room = ana.room_with(&ben).await;
    let original = ana.send_message(&room, &"é".repeat(101)).await;
    assert_eq!((&original["reply_to"], &original["reply_to_id"]), (&Value::Null, &Value::Null));
    let mut at_ana = ana.socket().await;
    let preview = |content: &str, is_deleted: bool| {
        json!({
            "id": original["id"], "seq": 1, "sender_id": ana.id, "sender_username": "ana", "sender_display_name": null,
            "message_type": "text", "content": content, "is_deleted": is_deleted
        })
    };

    let reply = ben.reply(&original, "re").await;
    assert_eq!(reply["reply_to"], preview(&"é".repeat(100), false), "the first 100 characters");
    assert_eq!(at_ana.expect("new_message").await["data"], as_others_see(&reply));
    let short = ana.edit(&original, "short").await.ok();
    at_ana.expect("message_updated").await;
    for user in [&ana, &ben] {
        let current = preview("short", false);
        assert_eq!(user.message(&room, 2).await["reply_to"], current);
        assert_eq!(user.get("/chat/rooms").await.ok()[0]["last_message"]["reply_to"], current);
    }
    // Frames about the reply contain the preview as well.
    let reacted = ana.react(&reply, "👍").await.ok();
    assert_eq!(reacted["reply_to"], preview("short", false));
    at_ana.expect("message_reaction").await;
    ben.edit(&reply, "answer").await.ok();
    assert_eq!(at_ana.expect("message_updated").await["data"]["reply_to"], preview("short", false));
    ana.pin(&reply).await.ok();
    at_ana.expect("room_updated").await;

    ana.delete_message(&short).await.ok();
    at_ana.expect("message_deleted").await;
    let deleted = preview("", true);
    assert_eq!(ben.message(&room, 2).await["reply_to"], deleted);
    assert_eq!(ben.pins(&room).await[0]["reply_to"], deleted);
    assert_eq!(ben.message(&room, 2).await["rev"], 3, "the reply itself does not change");
    let late = ben.reply(&original, "to what is gone").await;
    assert_eq!((&late["reply_to"], &late["reply_to_id"]), (&deleted, &original["id"]));
    at_ana.expect("new_message").await;
    at_ana.expect_nothing_more().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_forwarded_message_has_the_same_content_in_another_room() {
    let mut options = Options::default();
    options.env.insert("MEDIA_ORIGINS".to_owned(), "https://media.example.com".to_owned());
    let stack = TestStack::with(options).await;
    let [ana, ben, cleo] = stack.actors(["ana", "ben", "cleo"]).await;
    let (from, to) = (ana.room_with(&ben).await, ana.room_with(&cleo).await);
    let first = ben.send_message(&from, "first").await;
    let voice = json!({
        "chat_room_id": from, "content": "listen", "message_type": "voice", "payload": {"seconds": 3},
        "media_url": "https://media.example.com/run.ogg", "reply_to_id": first["id"]
    });
    let voice = ben.post("/chat/messages", voice).await.ok();
    ben.react(&voice, "👍").await.ok();
    assert_eq!(voice["is_forwarded"], false);
    let (mut phone, mut tablet, mut at_cleo) = (ana.socket().await, ana.socket().await, cleo.socket().await);

    let forward = json!({
        "chat_room_id": to, "forward_room_id": from, "forward_message_id": voice["id"],
        "client_message_id": "f-1", "after_seq": 0
    });
    phone.send("send_message", forward.clone()).await;
    let sent = phone.expect("message_sent").await["data"].take();
    for field in ["content", "message_type", "media_url", "payload"] {
        assert_eq!(sent[field], voice[field], "{field}");
    }
    for (field, value) in [
        ("chat_room_id", json!(to)),
        ("sender_id", json!(ana.id)),
        ("sender_username", json!("ana")),
        ("seq", json!(1)),
        ("is_forwarded", json!(true)),
        ("is_edited", json!(false)),
        ("reply_to_id", Value::Null),
        ("reply_to", Value::Null),
        ("reactions", json!([])),
    ] {
        assert_eq!(sent[field], value, "{field}");
    }
    let frames = next_on_each([&mut tablet, &mut at_cleo], "new_message").await;
    assert_eq!(frames, [sent.clone(), as_others_see(&sent)]);

    // A forwarded message cannot be edited.
    ana.edit(&sent, "my words").await.problem(403, "forwarded");
    // A retry returns the same message, also after a change of the original.
    ben.edit(&voice, "listen well").await.ok();
    ben.delete_message(&voice).await.ok();
    assert_eq!(ana.post("/chat/messages", forward).await.ok(), sent);
    assert_eq!(cleo.history(&to).await, [as_others_see(&sent)]);
    // It can be forwarded again, also into its own room and as a reply.
    let reply = json!({
        "chat_room_id": to, "forward_room_id": to, "forward_message_id": sent["id"], "reply_to_id": sent["id"]
    });
    let reply = cleo.post("/chat/messages", reply).await.ok();
    assert_eq!((&reply["media_url"], &reply["is_forwarded"]), (&sent["media_url"], &json!(true)));
    assert_eq!(reply["reply_to"]["id"], sent["id"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn hidden_deleted_and_system_messages_cannot_be_forwarded() {
    let stack = TestStack::new().await;
    let [ana, ben, cleo] = stack.actors(["ana", "ben", "cleo"]).await;
    let (mine, theirs) = (ana.room_with(&ben).await, ben.room_with(&cleo).await);
    let group = ben.group_with(&[&cleo]).await;
    let (foreign, early) =
        (ben.send_message(&theirs, "foreign").await, ben.send_message(&group, "early").await);
    ben.add(&group, &ana).await.ok();
    let joined = ana.message(&group, 2).await;
    let deleted = ben.send_message(&group, "gone").await;
    ben.delete_message(&deleted).await.ok();
    let good = ben.send_message(&group, "good").await;
    let missing = uuid::Uuid::new_v4().to_string();

    let forward_of = |room: &Value, id: &Value| json!({"chat_room_id": mine, "forward_room_id": room, "forward_message_id": id});
    let (group_id, missing) = (json!(group), json!(missing));
    for body in [
        forward_of(&json!(theirs), &foreign["id"]),
        forward_of(&group_id, &foreign["id"]),
        forward_of(&group_id, &early["id"]),
        forward_of(&group_id, &deleted["id"]),
        forward_of(&group_id, &joined["id"]),
        forward_of(&group_id, &missing),
        forward_of(&missing, &good["id"]),
    ] {
        ana.post("/chat/messages", body).await.bad_field("forward_message_id");
    }
    let with = |field: &str, value: Value| {
        let mut body = forward_of(&group_id, &good["id"]);
        body[field] = value;
        body
    };
    for (field, value) in [
        ("content", json!("words")),
        ("message_type", json!("text")),
        ("media_url", json!("https://media.example.com/a.jpg")),
        ("payload", json!({"a": 1})),
    ] {
        ana.post("/chat/messages", with(field, value)).await.bad_field("forward_message_id");
    }
    for field in ["forward_room_id", "forward_message_id"] {
        ana.post("/chat/messages", with(field, Value::Null)).await.bad_field(field);
        ana.post("/chat/messages", with(field, json!("latest"))).await.bad_field(field);
    }
    let mut socket = ana.socket().await;
    socket.send("send_message", forward_of(&group_id, &early["id"])).await;
    assert_eq!(socket.expect("error").await["data"]["code"], "validation_failed");
    assert_eq!(ben.history(&mine).await, Vec::<Value>::new());
    ana.forward(&good, &mine).await.ok();
    ana.forward(&good, missing.as_str().unwrap()).await.problem(404, "not_found");
    assert_eq!(ben.history(&mine).await[0]["content"], "good");
}
