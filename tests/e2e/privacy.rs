//! Privacy settings: who may find a user, send them requests and send them messages.

use serde_json::json;

use crate::harness::{TestStack, make_friends};

#[tokio::test(flavor = "multi_thread")]
async fn search_finds_a_user_only_within_their_findable_by_audience() {
    let stack = TestStack::new().await;
    let [ana, ben, cleo, dev] = stack.actors(["ana", "ben", "cleo", "dev"]).await;
    make_friends(&ana, &ben).await;
    make_friends(&ben, &cleo).await;
    for (audience, finders) in [
        ("everyone", [true, true, true]),
        ("friends_of_friends", [true, true, false]),
        ("nobody", [true, false, false]),
    ] {
        stack.set_audience(&ana, "findable_by", audience).await;
        for (user, is_found) in [&ben, &cleo, &dev].into_iter().zip(finders) {
            let found = user.names("/friends/search?query=ana").await;
            assert_eq!(found, if is_found { vec!["ana"] } else { vec![] }, "{} and {audience}", user.name);
        }
    }
    // The setting applies to search only: a user who knows the id can send a request.
    dev.send_request(&ana).await.ok();
}

#[tokio::test(flavor = "multi_thread")]
async fn friend_requests_are_accepted_only_within_the_requests_from_audience() {
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
    // A user to whom Ana sends a request can accept it.
    let sent = ana.send_request(&dev).await.ok();
    dev.send_request(&ana).await.problem(400, "request_waiting");
    dev.accept(&sent).await.ok();
}

#[tokio::test(flavor = "multi_thread")]
async fn only_friends_can_create_rooms_with_a_user_who_accepts_messages_from_friends() {
    let stack = TestStack::new().await;
    let [ana, ben, cleo, dev] = stack.actors(["ana", "ben", "cleo", "dev"]).await;
    make_friends(&ana, &ben).await;
    let existing = cleo.room_with(&ana).await;
    let mut at_ana = ana.socket().await;
    stack.set_audience(&ana, "messages_from", "friends").await;
    let with_ana = json!({"participant_ids": [ana.id]});
    let group = json!({"participant_ids": [ana.id, ben.id], "is_group": true});
    dev.post("/chat/rooms", with_ana.clone()).await.problem(403, "messages_not_allowed");
    dev.post("/chat/rooms", group.clone()).await.problem(403, "messages_not_allowed");
    let dev_group = dev.group_with(&[&ben]).await;
    dev.add(&dev_group, &ana).await.problem(403, "messages_not_allowed");
    assert_eq!(dev.room(&dev_group).await.ok()["participant_count"], 2);
    at_ana.expect_nothing_more().await;
    // The setting does not affect existing rooms.
    assert_eq!(cleo.room_with(&ana).await, existing);
    cleo.send_message(&existing, "are you there?").await;
    at_ana.expect("new_message").await;
    // Friends are allowed. Ana can create a room with any user who accepts her messages.
    ben.post("/chat/rooms", group).await.ok();
    at_ana.expect("room_created").await;
    ben.room_with(&ana).await;
    at_ana.expect("room_created").await;
    ana.room_with(&dev).await;
    at_ana.expect("room_created").await;
    dev.post("/chat/rooms", with_ana).await.ok();
}

#[tokio::test(flavor = "multi_thread")]
async fn only_the_groups_from_audience_can_add_a_user_to_groups() {
    let stack = TestStack::new().await;
    let [ana, ben, cleo, dev, extra] = stack.actors(["ana", "ben", "cleo", "dev", "extra"]).await;
    make_friends(&ana, &ben).await;
    make_friends(&ben, &cleo).await;
    let mut at_ana = ana.socket().await;
    for (audience, adders) in [
        ("everyone", [true, true, true]),
        ("friends_of_friends", [true, true, false]),
        ("friends", [true, false, false]),
    ] {
        let me = ana.patch("/users/me", json!({"settings": {"groups_from": audience}})).await.ok();
        assert_eq!(me["settings"]["groups_from"], audience);
        at_ana.expect("profile_updated").await;
        for (user, may_add) in [&ben, &cleo, &dev].into_iter().zip(adders) {
            let with_ana = json!({"participant_ids": [ana.id], "is_group": true});
            let group = user.group_with(&[&extra]).await;
            for answer in [user.post("/chat/rooms", with_ana).await, user.add(&group, &ana).await] {
                if may_add {
                    answer.ok();
                    at_ana.expect("room_created").await;
                } else {
                    answer.problem(403, "groups_not_allowed");
                }
            }
            if may_add {
                at_ana.expect("new_message").await;
            }
        }
    }
    at_ana.expect_nothing_more().await;
    // The setting does not apply to direct rooms.
    dev.room_with(&ana).await;
    for invalid in ["nobody", "strangers"] {
        let change = json!({"settings": {"groups_from": invalid}});
        ana.patch("/users/me", change).await.bad_field("settings.groups_from");
    }
}
