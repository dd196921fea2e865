//! People who shut each other out.

use serde_json::{Value, json};
use uuid::Uuid;

use crate::harness::{Actor, Answer, TestStack, each, make_friends, next_on_each};

/// All calls about a room, as an outsider's client would make them.
async fn calls_on(who: &Actor, room: &str, message: &Value) -> Vec<Answer> {
    let id = message["id"].as_str().unwrap();
    let message = json!({"chat_room_id": room, "id": id});
    let (forward, text) = (
        json!({"chat_room_id": room, "forward_room_id": room, "forward_message_id": id}),
        json!({"chat_room_id": room, "content": "still there?"}),
    );
    vec![
        who.room(room).await,
        who.get(&format!("/chat/rooms/{room}/messages")).await,
        who.put(&format!("/chat/rooms/{room}/read")).await,
        who.post("/chat/messages", text).await,
        who.post("/chat/messages", forward).await,
        who.edit(&message, "changed").await,
        who.delete_message(&message).await,
        who.react(&message, "👍").await,
        who.unreact(&message, "👍").await,
        who.reactions(&message).await,
        who.pin(&message).await,
        who.unpin(&message).await,
        who.get(&format!("/chat/rooms/{room}/pins")).await,
        who.add(room, who).await,
    ]
}

#[tokio::test(flavor = "multi_thread")]
async fn a_block_ends_what_is_between_two_and_unblocking_brings_their_room_back() {
    let stack = TestStack::new().await;
    let [ana, ben] = stack.actors(["ana", "ben"]).await;
    make_friends(&ana, &ben).await;
    let room = ana.room_with(&ben).await;
    let said = ben.send_message(&room, "hello").await;
    let (mut phone, mut tablet) = (ana.socket().await, ana.socket().await);
    stack.local.settle().await;
    let mut at_ben = ben.socket().await;
    next_on_each([&mut phone, &mut tablet], "user_status_change").await;

    ana.block(&ben).await.nothing();
    for device in [&mut phone, &mut tablet] {
        let mut heard = [device.next().await, device.next().await];
        heard.sort_by_key(|frame| frame["type"].to_string());
        let blocked = json!({"type": "block_changed", "data": {"user_id": ben.id, "is_blocked": true}});
        assert_eq!(heard, [blocked, json!({"type": "friend_removed", "data": {"user_id": ben.id}})]);
    }
    assert_eq!(at_ben.next().await, json!({"type": "friend_removed", "data": {"user_id": ana.id}}));
    // Again, and nothing changes.
    ana.block(&ben).await.nothing();
    for who in [&ana, &ben] {
        for list in ["/friends", "/friends/requests", "/chat/rooms", "/friends/suggestions"] {
            assert_eq!(who.get(list).await.ok(), json!([]), "{list}");
        }
        let news = who.sync(json!({&room: {"seq": 1, "rev": 0}})).await;
        assert_eq!((&news["rooms"], &news["left"]), (&json!([]), &json!([room])));
        let nowhere = Uuid::new_v4().to_string();
        let (here, there) = (calls_on(who, &room, &said).await, calls_on(who, &nowhere, &said).await);
        for (here, there) in here.iter().zip(&there) {
            assert_eq!((here.status, &here.text), (there.status, &there.text), "byte for byte");
            assert!([404, 422].contains(&here.status), "{}", here.text);
        }
    }
    for socket in [&mut phone, &mut at_ben] {
        for frame in ["send_message", "message_read", "message_delivered"] {
            socket.send(frame, json!({"chat_room_id": room, "content": "hi", "seq": 1})).await;
            assert_eq!(socket.expect("error").await["data"]["code"], "not_found");
        }
    }
    for socket in [&mut phone, &mut tablet, &mut at_ben] {
        socket.expect_nothing_more().await;
    }

    ana.unblock(&ben).await.nothing();
    for device in [&mut phone, &mut tablet] {
        let unblocked = json!({"user_id": ben.id, "is_blocked": false});
        assert_eq!(device.expect("block_changed").await["data"], unblocked);
    }
    for who in [&ana, &ben] {
        assert_eq!(each(&who.get("/chat/rooms").await.ok(), "id"), [&json!(room)]);
        assert_eq!(who.get("/friends").await.ok(), json!([]), "nothing is given back but the possibility");
        assert_eq!(who.history(&room).await.len(), 1);
        let whole = who.sync(json!({})).await["rooms"][0].take();
        assert_eq!((&whole["room"]["id"], &whole["complete"]), (&json!(room), &json!(false)));
        // Who did not sync meanwhile has missed two revisions and no more.
        let held = who.sync(json!({&room: {"seq": 1, "rev": 0}})).await["rooms"][0].take();
        assert_eq!((&held["rev"], &held["complete"]), (&json!(2), &json!(true)));
    }
    ana.unblock(&ben).await.nothing();
    ben.send_message(&room, "there you are").await;
    next_on_each([&mut phone, &mut tablet, &mut at_ben], "new_message").await;
    for socket in [&mut phone, &mut tablet, &mut at_ben] {
        socket.expect_nothing_more().await;
    }
    make_friends(&ben, &ana).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn to_who_is_blocked_it_is_as_if_there_were_nobody() {
    let stack = TestStack::new().await;
    let [ana, ben, cleo] = stack.actors(["ana", "ben", "cleo"]).await;
    let group = ben.group_with(&[&cleo]).await;
    let mut at_ben = ben.socket().await;
    ana.block(&ben).await.nothing();
    let mut nobody = ana.clone();
    nobody.id = Uuid::new_v4().to_string();
    let mut answers = Vec::new();
    for other in [&ana, &nobody] {
        let one = json!({"participant_ids": [other.id]});
        let three = json!({"participant_ids": [other.id, cleo.id], "is_group": true});
        answers.push([
            ben.send_request(other).await,
            ben.post("/chat/rooms", one).await,
            ben.post("/chat/rooms", three).await,
            ben.add(&group, other).await,
            ben.get(&format!("/friends/{}/mutual", other.id)).await,
            ben.unfriend(other).await,
            ben.unblock(other).await,
            ben.block(other).await,
            ben.send_request(other).await,
        ]);
    }
    let (theirs, none) = (&answers[0], &answers[1]);
    for (n, (theirs, none)) in theirs.iter().zip(none).enumerate() {
        assert_eq!((theirs.status, &theirs.text), (none.status, &none.text), "call {n}, byte for byte");
    }
    let statuses: Vec<u16> = theirs.iter().map(|answer| answer.status).collect();
    assert_eq!(statuses, [404, 404, 404, 404, 404, 204, 204, 204, 400]);
    // The list of blocks does not tell them apart either.
    let mut blocks = ben.get("/friends/blocks").await.ok();
    for block in blocks.as_array_mut().unwrap() {
        let fields = block.as_object_mut().unwrap();
        assert!(fields.remove("user_id").is_some() && fields.remove("blocked_at").is_some());
        assert_eq!(*block, json!({"username": null, "display_name": null, "avatar_url": null}));
    }
    assert_eq!(blocks.as_array().unwrap().len(), 2);
    assert_eq!(ben.get("/friends/search?query=ana").await.ok(), json!([]));
    assert_eq!(ana.get("/friends/search?query=ben").await.ok(), json!([]));
    for kind in ["block_changed", "block_changed"] {
        at_ben.expect(kind).await;
    }
    at_ben.expect_nothing_more().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn each_takes_back_their_own_block_alone() {
    let stack = TestStack::new().await;
    let [ana, ben] = stack.actors(["ana", "ben"]).await;
    let room = ana.room_with(&ben).await;
    for (who, other) in [(&ana, &ben), (&ben, &ana)] {
        who.block(other).await.nothing();
        who.send_request(other).await.problem(400, "you_blocked_them");
    }
    assert_eq!(ana.get("/friends/blocks").await.ok()[0]["username"], "ben");
    ana.unblock(&ben).await.nothing();
    assert_eq!(ana.get("/friends/blocks").await.ok(), json!([]));
    ana.room(&room).await.problem(404, "not_found");
    ana.send_request(&ben).await.problem(404, "not_found");
    ana.unblock(&ben).await.nothing();
    ben.room(&room).await.problem(404, "not_found");
    ben.unblock(&ana).await.nothing();
    ben.room(&room).await.ok();
    ana.send_request(&ben).await.ok();
    ana.block(&ana).await.problem(400, "cannot_block_yourself");
    ana.put("/friends/blocks/ben").await.bad_field("user_id");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_block_answers_the_others_request_and_cancels_ones_own() {
    let stack = TestStack::new().await;
    let [ana, ben] = stack.actors(["ana", "ben"]).await;
    let (mut at_ana, mut at_ben) = (ana.socket().await, ben.socket().await);
    let request = ana.send_request(&ben).await.ok();
    at_ben.expect("friend_request_received").await;
    ana.block(&ben).await.nothing();
    at_ben.expect("friend_request_cancelled").await;
    for kind in [at_ana.next().await, at_ana.next().await] {
        assert!(["friend_request_cancelled", "block_changed"].contains(&kind["type"].as_str().unwrap()));
    }
    ben.accept(&request).await.problem(404, "not_found");
    ana.unblock(&ben).await.nothing();
    at_ana.expect("block_changed").await;

    let request = ana.send_request(&ben).await.ok();
    at_ben.expect("friend_request_received").await;
    ben.block(&ana).await.nothing();
    let rejected = json!({"request_id": request["id"], "user_id": ben.id, "action": "rejected"});
    assert_eq!(at_ana.expect("friend_request_responded").await["data"], rejected);
    at_ben.expect("block_changed").await;
    for list in ["/friends/requests", "/friends/requests?direction=sent"] {
        assert_eq!(ana.get(list).await.ok(), json!([]));
        assert_eq!(ben.get(list).await.ok(), json!([]));
    }
    // No way round the wait of who was rejected.
    ben.unblock(&ana).await.nothing();
    at_ben.expect("block_changed").await;
    ana.block(&ben).await.nothing();
    ana.unblock(&ben).await.nothing();
    ana.send_request(&ben).await.problem(400, "request_too_soon");
    for _ in 0..2 {
        at_ana.expect("block_changed").await;
    }
    for socket in [&mut at_ana, &mut at_ben] {
        socket.expect_nothing_more().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_block_leaves_shared_groups_as_they_are() {
    let stack = TestStack::new().await;
    let [ana, ben, cleo] = stack.actors(["ana", "ben", "cleo"]).await;
    let group = cleo.group_with(&[&ana, &ben]).await;
    let before = ana.room(&group).await.ok();
    ana.block(&ben).await.nothing();
    assert_eq!(ana.room(&group).await.ok(), before);
    let (mut at_ana, mut at_ben) = (ana.socket().await, ben.socket().await);
    for who in [&ana, &ben, &cleo] {
        who.send_message(&group, "hello").await;
        next_on_each([&mut at_ana, &mut at_ben], "new_message").await;
    }
    assert_eq!(ben.history(&group).await.len(), 3);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_push_that_a_block_overtakes_reaches_nobody() {
    let (stack, proxy) = TestStack::with_proxy().await;
    let [ana, ben] = stack.actors(["ana", "ben"]).await;
    let room = ana.room_with(&ben).await;
    ana.send_message(&room, "hello").await;
    let (mut at_ana, mut at_ben) = (ana.socket().await, ben.socket().await);
    for function in ["ChatSendMessageFunction", "ChatMarkReadFunction"] {
        let held = proxy.hold(move |call| call.caller == function && call.body.contains("PRESENCE"));
        let overtaken = async {
            let released = held.caught().await;
            ana.block(&ben).await.nothing();
            drop(released);
        };
        let call = async {
            if function == "ChatSendMessageFunction" {
                ben.send_message(&room, "one more thing").await;
            } else {
                ben.put(&format!("/chat/rooms/{room}/read")).await.ok();
            }
        };
        tokio::join!(call, overtaken);
        at_ana.expect("block_changed").await;
        at_ana.expect_nothing_more().await;
        at_ben.expect_nothing_more().await;
        ana.unblock(&ben).await.nothing();
        at_ana.expect("block_changed").await;
        ana.send_message(&room, "hello again").await;
        next_on_each([&mut at_ana, &mut at_ben], "new_message").await;
    }
}
