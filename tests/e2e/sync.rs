//! A device that was off catches up: what was said and changed meanwhile in every room, whole or not at all.

use std::{collections::BTreeSet, time::Duration};

use reqwest::Method;
use serde_json::{Value, json};

use crate::harness::{Actor, TestStack, each, rate_limited};

const DAY: Duration = Duration::from_hours(24);

/// What an answer says of one room.
fn news_of<'a>(news: &'a Value, room: &str) -> &'a Value {
    let rooms = news["rooms"].as_array().unwrap();
    rooms.iter().find(|news| news["room"]["id"] == room).unwrap_or_else(|| panic!("{room} in {news}"))
}

/// How far a device has a room, as an answer says.
fn held(news: &Value) -> Value {
    json!({"seq": news["seq"], "rev": news["rev"]})
}

/// The messages of a room that somebody sees now, by their positions.
async fn now(who: &Actor, room: &str, seqs: &[u64]) -> Value {
    let history = who.history(room).await;
    let chosen = history.into_iter().filter(|message| seqs.contains(&message["seq"].as_u64().unwrap()));
    chosen.collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_device_that_was_off_gets_what_was_said_and_changed_meanwhile() {
    let stack = TestStack::new().await;
    let [ana, ben, cleo] = stack.actors(["ana", "ben", "cleo"]).await;
    let room = ana.room_with(&ben).await;
    let left = ben.group_with(&[&ana]).await;
    let mut said = Vec::new();
    for (who, words) in [(&ana, "one"), (&ben, "two"), (&ben, "three"), (&ana, "four"), (&ben, "five")] {
        said.push(who.send_message(&room, words).await);
    }
    ben.edit(&said[1], "two!").await.ok();
    let first = ana.sync(json!({&room: {"seq": 0, "rev": 0}})).await;
    let caught_up = held(news_of(&first, &room));
    assert_eq!(caught_up, json!({"seq": 5, "rev": 1}));
    assert_eq!(news_of(&first, &room)["messages"], now(&ana, &room, &[1, 2, 3, 4, 5]).await);
    assert_eq!(news_of(&first, &room)["changed"], json!([]));

    // Ana's other device does things, too.
    ana.edit(&said[0], "one!").await.ok();
    ben.delete_message(&said[2]).await.ok();
    for (who, emoji) in [(&ben, "👍"), (&ana, "👍"), (&ana, "🔥"), (&ana, "🎉")] {
        who.react(&said[3], emoji).await.ok();
    }
    ana.unreact(&said[3], "🎉").await.ok();
    ben.pin(&said[4]).await.ok();
    ben.reply(&said[0], "six").await;
    let last = ana.forward(&said[3], &room).await.ok();
    ben.edit(&last, "mine").await.problem(403, "not_the_sender");
    ana.react(&last, "👍").await.ok();
    let joined = cleo.group_with(&[&ana]).await;
    cleo.send_message(&joined, "welcome").await;
    ben.remove(&left, &ana).await.nothing();

    let nobodys = uuid::Uuid::new_v4().to_string();
    let asked = json!({&room: caught_up, &left: {"seq": 0, "rev": 0}, &nobodys: {"seq": 3, "rev": 1}});
    let news = ana.sync(asked).await;
    assert_eq!((&news["complete"], &news["next_cursor"]), (&json!(true), &Value::Null));
    let gone: BTreeSet<&str> =
        news["left"].as_array().unwrap().iter().map(|room| room.as_str().unwrap()).collect();
    assert_eq!(gone, BTreeSet::from([left.as_str(), nobodys.as_str()]));
    assert_eq!(news["rooms"].as_array().unwrap().len(), 2);

    // Who asks about one room alone gets the same of it, and nothing of the others.
    for (id, theirs) in [(&room, json!([])), (&left, json!([left]))] {
        let body = json!({"rooms": {id: caught_up}, "only_named": true});
        let alone = ana.post("/chat/sync", body).await.ok();
        assert_eq!((&alone["complete"], &alone["left"]), (&json!(true), &theirs));
        let expected: Vec<&Value> = if id == &room { vec![news_of(&news, &room)] } else { Vec::new() };
        assert_eq!(alone["rooms"].as_array().unwrap().iter().collect::<Vec<_>>(), expected);
    }

    let of_room = news_of(&news, &room);
    assert_eq!(of_room["complete"], true);
    assert_eq!(held(of_room), json!({"seq": 7, "rev": 10}));
    assert_eq!(of_room["messages"], now(&ana, &room, &[6, 7]).await);
    assert_eq!(of_room["changed"], now(&ana, &room, &[1, 3, 4]).await, "each once, as it is now");
    let reactions = &of_room["changed"][2]["reactions"];
    assert_eq!(each(reactions, "mine"), [true, true]);
    let listed = ana.get("/chat/rooms").await.ok();
    let of = |id: &str| listed.as_array().unwrap().iter().find(|room| room["id"] == id).unwrap();
    assert_eq!(of_room["room"], *of(&room));
    assert_eq!(of_room["room"]["pinned_message_ids"], json!([said[4]["id"]]));

    // A room that the device did not know is loaded by its history.
    let of_joined = news_of(&news, &joined);
    assert_eq!(of_joined["room"], *of(&joined));
    assert_eq!(
        (&of_joined["complete"], &of_joined["messages"], &of_joined["changed"]),
        (&json!(false), &json!([]), &json!([]))
    );
    assert_eq!(held(of_joined), json!({"seq": 1, "rev": 0}));

    // Whoever has taken all that in misses nothing.
    let again = ana.sync(json!({&room: held(of_room), &joined: held(of_joined)})).await;
    for room in [&room, &joined] {
        let again = news_of(&again, room);
        assert_eq!(
            (&again["complete"], &again["messages"], &again["changed"]),
            (&json!(true), &json!([]), &json!([]))
        );
    }
    assert_eq!(again["left"], json!([]));
}

#[tokio::test(flavor = "multi_thread")]
async fn how_far_the_others_have_come_says_the_status_of_every_message() {
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
    let news = ana.sync(json!({&room: {"seq": 4, "rev": 0}})).await;
    let of_room = news_of(&news, &room);
    assert_eq!((&of_room["others_read_seq"], &of_room["others_delivered_seq"]), (&json!(1), &json!(2)));
    let statuses: Vec<Value> =
        ana.history(&room).await.iter().map(|message| message["status"].clone()).collect();
    assert_eq!(statuses, ["read", "delivered", "sent", "sent"]);
    let fresh = ana.sync(json!({&room: {"seq": 0, "rev": 0}})).await;
    assert_eq!(each(&news_of(&fresh, &room)["messages"], "status"), ["read", "delivered", "sent", "sent"]);
    let bens = ben.sync(json!({&room: {"seq": 0, "rev": 0}})).await;
    assert_eq!(each(&news_of(&bens, &room)["messages"], "status"), [&Value::Null; 4]);
    assert_eq!(news_of(&bens, &room)["room"]["unread_count"], 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_newcomer_catches_up_from_their_joining_on() {
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
    assert_eq!(news_of(&earlier, &room)["complete"], false, "what is held from before is none of hers");
    for start in [json!({"seq": 0, "rev": 3}), json!({"seq": 2, "rev": 3}), json!({"seq": 2, "rev": 4})] {
        let news = cleo.sync(json!({&room: start})).await;
        let of_room = news_of(&news, &room);
        assert_eq!(
            (&of_room["complete"], held(of_room)),
            (&json!(true), json!({"seq": 4, "rev": 4})),
            "{start}"
        );
        assert_eq!(of_room["messages"], now(&cleo, &room, &[3, 4]).await);
        assert_eq!(of_room["messages"][1]["reply_to"], Value::Null);
        assert_eq!((&of_room["changed"], &of_room["room"]["pinned_message_ids"]), (&json!([]), &json!([])));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn positions_that_never_were_and_changes_of_a_month_ago_mean_to_load_the_room_anew() {
    let stack = TestStack::new().await;
    let [ana, ben] = stack.actors(["ana", "ben"]).await;
    let (room, quiet) = (ana.room_with(&ben).await, ana.group_with(&[&ben]).await);
    let said = ana.send_message(&room, "one").await;
    ben.edit(&ben.send_message(&room, "two").await, "two!").await.ok();
    ana.send_message(&quiet, "calm").await;
    for start in [
        json!({"seq": 3, "rev": 0}),
        json!({"seq": 2, "rev": 2}),
        json!({"seq": u64::MAX, "rev": u64::MAX}),
        json!({"seq": 0, "rev": 7}),
    ] {
        let news = ana.sync(json!({&room: start})).await;
        let of_room = news_of(&news, &room);
        assert_eq!(
            (&of_room["complete"], held(of_room)),
            (&json!(false), json!({"seq": 2, "rev": 1})),
            "{start}"
        );
        assert_eq!((&of_room["messages"], &of_room["changed"]), (&json!([]), &json!([])));
    }

    stack.later(&ana, 10 * DAY).react(&said, "👍").await.ok();
    let asked = json!({&room: {"seq": 1, "rev": 0}, &quiet: {"seq": 0, "rev": 0}});
    for (days, complete) in [(29, true), (31, false), (39, false), (400, false)] {
        let news = stack.later(&ana, days * DAY).sync(asked.clone()).await;
        assert_eq!(news_of(&news, &room)["complete"], complete, "{days} days later");
        assert_eq!(news_of(&news, &quiet)["complete"], true, "nothing there has changed, only come");
        assert_eq!(news_of(&news, &quiet)["messages"].as_array().unwrap().len(), 1);
    }
    // Whoever knows the old change misses only the younger one.
    let asked = json!({&room: {"seq": 2, "rev": 1}});
    for (days, complete) in [(39, true), (41, false)] {
        let news = stack.later(&ana, days * DAY).sync(asked.clone()).await;
        assert_eq!(news_of(&news, &room)["complete"], complete, "{days} days later");
    }
}

/// Says something in a room, as often as that: once, and in the table what would stand there if it were said again.
async fn say_often(stack: &TestStack, who: &Actor, room: &str, times: u64, words: &str) {
    let said = who.send_message(room, words).await;
    let key = |seq: u64| json!({"pk": {"S": format!("ROOM#{room}")}, "sk": {"S": format!("MSG#{seq:012}")}});
    let item = stack.database("GetItem", json!({"Key": key(1)})).await["Item"].take();
    let id = said["id"].as_str().unwrap().replace('-', "");
    let again = (2..=times).map(|seq| {
        let mut item = item.clone();
        item.as_object_mut().unwrap().extend(key(seq).as_object().unwrap().clone());
        let id = format!("{}{seq:010x}{}", &id[..18], &id[28..]);
        item["id"] = json!({"S": uuid::Uuid::parse_str(&id).unwrap()});
        item["seq"] = json!({"N": seq.to_string()});
        json!({"Put": {"TableName": stack.local.table_name(), "Item": item}})
    });
    for writes in again.collect::<Vec<_>>().chunks(100) {
        stack.database("TransactWriteItems", json!({"TransactItems": writes})).await;
    }
}

/// What an answer says of each of its rooms: whether it is complete, and how many messages it has.
fn counts(news: &Value) -> Vec<(bool, usize)> {
    let rooms = news["rooms"].as_array().unwrap().iter();
    let count = |room: &Value| room["messages"].as_array().unwrap().len();
    rooms.map(|room| (room["complete"].as_bool().unwrap(), count(room))).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn too_much_for_one_answer_comes_in_several_or_means_to_load_the_room_anew() {
    let stack = TestStack::new().await;
    let [ana, ben] = stack.actors(["ana", "ben"]).await;
    let mut rooms =
        [ana.group_with(&[&ben]).await, ana.group_with(&[&ben]).await, ana.group_with(&[&ben]).await];
    rooms.sort();
    let [long, heavy, small] = &rooms;
    // Many short ones; a few of the longest, which are 16 KB each; and one.
    let (words, longest) = ("x".repeat(1000), "🏃".repeat(4000));
    for (room, times, words) in [(long, 501, words.as_str()), (heavy, 132, &longest), (small, 1, "one")] {
        say_often(&stack, &ben, room, times, words).await;
    }
    let ask = async |positions: [u64; 3], cursor: Option<&Value>| {
        let of = |n: usize| json!({"seq": positions[n], "rev": 0});
        let body = json!({"rooms": {long: of(0), heavy: of(1), small: of(2)}, "cursor": cursor});
        ana.post("/chat/sync", body).await.ok()
    };

    let news = ask([0, 131, 0], None).await;
    assert_eq!(counts(&news), [(false, 0), (true, 1), (true, 1)], "501 are too many");
    assert_eq!(news["complete"], true);
    let first = ask([1, 131, 0], None).await;
    assert_eq!((counts(&first), &first["complete"]), (vec![(true, 500)], &json!(false)));
    assert_eq!(each(&first["rooms"][0]["messages"], "seq"), (2..=501).collect::<Vec<_>>());
    let second = ask([1, 131, 0], Some(&first["next_cursor"])).await;
    assert_eq!((counts(&second), &second["complete"]), (vec![(true, 1), (true, 1)], &json!(true)));
    assert_eq!((&second["left"], &second["next_cursor"]), (&json!([]), &Value::Null));

    let news = ask([501, 0, 0], None).await;
    assert_eq!(counts(&news), [(true, 0), (false, 0), (true, 1)], "a megabyte is the most");
    let first = ask([11, 117, 0], None).await;
    assert_eq!((counts(&first), &first["complete"]), (vec![(true, 490)], &json!(false)));
    let second = ask([11, 117, 0], Some(&first["next_cursor"])).await;
    assert_eq!((counts(&second), &second["complete"]), (vec![(true, 15), (true, 1)], &json!(true)));
}

#[tokio::test(flavor = "multi_thread")]
async fn more_than_a_hundred_rooms_come_in_several_answers() {
    let stack = TestStack::with(rate_limited("off")).await;
    let [ana, ben] = stack.actors(["ana", "ben"]).await;
    let mut rooms = BTreeSet::new();
    for _ in 0..=100 {
        rooms.insert(ana.group_with(&[&ben]).await);
    }
    let named: serde_json::Map<String, Value> =
        rooms.iter().map(|room| (room.clone(), json!({"seq": 0, "rev": 0}))).collect();
    for (rooms_held, complete) in [(json!({}), false), (Value::from(named), true)] {
        let first = ana.sync(rooms_held.clone()).await;
        assert_eq!(
            (first["complete"].clone(), first["rooms"].as_array().unwrap().len()),
            (json!(false), 100)
        );
        let asked = json!({"rooms": rooms_held, "cursor": first["next_cursor"]});
        let second = ana.post("/chat/sync", asked).await.ok();
        assert_eq!((&second["complete"], &second["next_cursor"]), (&json!(true), &Value::Null));
        let both = [&first, &second].map(|news| news["rooms"].as_array().unwrap().clone()).concat();
        assert!(both.iter().all(|room| room["complete"] == complete));
        let ids: BTreeSet<String> =
            both.iter().map(|room| room["room"]["id"].as_str().unwrap().to_owned()).collect();
        assert_eq!((both.len(), &ids), (101, &rooms), "each once");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_no_question_about_rooms_is_refused() {
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
    let loud = json!({"rooms": {room.to_uppercase(): {"seq": 0, "rev": 0}}, "cursor": null, "color": "red"});
    assert_eq!(ana.post("/chat/sync", loud).await.ok()["rooms"][0]["complete"], true);
    assert_eq!(stack.new_user().sync(json!({})).await["rooms"], json!([]));
}
