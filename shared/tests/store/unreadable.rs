//! An item that cannot be read fails no list, loses no other item, and is removed with the account or the room
//! that owns it. Each attribute of each kind of item is corrupted in turn.

use std::collections::{BTreeMap, BTreeSet};

use aws_sdk_dynamodb::types::AttributeValue;
use serde_json::{Value, json};
use shared::{
    id::UserId,
    store::db::item::{Item, key},
};

use crate::{
    backend::TestBackend,
    call::Call,
    raw::{all_items, put, put_all},
};

/// The username of the user whose account is deleted. It is part of no other value.
const VICTIM: &str = "anastasia";

/// The state that every case starts from.
struct Fixture {
    items: Vec<Item>,
    ana: UserId,
    ben: UserId,
    direct: String,
    group: String,
}

impl Fixture {
    /// Items of every kind that belongs to the account of Ana, or to a room of hers.
    async fn new() -> Self {
        let backend = TestBackend::new();
        let mut users = Vec::new();
        for name in [VICTIM, "ben", "cleo", "dan", "eve"] {
            let user = backend.user(name).await;
            backend.connect(user, name).await;
            users.push(user);
        }
        let [ana, ben, cleo, dan, eve] = users[..] else { unreachable!() };
        let call = async |call: Call, user: UserId, name: &str| call.send(&backend, user, name).await;
        for (sender, name) in [(ben, "ben"), (cleo, "cleo")] {
            let ask = Call::of("friends-send-request").body(json!({"receiver_id": ana}));
            let request = call(ask, sender, name).await["id"].as_str().unwrap().to_owned();
            if sender == ben {
                let accept = Call::of("friends-respond-to-request").path("request_id", request);
                call(accept.query("action", "accepted"), ana, VICTIM).await;
            }
        }
        call(Call::of("friends-send-request").body(json!({"receiver_id": dan})), ana, VICTIM).await;
        call(Call::of("friends-block-user").path("user_id", eve.to_string()), ana, VICTIM).await;
        let device = json!({"platform": "ios", "push_token": "a".repeat(64)});
        let register = Call::of("devices-register").path("device_id", uuid::Uuid::from_u128(7).to_string());
        call(register.body(device), ana, VICTIM).await;
        let mut rooms = Vec::new();
        for body in
            [json!({"participant_ids": [ben]}), json!({"participant_ids": [ben, cleo], "name": "gym"})]
        {
            let room = call(Call::of("chat-create-room").body(body), ana, VICTIM).await;
            let room = room["id"].as_str().unwrap().to_owned();
            let send = |more: Value| {
                let mut body = json!({"chat_room_id": room, "content": "hello"});
                body.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
                Call::of("chat-send-message").body(body)
            };
            let workout = json!({"message_type": "workout", "payload": {"km": 5.0}});
            let first = call(send(workout), ana, VICTIM).await["id"].as_str().unwrap().to_owned();
            call(send(json!({"reply_to_id": first})), ben, "ben").await;
            let message = |function: &str| {
                Call::of(function).path("room_id", &*room).path("message_id", first.as_str())
            };
            call(message("chat-add-reaction").path("emoji", "👍"), ana, VICTIM).await;
            call(message("chat-pin-message"), ana, VICTIM).await;
            let settings = json!({"theme": "dark", "muted_until": "2030-01-01T00:00:00Z"});
            let change = Call::of("chat-update-room-settings").path("room_id", &*room);
            call(change.body(settings), ana, VICTIM).await;
            rooms.push(room);
        }
        let rename = Call::of("chat-update-room").path("room_id", &*rooms[1]);
        call(rename.body(json!({"description": "runs"})), ana, VICTIM).await;
        let [direct, group] = [rooms.remove(0), rooms.remove(0)];
        Self { items: all_items(&backend).await, ana, ben, direct, group }
    }

    /// A backend with this state.
    async fn restore(&self) -> TestBackend {
        let backend = TestBackend::new();
        put_all(&backend, self.items.clone()).await;
        backend
    }

