//! Friend requests, friendships and their lists.

use futures::StreamExt;
use serde_json::{Value, json};

use crate::harness::{TestStack, make_friends, next_on_each};

#[tokio::test(flavor = "multi_thread")]
async fn of_two_crossing_requests_one_is_created_and_the_other_is_rejected() {
    let stack = TestStack::new().await;
    let stack = &stack;
    let tries = futures::stream::iter(0..20).map(|n| async move {
        let (ana, ben) = (stack.actor(&format!("ana{n}")).await, stack.actor(&format!("ben{n}")).await);
        let (anas, bens) = tokio::join!(
            ana.post("/friends/requests", json!({"receiver_id": ben.id})),
            ben.post("/friends/requests", json!({"receiver_id": ana.id})),
        );
        let (created, rejected, receiver) =
            if anas.status == 200 { (anas, bens, &ben) } else { (bens, anas, &ana) };
        rejected.problem(400, "request_waiting");
        assert_eq!(receiver.get("/friends/requests").await.ok(), json!([created.ok()]));
    });
    tries.buffer_unordered(4).collect::<Vec<()>>().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn only_the_receiver_answers_a_request_and_only_once() {
    let stack = TestStack::new().await;
    let [ana, ben, eve] = stack.actors(["ana", "ben", "eve"]).await;
    let request = ana.post("/friends/requests", json!({"receiver_id": ben.id})).await.ok();
    let path =
        |action: &str| format!("/friends/requests/{}?action={action}", request["id"].as_str().unwrap());
    ana.post("/friends/requests", json!({"receiver_id": ben.id})).await.problem(400, "request_already_sent");
    ben.post("/friends/requests", json!({"receiver_id": ana.id})).await.problem(400, "request_waiting");
    for outsider in [&ana, &eve] {
        outsider.put(&path("accepted")).await.problem(404, "not_found");
    }
    ben.put(&path("maybe")).await.problem(422, "validation_failed");
    assert_eq!(
        ben.put(&path("rejected")).await.ok(),
        json!({"message": "Friend request rejected", "friend": null})
    );
    ben.put(&path("accepted")).await.problem(404, "not_found");
    assert_eq!(ben.get("/friends/requests").await.ok(), json!([]));
    assert_eq!(ana.get("/friends").await.ok(), json!([]));
    ana.post("/friends/requests", json!({"receiver_id": ben.id})).await.problem(400, "request_too_soon");
    make_friends(&ben, &ana).await;
    ana.post("/friends/requests", json!({"receiver_id": ben.id})).await.problem(400, "already_friends");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_request_to_oneself_or_an_unknown_user_is_rejected() {
    let stack = TestStack::new().await;
    let [ana] = stack.actors(["ana"]).await;
    ana.post("/friends/requests", json!({"receiver_id": ana.id}))
        .await
        .problem(400, "cannot_request_yourself");
    ana.post("/friends/requests", json!({"receiver_id": uuid::Uuid::new_v4()}))
        .await
        .problem(404, "not_found");
    for body in
        [json!({}), json!({"receiver_id": null}), json!({"receiver_id": "ana"}), json!({"receiver_id": [1]})]
    {
        let problem = ana.post("/friends/requests", body).await.problem(422, "validation_failed");
        assert_eq!(problem["errors"][0]["field"], "receiver_id");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn search_requires_two_characters_and_excludes_the_caller() {
    let stack = TestStack::new().await;
    let [ana, _, _] = stack.actors(["ana", "anabel", "Joanna"]).await;
    let names = |found: Value| {
        let found = found.as_array().unwrap().iter();
        let mut names: Vec<_> = found.map(|user| user["username"].as_str().unwrap().to_owned()).collect();
        names.sort();
        names
    };
    assert_eq!(names(ana.get("/friends/search?query=AN").await.ok()), ["Joanna", "anabel"]);
    assert_eq!(names(ana.get("/friends/search?query=nobody").await.ok()), Vec::<String>::new());
    assert_eq!(names(ana.get("/friends/search?query=anabel%40example.com").await.ok()), Vec::<String>::new());
    for query in ["", "?query=", "?query=a", "?query=%20a%20"] {
        let problem = ana.get(&format!("/friends/search{query}")).await.problem(422, "validation_failed");
        assert_eq!(problem["errors"][0]["field"], "query");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn lists_are_complete_without_a_limit_and_paginated_with_one() {
    let stack = TestStack::new().await;
    let [ana, b, c, d] = stack.actors(["ana", "ben", "cleo", "dana"]).await;
    for friend in [&b, &c, &d] {
        make_friends(&ana, friend).await;
    }
    let complete = ana.get("/friends").await;
    assert!(!complete.headers.contains_key("x-next-cursor"));
    let complete = complete.ok();
    for path in ["/friends", "/friends/"] {
        let first = ana.get(&format!("{path}?limit=2")).await;
        let cursor = first.headers["x-next-cursor"].to_str().unwrap();
        let second = ana.get(&format!("{path}?limit=2&cursor={cursor}")).await;
        assert!(!second.headers.contains_key("x-next-cursor"));
        let both = [first.ok().as_array().unwrap().clone(), second.ok().as_array().unwrap().clone()].concat();
        assert_eq!(json!(both), complete);
    }
    for limit in ["0", "101", "-1", "ten", "1.5"] {
        ana.get(&format!("/friends?limit={limit}")).await.problem(422, "validation_failed");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_cancelled_request_disappears_for_both_users() {
    let stack = TestStack::new().await;
    let [ana, ben, eve] = stack.actors(["ana", "ben", "eve"]).await;
    let (mut at_ana, mut at_ben) = (ana.socket().await, ben.socket().await);
    let request = ana.send_request(&ben).await.ok();
    assert_eq!(at_ana.expect("friend_request_sent").await["data"], request);
    at_ben.expect("friend_request_received").await;
    for other in [&ben, &eve] {
        other.cancel(&request).await.problem(404, "not_found");
    }
    ana.cancel(&request).await.nothing();
    for data in next_on_each([&mut at_ana, &mut at_ben], "friend_request_cancelled").await {
        assert_eq!(data, json!({"request_id": request["id"]}));
    }
    assert_eq!(ben.get("/friends/requests").await.ok(), json!([]));
    assert_eq!(ana.get("/friends/requests?direction=sent").await.ok(), json!([]));
    ana.cancel(&request).await.problem(404, "not_found");
    ben.accept(&request).await.problem(404, "not_found");
    let again = ana.send_request(&ben).await.ok();
    at_ana.expect("friend_request_sent").await;
    at_ben.expect("friend_request_received").await;
    ben.accept(&again).await.ok();
    ana.cancel(&again).await.problem(404, "not_found");
    next_on_each([&mut at_ana, &mut at_ben], "friend_request_responded").await;
    for socket in [&mut at_ana, &mut at_ben] {
        socket.expect_nothing_more().await;
    }
    assert_eq!(ana.names("/friends").await, ["ben"]);
    ana.delete("/friends/requests/gym").await.bad_field("request_id");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_ended_friendship_disappears_for_both_users_and_notifies_every_device() {
    let stack = TestStack::new().await;
    let [ana, ben, eve] = stack.actors(["ana", "ben", "eve"]).await;
    make_friends(&ana, &ben).await;
    let room = ana.room_with(&ben).await;
    let (mut phone, mut tablet) = (ana.socket().await, ana.socket().await);
    stack.local.settle().await;
    let mut at_ben = ben.socket().await;
    next_on_each([&mut phone, &mut tablet], "user_status_change").await;
    ben.unfriend(&ana).await.nothing();
    let [first, second, third] = next_on_each([&mut phone, &mut tablet, &mut at_ben], "friend_removed").await;
    assert_eq!((&first, &second), (&json!({"user_id": ben.id}), &json!({"user_id": ben.id})));
    assert_eq!(third, json!({"user_id": ana.id}));
    for user in [&ana, &ben] {
        assert_eq!(user.get("/friends").await.ok(), json!([]));
    }
    assert_eq!(ana.get("/friends/search?query=ben").await.ok()[0]["friendship_status"], "none");
    // Repeated calls, and calls for users who were never friends or do not exist, succeed.
    ben.unfriend(&ana).await.nothing();
    ana.unfriend(&eve).await.nothing();
    ana.unfriend(&ana).await.nothing();
    ana.delete(&format!("/friends/{}", uuid::Uuid::new_v4())).await.nothing();
    // The direct room stays open, and a new request is allowed at once.
    ana.send_message(&room, "still here").await;
    next_on_each([&mut phone, &mut tablet, &mut at_ben], "new_message").await;
    make_friends(&ana, &ben).await;
    at_ben.expect("friend_request_received").await;
    next_on_each([&mut phone, &mut tablet], "friend_request_sent").await;
    for device in [&mut phone, &mut tablet, &mut at_ben] {
        device.expect("friend_request_responded").await;
        device.expect_nothing_more().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_names_of_lists_are_not_user_ids() {
    let stack = TestStack::new().await;
    let [ana] = stack.actors(["ana"]).await;
    for list in ["requests", "blocks", "suggestions", "search?query=nobody"] {
        assert_eq!(ana.get(&format!("/friends/{list}")).await.ok(), json!([]), "{list}");
    }
    for list in ["requests", "blocks", "suggestions", "search"] {
        ana.delete(&format!("/friends/{list}")).await.bad_field("user_id");
        ana.get(&format!("/friends/{list}/mutual")).await.bad_field("user_id");
    }
    ana.get(&format!("/friends/{}", ana.id)).await.problem(404, "not_found");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_full_list_is_reported_with_its_owner() {
    let stack = TestStack::new().await;
    let [ana, ben, cleo] = stack.actors(["ana", "ben", "cleo"]).await;
    stack.set_quota(&ana, "requests_sent", 49).await;
    let last = ana.send_request(&ben).await.ok();
    ana.send_request(&cleo).await.problem(409, "too_many_requests_sent");
    assert_eq!(cleo.get("/friends/requests").await.ok(), json!([]));
    ana.cancel(&last).await.nothing();
    let request = ana.send_request(&cleo).await.ok();
    stack.set_quota(&cleo, "friends", 5_000).await;
    cleo.accept(&request).await.problem(409, "too_many_friends");
    stack.set_quota(&cleo, "friends", 0).await;
    stack.set_quota(&ana, "friends", 5_000).await;
    cleo.accept(&request).await.problem(409, "other_has_too_many_friends");
    stack.set_quota(&ana, "friends", 4_999).await;
    cleo.accept(&request).await.ok();
    stack.set_quota(&ana, "blocks", 999).await;
    ana.block(&ben).await.nothing();
    ana.block(&ben).await.nothing();
    ana.block(&cleo).await.problem(409, "too_many_blocks");
    assert_eq!(ana.names("/friends").await, ["cleo"], "a rejected block does not end the friendship");
    ana.unblock(&ben).await.nothing();
    ana.block(&cleo).await.nothing();
}
