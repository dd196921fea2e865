//! Messages that hold another one: answers, with what they answer as it stands now, and messages that are handed on.

use local::Options;
use serde_json::{Value, json};

use crate::harness::{TestStack, as_others_see, next_on_each};

#[tokio::test(flavor = "multi_thread")]
async fn an_answer_shows_what_it_answers_as_that_stands_now() {
    let stack = TestStack::new().await;
    let [ana, ben] = stack.actors(["ana", "ben"]).await;
    let room = ana.room_with(&ben).await;
    let said = ana.send_message(&room, &"é".repeat(101)).await;
    assert_eq!((&said["reply_to"], &said["reply_to_id"]), (&Value::Null, &Value::Null));
    let mut at_ana = ana.socket().await;
    let preview = |content: &str, is_deleted: bool| {
        json!({
            "id": said["id"], "sender_id": ana.id, "sender_username": "ana", "message_type": "text",
            "content": content, "is_deleted": is_deleted
        })
    };

    let reply = ben.reply(&said, "re").await;
    assert_eq!(reply["reply_to"], preview(&"é".repeat(100), false), "its first hundred characters");
    assert_eq!(at_ana.expect("new_message").await["data"], as_others_see(&reply));
    let short = ana.edit(&said, "short").await.ok();
    at_ana.expect("message_updated").await;
    for who in [&ana, &ben] {
        let now = preview("short", false);
        assert_eq!(who.message(&room, 2).await["reply_to"], now);
        assert_eq!(who.get("/chat/rooms").await.ok()[0]["last_message"]["reply_to"], now);
    }
    // Frames about the answer show it as well.
    let reacted = ana.react(&reply, "👍").await.ok();
    assert_eq!(reacted["reply_to"], preview("short", false));
    at_ana.expect("message_reaction").await;
    ben.edit(&reply, "answer").await.ok();
    assert_eq!(at_ana.expect("message_updated").await["data"]["reply_to"], preview("short", false));
    ana.pin(&reply).await.ok();
    at_ana.expect("room_updated").await;

    ana.delete_message(&short).await.ok();
    at_ana.expect("message_deleted").await;
    let gone = preview("", true);
    assert_eq!(ben.message(&room, 2).await["reply_to"], gone);
    assert_eq!(ben.pins(&room).await[0]["reply_to"], gone);
    assert_eq!(ben.message(&room, 2).await["rev"], 3, "the answer itself is as it was");
    let late = ben.reply(&said, "to what is gone").await;
    assert_eq!((&late["reply_to"], &late["reply_to_id"]), (&gone, &said["id"]));
    at_ana.expect("new_message").await;
    at_ana.expect_nothing_more().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_message_that_is_handed_on_says_the_same_in_another_room() {
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
    let heard = next_on_each([&mut tablet, &mut at_cleo], "new_message").await;
    assert_eq!(heard, [sent.clone(), as_others_see(&sent)]);

    // The words are not the forwarder's to change.
    ana.edit(&sent, "my words").await.problem(403, "forwarded");
    // A retry is the same message, whatever has become of the other one.
    ben.edit(&voice, "listen well").await.ok();
    ben.delete_message(&voice).await.ok();
    assert_eq!(ana.post("/chat/messages", forward).await.ok(), sent);
    assert_eq!(cleo.history(&to).await, [as_others_see(&sent)]);
    // It may be handed on again, into its own room too, and as an answer.
    let answer = json!({
        "chat_room_id": to, "forward_room_id": to, "forward_message_id": sent["id"], "reply_to_id": sent["id"]
    });
    let answer = cleo.post("/chat/messages", answer).await.ok();
    assert_eq!((&answer["media_url"], &answer["is_forwarded"]), (&sent["media_url"], &json!(true)));
    assert_eq!(answer["reply_to"]["id"], sent["id"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_one_does_not_see_or_what_is_not_somebodys_words_is_not_handed_on() {
    let stack = TestStack::new().await;
    let [ana, ben, cleo] = stack.actors(["ana", "ben", "cleo"]).await;
    let (mine, theirs) = (ana.room_with(&ben).await, ben.room_with(&cleo).await);
    let group = ben.group_with(&[&cleo]).await;
    let (foreign, early) =
        (ben.send_message(&theirs, "foreign").await, ben.send_message(&group, "early").await);
    ben.add(&group, &ana).await.ok();
    let joined = ana.message(&group, 2).await;
    let gone = ben.send_message(&group, "gone").await;
    ben.delete_message(&gone).await.ok();
    let good = ben.send_message(&group, "good").await;
    let nobodys = uuid::Uuid::new_v4().to_string();

    let unseen = |room: &Value, id: &Value| json!({"chat_room_id": mine, "forward_room_id": room, "forward_message_id": id});
    let (group_id, nobodys) = (json!(group), json!(nobodys));
    for body in [
        unseen(&json!(theirs), &foreign["id"]),
        unseen(&group_id, &foreign["id"]),
        unseen(&group_id, &early["id"]),
        unseen(&group_id, &gone["id"]),
        unseen(&group_id, &joined["id"]),
        unseen(&group_id, &nobodys),
        unseen(&nobodys, &good["id"]),
    ] {
        ana.post("/chat/messages", body).await.bad_field("forward_message_id");
    }
    let with = |field: &str, value: Value| {
        let mut body = unseen(&group_id, &good["id"]);
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
    socket.send("send_message", unseen(&group_id, &early["id"])).await;
    assert_eq!(socket.expect("error").await["data"]["code"], "validation_failed");
    assert_eq!(ben.history(&mine).await, Vec::<Value>::new());
    ana.forward(&good, &mine).await.ok();
    ana.forward(&good, nobodys.as_str().unwrap()).await.problem(404, "not_found");
    assert_eq!(ben.history(&mine).await[0]["content"], "good");
}
