//! What people let others do: find them, ask them, write to them first.

use serde_json::json;

use crate::harness::{TestStack, make_friends};

#[tokio::test(flavor = "multi_thread")]
async fn who_hides_is_found_by_those_alone_who_stand_near_enough() {
    let stack = TestStack::new().await;
    let [ana, ben, cleo, dev] = stack.actors(["ana", "ben", "cleo", "dev"]).await;
    make_friends(&ana, &ben).await;
    make_friends(&ben, &cleo).await;
    for (circle, finders) in [
        ("everyone", [true, true, true]),
        ("friends_of_friends", [true, true, false]),
        ("nobody", [true, false, false]),
    ] {
        stack.set_audience(&ana, "findable_by", circle).await;
        for (who, finds) in [&ben, &cleo, &dev].into_iter().zip(finders) {
            let found = who.names("/friends/search?query=ana").await;
            assert_eq!(found, if finds { vec!["ana"] } else { vec![] }, "{} and {circle}", who.name);
        }
    }
    // It is the way to them that is hidden: who knows the id may ask.
    dev.send_request(&ana).await.ok();
}

#[tokio::test(flavor = "multi_thread")]
async fn requests_come_from_those_alone_who_stand_near_enough() {
    let stack = TestStack::new().await;
    let [ana, ben, cleo, dev] = stack.actors(["ana", "ben", "cleo", "dev"]).await;
    make_friends(&ana, &ben).await;
    make_friends(&ben, &cleo).await;
    let mut at_ana = ana.socket().await;
    stack.set_audience(&ana, "requests_from", "friends_of_friends").await;
    dev.send_request(&ana).await.problem(403, "requests_not_allowed");
    let request = cleo.send_request(&ana).await.ok();
    assert_eq!(at_ana.expect("friend_request_received").await["data"], request);
    stack.set_audience(&ana, "requests_from", "nobody").await;
    cleo.send_request(&ana).await.problem(400, "request_already_sent");
    cleo.cancel(&request).await.nothing();
    at_ana.expect("friend_request_cancelled").await;
    cleo.send_request(&ana).await.problem(403, "requests_not_allowed");
    ben.send_request(&ana).await.problem(400, "already_friends");
    at_ana.expect_nothing_more().await;
    // Whom Ana asks herself may answer.
    let asked = ana.send_request(&dev).await.ok();
    dev.send_request(&ana).await.problem(400, "request_waiting");
    dev.accept(&asked).await.ok();
}

#[tokio::test(flavor = "multi_thread")]
async fn who_takes_messages_from_friends_alone_is_left_alone_by_others() {
    let stack = TestStack::new().await;
    let [ana, ben, cleo, dev] = stack.actors(["ana", "ben", "cleo", "dev"]).await;
    make_friends(&ana, &ben).await;
    let before = cleo.room_with(&ana).await;
    let mut at_ana = ana.socket().await;
    stack.set_audience(&ana, "messages_from", "friends").await;
    let with_ana = json!({"participant_ids": [ana.id]});
    let group = json!({"participant_ids": [ana.id, ben.id], "is_group": true});
    dev.post("/chat/rooms", with_ana.clone()).await.problem(403, "messages_not_allowed");
    dev.post("/chat/rooms", group.clone()).await.problem(403, "messages_not_allowed");
    let devs = dev.group_with(&[&ben]).await;
    dev.add(&devs, &ana).await.problem(403, "messages_not_allowed");
    assert_eq!(dev.room(&devs).await.ok()["participant_count"], 2);
    at_ana.expect_nothing_more().await;
    // Rooms that are there already stay as they are.
    assert_eq!(cleo.room_with(&ana).await, before);
    cleo.send_message(&before, "are you there?").await;
    at_ana.expect("new_message").await;
    // Friends come through, and it is Ana who is asked, not those whom she writes to.
    ben.post("/chat/rooms", group).await.ok();
    at_ana.expect("room_created").await;
    ben.room_with(&ana).await;
    at_ana.expect("room_created").await;
    ana.room_with(&dev).await;
    at_ana.expect("room_created").await;
    dev.post("/chat/rooms", with_ana).await.ok();
}
