//! Profiles: updates, visibility, and the propagation of a new username to rooms.

use reqwest::Method;
use serde_json::{Value, json};

use crate::harness::{Actor, TestStack, as_others_see, in_seconds, make_friends, signed};

async fn rename(actor: &Actor, name: &str) -> Value {
    actor.patch("/users/me", json!({"username": name})).await.ok()
}

/// The username of a participant in a room.
async fn username_in(reader: &Actor, room: &str, user: &Actor) -> Value {
    let room = reader.room(room).await.ok();
    let participants = room["participants"].as_array().unwrap();
    participants.iter().find(|participant| participant["user_id"] == user.id).unwrap()["username"].clone()
}

#[tokio::test(flavor = "multi_thread")]
async fn an_update_keeps_absent_fields_and_null_clears_a_field() {
    let stack = TestStack::new().await;
    let [ana] = stack.actors(["ana"]).await;
    let before = ana.get("/users/me").await.ok();
    assert_eq!(before["settings"]["findable_by"], "everyone");
    let change = json!({
        "username": "  Ana   Maria ", "display_name": " Ana M. ", "avatar_url": "https://pictures.example.net/a.jpg",
        "settings": {"findable_by": "friends_of_friends", "read_receipts": false},
    });
    let after = ana.patch("/users/me", change.clone()).await.ok();
    let mut expected = before.clone();
    expected["username"] = "Ana Maria".into();
    expected["display_name"] = "Ana M.".into();
    expected["avatar_url"] = "https://pictures.example.net/a.jpg".into();
    expected["settings"]["findable_by"] = "friends_of_friends".into();
    expected["settings"]["read_receipts"] = false.into();
    assert_eq!(after, expected);
    assert_eq!(ana.patch("/users/me", change).await.ok(), expected, "idempotent");
    assert_eq!(ana.patch("/users/me", json!({"username": null, "settings": {}})).await.ok(), expected);

    let cleared = json!({"display_name": null, "avatar_url": null, "settings": {"findable_by": "everyone"}});
    ana.patch("/users/me", cleared).await.ok();
    let cleared = ana.get("/users/me").await.ok();
    assert_eq!((&cleared["display_name"], &cleared["avatar_url"]), (&Value::Null, &Value::Null));
    assert_eq!(cleared["settings"]["read_receipts"], false, "an absent setting keeps its value");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_update_with_invalid_fields_names_them_all_and_changes_nothing() {
    let stack = TestStack::new().await;
    let [ana, _ben] = stack.actors(["ana", "ben"]).await;
    let before = ana.get("/users/me").await.ok();
    let bad = json!({
        "username": "deleted USER", "display_name": " ", "avatar_url": "http://pictures.example.net/a.jpg",
        "settings": {
            "findable_by": "friends", "findable_by_email": "yes", "requests_from": "friends",
            "messages_from": "nobody", "online_shown_to": "friends_of_friends", "last_seen_shown_to": 7,
            "read_receipts": 1,
        },
    });
    let problem = ana.patch("/users/me", bad).await.problem(422, "validation_failed");
    let fields: Vec<&Value> =
        problem["errors"].as_array().unwrap().iter().map(|error| &error["field"]).collect();
    let expected = [
        "username",
        "display_name",
        "avatar_url",
        "settings.findable_by",
        "settings.findable_by_email",
        "settings.requests_from",
        "settings.messages_from",
        "settings.online_shown_to",
        "settings.last_seen_shown_to",
        "settings.read_receipts",
    ];
    assert_eq!(json!(fields), json!(expected));
    let long = format!("https://pictures.example.net/{}", "x".repeat(500));
    for (field, value) in [
        ("username", json!("x")),
        ("username", json!("x".repeat(33))),
        ("username", json!("a\u{0}b")),
        ("username", json!("b\u{200B}en")),
        ("username", json!("b\u{A0}en")),
        ("username", json!("Ｄｅｌｅｔｅｄ ｕｓｅｒ")),
        ("username", json!("\u{FDFA}\u{FDFA}")),
        ("username", json!("ben@example.com")),
        ("username", json!("ben＠example.com")),
        ("username", json!(7)),
        ("display_name", json!("x".repeat(101))),
        ("display_name", json!("a\nb")),
        ("avatar_url", json!(long)),
        ("avatar_url", json!("https://me@pictures.example.net/a.jpg")),
        ("avatar_url", json!("javascript:alert(1)")),
        ("settings", json!("all")),
    ] {
        ana.patch("/users/me", json!({field: value})).await.bad_field(field);
    }
    for taken in ["Ben", "Ｂｅｎ", "be\u{FE0F}n"] {
        ana.patch("/users/me", json!({"display_name": "Ana B.", "username": taken}))
            .await
            .problem(409, "username_taken");
    }
    assert_eq!(ana.get("/users/me").await.ok(), before);
}

#[tokio::test(flavor = "multi_thread")]
async fn equivalent_spellings_of_a_username_are_found_and_taken() {
    let stack = TestStack::new().await;
    let [ana, zoe] = stack.actors(["ana", "zoe"]).await;
    assert_eq!(
        rename(&zoe, "Zoe\u{308} ＲＵＮ").await["username"],
        "Zoe\u{308} ＲＵＮ",
        "the spelling is kept"
    );
    for query in ["zo%C3%AB", "oe%CC%88%20run", "%EF%BC%AF%C3%8B"] {
        let found = ana.get(&format!("/friends/search?query={query}")).await.ok();
        assert_eq!(found[0]["id"], zoe.id, "{query}");
    }
    ana.patch("/users/me", json!({"username": "ZOË run"})).await.problem(409, "username_taken");
    // Searches ignore accents, usernames do not.
    assert_eq!(ana.get("/friends/search?query=zoe").await.ok()[0]["id"], zoe.id);
    rename(&ana, "Zoe run").await;
    // Users can change the spelling of their own username. A former username is available again.
    rename(&zoe, "zoë Run").await;
    rename(&zoe, "zoe").await;
    rename(&ana, "ｚｏｅ\u{308} run").await;
    // A new user whose token name is equivalent to a taken username gets a suffix from their id.
    let claims =
        json!({"sub": uuid::Uuid::new_v4(), "username": "z\u{200D}o\u{2060}e", "exp": in_seconds(3600)});
    let new_user = stack.stranger(Some(&signed(stack.local.jwt_secret(), &claims)));
    let name = new_user.get("/users/me").await.ok()["username"].as_str().unwrap().to_owned();
    assert_eq!((&name[..4], name.len()), ("zoe-", 8), "{name:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_second_dot_distinguishes_no_usernames() {
    let stack = TestStack::new().await;
    let [ana, irem] = stack.actors(["ana", "irem"]).await;
    for look_alike in ["İrem", "i\u{307}rem", "I\u{307}REM", "ı\u{307}rem"] {
        ana.patch("/users/me", json!({"username": look_alike})).await.problem(409, "username_taken");
    }
    rename(&irem, "İrem Işık").await;
    for query in ["irem", "i%CC%87rem", "%C4%B0REM", "isik", "I%C5%9E%C4%B1K"] {
        assert_eq!(
            ana.get(&format!("/friends/search?query={query}")).await.ok()[0]["id"],
            irem.id,
            "{query}"
        );
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_search_finds_no_user_by_the_key_of_the_index_or_the_name_of_an_address() {
    let stack = TestStack::new().await;
    let [ana, ben] = stack.actors(["ana", "ben"]).await;
    rename(&ben, "ben 77").await;
    let start = &ben.id[..1];
    for (query, found) in [
        ("77".to_owned(), 1),
        ("%40ben".to_owned(), 1),
        (format!("77%23{start}"), 0),
        (format!("77%40{start}"), 0),
        (format!("77%20%20{start}"), 0),
        ("ben%40example.com".to_owned(), 0),
    ] {
        let users = ana.get(&format!("/friends/search?query={query}")).await.ok();
        assert_eq!(users.as_array().unwrap().len(), found, "{query}");
    }
    let settings = json!({"settings": {"findable_by_email": true}});
    ben.patch("/users/me", settings).await.ok();
    for query in ["ben%40example.com", "BEN%EF%BC%A0example.com"] {
        assert_eq!(ana.get(&format!("/friends/search?query={query}")).await.ok()[0]["id"], ben.id);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_new_username_is_visible_in_every_room_and_on_every_device() {
    let stack = TestStack::new().await;
    let [ana, ben, cleo] = stack.actors(["ana", "ben", "cleo"]).await;
    let (direct, group) = (ana.room_with(&ben).await, cleo.group_with(&[&ana, &ben]).await);
    let sent = ana.send_message(&direct, "hello").await;
    let (mut phone, mut tablet, mut at_ben, mut at_cleo) =
        (ana.socket().await, ana.socket().await, ben.socket().await, cleo.socket().await);

    let me = rename(&ana, "Zoe").await;
    for device in [&mut phone, &mut tablet] {
        assert_eq!(device.expect("profile_updated").await["data"], me);
        let mut updates =
            [device.expect("participant_updated").await, device.expect("participant_updated").await];
        updates.sort_by_key(|frame| frame["data"]["chat_room_id"] == *group);
        assert_eq!(
            [&updates[0]["data"]["chat_room_id"], &updates[1]["data"]["chat_room_id"]],
            [&direct, &group]
        );
    }
    at_ben.expect("participant_updated").await;
    at_ben.expect("participant_updated").await;
    let in_group = at_cleo.expect("participant_updated").await["data"].take();
    assert_eq!((&in_group["chat_room_id"], &in_group["rev"]), (&json!(group), &json!(1)));
    let updated = in_group["participants"].as_array().unwrap();
    assert_eq!(
        (updated.len(), &updated[0]["user_id"], &updated[0]["username"]),
        (1, &json!(ana.id), &json!("Zoe"))
    );
    for socket in [&mut phone, &mut tablet, &mut at_ben, &mut at_cleo] {
        socket.expect_nothing_more().await;
    }

    assert_eq!(username_in(&ben, &direct, &ana).await, "Zoe");
    assert_eq!(username_in(&cleo, &group, &ana).await, "Zoe");
    assert_eq!(
        ben.message(&direct, 1).await,
        as_others_see(&sent),
        "a message keeps the username at its send time"
    );
    assert_eq!(ana.send_message(&direct, "it's me").await["sender_username"], "Zoe");
    assert_eq!(ben.get("/friends/search?query=zoe").await.ok()[0]["id"], ana.id);
    assert_eq!(ben.get("/friends/search?query=ana").await.ok(), json!([]));
    let answer = ben.sync(json!({&group: {"seq": 0, "rev": 0}})).await;
    let synced =
        answer["rooms"].as_array().unwrap().iter().find(|room| room["room"]["id"] == *group).unwrap();
    assert_eq!((&synced["complete"], &synced["rev"]), (&json!(true), &json!(1)));
    assert!(synced["room"]["participants"].to_string().contains("Zoe"));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_profile_is_visible_to_every_user_who_is_not_blocked() {
    let stack = TestStack::new().await;
    let [ana, ben] = stack.actors(["ana", "ben"]).await;
    let path = format!("/users/{}", ben.id);
    let seen = ana.get(&path).await.ok();
    assert_eq!((&seen["username"], &seen["friendship_status"]), (&json!("ben"), &json!("none")));
    assert!(seen.get("settings").is_none() && seen.get("created_at").is_none());
    make_friends(&ana, &ben).await;
    let seen = ana.get(&path).await.ok();
    assert_eq!((&seen["is_friend"], &seen["friendship_status"]), (&json!(true), &json!("friends")));
    let own = ana.get(&format!("/users/{}", ana.id)).await.ok();
    assert_eq!((&own["id"], &own["friendship_status"]), (&json!(ana.id), &json!("none")));
    let upper = ana.get(&format!("/users/{}", ben.id.to_uppercase())).await.ok();
    assert_eq!(upper, seen);
    ana.get(&format!("/users/{}", uuid::Uuid::new_v4())).await.problem(404, "not_found");
    ana.get("/users/ben").await.bad_field("user_id");
    ana.call(Method::PATCH, &path, Some("{}".into())).await.problem(404, "not_found");
}

#[tokio::test(flavor = "multi_thread")]
async fn presence_in_a_profile_follows_the_privacy_settings_of_its_user() {
    let stack = TestStack::new().await;
    let [ana, ben, eve] = stack.actors(["ana", "ben", "eve"]).await;
    make_friends(&ana, &ben).await;
    let presence = async |caller: &Actor| {
        let seen = caller.get(&format!("/users/{}", ana.id)).await.ok();
        json!([seen["is_online"], seen["last_seen"].is_string()])
    };
    assert_eq!(presence(&ben).await, json!([false, false]), "Ana has never connected");
    ana.socket().await.close().await;
    stack.local.settle().await;
    assert_eq!(presence(&ben).await, json!([false, true]));
    let _at_ana = ana.socket().await;
    for (online, last_seen, to_friend, to_stranger) in [
        ("friends", "friends", json!([true, true]), json!([null, false])),
        ("everyone", "nobody", json!([true, false]), json!([true, false])),
        ("nobody", "everyone", json!([null, true]), json!([null, true])),
        ("nobody", "nobody", json!([null, false]), json!([null, false])),
    ] {
        let settings = json!({"online_shown_to": online, "last_seen_shown_to": last_seen});
        ana.patch("/users/me", json!({"settings": settings})).await.ok();
        assert_eq!(presence(&ben).await, to_friend, "{online}, {last_seen}");
        assert_eq!(presence(&eve).await, to_stranger, "{online}, {last_seen}");
        assert_eq!(presence(&ana).await, json!([true, true]), "users always see their own presence");
    }
    ana.block(&eve).await.nothing();
    let hidden = eve.get(&format!("/users/{}", ana.id)).await.problem(404, "not_found");
    let missing = eve.get(&format!("/users/{}", uuid::Uuid::new_v4())).await.problem(404, "not_found");
    assert_eq!(hidden, missing);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_next_call_updates_rooms_that_a_killed_rename_did_not_reach() {
    let (stack, proxy) = TestStack::with_proxy().await;
    let [ana, ben, cleo] = stack.actors(["ana", "ben", "cleo"]).await;
    let rooms = [ana.room_with(&ben).await, ana.room_with(&cleo).await];
    // The function is killed before it updates the first room, and after it has updated all of them.
    for (name, stops_at) in [("zoe", "CHANGE#"), ("mia", "REMOVE rooms_outdated")] {
        let held = proxy.hold(move |call| call.body.contains(stops_at));
        let renaming = tokio::spawn({
            let ana = ana.clone();
            async move { ana.patch("/users/me", json!({"username": name})).await.status }
        });
        let guard = held.caught().await;
        stack.kill("users-update-me");
        assert_eq!(renaming.await.unwrap(), 500);
        drop(guard);
        proxy.settled().await;
        assert_eq!(ana.get("/users/me").await.ok()["username"], name);
        assert_eq!(username_in(&ben, &rooms[0], &ana).await, name);
        assert_eq!(username_in(&cleo, &rooms[1], &ana).await, name);
    }
}