    /// One item of each kind that Ana's account or a room of hers owns, by kind.
    fn kinds(&self) -> BTreeMap<String, Item> {
        let mut kinds = BTreeMap::new();
        let (user, group) = (format!("USER#{}", self.ana), format!("ROOM#{}", self.group));
        for item in &self.items {
            let key = key(item).unwrap();
            let kind = |text: &str| text.split('#').next().unwrap().to_owned();
            let is_hers = |other: &str| other.contains(&self.ana.to_string());
            let name = match kind(&key.pk).as_str() {
                "USER" if key.pk == user && !key.sk.starts_with("RATE#") => {
                    key.sk.rsplit_once('#').map_or(key.sk.clone(), |(prefix, _)| prefix.to_owned())
                }
                "ROOM" if key.pk == group && (!key.sk.starts_with("MEMBER#") || is_hers(&key.sk)) => {
                    kind(&key.sk)
                }
                "PAIR" if is_hers(&key.pk) && key.pk.contains(&self.ben.to_string()) => "PAIR".to_owned(),
                "NAME" if key.pk.ends_with(VICTIM) => "NAME".to_owned(),
                "FIND" if is_hers(&key.sk) => "FIND".to_owned(),
                "PUSH" => "PUSH".to_owned(),
                _ => continue,
            };
            kinds.entry(name).or_insert_with(|| item.clone());
        }
        kinds
    }
}

/// The corrupted forms of an item, with a description: each attribute missing, of another type, and, if it is a
/// text, with a value that no service writes.
fn corruptions(item: &Item) -> Vec<(String, Item)> {
    let mut corrupted = Vec::new();
    let names: BTreeSet<&String> = item.keys().filter(|name| *name != "pk" && *name != "sk").collect();
    for name in names {
        let mut put = |what: &str, value: Option<AttributeValue>| {
            let mut item = item.clone();
            match value {
                Some(value) => item.insert(name.clone(), value),
                None => item.remove(name),
            };
            corrupted.push((format!("{name} is {what}"), item));
        };
        put("missing", None);
        put("a list", Some(AttributeValue::L(vec![AttributeValue::Null(true)])));
        if item[name].is_s() {
            put("unknown", Some(AttributeValue::S("\u{1}?".to_owned())));
        }
    }
    corrupted
}

/// Calls one after the other, and describes those that fail unexpectedly.
struct Calls<'a> {
    backend: &'a TestBackend,
    what: String,
    failed: Vec<String>,
}

impl Calls<'_> {
    async fn call(&mut self, allowed: &[u16], call: Call, user: UserId, name: &str) -> Value {
        let described = format!("{call:?}");
        let answer = call.answer(self.backend, user, name).await;
        if !(200..300).contains(&answer.status) && !allowed.contains(&answer.status) {
            self.failed.push(format!("{}: {described}: {} {}", self.what, answer.status, answer.text));
        }
        serde_json::from_str(&answer.text).unwrap_or_default()
    }

    fn expect(&mut self, is_so: bool, what: &str) {
        if !is_so {
            self.failed.push(format!("{}: {what}", self.what));
        }
    }
}

fn positions(messages: &Value) -> Vec<u64> {
    messages.as_array().into_iter().flatten().map(|message| message["seq"].as_u64().unwrap()).collect()
}

