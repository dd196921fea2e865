//! What every function costs in a typical case, counted: the table of `README.md`.
//!
//! The real endpoints answer the calls that the gateway would make, over the real SDK and the embedded engine.

mod call;
mod town;

use serde_json::{Value, json};
use uuid::Uuid;

use self::{
    call::Call,
    town::{Cost, NEWCOMER, STRANGER, Town, text},
};

/// A function in a typical case, and what that takes: round trips to the table and to connections, one after the other;
/// read units; write units; frames.
type Row = (&'static str, &'static str, u64, f64, f64, usize);

const EXPECTED: &[Row] = &[
    ("users-get-me", "again", 1, 1.0, 0.0, 0),
    ("users-get-me", "the first time ever", 2, 1.0, 18.0, 0),
    ("friends-search-users", "8 people found", 3, 16.5, 1.0, 0),
    ("friends-send-request", "", 6, 5.0, 11.0, 1),
    ("friends-list-requests", "1 request", 2, 3.0, 0.0, 0),
    ("friends-respond-to-request", "accepted", 6, 3.0, 15.0, 1),
    ("friends-list", "15 friends", 3, 31.0, 0.0, 0),
    ("http-unknown", "`GET /friends/`, 15 friends", 3, 31.0, 0.0, 0),
    ("friends-list-mutual", "5 friends in common", 5, 14.0, 1.0, 0),
    ("friends-list-suggestions", "1 person, through 15 friends", 4, 10.5, 1.0, 0),
    ("friends-cancel-request", "", 6, 4.0, 9.0, 1),
    ("chat-create-room", "2 people, new", 7, 13.0, 17.0, 2),
    ("chat-create-room", "2 people, again", 3, 10.0, 0.0, 0),
    ("chat-create-room", "10 people", 5, 29.0, 63.0, 10),
    ("chat-list-rooms", "16 rooms", 6, 152.0, 0.0, 0),
    ("chat-get-room", "10 people", 3, 33.0, 0.0, 0),
    ("chat-sync", "16 rooms, nothing missed", 7, 153.0, 0.0, 0),
    ("chat-send-message", "to 1 person", 4, 5.0, 4.0, 2),
    ("chat-send-message", "to 9 people", 4, 13.0, 4.0, 10),
    ("chat-list-messages", "50 messages", 3, 12.0, 0.0, 0),
    ("chat-mark-read", "10 people", 5, 13.0, 2.0, 10),
    ("chat-edit-message", "10 people", 5, 16.0, 7.0, 10),
    ("chat-add-reaction", "10 people", 5, 16.0, 9.0, 10),
    ("chat-remove-reaction", "10 people", 5, 16.0, 9.0, 10),
    ("chat-list-reactions", "10 people", 2, 14.0, 0.0, 0),
    ("chat-pin-message", "10 people", 6, 19.0, 7.0, 10),
    ("chat-list-pins", "1 pin", 3, 4.0, 0.0, 0),
    ("chat-unpin-message", "10 people", 6, 19.0, 7.0, 10),
    ("chat-delete-message", "10 people", 5, 14.0, 7.0, 10),
    ("chat-sync", "16 rooms, 11 messages and 6 changes missed", 8, 158.0, 0.0, 0),
    ("chat-add-participant", "to 10 people", 13, 49.0, 15.0, 22),
    ("chat-remove-participant", "from 11 people", 7, 25.0, 15.0, 21),
    ("friends-block-user", "a friend", 5, 5.0, 17.0, 3),
    ("friends-list-blocks", "1 person", 2, 2.0, 0.0, 0),
    ("friends-unblock-user", "", 5, 3.0, 11.0, 1),
    ("friends-remove-friend", "", 5, 3.0, 11.0, 2),
    ("chat-update-room", "10 people", 8, 27.0, 9.0, 20),
    ("chat-add-participant", "10 people, another role", 9, 28.0, 11.0, 20),
    ("chat-update-room-settings", "", 5, 2.0, 2.0, 1),
    ("devices-register", "new, with a push token", 3, 2.0, 7.0, 0),
    ("devices-register", "again", 2, 2.0, 1.0, 0),
    ("devices-sign-out", "not connected", 4, 2.0, 7.0, 0),
    ("reports-create", "a message and ten before", 4, 3.0, 10.0, 0),
    ("reports-create", "who blocks the reporter, and is in one of their 2 rooms", 7, 7.0, 3.0, 0),
    ("socket-authorize", "", 0, 0.0, 0.0, 0),
    ("socket-connect", "", 1, 0.0, 1.0, 0),
    ("socket-hello", "13 friends hear of it", 8, 18.0, 2.0, 14),
    ("socket-hello", "of one who is online already", 3, 0.0, 2.0, 1),
    ("socket-ping", "", 2, 0.0, 1.0, 1),
    ("socket-send-message", "to 1 person", 4, 5.0, 4.0, 2),
    ("socket-send-message", "to 9 people", 4, 13.0, 4.0, 10),
    ("socket-message-delivered", "10 people", 5, 13.0, 2.0, 10),
    ("socket-message-read", "10 people", 5, 13.0, 2.0, 10),
    ("socket-typing-start", "10 people", 4, 12.0, 1.0, 9),
    ("socket-typing-stop", "10 people", 4, 12.0, 1.0, 9),
    ("socket-unknown", "", 2, 0.0, 1.0, 1),
    ("socket-disconnect", "another device is left", 1, 0.0, 1.0, 0),
    ("socket-disconnect", "13 friends hear of it", 7, 18.0, 2.0, 13),
    ("users-get", "", 1, 3.0, 0.0, 0),
    ("users-update-me", "a new username of 8 letters, in no room", 6, 3.0, 38.0, 0),
    ("users-update-me", "a new picture, in 16 rooms", 14, 91.0, 134.0, 24),
    ("users-update-me", "13 friends no longer see that they are online", 9, 20.0, 5.0, 13),
    ("users-delete-me", "in a room for 2 and a group of 10", 27, 59.0, 94.0, 16),
    ("chat-delete-room", "9 people", 9, 24.0, 157.0, 8),
    ("maintenance-complete-deletions", "nothing to do", 1, 1.0, 0.0, 0),
];

