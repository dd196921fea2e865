//! What a client keeps of its rooms, as `docs/client-protocol.md` says, without any connection: frames and answers go
//! in, what it would show comes out.

use std::collections::BTreeMap;

use serde_json::{Map, Value, json};

/// The rooms and messages that one device holds.
#[derive(Clone, Debug)]
pub struct Replica {
    me: String,
    rooms: BTreeMap<String, Held>,
}

/// What a device holds of one room.
#[derive(Clone, Debug, Default)]
struct Held {
    seq: u64,
    rev: u64,
    /// The room as it was last shown whole, changed by what came since.
    room: Map<String, Value>,
    messages: BTreeMap<u64, Value>,
}

impl Replica {
    /// Somebody's new device.
    pub fn new(me: &str) -> Self {
        Self { me: me.to_owned(), rooms: BTreeMap::new() }
    }

    /// The position up to which it has everything in a room; 0 for a room that it does not hold.
    pub fn seq(&self, room: &str) -> u64 {
        self.rooms.get(room).map_or(0, |held| held.seq)
    }

    /// The message at a position, if it is held.
    pub fn message(&self, room: &str, seq: u64) -> Option<&Value> {
        self.rooms.get(room)?.messages.get(&seq)
    }

    /// Takes a frame in. `true` if something was missed before it: the device has to sync.
    pub fn take(&mut self, frame: &Value) -> bool {
        let (kind, data) = (frame["type"].as_str().unwrap_or_default(), &frame["data"]);
        let Some(id) = data["chat_room_id"].as_str().or_else(|| data["id"].as_str()) else { return false };
        if kind == "participant_left" && data["user_id"] == *self.me {
            // One that is late speaks of an earlier stay.
            self.rooms.retain(|room, held| room != id || held.rev >= number(&data["rev"]));
            return false;
        }
        if kind == "room_deleted" {
            self.rooms.remove(id);
            return false;
        }
        if kind == "room_created" {
            return true;
        }
        let Some(held) = self.rooms.get_mut(id) else { return data.get("chat_room_id").is_some() };
        match kind {
            "new_message" | "message_sent" => held.take_message(data),
            "message_updated" => held.take_change(data, |message| *message = data.clone()),
            "message_deleted" => {
                held.unpin(&data["id"]);
                held.take_change(data, |message| *message = data.clone())
            }
            "message_reaction" => held.take_change(data, |message| {
                message["reactions"] = data["reactions"].clone();
                message["rev"] = data["rev"].clone();
            }),
            "room_updated" => held.take_room(data, |room| {
                for field in ["name", "avatar_url", "description", "history_visibility", "pinned_message_ids"]
                {
                    room.insert(field.to_owned(), data[field].clone());
                }
            }),
            "participant_joined" | "participant_left" => held.take_room(data, |room| {
                let joined = data.get("participant");
                let who = joined.map_or(&data["user_id"], |joined| &joined["user_id"]);
                let people = room["participants"].as_array_mut().expect("a list");
                people.retain(|person| person["user_id"] != *who);
                people.extend(joined.cloned());
                for person in people.iter_mut().filter(|person| person["user_id"] == data["new_owner_id"]) {
                    person["role"] = "owner".into();
                }
                room.insert("participant_count".to_owned(), data["participant_count"].clone());
            }),
            "participant_updated" => held.take_room(data, |room| {
                for updated in list(&data["participants"]) {
                    let people = room["participants"].as_array_mut().expect("a list").iter_mut();
                    for person in people.filter(|person| person["user_id"] == updated["user_id"]) {
                        // Positions are the receipts' matter: here they may be older.
                        for field in ["username", "avatar_url", "role", "read_receipts"] {
                            person[field] = updated[field].clone();
                        }
                    }
                }
            }),
            "room_settings_updated" => held.take_settings(&data["settings"]),
            "message_read_receipt" => held.reach(&data["user_id"], "read_seq", number(&data["seq"])),
            "message_delivered_receipt" => {
                held.reach(&data["user_id"], "delivered_seq", number(&data["seq"]))
            }
            _ => false,
        }
    }

    /// The body of `POST /chat/sync`.
    pub fn sync_request(&self, cursor: &Value) -> Value {
        let held = |(id, held): (&String, &Held)| (id.clone(), json!({"seq": held.seq, "rev": held.rev}));
        json!({"rooms": self.rooms.iter().map(held).collect::<Map<_, _>>(), "cursor": cursor})
    }