/// What must work although one item is corrupted. `kind` decides which single reads may fail.
async fn check(fixture: &Fixture, kind: &str, what: &str, item: Item) -> Vec<String> {
    let backend = fixture.restore().await;
    backend.expect_corrupted_items();
    put(&backend, item).await;
    let (ana, ben, group) = (fixture.ana, fixture.ben, &*fixture.group);
    let mut calls = Calls { backend: &backend, what: format!("{kind}: {what}"), failed: Vec::new() };
    let of_room: &[u16] = if kind == "META" { &[500] } else { &[] };
    let of_ana: &[u16] = if kind == "PROFILE" { &[500, 503] } else { &[] };
    let in_room = |function: &str, room: &str| Call::of(function).path("room_id", room);
    for (user, name, allowed) in [(ben, "ben", &[][..]), (ana, VICTIM, of_ana)] {
        let rooms = calls.call(allowed, Call::of("chat-list-rooms"), user, name).await;
        let positions =
            json!({"rooms": {group: {"seq": 0, "rev": 0}, &*fixture.direct: {"seq": 0, "rev": 0}}});
        let synced = calls.call(allowed, Call::of("chat-sync").body(positions), user, name).await;
        if allowed.is_empty() {
            let is_complete = |rooms: &Value| {
                let listed = rooms.as_array().map_or(0, Vec::len);
                listed == 2 || kind == "META" && listed == 1
            };
            calls.expect(is_complete(&rooms), "all rooms are listed");
            calls.expect(is_complete(&synced["rooms"]), "all rooms are synced");
            calls.expect(synced["left"] == json!([]), "no room is left");
        }
        for list in
            ["friends-list", "friends-list-requests", "friends-list-blocks", "friends-list-suggestions"]
        {
            calls.call(allowed, Call::of(list), user, name).await;
        }
        for query in ["anas", "cleo"] {
            calls.call(allowed, Call::of("friends-search-users").query("query", query), user, name).await;
        }
    }
    let history = calls.call(of_room, in_room("chat-list-messages", group), ben, "ben").await;
    calls.expect(kind == "META" || positions(&history) == [3, 2, 1], "the log has no gap");
    for read in ["chat-list-pins", "chat-get-room"] {
        calls.call(of_room, in_room(read, group), ben, "ben").await;
    }
    let next = Call::of("chat-send-message").body(json!({"chat_room_id": group, "content": "next"}));
    let next = calls.call(of_room, next, ben, "ben").await;
    calls.expect(kind == "META" || next["seq"] == 4, "the next position follows");
    let rename = Call::of("users-update-me").body(json!({"username": "benedict"}));
    calls.call(&[], rename, ben, "ben").await;
    let rename = Call::of("users-update-me").body(json!({"display_name": "A."}));
    calls.call(of_ana, rename, ana, VICTIM).await;
    let leave = in_room("chat-remove-participant", group).path("user_id", ben.to_string());
    calls.call(of_room, leave, ben, "ben").await;
    let counts = |item: &Value| item["member_count"]["N"].as_str().map(str::to_owned);
    let meta = crate::raw::meta(&backend, group.parse().unwrap());
    calls.expect(kind == "META" || counts(&meta).as_deref() == Some("2"), "Ana and Cleo remain");

    calls.call(&[], Call::of("users-delete-me"), ana, VICTIM).await;
    backend.wait(3600).await;
    calls.call(&[], Call::of("maintenance-complete-deletions"), ana, VICTIM).await;
    let mut keys = crate::raw::user_keys(&backend, ana);
    keys.retain(|key| !key.starts_with("RATE#"));
    calls.expect(keys == ["PRESENCE", "PROFILE", "QUOTAS"], &format!("nothing remains but {keys:?}"));
    let named: Vec<String> = all_items(&backend)
        .await
        .iter()
        .filter(|item| format!("{item:?}").contains(VICTIM))
        .map(|item| key(item).unwrap().sk)
        .collect();
    let is_claim_unknown = kind == "PROFILE" && what.starts_with("username") || kind == "META";
    calls.expect(named.is_empty() || is_claim_unknown, &format!("the name remains in {named:?}"));
    calls.failed
}

#[tokio::test(start_paused = true)]
async fn a_corrupted_item_fails_no_list_and_no_deletion() {
    let fixture = Fixture::new().await;
    let kinds = fixture.kinds();
    let expected = [
        "BLOCK",
        "CHANGE",
        "DEVICE",
        "FIND",
        "FRIEND",
        "HEAD",
        "MEMBER",
        "META",
        "MSG",
        "NAME",
        "PAIR",
        "PRESENCE",
        "PROFILE",
        "PUSH",
        "QUOTAS",
        "REACTION",
        "REQUEST#IN",
        "REQUEST#OUT",
        "ROOM",
    ];
    assert_eq!(kinds.keys().map(String::as_str).collect::<Vec<_>>(), expected);
    let mut failed = Vec::new();
    for (kind, item) in &kinds {
        for (what, corrupted) in corruptions(item) {
            failed.extend(check(&fixture, kind, &what, corrupted).await);
        }
    }
    assert!(failed.is_empty(), "{}\n{}", failed.len(), failed.join("\n"));
}
