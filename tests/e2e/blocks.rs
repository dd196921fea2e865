//! Blocked users.

use serde_json::{Value, json};
use uuid::Uuid;

use crate::harness::{Actor, Answer, TestStack, each, make_friends, next_on_each};

/// The answers to every call about a room and a message in it.
async fn calls_on(user: &Actor, room: &str, message: &Value) -> Vec<Answer> {
    let id = message["id"].as_str().unwrap();
    let message = json!({"chat_room_id": room, "id": id});
    let (forward, text) = (
        json!({"chat_room_id": room, "forward_room_id": room, "forward_message_id": id}),
        json!({"chat_room_id": room, "content": "still there?"}),
    );
    vec![
        user.room(room).await,
        user.get(&format!("/chat/rooms/{room}/messages")).await,
        user.put(&format!("/chat/rooms/{room}/read")).await,
        user.post("/chat/messages", text).await,
        user.post("/chat/messages", forward).await,
        user.edit(&message, "changed").await,
        user.delete_message(&message).await,
        user.react(&message, "👍").await,
        user.unreact(&message, "👍").await,
        user.reactions(&message).await,
        user.pin(&message).await,
        user.unpin(&message).await,
        user.get(&format!("/chat/rooms/{room}/pins")).await,
        user.add(room, user).await,
    ]
}

