//! Presence: the online state, the time last seen, and the users to whom they are visible.

use serde_json::{Value, json};

use crate::harness::{Actor, TestStack, make_friends};

/// `[is_online, whether last_seen is present]` of a user.
fn presence_of(user: &Value) -> Value {
    json!([user["is_online"], user["last_seen"].is_string()])
}

/// The presence of a friend in the caller's list of friends.
async fn in_friends(caller: &Actor, friend: &Actor) -> Value {
    let friends = caller.get("/friends").await.ok();
    assert_eq!(caller.get("/friends/").await.ok(), friends);
    presence_of(friends.as_array().unwrap().iter().find(|one| one["id"] == *friend.id).unwrap())
}

/// The presence of a participant in a room.
fn in_room(room: &Value, user: &Actor) -> Value {
    presence_of(
        room["participants"].as_array().unwrap().iter().find(|one| one["user_id"] == *user.id).unwrap(),
    )
}

/// The presence of the other user in a direct room. Asserts that all responses with the room agree.
async fn in_direct_room(caller: &Actor, other: &Actor) -> Value {
    let body = json!({"participant_ids": [other.id], "is_group": false});
    let created = caller.post("/chat/rooms", body).await.ok();
    let id = created["id"].as_str().unwrap();
    let list = caller.get("/chat/rooms").await.ok();
    let listed = list.as_array().unwrap().iter().find(|room| room["id"] == id).unwrap().clone();
    let synced = caller.sync(json!({})).await;
    let synced =
        synced["rooms"].as_array().unwrap().iter().find(|one| one["room"]["id"] == id).unwrap().clone();
    assert_eq!(in_room(&synced["room"], other), json!([null, false]), "a sync has no presence");
    let rooms = [created.clone(), caller.room(id).await.ok(), listed];
    let seen = rooms.map(|room| in_room(&room, other));
    assert!(seen.iter().all(|one| *one == seen[0]), "{seen:?}");
    seen[0].clone()
}

#[tokio::test(flavor = "multi_thread")]
async fn only_friends_see_the_online_state_and_the_time_last_seen() {
    let stack = TestStack::new().await;
    let [ana, ben, eve] = stack.actors(["ana", "ben", "eve"]).await;
    make_friends(&ana, &ben).await;
    assert_eq!(in_friends(&ana, &ben).await, json!([false, false]));
    let at_ben = ben.socket().await;
    assert_eq!(in_friends(&ana, &ben).await, json!([true, false]));
    assert_eq!(in_direct_room(&ana, &ben).await, json!([true, false]));
    assert_eq!(in_direct_room(&eve, &ben).await, json!([null, false]));
    at_ben.close().await;
    stack.local.settle().await;
    assert_eq!(in_friends(&ana, &ben).await, json!([false, true]));
    assert_eq!(in_direct_room(&ana, &ben).await, json!([false, true]));
    assert_eq!(in_direct_room(&eve, &ben).await, json!([null, false]));

    let group = ana.group_with(&[&ben, &eve]).await;
    let room = ana.room(&group).await.ok();
    assert_eq!([in_room(&room, &ben), in_room(&room, &eve)], [json!([false, true]), json!([null, false])]);
    assert_eq!(in_room(&room, &ana), json!([false, false]), "the caller sees their own presence");
    let list = ana.get("/chat/rooms").await.ok();
    let listed = list.as_array().unwrap().iter().find(|room| room["id"] == group.as_str()).unwrap();
    assert_eq!(in_room(listed, &ben), json!([null, false]), "lists do not look up the presence in groups");
}