/// Every function in its typical cases, one after the other in the same town.
#[expect(clippy::too_many_lines, reason = "a list, of an entry for each case")]
async fn counted(town: &Town) -> Vec<Row> {
    let mut rows: Vec<Row> = Vec::new();
    macro_rules! count {
        ($who:expr, $function:literal, $case:literal, $call:expr) => {
            let cost = town.cost($who, $call).await;
            rows.push(row($function, $case, cost))
        };
    }
    let user = |n: usize| town.people[n];

    count!(0, "users-get-me", "again", Call::of("users-get-me"));
    let first = town.first_cost(NEWCOMER, Call::of("users-get-me")).await;
    rows.push(row("users-get-me", "the first time ever", first));

    let search = Call::of("friends-search-users").query("query", "person1");
    count!(0, "friends-search-users", "8 people found", search);
    let ask = Call::of("friends-send-request").body(json!({"receiver_id": user(STRANGER)}));
    count!(0, "friends-send-request", "", ask);
    let requests = Call::of("friends-list-requests");
    let request = town.by(STRANGER, requests.clone()).await[0]["id"].as_str().unwrap().to_owned();
    count!(STRANGER, "friends-list-requests", "1 request", requests);
    let accept = Call::of("friends-respond-to-request").at("request_id", request).query("action", "accepted");
    count!(STRANGER, "friends-respond-to-request", "accepted", accept);
    count!(0, "friends-list", "15 friends", Call::of("friends-list"));
    count!(0, "http-unknown", "`GET /friends/`, 15 friends", Call::of("http-unknown"));
    for n in 1..=5 {
        town.update_relationship(n, NEWCOMER).await;
    }
    let about = |function, who: usize| Call::of(function).at("user_id", user(who).to_string());
    count!(0, "friends-list-mutual", "5 friends in common", about("friends-list-mutual", NEWCOMER));
    let suggestions = Call::of("friends-list-suggestions");
    count!(0, "friends-list-suggestions", "1 person, through 15 friends", suggestions);
    let ask = Call::of("friends-send-request").body(json!({"receiver_id": user(NEWCOMER)}));
    let request = town.by(0, ask).await["id"].as_str().unwrap().to_owned();
    count!(0, "friends-cancel-request", "", Call::of("friends-cancel-request").at("request_id", request));

    // People do not usually make so many rooms in such a short time.
    town.cloud.wait(3000).await;
    let pair = Call::of("chat-create-room").body(json!({"participant_ids": [user(STRANGER)]}));
    count!(0, "chat-create-room", "2 people, new", pair.clone());
    count!(0, "chat-create-room", "2 people, again", pair);
    let ten = json!({"participant_ids": town.people[6..15], "is_group": true});
    count!(5, "chat-create-room", "10 people", Call::of("chat-create-room").body(ten));
    count!(0, "chat-list-rooms", "16 rooms", Call::of("chat-list-rooms"));
    count!(0, "chat-get-room", "10 people", town.at_group("chat-get-room"));
    let held = held(&town.by(0, Call::of("chat-sync").body(json!({"rooms": {}}))).await);
    let sync = || Call::of("chat-sync").body(json!({"rooms": held}));
    count!(0, "chat-sync", "16 rooms, nothing missed", sync());

    let (pair, group) = (&town.pairs[0], &town.group);
    count!(0, "chat-send-message", "to 1 person", town.sending("chat-send-message", pair).await);
    count!(0, "chat-send-message", "to 9 people", town.sending("chat-send-message", group).await);
    count!(1, "chat-list-messages", "50 messages", town.at_group("chat-list-messages"));
    count!(1, "chat-mark-read", "10 people", town.at_group("chat-mark-read"));
    let edit = town.at_message("chat-edit-message").body(json!({"content": format!("{}!", text())}));
    count!(0, "chat-edit-message", "10 people", edit);
    let party = |function| town.at_message(function).at("emoji", "🎉");
    count!(1, "chat-add-reaction", "10 people", party("chat-add-reaction"));
    count!(1, "chat-remove-reaction", "10 people", party("chat-remove-reaction"));
    count!(1, "chat-list-reactions", "10 people", town.at_message("chat-list-reactions"));
    count!(0, "chat-pin-message", "10 people", town.at_message("chat-pin-message"));
    count!(1, "chat-list-pins", "1 pin", town.at_group("chat-list-pins"));
    count!(0, "chat-unpin-message", "10 people", town.at_message("chat-unpin-message"));
    count!(0, "chat-delete-message", "10 people", town.at_message("chat-delete-message"));
    for (n, pair) in town.pairs[1..4].iter().enumerate() {
        for _ in 0..3 {
            town.say(n + 2, pair, json!({})).await;
        }
    }
    count!(0, "chat-sync", "16 rooms, 11 messages and 6 changes missed", sync());
    let stranger = |function| town.at_group(function).at("user_id", user(STRANGER).to_string());
    count!(0, "chat-add-participant", "to 10 people", stranger("chat-add-participant"));
    count!(0, "chat-remove-participant", "from 11 people", stranger("chat-remove-participant"));

    count!(0, "friends-block-user", "a friend", about("friends-block-user", STRANGER));
    count!(0, "friends-list-blocks", "1 person", Call::of("friends-list-blocks"));
    count!(0, "friends-unblock-user", "", about("friends-unblock-user", STRANGER));
    count!(0, "friends-remove-friend", "", about("friends-remove-friend", 1));
    let run = json!({"name": "Sunday run", "description": "Every week at nine"});
    count!(0, "chat-update-room", "10 people", town.at_group("chat-update-room").body(run));
    let role = town.at_group("chat-add-participant").at("user_id", user(1).to_string());
    count!(0, "chat-add-participant", "10 people, another role", role.body(json!({"role": "admin"})));
    let mute = town.at_group("chat-update-room-settings").body(json!({"is_pinned": true}));
    count!(0, "chat-update-room-settings", "", mute);

    let device = |function| Call::of(function).at("device_id", Uuid::from_u128(7).to_string());
    let phone = device("devices-register").body(json!({"platform": "ios", "push_token": "x".repeat(200)}));
    count!(0, "devices-register", "new, with a push token", phone.clone());
    count!(0, "devices-register", "again", phone);
    count!(0, "devices-sign-out", "not connected", device("devices-sign-out"));

    let complaint = json!({"chat_room_id": town.group, "message_id": town.message["id"], "reason": "spam"});
    count!(1, "reports-create", "a message and ten before", Call::of("reports-create").body(complaint));

    town.by(2, about("friends-block-user", 3)).await;
    let complaint = json!({"user_id": user(2), "reason": "spam"});
    let case = "who blocks the reporter, and is in one of their 2 rooms";
    rows.push(row("reports-create", case, town.cost(3, Call::of("reports-create").body(complaint)).await));
    town.by(2, about("friends-unblock-user", 3)).await;

    count!(0, "socket-authorize", "", Call::of("socket-authorize"));
    count!(0, "socket-connect", "", Call::of("socket-connect"));
    count!(0, "socket-hello", "13 friends hear of it", Call::of("socket-hello"));
    count!(0, "socket-hello", "of one who is online already", Call::of("socket-hello"));
    count!(0, "socket-ping", "", Call::of("socket-ping"));
    count!(0, "socket-send-message", "to 1 person", town.sending("socket-send-message", pair).await);
    count!(0, "socket-send-message", "to 9 people", town.sending("socket-send-message", group).await);
    let newest = town.by(0, town.at_group("chat-get-room")).await["seq"].clone();
    let reached = |function| Call::of(function).body(json!({"chat_room_id": group, "seq": newest}));
    count!(1, "socket-message-delivered", "10 people", reached("socket-message-delivered"));
    count!(1, "socket-message-read", "10 people", reached("socket-message-read"));
    let typing = |function| Call::of(function).body(json!({"chat_room_id": group}));
    count!(1, "socket-typing-start", "10 people", typing("socket-typing-start"));
    count!(1, "socket-typing-stop", "10 people", typing("socket-typing-stop"));
    count!(0, "socket-unknown", "", Call::of("socket-unknown"));
    let other = town.cloud.connect(user(0), "other").await.id;
    count!(0, "socket-disconnect", "another device is left", Call::of("socket-disconnect"));
    town.by(0, Call::of("socket-hello")).await;
    let left = town.cloud.app.store.disconnected(user(0), &[other], town.cloud.app.now()).await;
    assert!(!left.unwrap());
    count!(0, "socket-disconnect", "13 friends hear of it", Call::of("socket-disconnect"));

    count!(1, "users-get", "", Call::of("users-get").at("user_id", user(0).to_string()));
    let named = |name| Call::of("users-update-me").body(json!({"username": name}));
    count!(NEWCOMER, "users-update-me", "a new username of 8 letters, in no room", named("newcomer"));
    let picture = json!({"avatar_url": "https://pictures.example.net/0.jpg"});
    count!(0, "users-update-me", "a new picture, in 16 rooms", Call::of("users-update-me").body(picture));
    let hidden = json!({"settings": {"online_shown_to": "nobody"}});
    count!(
        0,
        "users-update-me",
        "13 friends no longer see that they are online",
        Call::of("users-update-me").body(hidden)
    );
    count!(1, "users-delete-me", "in a room for 2 and a group of 10", Call::of("users-delete-me"));
    count!(0, "chat-delete-room", "9 people", town.at_group("chat-delete-room"));
    count!(0, "maintenance-complete-deletions", "nothing to do", Call::of("maintenance-complete-deletions"));
    rows
}

