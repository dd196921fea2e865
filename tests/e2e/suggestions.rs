//! Friends in common, and people whom one may know.

use serde_json::json;

use crate::harness::{TestStack, each, make_friends};

#[tokio::test(flavor = "multi_thread")]
async fn friends_of_friends_are_suggested_until_they_are_asked() {
    let stack = TestStack::new().await;
    let [ana, ben, cleo, dev, eve] = stack.actors(["ana", "ben", "cleo", "dev", "eve"]).await;
    for friend in [&ben, &cleo] {
        make_friends(&ana, friend).await;
        make_friends(friend, &dev).await;
    }
    make_friends(&ben, &eve).await;
    let suggested = ana.get("/friends/suggestions").await.ok();
    assert_eq!(each(&suggested, "username"), ["dev", "eve"]);
    assert_eq!(each(&suggested, "mutual_count"), [2, 1]);
    let eves = json!({
        "id": eve.id, "username": "eve", "display_name": null, "avatar_url": null, "is_friend": false,
        "has_pending_request": false, "friendship_status": "none", "mutual_count": 1,
    });
    assert_eq!(suggested[1], eves);
    eve.send_request(&ana).await.ok();
    assert_eq!(ana.names("/friends/suggestions").await, ["dev"]);
    assert_eq!(eve.names("/friends/suggestions").await, ["dev"]);
    dev.block(&ana).await.nothing();
    for (who, expected) in [(&ana, vec![]), (&dev, vec!["eve"])] {
        assert_eq!(who.names("/friends/suggestions").await, expected);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn friends_in_common_are_shown_of_those_whom_one_may_see() {
    let stack = TestStack::new().await;
    let [ana, ben, cleo, dev] = stack.actors(["ana", "ben", "cleo", "dev"]).await;
    for friend in [&ben, &cleo] {
        make_friends(&ana, friend).await;
        make_friends(friend, &dev).await;
    }
    let path = format!("/friends/{}/mutual", dev.id);
    let mut whole = ana.get("/friends").await.ok();
    assert_eq!(ana.get(&path).await.ok(), whole, "as the list of friends has them");
    let first = ana.get(&format!("{path}?limit=1")).await;
    let cursor = first.headers["x-next-cursor"].to_str().unwrap();
    let second = ana.get(&format!("{path}?limit=1&cursor={cursor}")).await;
    assert!(!second.headers.contains_key("x-next-cursor"));
    assert_eq!(json!([first.ok()[0], second.ok()[0]]), whole);
    cleo.unfriend(&dev).await.nothing();
    whole.as_array_mut().unwrap().retain(|friend| friend["username"] == "ben");
    assert_eq!(ana.get(&path).await.ok(), whole);

    let nobody = ana.get(&format!("/friends/{}/mutual", uuid::Uuid::new_v4())).await;
    nobody.problem(404, "not_found");
    dev.block(&ana).await.nothing();
    for (who, other) in [(&ana, &dev), (&dev, &ana)] {
        assert_eq!(who.get(&format!("/friends/{}/mutual", other.id)).await.text, nobody.text);
    }
}
