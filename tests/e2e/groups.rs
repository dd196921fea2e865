//! What becomes of a group: its name, its looks, what newcomers see, and its end.

use serde_json::{Value, json};

use crate::harness::{Actor, TestStack, as_others_see, next_on_each, without_presence};

#[tokio::test(flavor = "multi_thread")]
async fn a_group_is_changed_by_those_who_run_it_in_one_revision_and_one_sentence() {
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
    let said = &answer["last_message"];
    assert_eq!(said["content"], "ben changed the group's name, picture and description");
    let changed = json!({
        "action": "room_changed", "changed": ["name", "avatar_url", "description"], "name": "Sunday run"
    });
    assert_eq!(said["payload"], changed);
    for heard in next_on_each([&mut at_ana, &mut at_cleo], "room_updated").await {
        assert_eq!((shown(&heard), &heard["rev"]), (expected.clone(), &json!(2)));
    }
    for heard in next_on_each([&mut at_ana, &mut at_cleo], "new_message").await {
        assert_eq!(heard, as_others_see(said));
    }
    assert_eq!(shown(&cleo.get("/chat/rooms").await.ok()[0]), expected);
    let news = cleo.sync(json!({&room: {"seq": 1, "rev": 1}})).await;
    assert_eq!(shown(&news["rooms"][0]["room"]), expected);

    // Again, or with nothing to do, and nothing changes.
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
async fn a_newcomer_sees_everything_where_the_group_shows_it_and_has_nothing_of_before_to_read() {
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
    assert_eq!(cleo.get("/chat/rooms").await.ok()[0]["unread_count"], 1);
    let behind = cleo.sync(json!({&room: {"seq": 1, "rev": 0}})).await;
    assert_eq!(behind["rooms"][0]["complete"], false, "what was held is of an earlier membership");
    // It counts at the moment of joining.
    ana.update_room(&room, json!({"history_visibility": "joined"})).await.ok();
    assert_eq!(cleo.history(&room).await.len(), 6);
    let dana = stack.actor("dana").await;
    ana.add(&room, &dana).await.ok();
    assert_eq!(dana.history(&room).await.len(), 1);
}

/// What is in the table of a room.
async fn items(stack: &TestStack, room: &str) -> Vec<Value> {
    let query = json!({
        "KeyConditionExpression": "pk = :pk", "ExpressionAttributeValues": {":pk": {"S": format!("ROOM#{room}")}}
    });
    stack.database("Query", query).await["Items"].as_array().unwrap().clone()
}

async fn is_gone_for(who: &Actor, room: &str) {
    let nowhere = uuid::Uuid::new_v4().to_string();
    for (rest, is_put) in [("", false), ("/messages", false), ("/pins", false), ("/read", true)] {
        let call = async |room: &str| {
            let path = format!("/chat/rooms/{room}{rest}");
            if is_put { who.put(&path).await } else { who.get(&path).await }
        };
        let hidden = call(room).await;
        hidden.problem(404, "not_found");
        assert_eq!(hidden.text, call(&nowhere).await.text, "{rest}");
    }
    who.update_room_settings(room, json!({"is_pinned": true})).await.problem(404, "not_found");
    who.post("/chat/messages", json!({"chat_room_id": room, "content": "hi"}))
        .await
        .problem(404, "not_found");
    assert_eq!(who.get("/chat/rooms").await.ok(), json!([]));
    let news = who.sync(json!({room: {"seq": 1, "rev": 0}})).await;
    assert_eq!((&news["rooms"], &news["left"]), (&json!([]), &json!([room])));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_deleted_group_is_gone_for_everyone_and_from_the_table() {
    let stack = TestStack::new().await;
    let [ana, ben, eve] = stack.actors(["ana", "ben", "eve"]).await;
    let room = ana.group_with(&[&ben]).await;
    let said = ben.send_message(&room, "secret words").await;
    ana.react(&said, "👍").await.ok();
    ana.set_role(&room, &ben, "admin").await.ok();
    ben.delete_room(&room).await.problem(403, "not_allowed");
    eve.delete_room(&room).await.problem(404, "not_found");
    let direct = ana.room_with(&ben).await;
    ana.delete_room(&direct).await.problem(403, "direct_room");
    for who in [&ana, &ben] {
        assert_eq!(who.get("/chat/rooms").await.ok().as_array().unwrap().len(), 2);
    }

    let (mut phone, mut at_ben) = (ana.socket().await, ben.socket().await);
    ana.delete_room(&room).await.nothing();
    for heard in next_on_each([&mut phone, &mut at_ben], "room_deleted").await {
        assert_eq!(heard, json!({"chat_room_id": room}));
    }
    let left = items(&stack, &room).await;
    assert_eq!(left.len(), 1, "{left:?}");
    assert!(left[0]["sk"]["S"] == "META" && left[0]["expires_at"]["N"].is_string());
    assert!(left[0].get("name").is_none());
    ana.delete_room(&room).await.nothing();
    for who in [&ben, &eve] {
        who.delete_room(&room).await.problem(404, "not_found");
    }
    let fresh = ana.group_with(&[&eve]).await;
    eve.remove(&fresh, &eve).await.nothing();
    ana.delete_room(&fresh).await.nothing();
    phone.expect("room_created").await;
    at_ben.expect_nothing_more().await;
    is_gone_for(&eve, &fresh).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_deletion_that_died_half_way_is_finished_by_its_repetition_and_nobody_sees_the_group_between() {
    let (stack, proxy) = TestStack::with_proxy().await;
    let [ana, ben] = stack.actors(["ana", "ben"]).await;
    let room = ana.group_with(&[&ben]).await;
    ben.send_message(&room, "secret words").await;
    let mut at_ben = ben.socket().await;
    let removing = proxy.hold(|call| call.operation == "BatchWriteItem");
    let first = tokio::spawn({
        let (ana, room) = (ana.clone(), room.clone());
        async move { ana.delete_room(&room).await }
    });
    let guard = removing.caught().await;
    stack.kill("chat-delete-room");
    assert_eq!(first.await.unwrap().status, 500);
    drop(guard);
    at_ben.expect("room_deleted").await;
    is_gone_for(&ben, &room).await;
    ana.room(&room).await.problem(404, "not_found");
    ana.delete_room(&room).await.nothing();
    assert_eq!(items(&stack, &room).await.len(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_message_on_its_way_reaches_nobody_in_a_group_that_is_deleted_meanwhile() {
    let (stack, proxy) = TestStack::with_proxy().await;
    let [ana, ben] = stack.actors(["ana", "ben"]).await;
    let room = ana.group_with(&[&ben]).await;
    let mut at_ben = ben.socket().await;
    let committed =
        proxy.hold(|call| call.caller == "ChatSendMessageFunction" && call.body.contains("PRESENCE"));
    let sending = tokio::spawn({
        let (ana, room) = (ana.clone(), room.clone());
        async move { ana.send_message(&room, "too late").await }
    });
    let guard = committed.caught().await;
    ana.delete_room(&room).await.nothing();
    at_ben.expect("room_deleted").await;
    drop(guard);
    sending.await.unwrap();
    at_ben.expect_nothing_more().await;
}
