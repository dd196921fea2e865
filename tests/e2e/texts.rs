//! Texts: what is blank everywhere, what is cleaned, and what a token's claims become.

use serde_json::{Value, json};

use crate::harness::{TestStack, in_seconds, signed};

/// White space, fillers, joiners and overrides that show nothing.
const INVISIBLE: [&str; 12] = [
    "\u{A0}", "\u{3000}", "\u{200B}", "\u{2800}", "\u{3164}", "\u{2060}", "\u{FEFF}", "\u{AD}", "\u{200D}",
    "\u{202E}", "\u{115F}", "\u{FE0F}",
];

#[tokio::test(flavor = "multi_thread")]
async fn a_text_without_a_visible_character_is_blank_in_every_field() {
    let stack = TestStack::with(crate::harness::rate_limited("off")).await;
    let [ana, ben] = stack.actors(["ana", "ben"]).await;
    let room = ana.room_with(&ben).await;
    let message = ana.send_message(&room, "hello").await;
    let group = ana.group_with(&[&ben]).await;
    let mut socket = ana.socket().await;
    let all = INVISIBLE.concat();
    for blank in INVISIBLE.into_iter().chain([all.as_str(), " \n\u{0}\u{B}"]) {
        let send = json!({"chat_room_id": room, "content": blank});
        ana.post("/chat/messages", send.clone()).await.bad_field("content");
        socket.send("send_message", send).await;
        assert_eq!(socket.expect("error").await["data"]["code"], "validation_failed", "{blank:?}");
        ana.edit(&message, blank).await.bad_field("content");
    }
    assert_eq!(ana.history(&room).await.len(), 1);
    for blank in INVISIBLE.into_iter().chain([all.as_str(), " \n\u{0}\u{B}"]) {
        ana.patch("/users/me", json!({"display_name": blank})).await.bad_field("display_name");
        ana.patch("/users/me", json!({"username": blank})).await.bad_field("username");
        // A blank name of a group is no name. Controls and overrides are refused in all names.
        if !blank.trim().contains(['\u{202E}', '\u{0}']) {
            ana.update_room(&group, json!({"name": "gym"})).await.ok();
            assert_eq!(ana.update_room(&group, json!({"name": blank})).await.ok()["name"], Value::Null);
            let new = json!({"participant_ids": [ben.id], "is_group": true, "name": blank});
            assert_eq!(ana.post("/chat/rooms", new).await.ok()["name"], Value::Null, "{blank:?}");
        }
        ana.update_room(&group, json!({"description": "every day"})).await.ok();
        let without = ana.update_room(&group, json!({"description": blank})).await.ok();
        assert_eq!(without["description"], Value::Null, "{blank:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn pasted_texts_keep_their_lines_and_lose_control_characters() {
    const PASTED: &str = "one\u{B}two\r\nthree\rfour\u{2028}five\u{0}\u{7}\u{1B}\u{85}\tsix \u{200B}";
    const CLEANED: &str = "one\ntwo\nthree\nfour\nfive\n\tsix \u{200B}";
    let stack = TestStack::new().await;
    let [ana, ben] = stack.actors(["ana", "ben"]).await;
    let room = ana.room_with(&ben).await;
    let (mut at_ana, mut at_ben) = (ana.socket().await, ben.socket().await);
    let sent = ana.send_message(&room, PASTED).await;
    assert_eq!(sent["content"], CLEANED);
    assert_eq!(at_ben.expect("new_message").await["data"]["content"], CLEANED);
    assert_eq!(at_ana.expect("new_message").await["data"]["content"], CLEANED);
    at_ana.send("send_message", json!({"chat_room_id": room, "content": PASTED})).await;
    assert_eq!(at_ana.expect("message_sent").await["data"]["content"], CLEANED);
    assert_eq!(ana.edit(&sent, "a\u{B}b").await.ok()["content"], "a\nb");
    assert_eq!(ana.edit(&sent, "a\r\nb").await.ok()["rev"], 1, "the same text is no change");
    assert_eq!(ben.history(&room).await.len(), 2);

    let group = ana.group_with(&[&ben]).await;
    let described = ana.update_room(&group, json!({"description": PASTED})).await.ok();
    assert_eq!(described["description"], CLEANED);
    let report = json!({"user_id": ben.id, "reason": "other", "text": PASTED});
    let reported = ana.post("/reports", report).await.ok();
    let day = format!("REPORT#{}", &reported["created_at"].as_str().unwrap()[..10]);
    let query =
        json!({"KeyConditionExpression": "pk = :day", "ExpressionAttributeValues": {":day": {"S": day}}});
    assert_eq!(stack.database("Query", query).await["Items"][0]["text"]["S"], CLEANED);

    // Names have one line. Ids have no hidden characters.
    for name in ["a\nb", "a\u{B}b", "a\u{2028}b", "a\u{202E}b", "a\u{0}b"] {
        ana.update_room(&group, json!({"name": name})).await.bad_field("name");
        let new = json!({"participant_ids": [ben.id], "is_group": true, "name": name});
        ana.post("/chat/rooms", new).await.bad_field("name");
        ana.patch("/users/me", json!({"display_name": name})).await.bad_field("display_name");
    }
    let renamed = ana.update_room(&group, json!({"name": "\n\u{3000}Sunday run \r\n"})).await.ok();
    assert_eq!(renamed["name"], "Sunday run");
    let mut at_ana = ana.socket().await;
    for id in ["\u{0}", "a\nb", "a\u{7F}", "\u{200B}", "a\u{2028}", "\u{A0}"] {
        let body = json!({"chat_room_id": room, "content": "hello", "client_message_id": id});
        ana.post("/chat/messages", body.clone()).await.bad_field("client_message_id");
        at_ana.send("send_message", body).await;
        assert_eq!(at_ana.expect("error").await["data"]["code"], "validation_failed", "{id:?}");
        ana.register(&format!("/devices/{}", uuid::Uuid::new_v4()), id).await.bad_field("push_token");
    }
    assert_eq!(ben.history(&room).await.len(), 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_claims_of_a_token_follow_the_rules_of_a_profile_change() {
    let stack = TestStack::new().await;
    let new_user = async |claims: Value| {
        let mut all = json!({"sub": uuid::Uuid::new_v4(), "exp": in_seconds(3600)});
        all.as_object_mut().unwrap().extend(claims.as_object().unwrap().clone());
        let user = stack.stranger(Some(&signed(stack.local.jwt_secret(), &all)));
        // The first call of a user can be that of a connection.
        assert!(user.try_socket().await.is_ok(), "{all}");
        let me = user.get("/users/me").await.ok();
        let [username, name, avatar] = ["username", "display_name", "avatar_url"].map(|field| &me[field]);
        let own = json!({"username": username, "display_name": name, "avatar_url": avatar});
        // What the profile holds can be sent again.
        user.patch("/users/me", own).await.ok();
        me
    };
    let me = new_user(json!({
        "username": "ana", "name": "\u{202E}Ana\r\nMaria\u{0}",
        "picture": "https://user:pw@pictures.example.net/a.png",
    }))
    .await;
    let shown = [&me["username"], &me["display_name"], &me["avatar_url"]];
    assert_eq!(shown, [&json!("ana"), &json!("Ana Maria"), &Value::Null]);
    for (claims, username) in [
        (json!({"preferred_username": "ben", "nickname": "benny", "email": "b@example.com"}), "ben"),
        (json!({"nickname": "cleo", "email": "c@example.com", "given_name": "Cleopatra"}), "cleo"),
        (json!({"email": "dana.d@example.com", "given_name": "Dana"}), "dana.d"),
        (json!({"given_name": "Elif", "name": "\u{A0}\u{3164}"}), "Elif"),
        (json!({"username": "finn@example.com", "nickname": "finny"}), "finn"),
        (json!({"username": "\u{3164}", "preferred_username": "Deleted user", "nickname": "gina"}), "gina"),
    ] {
        let me = new_user(claims.clone()).await;
        assert_eq!((&me["username"], &me["display_name"]), (&json!(username), &Value::Null), "{claims}");
    }
    let unnamed =
        new_user(json!({"username": 7, "name": "\u{3000}", "picture": "javascript:alert(1)"})).await;
    let id = unnamed["id"].as_str().unwrap();
    assert_eq!(unnamed["username"], format!("user-{}", &id[..8]));
}
