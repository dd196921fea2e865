//! The cost of every function in a typical case: the second table in `docs/costs.md`.
//!
//! The real endpoints run over the real SDK and the embedded engine.

mod bounds;
mod fixture;
mod refusals;

use serde_json::{Value, json};
use uuid::Uuid;

use self::fixture::{Cost, Fixture, NEW_USER, STRANGER, text};
use crate::call::Call;

/// The document with the cost tables.
pub const DOCUMENT: &str = include_str!("../../../../docs/costs.md");

/// Function, typical case, sequential round trips (table and connections), read units, write units, frames.
type Row = (&'static str, &'static str, u64, f64, f64, usize);

const EXPECTED: &[Row] = &[
    ("users-get-me", "later visits", 1, 1.0, 0.0, 0),
    ("users-get-me", "first visit", 2, 1.0, 18.0, 0),
    ("friends-search-users", "8 users found", 3, 16.5, 1.0, 0),
    ("friends-send-request", "", 6, 6.0, 11.0, 2),
    ("friends-list-requests", "1 request", 2, 3.0, 0.0, 0),
    ("friends-respond-to-request", "accepted", 8, 7.0, 15.0, 2),
    ("friends-list", "15 friends", 3, 16.0, 0.0, 0),
    ("http-unknown", "`GET /friends/`, 15 friends", 3, 16.0, 0.0, 0),
    ("friends-list-mutual", "5 mutual friends", 5, 9.0, 1.0, 0),
    ("friends-list-suggestions", "1 suggestion, 15 friends", 4, 10.5, 1.0, 0),
    ("friends-cancel-request", "", 6, 4.0, 9.0, 1),
    ("chat-create-room", "direct room, new", 7, 8.0, 17.0, 2),
    ("chat-create-room", "direct room, existing", 4, 5.0, 0.0, 0),
    ("chat-create-room", "group of 10", 5, 39.0, 63.0, 10),
    ("chat-create-room", "group of 10, with `client_room_id`", 8, 40.0, 67.0, 10),
    ("chat-create-room", "group of 10, repeated", 5, 14.0, 0.0, 0),
    ("chat-list-rooms", "16 rooms", 7, 69.0, 0.0, 0),
    ("chat-get-room", "group of 10", 4, 19.0, 0.0, 0),
    ("chat-sync", "16 rooms, up to date", 5, 44.0, 0.0, 0),
    ("chat-send-message", "direct room", 4, 4.0, 4.0, 2),
    ("chat-send-message", "group of 10", 4, 12.0, 4.0, 10),
    ("chat-list-messages", "50 messages", 3, 11.0, 0.0, 0),
    ("chat-get-message", "group of 10", 3, 4.0, 0.0, 0),
    ("chat-mark-read", "group of 10", 6, 13.0, 2.0, 10),
    ("chat-edit-message", "group of 10", 6, 16.0, 7.0, 10),
    ("chat-add-reaction", "group of 10", 6, 16.0, 9.0, 10),
    ("chat-remove-reaction", "group of 10", 6, 16.0, 9.0, 10),
    ("chat-list-reactions", "group of 10", 4, 24.0, 0.0, 0),
    ("chat-pin-message", "group of 10", 8, 19.0, 7.0, 10),
    ("chat-list-pins", "1 pin", 3, 4.0, 0.0, 0),
    ("chat-unpin-message", "group of 10", 8, 19.0, 7.0, 10),
    ("chat-delete-message", "group of 10", 6, 14.0, 7.0, 10),
    ("chat-sync", "16 rooms, 11 new messages, 6 changes", 8, 52.0, 0.0, 0),
    ("chat-add-participant", "new member, group of 10", 16, 48.0, 15.0, 22),
    ("chat-remove-participant", "group of 11", 8, 25.0, 17.0, 21),
    ("friends-block-user", "a friend", 5, 5.0, 17.0, 3),
    ("friends-list-blocks", "1 blocked user", 2, 3.0, 0.0, 0),
    ("friends-unblock-user", "", 5, 3.0, 11.0, 1),
    ("friends-remove-friend", "", 5, 3.0, 11.0, 2),
    ("chat-update-room", "group of 10", 10, 27.0, 9.0, 20),
    ("chat-add-participant", "role change, group of 10", 11, 28.0, 11.0, 20),
    ("chat-update-room-settings", "", 5, 2.0, 2.0, 1),
    ("devices-register", "new, with a push token", 3, 2.0, 7.0, 0),
    ("devices-register", "unchanged", 2, 2.0, 1.0, 0),
    ("devices-list", "1 device", 1, 1.0, 0.0, 0),
    ("devices-sign-out", "not connected", 4, 2.0, 7.0, 0),
    ("reports-create", "message with the 10 preceding messages", 5, 3.0, 10.0, 0),
    ("reports-create", "user who blocks the reporter and shares 1 of their 2 rooms", 7, 7.0, 3.0, 0),
    ("socket-authorize", "", 0, 0.0, 0.0, 0),
    ("socket-connect", "", 2, 0.0, 2.0, 0),
    ("socket-hello", "13 friends are notified", 9, 20.0, 2.0, 14),
    ("socket-hello", "already online", 3, 2.0, 1.0, 1),
    ("socket-ping", "", 2, 1.0, 1.0, 1),
    ("socket-send-message", "direct room", 4, 5.0, 4.0, 2),
    ("socket-send-message", "group of 10", 4, 13.0, 4.0, 10),
    ("socket-message-delivered", "direct room", 6, 6.0, 2.0, 2),
    ("socket-message-read", "direct room", 6, 6.0, 2.0, 2),
    ("socket-typing-start", "direct room", 4, 5.0, 1.0, 1),
    ("socket-typing-stop", "direct room", 4, 5.0, 1.0, 1),
    ("socket-message-delivered", "group of 10", 6, 14.0, 2.0, 10),
    ("socket-message-read", "group of 10", 6, 14.0, 2.0, 10),
    ("socket-typing-start", "group of 10", 4, 13.0, 1.0, 9),
    ("socket-typing-stop", "group of 10", 4, 13.0, 1.0, 9),
    ("socket-unknown", "", 3, 1.0, 2.0, 1),
    ("socket-disconnect", "another device stays connected", 1, 0.0, 1.0, 0),
    ("socket-disconnect", "13 friends are notified", 7, 18.0, 2.0, 13),
    ("users-get", "", 1, 3.0, 0.0, 0),
    ("users-update-me", "new username of 8 letters, no rooms", 7, 5.0, 38.0, 0),
    ("users-update-me", "new avatar, 16 rooms", 15, 93.0, 134.0, 24),
    ("users-update-me", "online status hidden from 13 friends", 11, 22.0, 5.0, 13),
    ("users-delete-me", "in a direct room and a group of 10", 30, 60.0, 96.0, 16),
    ("chat-delete-room", "group of 9", 9, 24.0, 157.0, 8),
    ("maintenance-complete-deletions", "no pending deletions", 1, 1.0, 0.0, 0),
];

