//! Who is online, when they last were, and who may know.

use serde_json::{Value, json};

use crate::harness::{Actor, TestStack, make_friends};

fn of(person: &Value) -> Value {
    json!([person["is_online"], person["last_seen"].is_string()])
}

/// What somebody is shown of a friend in their list.
async fn in_friends(who: &Actor, friend: &Actor) -> Value {
    let friends = who.get("/friends").await.ok();
    assert_eq!(who.get("/friends/").await.ok(), friends);
    of(friends.as_array().unwrap().iter().find(|one| one["id"] == *friend.id).unwrap())
}

/// What somebody is shown of a person in a room.
fn among(room: &Value, person: &Actor) -> Value {
    of(room["participants"].as_array().unwrap().iter().find(|one| one["user_id"] == *person.id).unwrap())
}

/// What somebody is shown of the other one in their direct room, by every call that shows it.
async fn in_direct_room(who: &Actor, other: &Actor) -> Value {
    let body = json!({"participant_ids": [other.id], "is_group": false});
    let made = who.post("/chat/rooms", body).await.ok();
    let id = made["id"].as_str().unwrap();
    let list = who.get("/chat/rooms").await.ok();
    let listed = list.as_array().unwrap().iter().find(|room| room["id"] == id).unwrap().clone();
    let synced = who.sync(json!({})).await;
    let synced =
        synced["rooms"].as_array().unwrap().iter().find(|one| one["room"]["id"] == id).unwrap().clone();
    let rooms = [made.clone(), who.room(id).await.ok(), listed, synced["room"].clone()];
    let seen = rooms.map(|room| among(&room, other));
    assert!(seen.iter().all(|one| *one == seen[0]), "{seen:?}");
    seen[0].clone()
}

#[tokio::test(flavor = "multi_thread")]
async fn friends_see_who_is_online_and_when_they_last_were_and_others_do_not() {
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
    let whole = ana.room(&group).await.ok();
    assert_eq!([among(&whole, &ben), among(&whole, &eve)], [json!([false, true]), json!([null, false])]);
    assert_eq!(among(&whole, &ana), json!([false, false]), "one sees oneself");
    let list = ana.get("/chat/rooms").await.ok();
    let listed = list.as_array().unwrap().iter().find(|room| room["id"] == group.as_str()).unwrap();
    assert_eq!(among(listed, &ben), json!([null, false]), "groups are not looked up in lists");
}

#[tokio::test(flavor = "multi_thread")]
async fn each_setting_shows_its_part_to_its_circle() {
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
async fn friends_alone_are_told_who_comes_and_goes_once_for_all_their_devices() {
    let stack = TestStack::new().await;
    let [ana, ben, eve] = stack.actors(["ana", "ben", "eve"]).await;
    make_friends(&ana, &ben).await;
    ana.group_with(&[&ben, &eve]).await;
    let (mut at_ana, mut at_eve) = (ana.socket().await, eve.socket().await);
    stack.local.settle().await;
    let mut silent = ben.try_socket().await.unwrap_or_else(|status| panic!("{status}"));
    at_ana.expect_nothing_more().await;

    let mut phone = ben.socket().await;
    let came = at_ana.expect("user_status_change").await["data"].clone();
    assert_eq!(came, json!({"user_id": ben.id, "is_online": true, "last_seen": null}));
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
    let went = at_ana.expect("user_status_change").await["data"].clone();
    assert_eq!((&went["user_id"], &went["is_online"]), (&json!(ben.id), &json!(false)));
    assert!(went["last_seen"].is_string());
    at_eve.expect_nothing_more().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn who_shows_nobody_that_they_are_online_comes_and_goes_unnoticed() {
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
    let went = at_ana.expect("user_status_change").await["data"].clone();
    assert_eq!(went, json!({"user_id": cleo.id, "is_online": false, "last_seen": null}));
}

#[tokio::test(flavor = "multi_thread")]
async fn friends_hear_it_when_somebody_hides_and_shows_again() {
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
        let told = at_ben.expect("user_status_change").await["data"].take();
        assert_eq!(
            told,
            json!({"user_id": ana.id, "is_online": is_online, "last_seen": last_seen}),
            "{settings}"
        );
        at_ana.expect("profile_updated").await;
    }
    set(json!({"online_shown_to": "friends"})).await;
    at_ana.expect("profile_updated").await;
    let again = at_ben.expect("user_status_change").await["data"].take();
    assert_eq!(again["is_online"], true, "a call that died may not have said it");
    set(json!({"findable_by": "nobody"})).await;
    at_ana.expect("profile_updated").await;
    for socket in [&mut at_ana, &mut at_ben, &mut at_eve] {
        socket.expect_nothing_more().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_block_hides_each_from_the_other_in_the_groups_that_they_share() {
    let stack = TestStack::new().await;
    let [ana, ben, cleo] = stack.actors(["ana", "ben", "cleo"]).await;
    for person in [&ana, &ben] {
        for setting in ["online_shown_to", "last_seen_shown_to"] {
            stack.set_setting(person, setting, json!({"S": "everyone"})).await;
        }
        person.socket().await.close().await;
    }
    let (mut at_ana, mut at_ben) = (ana.socket().await, ben.socket().await);
    let group = ana.group_with(&[&ben, &cleo]).await;
    let seen = async |who: &Actor, other: &Actor| among(&who.room(&group).await.ok(), other);
    assert_eq!(seen(&ana, &ben).await, json!([true, true]));
    ana.put(&format!("/friends/blocks/{}", ben.id)).await.nothing();
    for (who, other) in [(&ana, &ben), (&ben, &ana)] {
        assert_eq!(seen(who, other).await, json!([null, false]));
        assert_eq!(seen(&cleo, other).await, json!([true, true]), "others see what they saw");
    }
    at_ana.expect("room_created").await;
    at_ana.expect("block_changed").await;
    at_ben.expect("room_created").await;
    at_ben.close().await;
    stack.local.settle().await;
    at_ana.expect_nothing_more().await;
}