fn row(function: &'static str, case: &'static str, cost: Cost) -> Row {
    let Cost { round_trips, read_units, write_units, frames } = cost;
    (function, case, round_trips, read_units, write_units, frames)
}

/// How far a client has every room that has taken in all that it was told.
fn held(news: &Value) -> Value {
    let rooms = news["rooms"].as_array().unwrap().iter();
    let held = rooms.map(|room| {
        let id = room["room"]["id"].as_str().unwrap().to_owned();
        (id, json!({"seq": room["seq"], "rev": room["rev"]}))
    });
    Value::Object(held.collect())
}

#[tokio::test(start_paused = true)]
async fn every_function_costs_what_the_table_says() {
    // Boxed: without optimisation, what waits here is more than a thread's stack.
    let town = Box::pin(Town::new()).await;
    let rows = Box::pin(counted(&town)).await;
    println!("| function | typical case | round trips | read units | write units | frames |");
    println!("| --- | --- | --- | --- | --- | --- |");
    let readme = include_str!("../../../../README.md");
    let mut missing = Vec::new();
    for (function, case, round_trips, read_units, write_units, frames) in &rows {
        let line =
            format!("| `{function}` | {case} | {round_trips} | {read_units} | {write_units} | {frames} |");
        println!("{line}");
        if !readme.contains(&line) {
            missing.push(line);
        }
    }
    assert_eq!(rows, EXPECTED);
    assert!(missing.is_empty(), "README.md says otherwise: {missing:#?}");
}

#[test]
fn no_function_is_without_its_cost() {
    let index = include_str!("../../../../functions/Cargo.toml");
    let functions = index.split("[[bin]]\nname = \"").skip(1).filter_map(|rest| rest.split('"').next());
    let functions: Vec<&str> = functions.collect();
    assert!(functions.len() > 30);
    for function in functions {
        assert!(EXPECTED.iter().any(|row| row.0 == function), "{function}");
    }
}