/// Measures every function in its typical cases, one after the other.
#[expect(clippy::too_many_lines, reason = "a list of cases")]
async fn measure(fixture: &Fixture) -> Vec<Row> {
    let mut rows: Vec<Row> = Vec::new();
    macro_rules! measure {
        ($caller:expr, $function:literal, $case:expr, $call:expr) => {
            let cost = fixture.cost($caller, $call).await;
            rows.push(row($function, $case, cost))
        };
    }
    let user = |n: usize| fixture.users[n];

    measure!(0, "users-get-me", "later visits", Call::of("users-get-me"));
    let first = fixture.first_cost(NEW_USER, Call::of("users-get-me")).await;
    rows.push(row("users-get-me", "first visit", first));

    let search = Call::of("friends-search-users").query("query", "person1");
    measure!(0, "friends-search-users", "8 users found", search);
    let ask = Call::of("friends-send-request").body(json!({"receiver_id": user(STRANGER)}));
    measure!(0, "friends-send-request", "", ask);
    let requests = Call::of("friends-list-requests");
    let request = fixture.call(STRANGER, requests.clone()).await[0]["id"].as_str().unwrap().to_owned();
    measure!(STRANGER, "friends-list-requests", "1 request", requests);
    let accept =
        Call::of("friends-respond-to-request").path("request_id", request).query("action", "accepted");
    measure!(STRANGER, "friends-respond-to-request", "accepted", accept);
    measure!(0, "friends-list", "15 friends", Call::of("friends-list"));
    measure!(0, "http-unknown", "`GET /friends/`, 15 friends", Call::of("http-unknown"));
    for n in 1..=5 {
        fixture.make_friends(n, NEW_USER).await;
    }
    let about = |function, other: usize| Call::of(function).path("user_id", user(other).to_string());
    measure!(0, "friends-list-mutual", "5 mutual friends", about("friends-list-mutual", NEW_USER));
    let suggestions = Call::of("friends-list-suggestions");
    measure!(0, "friends-list-suggestions", "1 suggestion, 15 friends", suggestions);
    let ask = Call::of("friends-send-request").body(json!({"receiver_id": user(NEW_USER)}));
    let request = fixture.call(0, ask).await["id"].as_str().unwrap().to_owned();
    measure!(0, "friends-cancel-request", "", Call::of("friends-cancel-request").path("request_id", request));

    // The rate limit of new rooms recovers: a typical caller is within it.
    fixture.backend.wait(3000).await;
    let direct = Call::of("chat-create-room").body(json!({"participant_ids": [user(STRANGER)]}));
    measure!(0, "chat-create-room", "direct room, new", direct.clone());
    measure!(0, "chat-create-room", "direct room, existing", direct);
    let ten = json!({"participant_ids": fixture.users[6..15], "is_group": true});
    measure!(5, "chat-create-room", "group of 10", Call::of("chat-create-room").body(ten.clone()));
    let mut repeatable = ten;
    repeatable["client_room_id"] = "1".into();
    let repeatable = Call::of("chat-create-room").body(repeatable);
    measure!(5, "chat-create-room", "group of 10, with `client_room_id`", repeatable.clone());
    measure!(5, "chat-create-room", "group of 10, repeated", repeatable);
    measure!(0, "chat-list-rooms", "16 rooms", Call::of("chat-list-rooms"));
    measure!(0, "chat-get-room", "group of 10", fixture.group_call("chat-get-room"));
    let positions = positions(&fixture.call(0, Call::of("chat-sync").body(json!({"rooms": {}}))).await);
    let sync = || Call::of("chat-sync").body(json!({"rooms": positions}));
    measure!(0, "chat-sync", "16 rooms, up to date", sync());

    let (direct, group) = (&fixture.direct_rooms[0], &fixture.group);
    measure!(0, "chat-send-message", "direct room", fixture.send_call("chat-send-message", direct).await);
    measure!(0, "chat-send-message", "group of 10", fixture.send_call("chat-send-message", group).await);
    measure!(1, "chat-list-messages", "50 messages", fixture.group_call("chat-list-messages"));
    measure!(1, "chat-get-message", "group of 10", fixture.message_call("chat-get-message"));
    measure!(1, "chat-mark-read", "group of 10", fixture.group_call("chat-mark-read"));
    let edit = fixture.message_call("chat-edit-message").body(json!({"content": format!("{}!", text())}));
    measure!(0, "chat-edit-message", "group of 10", edit);
    let reaction = |function| fixture.message_call(function).path("emoji", "🎉");
    measure!(1, "chat-add-reaction", "group of 10", reaction("chat-add-reaction"));
    measure!(1, "chat-remove-reaction", "group of 10", reaction("chat-remove-reaction"));
    measure!(1, "chat-list-reactions", "group of 10", fixture.message_call("chat-list-reactions"));
    measure!(0, "chat-pin-message", "group of 10", fixture.message_call("chat-pin-message"));
    measure!(1, "chat-list-pins", "1 pin", fixture.group_call("chat-list-pins"));
    measure!(0, "chat-unpin-message", "group of 10", fixture.message_call("chat-unpin-message"));
    measure!(0, "chat-delete-message", "group of 10", fixture.message_call("chat-delete-message"));
    for (n, room) in fixture.direct_rooms[1..4].iter().enumerate() {
        for _ in 0..3 {
            fixture.send(n + 2, room, json!({})).await;
        }
    }
    measure!(0, "chat-sync", "16 rooms, 11 new messages, 6 changes", sync());
    let stranger = |function| fixture.group_call(function).path("user_id", user(STRANGER).to_string());
    measure!(0, "chat-add-participant", "new member, group of 10", stranger("chat-add-participant"));
    measure!(0, "chat-remove-participant", "group of 11", stranger("chat-remove-participant"));

    measure!(0, "friends-block-user", "a friend", about("friends-block-user", STRANGER));
    measure!(0, "friends-list-blocks", "1 blocked user", Call::of("friends-list-blocks"));
    measure!(0, "friends-unblock-user", "", about("friends-unblock-user", STRANGER));
    measure!(0, "friends-remove-friend", "", about("friends-remove-friend", 1));
    let run = json!({"name": "Sunday run", "description": "Every week at nine"});
    measure!(0, "chat-update-room", "group of 10", fixture.group_call("chat-update-room").body(run));
    let role = fixture.group_call("chat-add-participant").path("user_id", user(1).to_string());
    measure!(0, "chat-add-participant", "role change, group of 10", role.body(json!({"role": "admin"})));
    let mute = fixture.group_call("chat-update-room-settings").body(json!({"is_pinned": true}));
    measure!(0, "chat-update-room-settings", "", mute);

    let device = |function| Call::of(function).path("device_id", Uuid::from_u128(7).to_string());
    let phone = device("devices-register").body(json!({"platform": "ios", "push_token": "x".repeat(200)}));
    measure!(0, "devices-register", "new, with a push token", phone.clone());
    measure!(0, "devices-register", "unchanged", phone);
    measure!(0, "devices-list", "1 device", Call::of("devices-list"));
    measure!(0, "devices-sign-out", "not connected", device("devices-sign-out"));

    let complaint =
        json!({"chat_room_id": fixture.group, "message_id": fixture.message["id"], "reason": "spam"});
    measure!(
        1,
        "reports-create",
        "message with the 10 preceding messages",
        Call::of("reports-create").body(complaint)
    );

    fixture.call(2, about("friends-block-user", 3)).await;
    let complaint = json!({"user_id": user(2), "reason": "spam"});
    let case = "user who blocks the reporter and shares 1 of their 2 rooms";
    rows.push(row("reports-create", case, fixture.cost(3, Call::of("reports-create").body(complaint)).await));
    fixture.call(2, about("friends-unblock-user", 3)).await;

    measure!(0, "socket-authorize", "", Call::of("socket-authorize"));
    measure!(0, "socket-connect", "", Call::of("socket-connect"));
    measure!(0, "socket-hello", "13 friends are notified", Call::of("socket-hello"));
    measure!(0, "socket-hello", "already online", Call::of("socket-hello"));
    measure!(0, "socket-ping", "", Call::of("socket-ping"));
    measure!(0, "socket-send-message", "direct room", fixture.send_call("socket-send-message", direct).await);
    measure!(0, "socket-send-message", "group of 10", fixture.send_call("socket-send-message", group).await);
    for (case, room) in [("direct room", direct), ("group of 10", group)] {
        let newest = fixture.call(0, Call::of("chat-get-room").path("room_id", room)).await["seq"].clone();
        let receipt = |function| Call::of(function).body(json!({"chat_room_id": room, "seq": newest}));
        measure!(1, "socket-message-delivered", case, receipt("socket-message-delivered"));
        measure!(1, "socket-message-read", case, receipt("socket-message-read"));
        let typing = |function| Call::of(function).body(json!({"chat_room_id": room}));
        measure!(1, "socket-typing-start", case, typing("socket-typing-start"));
        measure!(1, "socket-typing-stop", case, typing("socket-typing-stop"));
    }
    measure!(0, "socket-unknown", "", Call::of("socket-unknown"));
    let other = fixture.backend.connect(user(0), "other").await.id;
    measure!(0, "socket-disconnect", "another device stays connected", Call::of("socket-disconnect"));
    for function in ["socket-connect", "socket-hello"] {
        fixture.call(0, Call::of(function)).await;
    }
    let (store, now) = (&fixture.backend.app.store, fixture.backend.app.now());
    assert!(store.remove_ended_connections(user(0), &[other], now).await.unwrap().is_none());
    measure!(0, "socket-disconnect", "13 friends are notified", Call::of("socket-disconnect"));

    measure!(1, "users-get", "", Call::of("users-get").path("user_id", user(0).to_string()));
    let named = |name| Call::of("users-update-me").body(json!({"username": name}));
    measure!(NEW_USER, "users-update-me", "new username of 8 letters, no rooms", named("neighbor"));
    let avatar = json!({"avatar_url": "https://pictures.example.net/0.jpg"});
    measure!(0, "users-update-me", "new avatar, 16 rooms", Call::of("users-update-me").body(avatar));
    let hidden = json!({"settings": {"online_shown_to": "nobody"}});
    measure!(
        0,
        "users-update-me",
        "online status hidden from 13 friends",
        Call::of("users-update-me").body(hidden)
    );
    measure!(1, "users-delete-me", "in a direct room and a group of 10", Call::of("users-delete-me"));
    measure!(0, "chat-delete-room", "group of 9", fixture.group_call("chat-delete-room"));
    measure!(
        0,
        "maintenance-complete-deletions",
        "no pending deletions",
        Call::of("maintenance-complete-deletions")
    );
    rows
}

