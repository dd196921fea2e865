//! Sync: an offline device receives the missed messages and changes of every room, completely or not at all.

use std::{collections::BTreeSet, time::Duration};

use reqwest::Method;
use serde_json::{Value, json};

use crate::harness::{Actor, TestStack, each, rate_limited, without_presence};

const DAY: Duration = Duration::from_hours(24);

/// The entry of one room in a sync response.
fn room_in<'a>(answer: &'a Value, room: &str) -> &'a Value {
    let rooms = answer["rooms"].as_array().unwrap();
    rooms
        .iter()
        .find(|sync| sync["room"]["id"] == room)
        .unwrap_or_else(|| panic!("{room} is not in {answer}"))
}

/// The position of a room after a sync response.
fn position(room: &Value) -> Value {
    json!({"seq": room["seq"], "rev": room["rev"]})
}

/// The current messages of a room at the given positions, as the user sees them.
async fn messages_at(user: &Actor, room: &str, seqs: &[u64]) -> Value {
    let history = user.history(room).await;
    let chosen = history.into_iter().filter(|message| seqs.contains(&message["seq"].as_u64().unwrap()));
    chosen.collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn an_offline_device_receives_missed_messages_and_changes() {
    let stack = TestStack::new().await;
    let [ana, ben, cleo] = stack.actors(["ana", "ben", "cleo"]).await;
    let room = ana.room_with(&ben).await;
    let left = ben.group_with(&[&ana]).await;
    let mut messages = Vec::new();
    for (user, content) in [(&ana, "one"), (&ben, "two"), (&ben, "three"), (&ana, "four"), (&ben, "five")] {
        messages.push(user.send_message(&room, content).await);
    }
    ben.edit(&messages[1], "two!").await.ok();
    let first = ana.sync(json!({&room: {"seq": 0, "rev": 0}})).await;
    let caught_up = position(room_in(&first, &room));
    assert_eq!(caught_up, json!({"seq": 5, "rev": 1}));
    assert_eq!(room_in(&first, &room)["messages"], messages_at(&ana, &room, &[1, 2, 3, 4, 5]).await);
    assert_eq!(room_in(&first, &room)["changed"], json!([]));

    // Ana also acts on another device.
    ana.edit(&messages[0], "one!").await.ok();
    ben.delete_message(&messages[2]).await.ok();
    for (user, emoji) in [(&ben, "👍"), (&ana, "👍"), (&ana, "🔥"), (&ana, "🎉")] {
        user.react(&messages[3], emoji).await.ok();
    }
    ana.unreact(&messages[3], "🎉").await.ok();
    ben.pin(&messages[4]).await.ok();
    ben.reply(&messages[0], "six").await;
    let last = ana.forward(&messages[3], &room).await.ok();
    ben.edit(&last, "mine").await.problem(403, "not_the_sender");
    ana.react(&last, "👍").await.ok();
    let joined = cleo.group_with(&[&ana]).await;
    cleo.send_message(&joined, "welcome").await;
    ben.remove(&left, &ana).await.nothing();

    let missing = uuid::Uuid::new_v4().to_string();
    let request = json!({&room: caught_up, &left: {"seq": 0, "rev": 0}, &missing: {"seq": 3, "rev": 1}});
    let answer = ana.sync(request).await;
    assert_eq!((&answer["complete"], &answer["next_cursor"]), (&json!(true), &Value::Null));
    let left_rooms: BTreeSet<&str> =
        answer["left"].as_array().unwrap().iter().map(|room| room.as_str().unwrap()).collect();
    assert_eq!(left_rooms, BTreeSet::from([left.as_str(), missing.as_str()]));
    assert_eq!(answer["rooms"].as_array().unwrap().len(), 2);

    // A request for a single room returns the same entry, and no other rooms.
    for (id, expected_left) in [(&room, json!([])), (&left, json!([left]))] {
        let body = json!({"rooms": {id: caught_up}, "only_named": true});
        let alone = ana.post("/chat/sync", body).await.ok();
        assert_eq!((&alone["complete"], &alone["left"]), (&json!(true), &expected_left));
        let expected: Vec<&Value> = if id == &room { vec![room_in(&answer, &room)] } else { Vec::new() };
        assert_eq!(alone["rooms"].as_array().unwrap().iter().collect::<Vec<_>>(), expected);
    }

    let entry = room_in(&answer, &room);
    assert_eq!(entry["complete"], true);
    assert_eq!(position(entry), json!({"seq": 7, "rev": 10}));
    assert_eq!(entry["messages"], messages_at(&ana, &room, &[6, 7]).await);
    assert_eq!(
        entry["changed"],
        messages_at(&ana, &room, &[1, 3, 4]).await,
        "each once, in its current state"
    );
    let reactions = &entry["changed"][2]["reactions"];
    assert_eq!(each(reactions, "mine"), [true, true]);
    let listed = ana.get("/chat/rooms").await.ok();
    let of = |id: &str| {
        let room = listed.as_array().unwrap().iter().find(|room| room["id"] == id).unwrap();
        without_presence(room.clone())
    };
    assert_eq!(entry["room"], of(&room));
    assert_eq!(entry["room"]["pinned_message_ids"], json!([messages[4]["id"]]));

    // A room that the device does not know is loaded from its history.
    let joined_entry = room_in(&answer, &joined);
    assert_eq!(joined_entry["room"], of(&joined));
    assert_eq!(
        (&joined_entry["complete"], &joined_entry["messages"], &joined_entry["changed"]),
        (&json!(false), &json!([]), &json!([]))
    );
    assert_eq!(position(joined_entry), json!({"seq": 1, "rev": 0}));

    // At the new positions the device misses nothing.
    let repeated = ana.sync(json!({&room: position(entry), &joined: position(joined_entry)})).await;
    assert_eq!((&repeated["rooms"], &repeated["left"]), (&json!([]), &json!([])));
    let unchanged: BTreeSet<&str> =
        repeated["unchanged"].as_array().unwrap().iter().map(|room| room["id"].as_str().unwrap()).collect();
    assert_eq!(unchanged, BTreeSet::from([room.as_str(), joined.as_str()]));
}

#[tokio::test(flavor = "multi_thread")]
async fn an_unchanged_room_has_what_changes_without_a_message_or_a_revision() {
    let stack = TestStack::new().await;
    let [ana, ben, cleo] = stack.actors(["ana", "ben", "cleo"]).await;
    let room = ana.group_with(&[&ben, &cleo]).await;
    for n in 1..=4 {
        ben.send_message(&room, &format!("m{n}")).await;
    }
    let unchanged = async || {
        let answer = ana.sync(json!({&room: {"seq": 4, "rev": 0}})).await;
        assert_eq!(answer["rooms"], json!([]));
        answer["unchanged"][0].clone()
    };
    let mut expected = json!({
        "id": room, "unread_count": 4, "read_seq": 0, "delivered_seq": 0, "others_read_seq": 0,
        "others_delivered_seq": 0, "settings": null,
        "receipts": [{"user_id": ben.id, "read_seq": 4, "delivered_seq": 4}],
    });
    assert_eq!(unchanged().await, expected);

    let mut at_cleo = cleo.socket().await;
    at_cleo.send("message_delivered", json!({"chat_room_id": room, "seq": 3})).await;
    at_cleo.expect("message_delivered_receipt").await;
    at_cleo.send("message_read", json!({"chat_room_id": room, "seq": 2})).await;
    at_cleo.expect("message_read_receipt").await;
    let body = json!({"seq": 3});
    ana.call(Method::PUT, &format!("/chat/rooms/{room}/read"), Some(body.to_string())).await.ok();
    expected["settings"] = ana.update_room_settings(&room, json!({"is_pinned": true})).await.ok();
    for (field, value) in [
        ("unread_count", 1),
        ("read_seq", 3),
        ("delivered_seq", 3),
        ("others_read_seq", 2),
        ("others_delivered_seq", 3),
    ] {
        expected[field] = value.into();
    }
    assert_eq!(unchanged().await, expected);
    let listed = ana.get("/chat/rooms").await.ok()[0].take();
    assert_eq!(listed["unread_count"], 1);

    // Withheld receipts are withheld here, too. The change of a profile is a revision of the room.
    let withheld = json!({"settings": {"read_receipts": false}});
    ana.patch("/users/me", withheld).await.ok();
    let answer = ana.sync(json!({&room: {"seq": 4, "rev": 1}})).await;
    let hidden = &answer["unchanged"][0];
    assert_eq!((&hidden["others_read_seq"], &hidden["others_delivered_seq"]), (&json!(0), &json!(3)));
    assert_eq!(hidden["receipts"], json!([{"user_id": ben.id, "read_seq": 0, "delivered_seq": 4}]));
}

#[tokio::test(flavor = "multi_thread")]
async fn the_receipts_of_the_others_determine_the_status_of_every_message() {
    let stack = TestStack::new().await;
    let [ana, ben, cleo] = stack.actors(["ana", "ben", "cleo"]).await;
    let room = ana.group_with(&[&ben, &cleo]).await;
    for n in 1..=4 {
        ana.send_message(&room, &format!("m{n}")).await;
    }
    let (mut at_ben, mut at_cleo) = (ben.socket().await, cleo.socket().await);
    let to = |seq: u64| json!({"chat_room_id": room, "seq": seq});
    at_ben.send("message_read", to(3)).await;
    at_ben.expect("message_read_receipt").await;
    at_cleo.expect("message_read_receipt").await;
    at_cleo.send("message_read", to(1)).await;
    at_cleo.expect("message_read_receipt").await;
    at_cleo.send("message_delivered", to(2)).await;
    at_cleo.expect("message_delivered_receipt").await;
    let answer = ana.sync(json!({&room: {"seq": 4, "rev": 0}})).await;
    let entry = &answer["unchanged"][0];
    assert_eq!((&entry["others_read_seq"], &entry["others_delivered_seq"]), (&json!(1), &json!(2)));
    let statuses: Vec<Value> =
        ana.history(&room).await.iter().map(|message| message["status"].clone()).collect();
    assert_eq!(statuses, ["read", "delivered", "sent", "sent"]);
    let fresh = ana.sync(json!({&room: {"seq": 0, "rev": 0}})).await;
    assert_eq!(each(&room_in(&fresh, &room)["messages"], "status"), ["read", "delivered", "sent", "sent"]);
    let ben_sync = ben.sync(json!({&room: {"seq": 0, "rev": 0}})).await;
    assert_eq!(each(&room_in(&ben_sync, &room)["messages"], "status"), [&Value::Null; 4]);
    assert_eq!(room_in(&ben_sync, &room)["room"]["unread_count"], 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_new_member_syncs_from_their_join_on() {
    let stack = TestStack::new().await;
    let [ana, ben, cleo] = stack.actors(["ana", "ben", "cleo"]).await;
    let room = ana.group_with(&[&ben]).await;
    let (early, later) = (ana.send_message(&room, "early").await, ana.send_message(&room, "later").await);
    ana.pin(&early).await.ok();
    ana.edit(&early, "changed").await.ok();
    ana.add(&room, &cleo).await.ok();
    ana.delete_message(&later).await.ok();
    ben.reply(&early, "about that").await;
    let earlier = cleo.sync(json!({&room: {"seq": 2, "rev": 2}})).await;
    assert_eq!(room_in(&earlier, &room)["complete"], false, "a position before the join requires a reload");
    for start in [json!({"seq": 0, "rev": 3}), json!({"seq": 2, "rev": 3}), json!({"seq": 2, "rev": 4})] {
        let answer = cleo.sync(json!({&room: start})).await;
        let entry = room_in(&answer, &room);
        assert_eq!(
            (&entry["complete"], position(entry)),
            (&json!(true), json!({"seq": 4, "rev": 4})),
            "{start}"
        );
        assert_eq!(entry["messages"], messages_at(&cleo, &room, &[3, 4]).await);
        assert_eq!(entry["messages"][1]["reply_to"], Value::Null);
        assert_eq!((&entry["changed"], &entry["room"]["pinned_message_ids"]), (&json!([]), &json!([])));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn impossible_positions_and_changes_older_than_thirty_days_require_a_reload() {
    let stack = TestStack::new().await;
    let [ana, ben] = stack.actors(["ana", "ben"]).await;
    let (room, quiet) = (ana.room_with(&ben).await, ana.group_with(&[&ben]).await);
    let message = ana.send_message(&room, "one").await;
    ben.edit(&ben.send_message(&room, "two").await, "two!").await.ok();
    ana.send_message(&quiet, "calm").await;
    for start in [
        json!({"seq": 3, "rev": 0}),
        json!({"seq": 2, "rev": 2}),
        json!({"seq": u64::MAX, "rev": u64::MAX}),
        json!({"seq": 0, "rev": 7}),
    ] {
        let answer = ana.sync(json!({&room: start})).await;
        let entry = room_in(&answer, &room);
        assert_eq!(
            (&entry["complete"], position(entry)),
            (&json!(false), json!({"seq": 2, "rev": 1})),
            "{start}"
        );
        assert_eq!((&entry["messages"], &entry["changed"]), (&json!([]), &json!([])));
    }

    stack.later(&ana, 10 * DAY).react(&message, "👍").await.ok();
    let request = json!({&room: {"seq": 1, "rev": 0}, &quiet: {"seq": 0, "rev": 0}});
    for (days, complete) in [(29, true), (31, false), (39, false), (400, false)] {
        let answer = stack.later(&ana, days * DAY).sync(request.clone()).await;
        assert_eq!(room_in(&answer, &room)["complete"], complete, "{days} days later");
        assert_eq!(room_in(&answer, &quiet)["complete"], true, "new messages only, no changes");
        assert_eq!(room_in(&answer, &quiet)["messages"].as_array().unwrap().len(), 1);
    }
    // A device that knows the older change misses only the newer one.
    let request = json!({&room: {"seq": 2, "rev": 1}});
    for (days, complete) in [(39, true), (41, false)] {
        let answer = stack.later(&ana, days * DAY).sync(request.clone()).await;
        assert_eq!(room_in(&answer, &room)["complete"], complete, "{days} days later");
    }
}

/// Fills a room with `times` messages: sends the first one, and writes copies of it to the table.
async fn send_many(stack: &TestStack, user: &Actor, room: &str, times: u64, content: &str) {
    let message = user.send_message(room, content).await;
    let key = |seq: u64| json!({"pk": {"S": format!("ROOM#{room}")}, "sk": {"S": format!("MSG#{seq:012}")}});
    let item = stack.database("GetItem", json!({"Key": key(1)})).await["Item"].take();
    let id = message["id"].as_str().unwrap().replace('-', "");
    let copies = (2..=times).map(|seq| {
        let mut item = item.clone();
        item.as_object_mut().unwrap().extend(key(seq).as_object().unwrap().clone());
        let id = format!("{}{seq:010x}{}", &id[..18], &id[28..]);
        item["id"] = json!({"S": uuid::Uuid::parse_str(&id).unwrap()});
        item["seq"] = json!({"N": seq.to_string()});
        json!({"Put": {"TableName": stack.local.table_name(), "Item": item}})
    });
    for writes in copies.collect::<Vec<_>>().chunks(100) {
        stack.database("TransactWriteItems", json!({"TransactItems": writes})).await;
    }
}

/// For each room of a sync response: whether it is complete, and its number of messages.
fn summary(answer: &Value) -> Vec<(bool, usize)> {
    let rooms = answer["rooms"].as_array().unwrap().iter();
    let count = |room: &Value| room["messages"].as_array().unwrap().len();
    rooms.map(|room| (room["complete"].as_bool().unwrap(), count(room))).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_sync_over_the_size_limits_is_paginated_or_requires_a_reload() {
    let stack = TestStack::new().await;
    let [ana, ben] = stack.actors(["ana", "ben"]).await;
    let mut rooms =
        [ana.group_with(&[&ben]).await, ana.group_with(&[&ben]).await, ana.group_with(&[&ben]).await];
    rooms.sort();
    let [long, heavy, small] = &rooms;
    // Many short messages, some of the longest with 16 KB each, and a single one.
    let (short, longest) = ("x".repeat(1000), "🏃".repeat(4000));
    for (room, times, content) in [(long, 501, short.as_str()), (heavy, 132, &longest), (small, 1, "one")] {
        send_many(&stack, &ben, room, times, content).await;
    }
    let sync = async |positions: [u64; 3], cursor: Option<&Value>| {
        let of = |n: usize| json!({"seq": positions[n], "rev": 0});
        let body = json!({"rooms": {long: of(0), heavy: of(1), small: of(2)}, "cursor": cursor});
        ana.post("/chat/sync", body).await.ok()
    };

    let answer = sync([0, 131, 0], None).await;
    assert_eq!(
        summary(&answer),
        [(false, 0), (true, 1), (true, 1)],
        "501 messages are over the limit of 500"
    );
    assert_eq!(answer["complete"], true);
    let first = sync([1, 131, 0], None).await;
    assert_eq!((summary(&first), &first["complete"]), (vec![(true, 500)], &json!(false)));
    assert_eq!(each(&first["rooms"][0]["messages"], "seq"), (2..=501).collect::<Vec<_>>());
    let second = sync([1, 131, 0], Some(&first["next_cursor"])).await;
    assert_eq!((summary(&second), &second["complete"]), (vec![(true, 1), (true, 1)], &json!(true)));
    assert_eq!((&second["left"], &second["next_cursor"]), (&json!([]), &Value::Null));

    let answer = sync([501, 0, 0], None).await;
    assert_eq!(summary(&answer), [(false, 0), (true, 1)], "over the limit of 1 MB");
    assert_eq!(each(&answer["unchanged"], "id"), [long.as_str()]);
    let first = sync([11, 117, 0], None).await;
    assert_eq!((summary(&first), &first["complete"]), (vec![(true, 490)], &json!(false)));
    let second = sync([11, 117, 0], Some(&first["next_cursor"])).await;
    assert_eq!((summary(&second), &second["complete"]), (vec![(true, 15), (true, 1)], &json!(true)));
}

#[tokio::test(flavor = "multi_thread")]
async fn more_than_a_hundred_rooms_are_paginated() {
    let stack = TestStack::with(rate_limited("off")).await;
    let [ana, ben] = stack.actors(["ana", "ben"]).await;
    let mut rooms = BTreeSet::new();
    for _ in 0..=100 {
        rooms.insert(ana.group_with(&[&ben]).await);
    }
    let named: serde_json::Map<String, Value> =
        rooms.iter().map(|room| (room.clone(), json!({"seq": 0, "rev": 0}))).collect();
    for (positions, part) in [(json!({}), "rooms"), (Value::from(named), "unchanged")] {
        let first = ana.sync(positions.clone()).await;
        assert_eq!((first["complete"].clone(), first[part].as_array().unwrap().len()), (json!(false), 100));
        let request = json!({"rooms": positions, "cursor": first["next_cursor"]});
        let second = ana.post("/chat/sync", request).await.ok();
        assert_eq!((&second["complete"], &second["next_cursor"]), (&json!(true), &Value::Null));
        let both = [&first, &second].map(|answer| answer[part].as_array().unwrap().clone()).concat();
        let id = |row: &Value| row["room"]["id"].as_str().or(row["id"].as_str()).unwrap().to_owned();
        let ids: BTreeSet<String> = both.iter().map(id).collect();
        assert_eq!((both.len(), &ids), (101, &rooms), "each once");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_invalid_sync_request_is_rejected() {
    let stack = TestStack::new().await;
    let [ana, ben] = stack.actors(["ana", "ben"]).await;
    let room = ana.room_with(&ben).await;
    let many: serde_json::Map<String, Value> =
        (0..501).map(|_| (uuid::Uuid::new_v4().to_string(), json!({"seq": 0, "rev": 0}))).collect();
    for rooms in [
        Value::Null,
        json!([]),
        json!("all"),
        json!({"gym": {"seq": 0, "rev": 0}}),
        json!({&room: {"seq": 0}}),
        json!({&room: {"rev": 0}}),
        json!({&room: {"seq": -1, "rev": 0}}),
        json!({&room: {"seq": 0, "rev": 0.5}}),
        json!({&room: {"seq": "0", "rev": 0}}),
        json!({&room: 0}),
        json!({&room: null}),
        Value::from(many),
    ] {
        ana.post("/chat/sync", json!({"rooms": rooms})).await.bad_field("rooms");
    }
    ana.post("/chat/sync", json!({})).await.bad_field("rooms");
    for cursor in [json!("gym"), json!(7), json!("")] {
        ana.post("/chat/sync", json!({"rooms": {}, "cursor": cursor})).await.bad_field("cursor");
    }
    ana.call(Method::POST, "/chat/sync", Some("[]".into())).await.problem(400, "malformed_json");
    ana.call(Method::POST, "/chat/sync", None).await.problem(400, "malformed_json");
    stack.stranger(None).post("/chat/sync", json!({"rooms": {}})).await.problem(401, "invalid_token");
    let lenient =
        json!({"rooms": {room.to_uppercase(): {"seq": 0, "rev": 0}}, "cursor": null, "color": "red"});
    assert_eq!(ana.post("/chat/sync", lenient).await.ok()["unchanged"][0]["id"], room);
    assert_eq!(stack.new_user().sync(json!({})).await["rooms"], json!([]));
}