#[tokio::test(flavor = "multi_thread")]
async fn each_presence_setting_applies_to_its_audience() {
    let stack = TestStack::new().await;
    let [ana, ben, eve] = stack.actors(["ana", "ben", "eve"]).await;
    make_friends(&ana, &ben).await;
    ben.socket().await.close().await;
    let _at_ben = ben.socket().await;
    stack.local.settle().await;
    for (online, last_seen, to_friend, to_stranger) in [
        ("everyone", "friends", json!([true, true]), json!([true, false])),
        ("nobody", "everyone", json!([null, true]), json!([null, true])),
        ("friends", "nobody", json!([true, false]), json!([null, false])),
    ] {
        stack.set_setting(&ben, "online_shown_to", json!({"S": online})).await;
        stack.set_setting(&ben, "last_seen_shown_to", json!({"S": last_seen})).await;
        assert_eq!(in_friends(&ana, &ben).await, to_friend, "{online}, {last_seen}");
        assert_eq!(in_direct_room(&ana, &ben).await, to_friend, "{online}, {last_seen}");
        assert_eq!(in_direct_room(&eve, &ben).await, to_stranger, "{online}, {last_seen}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn only_friends_are_notified_of_the_first_and_last_connection_of_a_user() {
    let stack = TestStack::new().await;
    let [ana, ben, eve] = stack.actors(["ana", "ben", "eve"]).await;
    make_friends(&ana, &ben).await;
    ana.group_with(&[&ben, &eve]).await;
    let (mut at_ana, mut at_eve) = (ana.socket().await, eve.socket().await);
    stack.local.settle().await;
    let mut silent = ben.try_socket().await.unwrap_or_else(|status| panic!("{status}"));
    at_ana.expect_nothing_more().await;

    let mut phone = ben.socket().await;
    let online = at_ana.expect("user_status_change").await["data"].clone();
    assert_eq!(online, json!({"user_id": ben.id, "is_online": true, "last_seen": null}));
    let mut tablet = ben.socket().await;
    silent.send("hello", json!({})).await;
    silent.expect("connection_established").await;
    for socket in [&mut at_ana, &mut at_eve, &mut phone, &mut tablet, &mut silent] {
        socket.expect_nothing_more().await;
    }
    phone.close().await;
    tablet.cut();
    stack.local.settle().await;
    at_ana.expect_nothing_more().await;
    silent.close().await;
    let offline = at_ana.expect("user_status_change").await["data"].clone();
    assert_eq!((&offline["user_id"], &offline["is_online"]), (&json!(ben.id), &json!(false)));
    assert!(offline["last_seen"].is_string());
    at_eve.expect_nothing_more().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_hidden_online_state_or_time_last_seen_is_not_sent_to_friends() {
    let stack = TestStack::new().await;
    let [ana, ben, cleo] = stack.actors(["ana", "ben", "cleo"]).await;
    make_friends(&ana, &ben).await;
    make_friends(&ana, &cleo).await;
    stack.set_setting(&ben, "online_shown_to", json!({"S": "nobody"})).await;
    stack.set_setting(&cleo, "last_seen_shown_to", json!({"S": "nobody"})).await;
    let mut at_ana = ana.socket().await;
    stack.local.settle().await;
    ben.socket().await.close().await;
    stack.local.settle().await;
    at_ana.expect_nothing_more().await;
    let at_cleo = cleo.socket().await;
    assert_eq!(at_ana.expect("user_status_change").await["data"]["is_online"], true);
    at_cleo.close().await;
    let offline = at_ana.expect("user_status_change").await["data"].clone();
    assert_eq!(offline, json!({"user_id": cleo.id, "is_online": false, "last_seen": null}));
}

#[tokio::test(flavor = "multi_thread")]
async fn friends_are_notified_when_a_presence_setting_changes() {
    let stack = TestStack::new().await;
    let [ana, ben, eve] = stack.actors(["ana", "ben", "eve"]).await;
    make_friends(&ana, &ben).await;
    ana.group_with(&[&ben, &eve]).await;
    ana.socket().await.close().await;
    stack.local.settle().await;
    let mut at_ana = ana.socket().await;
    stack.local.settle().await;
    let (mut at_ben, mut at_eve) = (ben.socket().await, eve.socket().await);
    at_ana.expect("user_status_change").await;
    let set = async |settings: Value| ana.patch("/users/me", json!({"settings": settings})).await.ok();
    let last_seen = ben.get(&format!("/users/{}", ana.id)).await.ok()["last_seen"].clone();
    assert!(last_seen.is_string());
    for (settings, is_online, last_seen) in [
        (json!({"online_shown_to": "nobody"}), false, &last_seen),
        (json!({"last_seen_shown_to": "nobody"}), false, &Value::Null),
        (json!({"online_shown_to": "everyone"}), true, &Value::Null),
        (json!({"online_shown_to": "nobody", "last_seen_shown_to": "friends"}), false, &last_seen),
        (json!({"online_shown_to": "friends"}), true, &last_seen),
    ] {
        set(settings.clone()).await;
        let status = at_ben.expect("user_status_change").await["data"].take();
        assert_eq!(
            status,
            json!({"user_id": ana.id, "is_online": is_online, "last_seen": last_seen}),
            "{settings}"
        );
        at_ana.expect("profile_updated").await;
    }
    set(json!({"online_shown_to": "friends"})).await;
    at_ana.expect("profile_updated").await;
    let repeated = at_ben.expect("user_status_change").await["data"].take();
    assert_eq!(repeated["is_online"], true, "a failed earlier call may not have notified");
    set(json!({"findable_by": "nobody"})).await;
    at_ana.expect("profile_updated").await;
    for socket in [&mut at_ana, &mut at_ben, &mut at_eve] {
        socket.expect_nothing_more().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_block_hides_the_presence_of_both_users_in_their_shared_groups() {
    let stack = TestStack::new().await;
    let [ana, ben, cleo] = stack.actors(["ana", "ben", "cleo"]).await;
    for user in [&ana, &ben] {
        for setting in ["online_shown_to", "last_seen_shown_to"] {
            stack.set_setting(user, setting, json!({"S": "everyone"})).await;
        }
        user.socket().await.close().await;
    }
    let (mut at_ana, mut at_ben) = (ana.socket().await, ben.socket().await);
    let group = ana.group_with(&[&ben, &cleo]).await;
    let seen = async |caller: &Actor, other: &Actor| in_room(&caller.room(&group).await.ok(), other);
    assert_eq!(seen(&ana, &ben).await, json!([true, true]));
    ana.put(&format!("/friends/blocks/{}", ben.id)).await.nothing();
    for (user, other) in [(&ana, &ben), (&ben, &ana)] {
        assert_eq!(seen(user, other).await, json!([null, false]));
        assert_eq!(
            seen(&cleo, other).await,
            json!([true, true]),
            "the presence stays visible to other members"
        );
    }
    at_ana.expect("room_created").await;
    at_ana.expect("block_changed").await;
    at_ben.expect("room_created").await;
    at_ben.close().await;
    stack.local.settle().await;
    at_ana.expect_nothing_more().await;
}