fn row(function: &'static str, case: &'static str, cost: Cost) -> Row {
    let Cost { round_trips, read_units, write_units, frames } = cost;
    (function, case, round_trips, read_units, write_units, frames)
}

/// The positions of a client that has applied the sync page.
fn positions(page: &Value) -> Value {
    let rooms = page["rooms"].as_array().unwrap().iter();
    let positions = rooms.map(|room| {
        let id = room["room"]["id"].as_str().unwrap().to_owned();
        (id, json!({"seq": room["seq"], "rev": room["rev"]}))
    });
    Value::Object(positions.collect())
}

#[tokio::test(start_paused = true)]
async fn the_costs_of_every_function_are_those_of_the_document() {
    // Boxed: in an unoptimised build, these futures overflow the stack.
    let fixture = Box::pin(Fixture::new()).await;
    let rows = Box::pin(measure(&fixture)).await;
    println!("| function | typical case | round trips | read units | write units | frames |");
    println!("| --- | --- | --- | --- | --- | --- |");
    let mut missing = Vec::new();
    for (function, case, round_trips, read_units, write_units, frames) in &rows {
        let line =
            format!("| `{function}` | {case} | {round_trips} | {read_units} | {write_units} | {frames} |");
        println!("{line}");
        if !DOCUMENT.lines().any(|documented| documented == line) {
            missing.push(line);
        }
    }
    assert_eq!(rows, EXPECTED);
    assert!(missing.is_empty(), "rows missing from docs/costs.md: {missing:#?}");
}

#[test]
fn every_function_has_a_cost() {
    let index = include_str!("../../../../functions/Cargo.toml");
    let functions = index.split("[[bin]]\nname = \"").skip(1).filter_map(|rest| rest.split('"').next());
    let functions: Vec<&str> = functions.collect();
    assert!(functions.len() > 30);
    for function in functions {
        assert!(EXPECTED.iter().any(|row| row.0 == function), "{function}");
    }
}
