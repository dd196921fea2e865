//! Mutual friends and friend suggestions.

use serde_json::json;

use crate::harness::{TestStack, each, make_friends};

#[tokio::test(flavor = "multi_thread")]
async fn friends_of_friends_are_suggested_until_a_request_is_sent() {
    let stack = TestStack::new().await;
    let [ana, ben, cleo, dev, eve] = stack.actors(["ana", "ben", "cleo", "dev", "eve"]).await;
    for friend in [&ben, &cleo] {
        make_friends(&ana, friend).await;
        make_friends(friend, &dev).await;
    }
    make_friends(&ben, &eve).await;
    let suggestions = ana.get("/friends/suggestions").await.ok();
    assert_eq!(each(&suggestions, "username"), ["dev", "eve"]);
    assert_eq!(each(&suggestions, "mutual_count"), [2, 1]);
    let expected = json!({
        "id": eve.id, "username": "eve", "display_name": null, "avatar_url": null, "is_friend": false,
        "has_pending_request": false, "friendship_status": "none", "request_id": null, "mutual_count": 1,
    });
    assert_eq!(suggestions[1], expected);
    eve.send_request(&ana).await.ok();
    assert_eq!(ana.names("/friends/suggestions").await, ["dev"]);
    assert_eq!(eve.names("/friends/suggestions").await, ["dev"]);
    dev.block(&ana).await.nothing();
    for (user, expected) in [(&ana, vec![]), (&dev, vec!["eve"])] {
        assert_eq!(user.names("/friends/suggestions").await, expected);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn mutual_friends_are_listed_for_visible_users_only() {
    let stack = TestStack::new().await;
    let [ana, ben, cleo, dev] = stack.actors(["ana", "ben", "cleo", "dev"]).await;
    for friend in [&ben, &cleo] {
        make_friends(&ana, friend).await;
        make_friends(friend, &dev).await;
    }
    let path = format!("/friends/{}/mutual", dev.id);
    let mut mutual = ana.get("/friends").await.ok();
    assert_eq!(ana.get(&path).await.ok(), mutual, "in the form of the list of friends");
    let first = ana.get(&format!("{path}?limit=1")).await;
    let cursor = first.headers["x-next-cursor"].to_str().unwrap();
    let second = ana.get(&format!("{path}?limit=1&cursor={cursor}")).await;
    assert!(!second.headers.contains_key("x-next-cursor"));
    assert_eq!(json!([first.ok()[0], second.ok()[0]]), mutual);
    cleo.unfriend(&dev).await.nothing();
    mutual.as_array_mut().unwrap().retain(|friend| friend["username"] == "ben");
    assert_eq!(ana.get(&path).await.ok(), mutual);

    let missing = ana.get(&format!("/friends/{}/mutual", uuid::Uuid::new_v4())).await;
    missing.problem(404, "not_found");
    dev.block(&ana).await.nothing();
    for (user, other) in [(&ana, &dev), (&dev, &ana)] {
        assert_eq!(user.get(&format!("/friends/{}/mutual", other.id)).await.text, missing.text);
    }
}