    /// Takes the answer of `POST /chat/sync` in. Gives the rooms whose history has to be loaded anew.
    pub fn take_sync(&mut self, answer: &Value) -> Vec<String> {
        for id in list(&answer["left"]) {
            self.rooms.remove(id.as_str().unwrap_or_default());
        }
        let mut anew = Vec::new();
        for synced in list(&answer["rooms"]) {
            let id = synced["room"]["id"].as_str().expect("an id").to_owned();
            if synced["complete"] == false {
                self.rooms.remove(&id);
                anew.push(id.clone());
            } else if !self.rooms.contains_key(&id) {
                // It was dropped since the question: this is the rest of something that is not held any more.
                continue;
            }
            let held = self.rooms.entry(id).or_default();
            let (seq, rev) = (number(&synced["seq"]), number(&synced["rev"]));
            held.merge_room(&synced["room"], rev);
            for message in list(&synced["messages"]).iter().chain(list(&synced["changed"])) {
                held.merge(message);
            }
            held.rev = held.rev.max(rev);
            held.seq = held.seq.max(seq);
            held.advance();
            held.unpin_deleted();
        }
        anew
    }

    /// Takes messages of a room's history in.
    pub fn take_history(&mut self, room: &str, messages: &[Value]) {
        if let Some(held) = self.rooms.get_mut(room) {
            for message in messages {
                held.merge(message);
            }
            held.advance();
        }
    }

    /// What it shows, in the form of [`shown`].
    pub fn shown(&self) -> Value {
        let rooms = self.rooms.iter().map(|(id, held)| (id.clone(), held.shown(&self.me)));
        rooms.collect::<Map<_, _>>().into()
    }
}

/// What a fresh load shows: each room of `GET /chat/rooms` with the messages of its history, by id. When somebody last
/// read, and whether they are online, is left out: no frame about the room says it.
pub fn shown(rooms: &[(Value, Vec<Value>)]) -> Value {
    let shown = rooms.iter().map(|(room, messages)| {
        let mut room = room.clone();
        let mut people = list(&room["participants"]).to_vec();
        people.sort_by_key(|person| person["user_id"].to_string());
        for person in &mut people {
            for field in ["last_read_at", "is_online", "last_seen"] {
                person[field] = Value::Null;
            }
        }
        room["participants"] = people.into();
        let mut messages = messages.clone();
        messages.sort_by_key(|message| number(&message["seq"]));
        (room["id"].as_str().expect("an id").to_owned(), json!({"room": room, "messages": messages}))
    });
    shown.collect::<Map<_, _>>().into()
}

/// The first place where what is held is not what a fresh load shows.
pub fn difference(held: &Value, fresh: &Value) -> Option<String> {
    let inner = |name: &str, a: Option<&Value>, b: Option<&Value>| {
        let inner = difference(a.unwrap_or(&Value::Null), b.unwrap_or(&Value::Null));
        inner.map(|inner| format!("{name} {inner}"))
    };
    match (held, fresh) {
        (Value::Object(a), Value::Object(b)) => {
            a.keys().chain(b.keys()).find_map(|name| inner(name, a.get(name), b.get(name)))
        }
        (Value::Array(a), Value::Array(b)) => {
            (0..a.len().max(b.len())).find_map(|n| inner(&n.to_string(), a.get(n), b.get(n)))
        }
        _ => (held != fresh).then(|| format!("is {held}, not {fresh}")),
    }
}

impl Held {
    fn take_message(&mut self, message: &Value) -> bool {
        let seq = number(&message["seq"]);
        // What is below and not held was said before its reader came back.
        if seq > self.seq || self.messages.contains_key(&seq) {
            self.merge(message);
        }
        self.advance();
        seq > self.seq
    }

    /// A change of a message: `true` if a revision before it was missed.
    fn take_change(&mut self, change: &Value, apply: impl Fn(&mut Value)) -> bool {
        let (seq, rev) = (number(&change["seq"]), number(&change["rev"]));
        if let Some(message) = self.messages.get_mut(&seq)
            && number(&message["rev"]) < rev
        {
            apply(message);
        }
        // What is missing may still come as it was before: the revision does not count as known.
        if seq > self.seq && !self.messages.contains_key(&seq) {
            return true;
        }
        self.take_rev(rev)
    }

    fn take_room(&mut self, change: &Value, apply: impl Fn(&mut Map<String, Value>)) -> bool {
        let rev = number(&change["rev"]);
        if number(&self.room["rev"]) < rev {
            apply(&mut self.room);
            self.room.insert("rev".to_owned(), rev.into());
        }
        self.take_rev(rev)
    }

    /// One's own settings of the room have their own count of changes.
    fn take_settings(&mut self, settings: &Value) -> bool {
        if number(&self.room["settings"]["version"]) < number(&settings["version"]) {
            self.room.insert("settings".to_owned(), settings.clone());
        }
        false
    }

    /// An answer may show pins as they were before a deletion that came by a frame.
    fn unpin_deleted(&mut self) {
        let deleted = self.messages.values().filter(|message| message["is_deleted"] == true);
        for id in deleted.map(|message| message["id"].clone()).collect::<Vec<_>>() {
            self.unpin(&id);
        }
    }