#[tokio::test(flavor = "multi_thread")]
async fn a_block_ends_the_friendship_and_closes_the_room_until_unblocking() {
    let stack = TestStack::new().await;
    let [ana, ben] = stack.actors(["ana", "ben"]).await;
    make_friends(&ana, &ben).await;
    let room = ana.room_with(&ben).await;
    let message = ben.send_message(&room, "hello").await;
    let (mut phone, mut tablet) = (ana.socket().await, ana.socket().await);
    stack.local.settle().await;
    let mut at_ben = ben.socket().await;
    next_on_each([&mut phone, &mut tablet], "user_status_change").await;

    ana.block(&ben).await.nothing();
    for device in [&mut phone, &mut tablet] {
        let mut frames = [device.next().await, device.next().await];
        frames.sort_by_key(|frame| frame["type"].to_string());
        let blocked = json!({"type": "block_changed", "data": {"user_id": ben.id, "is_blocked": true}});
        assert_eq!(frames, [blocked, json!({"type": "friend_removed", "data": {"user_id": ben.id}})]);
    }
    assert_eq!(at_ben.next().await, json!({"type": "friend_removed", "data": {"user_id": ana.id}}));
    // A repeated block changes nothing.
    ana.block(&ben).await.nothing();
    for user in [&ana, &ben] {
        for list in ["/friends", "/friends/requests", "/chat/rooms", "/friends/suggestions"] {
            assert_eq!(user.get(list).await.ok(), json!([]), "{list}");
        }
        let sync = user.sync(json!({&room: {"seq": 1, "rev": 0}})).await;
        assert_eq!((&sync["rooms"], &sync["left"]), (&json!([]), &json!([room])));
        let nowhere = Uuid::new_v4().to_string();
        let closed = calls_on(user, &room, &message).await;
        let unknown = calls_on(user, &nowhere, &message).await;
        for (closed, unknown) in closed.iter().zip(&unknown) {
            assert_eq!((closed.status, &closed.text), (unknown.status, &unknown.text), "identical bytes");
            assert!([404, 422].contains(&closed.status), "{}", closed.text);
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
    for user in [&ana, &ben] {
        assert_eq!(each(&user.get("/chat/rooms").await.ok(), "id"), [&json!(room)]);
        assert_eq!(user.get("/friends").await.ok(), json!([]), "the friendship is not restored");
        assert_eq!(user.history(&room).await.len(), 1);
        let whole = user.sync(json!({})).await["rooms"][0].take();
        assert_eq!((&whole["room"]["id"], &whole["complete"]), (&json!(room), &json!(false)));
        // A device that did not sync during the block has missed two revisions.
        let partial = user.sync(json!({&room: {"seq": 1, "rev": 0}})).await["rooms"][0].take();
        assert_eq!((&partial["rev"], &partial["complete"]), (&json!(2), &json!(true)));
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
async fn a_blocked_user_cannot_distinguish_the_blocker_from_an_unknown_user() {
    let stack = TestStack::new().await;
    let [ana, ben, cleo] = stack.actors(["ana", "ben", "cleo"]).await;
    let group = ben.group_with(&[&cleo]).await;
    let mut at_ben = ben.socket().await;
    ana.block(&ben).await.nothing();
    let mut unknown = ana.clone();
    unknown.id = Uuid::new_v4().to_string();
    let mut answers = Vec::new();
    for other in [&ana, &unknown] {
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
    let (blocker, unknown) = (&answers[0], &answers[1]);
    for (n, (blocker, unknown)) in blocker.iter().zip(unknown).enumerate() {
        assert_eq!(
            (blocker.status, &blocker.text),
            (unknown.status, &unknown.text),
            "call {n}: identical bytes"
        );
    }
    let statuses: Vec<u16> = blocker.iter().map(|answer| answer.status).collect();
    assert_eq!(statuses, [404, 404, 404, 404, 404, 204, 204, 204, 400]);
    // The list of blocks does not distinguish them either.
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
async fn unblocking_removes_only_the_callers_own_block() {
    let stack = TestStack::new().await;
    let [ana, ben] = stack.actors(["ana", "ben"]).await;
    let room = ana.room_with(&ben).await;
    for (user, other) in [(&ana, &ben), (&ben, &ana)] {
        user.block(other).await.nothing();
        user.send_request(other).await.problem(400, "you_blocked_them");
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
async fn a_block_rejects_a_received_request_and_cancels_a_sent_one() {
    let stack = TestStack::new().await;
    let [ana, ben] = stack.actors(["ana", "ben"]).await;
    let (mut at_ana, mut at_ben) = (ana.socket().await, ben.socket().await);
    let request = ana.send_request(&ben).await.ok();
    at_ana.expect("friend_request_sent").await;
    at_ben.expect("friend_request_received").await;
    ana.block(&ben).await.nothing();
    at_ben.expect("friend_request_cancelled").await;
    for frame in [at_ana.next().await, at_ana.next().await] {
        assert!(["friend_request_cancelled", "block_changed"].contains(&frame["type"].as_str().unwrap()));
    }
    ben.accept(&request).await.problem(404, "not_found");
    ana.unblock(&ben).await.nothing();
    at_ana.expect("block_changed").await;

    let request = ana.send_request(&ben).await.ok();
    at_ana.expect("friend_request_sent").await;
    at_ben.expect("friend_request_received").await;
    ben.block(&ana).await.nothing();
    let rejected =
        json!({"request_id": request["id"], "user_id": ben.id, "action": "rejected", "friend": null});
    assert_eq!(at_ana.expect("friend_request_responded").await["data"], rejected);
    let mut kinds = [at_ben.next().await, at_ben.next().await].map(|frame| frame["type"].clone().to_string());
    kinds.sort();
    assert_eq!(kinds, [r#""block_changed""#, r#""friend_request_responded""#]);
    for list in ["/friends/requests", "/friends/requests?direction=sent"] {
        assert_eq!(ana.get(list).await.ok(), json!([]));
        assert_eq!(ben.get(list).await.ok(), json!([]));
    }
    // Blocks do not shorten the wait after a rejected request.
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
async fn a_block_does_not_change_shared_groups() {
    let stack = TestStack::new().await;
    let [ana, ben, cleo] = stack.actors(["ana", "ben", "cleo"]).await;
    let group = cleo.group_with(&[&ana, &ben]).await;
    let before = ana.room(&group).await.ok();
    ana.block(&ben).await.nothing();
    assert_eq!(ana.room(&group).await.ok(), before);
    let (mut at_ana, mut at_ben) = (ana.socket().await, ben.socket().await);
    for user in [&ana, &ben, &cleo] {
        user.send_message(&group, "hello").await;
        next_on_each([&mut at_ana, &mut at_ben], "new_message").await;
    }
    assert_eq!(ben.history(&group).await.len(), 3);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_push_overtaken_by_a_block_is_not_delivered() {
    let (stack, proxy) = TestStack::with_proxy().await;
    let [ana, ben] = stack.actors(["ana", "ben"]).await;
    let room = ana.room_with(&ben).await;
    ana.send_message(&room, "hello").await;
    let (mut at_ana, mut at_ben) = (ana.socket().await, ben.socket().await);
    for function in ["ChatSendMessageFunction", "ChatMarkReadFunction"] {
        let blocked_call = proxy.hold(move |call| call.caller == function && call.body.contains("PRESENCE"));
        let overtaking_block = async {
            let released = blocked_call.caught().await;
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
        tokio::join!(call, overtaking_block);
        at_ana.expect("block_changed").await;
        at_ana.expect_nothing_more().await;
        at_ben.expect_nothing_more().await;
        ana.unblock(&ben).await.nothing();
        at_ana.expect("block_changed").await;
        ana.send_message(&room, "hello again").await;
        next_on_each([&mut at_ana, &mut at_ben], "new_message").await;
    }
}
