//! Groups: name, avatar, description, history visibility and deletion.

use serde_json::{Value, json};

use crate::harness::{Actor, TestStack, as_others_see, next_on_each, without_presence};

#[tokio::test(flavor = "multi_thread")]
async fn a_manager_updates_a_group_in_one_revision_with_one_system_message() {
    let stack = TestStack::new().await;
    let [ana, ben, cleo] = stack.actors(["ana", "ben", "cleo"]).await;
    let room = ana.group_with(&[&ben, &cleo]).await;
    ana.set_role(&room, &ben, "admin").await.ok();
    let (mut at_ana, mut at_cleo) = (ana.socket().await, cleo.socket().await);
    let change = json!({
        "name": " Sunday run ", "description": "Every week\nat nine", "avatar_url": "https://pics.example/run.png"
    });
    let answer = ben.update_room(&room, change.clone()).await.ok();
    assert_eq!(answer, without_presence(ben.room(&room).await.ok()));
    let expected = ("Sunday run", "Every week\nat nine", "https://pics.example/run.png", "joined");
    let shown = |room: &Value| {
        ["name", "description", "avatar_url", "history_visibility"].map(|field| room[field].clone())
    };
    let expected = [expected.0, expected.1, expected.2, expected.3].map(Value::from);
    assert_eq!((shown(&answer), &answer["created_by"]), (expected.clone(), &json!(ana.id)));
    let message = &answer["last_message"];
    assert_eq!(message["content"], "ben changed the group's name, picture and description");
    let changed = json!({
        "action": "room_changed", "changed": ["name", "avatar_url", "description"], "name": "Sunday run"
    });
    assert_eq!(message["payload"], changed);
    for data in next_on_each([&mut at_ana, &mut at_cleo], "room_updated").await {
        assert_eq!((shown(&data), &data["rev"]), (expected.clone(), &json!(2)));
    }
    for data in next_on_each([&mut at_ana, &mut at_cleo], "new_message").await {
        assert_eq!(data, as_others_see(message));
    }
    assert_eq!(shown(&cleo.get("/chat/rooms").await.ok()[0]), expected);
    let sync = cleo.sync(json!({&room: {"seq": 1, "rev": 1}})).await;
    assert_eq!(shown(&sync["rooms"][0]["room"]), expected);

    // A repeated or empty update changes nothing.
    for same in [change, json!({}), json!({"name": "Sunday run"}), json!({"history_visibility": null})] {
        assert_eq!(ben.update_room(&room, same).await.ok(), answer);
    }
    let cleared =
        ana.update_room(&room, json!({"name": null, "description": " ", "avatar_url": null})).await.ok();
    assert_eq!(shown(&cleared), [Value::Null, Value::Null, Value::Null, json!("joined")]);
    let named = ana.update_room(&room, json!({"name": "gym"})).await.ok();
    assert_eq!(named["last_message"]["content"], "ana named the group gym");
    for kind in ["room_updated", "new_message", "room_updated", "new_message"] {
        next_on_each([&mut at_ana, &mut at_cleo], kind).await;
    }

    for (field, bad) in [
        ("name", json!("x".repeat(256))),
        ("description", json!("x".repeat(1001))),
        ("avatar_url", json!("http://pics.example/run.png")),
        ("avatar_url", json!(format!("https://pics.example/{}", "x".repeat(500)))),
        ("history_visibility", json!("some")),
    ] {
        ana.update_room(&room, json!({field: bad})).await.bad_field(field);
    }
    cleo.update_room(&room, json!({"name": "mine"})).await.problem(403, "not_allowed");
    let direct = ana.room_with(&ben).await;
    ana.update_room(&direct, json!({"name": "us"})).await.problem(403, "direct_room");
    let eve = stack.actor("eve").await;
    let hidden = eve.update_room(&room, json!({"name": "mine"})).await;
    hidden.problem(404, "not_found");
    let nowhere = uuid::Uuid::new_v4().to_string();
    assert_eq!(eve.update_room(&nowhere, json!({"name": "mine"})).await.text, hidden.text);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_new_member_sees_shared_history_and_has_no_earlier_message_unread() {
    let stack = TestStack::new().await;
    let [ana, ben, cleo] = stack.actors(["ana", "ben", "cleo"]).await;
    let room = ana.group_with(&[&ben, &cleo]).await;
    ana.send_message(&room, "one").await;
    cleo.remove(&room, &cleo).await.nothing();
    ana.send_message(&room, "meanwhile").await;
    ana.update_room(&room, json!({"history_visibility": "shared"})).await.ok();
    ana.add(&room, &cleo).await.ok();
    let seen = cleo.history(&room).await;
    let seqs: Vec<u64> = seen.iter().map(|message| message["seq"].as_u64().unwrap()).collect();
    assert_eq!(seqs, [1, 2, 3, 4, 5]);
    assert_eq!((&seen[0]["content"], &seen[2]["content"]), (&json!("one"), &json!("meanwhile")));
    // The system message about joining does not count.
    assert_eq!(cleo.get("/chat/rooms").await.ok()[0]["unread_count"], 0);
    let behind = cleo.sync(json!({&room: {"seq": 1, "rev": 0}})).await;
    assert_eq!(behind["rooms"][0]["complete"], false, "the sync position is of an earlier membership");
    // The setting at the time of joining applies.
    ana.update_room(&room, json!({"history_visibility": "joined"})).await.ok();
    assert_eq!(cleo.history(&room).await.len(), 6);
    let dana = stack.actor("dana").await;
    ana.add(&room, &dana).await.ok();
    assert_eq!(dana.history(&room).await.len(), 1);
}

/// The items of a room in the table.
async fn items(stack: &TestStack, room: &str) -> Vec<Value> {
    let query = json!({
        "KeyConditionExpression": "pk = :pk", "ExpressionAttributeValues": {":pk": {"S": format!("ROOM#{room}")}}
    });
    stack.database("Query", query).await["Items"].as_array().unwrap().clone()
}

/// Asserts that a deleted room is the same as an unknown room for a user.
async fn assert_deleted_for(user: &Actor, room: &str) {
    let nowhere = uuid::Uuid::new_v4().to_string();
    for (suffix, is_put) in [("", false), ("/messages", false), ("/pins", false), ("/read", true)] {
        let call = async |room: &str| {
            let path = format!("/chat/rooms/{room}{suffix}");
            if is_put { user.put(&path).await } else { user.get(&path).await }
        };
        let hidden = call(room).await;
        hidden.problem(404, "not_found");
        assert_eq!(hidden.text, call(&nowhere).await.text, "{suffix}");
    }
    user.update_room_settings(room, json!({"is_pinned": true})).await.problem(404, "not_found");
    user.post("/chat/messages", json!({"chat_room_id": room, "content": "hi"}))
        .await
        .problem(404, "not_found");
    assert_eq!(user.get("/chat/rooms").await.ok(), json!([]));
    let sync = user.sync(json!({room: {"seq": 1, "rev": 0}})).await;
    assert_eq!((&sync["rooms"], &sync["left"]), (&json!([]), &json!([room])));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_deleted_group_disappears_for_everyone_and_from_the_table() {
    let stack = TestStack::new().await;
    let [ana, ben, eve] = stack.actors(["ana", "ben", "eve"]).await;
    let room = ana.group_with(&[&ben]).await;
    let message = ben.send_message(&room, "secret words").await;
    ana.react(&message, "👍").await.ok();
    ana.set_role(&room, &ben, "admin").await.ok();
    ben.delete_room(&room).await.problem(403, "not_allowed");
    eve.delete_room(&room).await.problem(404, "not_found");
    let direct = ana.room_with(&ben).await;
    ana.delete_room(&direct).await.problem(403, "direct_room");
    for user in [&ana, &ben] {
        assert_eq!(user.get("/chat/rooms").await.ok().as_array().unwrap().len(), 2);
    }

    let (mut phone, mut at_ben) = (ana.socket().await, ben.socket().await);
    ana.delete_room(&room).await.nothing();
    for data in next_on_each([&mut phone, &mut at_ben], "room_deleted").await {
        assert_eq!(data, json!({"chat_room_id": room}));
    }
    let items = items(&stack, &room).await;
    assert_eq!(items.len(), 1, "{items:?}");
    assert!(items[0]["sk"]["S"] == "META" && items[0]["expires_at"]["N"].is_string());
    assert!(items[0].get("name").is_none());
    ana.delete_room(&room).await.nothing();
    for user in [&ben, &eve] {
        user.delete_room(&room).await.problem(404, "not_found");
    }
    let other_group = ana.group_with(&[&eve]).await;
    eve.remove(&other_group, &eve).await.nothing();
    ana.delete_room(&other_group).await.nothing();
    phone.expect("room_created").await;
    at_ben.expect_nothing_more().await;
    assert_deleted_for(&eve, &other_group).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_interrupted_group_deletion_hides_the_group_and_is_completed_by_a_retry() {
    let (stack, proxy) = TestStack::with_proxy().await;
    let [ana, ben] = stack.actors(["ana", "ben"]).await;
    let room = ana.group_with(&[&ben]).await;
    ben.send_message(&room, "secret words").await;
    let mut at_ben = ben.socket().await;
    let blocked_call = proxy.hold(|call| call.operation == "BatchWriteItem");
    let first = tokio::spawn({
        let (ana, room) = (ana.clone(), room.clone());
        async move { ana.delete_room(&room).await }
    });
    let guard = blocked_call.caught().await;
    stack.kill("chat-delete-room");
    assert_eq!(first.await.unwrap().status, 500);
    drop(guard);
    at_ben.expect("room_deleted").await;
    assert_deleted_for(&ben, &room).await;
    ana.room(&room).await.problem(404, "not_found");
    ana.delete_room(&room).await.nothing();
    assert_eq!(items(&stack, &room).await.len(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_message_sent_during_the_deletion_of_its_group_is_not_delivered() {
    let (stack, proxy) = TestStack::with_proxy().await;
    let [ana, ben] = stack.actors(["ana", "ben"]).await;
    let room = ana.group_with(&[&ben]).await;
    let mut at_ben = ben.socket().await;
    let blocked_call =
        proxy.hold(|call| call.caller == "ChatSendMessageFunction" && call.body.contains("PRESENCE"));
    let sending = tokio::spawn({
        let (ana, room) = (ana.clone(), room.clone());
        async move { ana.send_message(&room, "too late").await }
    });
    let guard = blocked_call.caught().await;
    ana.delete_room(&room).await.nothing();
    at_ben.expect("room_deleted").await;
    drop(guard);
    sending.await.unwrap();
    at_ben.expect_nothing_more().await;
}