    /// A deleted message is not pinned any more.
    fn unpin(&mut self, id: &Value) {
        if let Some(pinned) = self.room["pinned_message_ids"].as_array_mut() {
            pinned.retain(|pinned| pinned != id);
        }
    }

    fn take_rev(&mut self, rev: u64) -> bool {
        if rev == self.rev + 1 {
            self.rev = rev;
        }
        rev > self.rev
    }

    /// A position moves forward, never back; who has read has it.
    fn reach(&mut self, user: &Value, position: &str, seq: u64) -> bool {
        let people = self.room["participants"].as_array_mut().expect("a list");
        for person in people.iter_mut().filter(|person| person["user_id"] == *user) {
            for position in [position, "delivered_seq"] {
                person[position] = number(&person[position]).max(seq).into();
            }
        }
        false
    }

    /// A message as an answer shows it, unless a newer state of it is held.
    fn merge(&mut self, message: &Value) {
        // Who posts has read.
        self.reach(&message["sender_id"], "read_seq", number(&message["seq"]));
        let held = self.messages.entry(number(&message["seq"])).or_insert_with(|| message.clone());
        if number(&held["rev"]) <= number(&message["rev"]) {
            *held = message.clone();
        }
    }

    fn advance(&mut self) {
        while self.messages.contains_key(&(self.seq + 1)) {
            self.seq += 1;
        }
    }

    /// The room as an answer shows it, unless a later revision is held. Positions are the higher ones in either case.
    fn merge_room(&mut self, room: &Value, rev: u64) {
        let before = std::mem::take(&mut self.room);
        let newer = before.get("rev").is_some_and(|held| number(held) > rev);
        let (kept, other) = if newer { (before, room.clone()) } else { (to_map(room), before.into()) };
        self.room = kept;
        self.take_settings(&other["settings"]);
        for person in list(&other["participants"]) {
            self.reach(&person["user_id"], "read_seq", number(&person["read_seq"]));
            self.reach(&person["user_id"], "delivered_seq", number(&person["delivered_seq"]));
        }
    }

    fn shown(&self, me: &str) -> Value {
        let people = self.people_shown(me);
        let least = |position: &str| {
            let others = people.iter().filter(|person| person["user_id"] != *me);
            others.map(|person| number(&person[position])).min().unwrap_or_default()
        };
        let (read, delivered) = (least("read_seq"), least("delivered_seq"));
        let messages = self.messages.values().cloned().map(|mut message| {
            let seq = number(&message["seq"]);
            if message["sender_id"] == *me {
                let status = if seq <= read {
                    "read"
                } else if seq <= delivered {
                    "delivered"
                } else {
                    "sent"
                };
                message["status"] = status.into();
            }
            self.refresh_preview(&mut message);
            message
        });
        let messages = messages.collect::<Vec<Value>>();
        let mine = people.iter().find(|person| person["user_id"] == *me);
        let read = mine.map_or(0, |me| number(&me["read_seq"]));
        let mut room = Value::from(self.room.clone());
        room["participants"] = people.into();
        room["last_message"] = messages.last().cloned().unwrap_or_default();
        room["unread_count"] = self.seq.saturating_sub(read).into();
        (room["seq"], room["rev"]) = (self.seq.into(), self.rev.into());
        shown(&[(room, messages)])[self.room["id"].as_str().expect("an id")].clone()
    }

    /// The participants: what one of them has read is not shown where they or oneself withhold that.
    fn people_shown(&self, me: &str) -> Vec<Value> {
        let mut people = list(&self.room["participants"]).to_vec();
        let withholds = |person: &Value| person["read_receipts"] == false;
        let is_mine_withheld = people.iter().any(|person| person["user_id"] == *me && withholds(person));
        for person in people.iter_mut().filter(|person| person["user_id"] != *me) {
            if is_mine_withheld || withholds(person) {
                person["read_seq"] = 0.into();
            }
        }
        people
    }

    /// What a message answers is shown as it stands now.
    fn refresh_preview(&self, message: &mut Value) {
        let preview = &mut message["reply_to"];
        let answered = self.messages.values().find(|held| held["id"] == preview["id"]);
        if let (Some(preview), Some(answered)) = (preview.as_object_mut(), answered) {
            let content: String =
                answered["content"].as_str().unwrap_or_default().chars().take(100).collect();
            preview.insert("content".to_owned(), content.into());
            preview.insert("is_deleted".to_owned(), answered["is_deleted"].clone());
        }
    }
}

fn number(value: &Value) -> u64 {
    value.as_u64().unwrap_or_default()
}

fn list(value: &Value) -> &[Value] {
    value.as_array().map_or(&[], Vec::as_slice)
}

fn to_map(value: &Value) -> Map<String, Value> {
    value.as_object().cloned().unwrap_or_default()
}
