//! The room state of a client that follows `docs/client-protocol.md`. It has no connection: frames and
//! responses go in, and the state that the client shows comes out.

use std::collections::BTreeMap;

use serde_json::{Map, Value, json};

/// The rooms and messages stored on one device.
#[derive(Clone, Debug)]
pub struct Replica {
    me: String,
    rooms: BTreeMap<String, RoomState>,
}

/// One room as stored on a device.
#[derive(Clone, Debug, Default)]
struct RoomState {
    seq: u64,
    rev: u64,
    /// The room of the last response, with every later change applied.
    room: Map<String, Value>,
    messages: BTreeMap<u64, Value>,
}

impl Replica {
    /// A new, empty device of the user `me`.
    pub fn new(me: &str) -> Self {
        Self { me: me.to_owned(), rooms: BTreeMap::new() }
    }

    /// The position up to which the device has every message of the room; 0 for an unknown room.
    pub fn seq(&self, room: &str) -> u64 {
        self.rooms.get(room).map_or(0, |state| state.seq)
    }

    /// The stored message at a position.
    pub fn message(&self, room: &str, seq: u64) -> Option<&Value> {
        self.rooms.get(room)?.messages.get(&seq)
    }

    /// Applies a frame. Returns `true` if an earlier frame was missed: the device has to sync.
    pub fn take(&mut self, frame: &Value) -> bool {
        let (kind, data) = (frame["type"].as_str().unwrap_or_default(), &frame["data"]);
        let Some(id) = data["chat_room_id"].as_str().or_else(|| data["id"].as_str()) else { return false };
        if kind == "participant_left" && data["user_id"] == *self.me {
            // A late frame refers to an earlier membership.
            self.rooms.retain(|room, state| room != id || state.rev >= number(&data["rev"]));
            return false;
        }
        if kind == "room_deleted" {
            self.rooms.remove(id);
            return false;
        }
        if kind == "room_created" {
            return true;
        }
        let Some(state) = self.rooms.get_mut(id) else { return data.get("chat_room_id").is_some() };
        // The frame lacks what the missed revisions changed: a newer `rev` would hide that it is missing.
        let partial =
            kind.starts_with("participant_") || ["message_reaction", "room_updated"].contains(&kind);
        if partial && number(&data["rev"]) > state.rev + 1 {
            return true;
        }
        match kind {
            "new_message" | "message_sent" => state.apply_message(data),
            "message_updated" => state.apply_message_change(data, |message| *message = data.clone()),
            "message_deleted" => {
                state.unpin(&data["id"]);
                state.apply_message_change(data, |message| *message = data.clone())
            }
            "message_reaction" => state.apply_message_change(data, |message| {
                message["reactions"] = data["reactions"].clone();
                message["rev"] = data["rev"].clone();
            }),
            "room_updated" => state.apply_room_change(data, |room| {
                for field in ["name", "avatar_url", "description", "history_visibility", "pinned_message_ids"]
                {
                    room.insert(field.to_owned(), data[field].clone());
                }
            }),
            "participant_joined" | "participant_left" => state.apply_room_change(data, |room| {
                let joined = data.get("participant");
                let user_id = joined.map_or(&data["user_id"], |joined| &joined["user_id"]);
                let participants = room["participants"].as_array_mut().expect("a list");
                participants.retain(|participant| participant["user_id"] != *user_id);
                participants.extend(joined.cloned());
                for participant in participants
                    .iter_mut()
                    .filter(|participant| participant["user_id"] == data["new_owner_id"])
                {
                    participant["role"] = "owner".into();
                }
                room.insert("participant_count".to_owned(), data["participant_count"].clone());
            }),
            "participant_updated" => state.apply_room_change(data, |room| {
                for updated in list(&data["participants"]) {
                    let participants = room["participants"].as_array_mut().expect("a list").iter_mut();
                    for participant in
                        participants.filter(|participant| participant["user_id"] == updated["user_id"])
                    {
                        // Positions come from receipts only: in this frame they may be older.
                        for field in ["username", "display_name", "avatar_url", "role", "read_receipts"] {
                            participant[field] = updated[field].clone();
                        }
                    }
                }
            }),
            "room_settings_updated" => state.apply_settings(&data["settings"]),
            "message_read_receipt" | "message_delivered_receipt" => {
                let position = if kind == "message_read_receipt" { "read_seq" } else { "delivered_seq" };
                state.advance_receipt(&data["user_id"], position, number(&data["seq"]))
            }
            _ => false,
        }
    }

    /// The body of `POST /chat/sync`.
    pub fn sync_request(&self, cursor: &Value) -> Value {
        let position =
            |(id, state): (&String, &RoomState)| (id.clone(), json!({"seq": state.seq, "rev": state.rev}));
        json!({"rooms": self.rooms.iter().map(position).collect::<Map<_, _>>(), "cursor": cursor})
    }

    /// Applies the response of `POST /chat/sync`. Returns the rooms whose history has to be loaded again.
    pub fn take_sync(&mut self, answer: &Value) -> Vec<String> {
        for id in list(&answer["left"]) {
            self.rooms.remove(id.as_str().unwrap_or_default());
        }
        let mut reload = Vec::new();
        for synced in list(&answer["rooms"]) {
            let id = synced["room"]["id"].as_str().expect("an id").to_owned();
            if synced["complete"] == false {
                self.rooms.remove(&id);
                reload.push(id.clone());
            } else if !self.rooms.contains_key(&id) {
                // The room was dropped after the request: this partial response does not apply any more.
                continue;
            }
            let state = self.rooms.entry(id).or_default();
            let (seq, rev) = (number(&synced["seq"]), number(&synced["rev"]));
            state.merge_room(&synced["room"], rev);
            for message in list(&synced["messages"]).iter().chain(list(&synced["changed"])) {
                state.merge_message(message);
            }
            state.rev = state.rev.max(rev);
            state.seq = state.seq.max(seq);
            state.advance_seq();
            state.unpin_deleted();
        }
        for unchanged in list(&answer["unchanged"]) {
            if let Some(state) = self.rooms.get_mut(unchanged["id"].as_str().expect("an id")) {
                state.merge_unchanged(unchanged, &self.me);
            }
        }
        reload
    }

    /// Stores the room of `GET /chat/rooms/{id}`, which has all participants.
    #[allow(dead_code, reason = "the end-to-end tests have no group of which a list shows only some")]
    pub fn take_room(&mut self, room: &Value) {
        if let Some(state) = self.rooms.get_mut(room["id"].as_str().unwrap_or_default()) {
            state.merge_room(room, number(&room["rev"]));
        }
    }

    /// Adds messages of a room's history.
    pub fn take_history(&mut self, room: &str, messages: &[Value]) {
        if let Some(state) = self.rooms.get_mut(room) {
            for message in messages {
                state.merge_message(message);
            }
            state.advance_seq();
        }
    }

    /// The state that the client shows, in the form of [`shown`].
    pub fn shown(&self) -> Value {
        self.rooms.iter().map(|(id, state)| (id.clone(), state.shown(&self.me))).collect::<Map<_, _>>().into()
    }
}

/// The state that a fresh load shows: each room of `GET /chat/rooms` with its whole history, by room id.
/// Excludes the last read time and the presence of participants, because no room frame contains them.
pub fn shown(rooms: &[(Value, Vec<Value>)]) -> Value {
    let shown = rooms.iter().map(|(room, messages)| {
        let mut room = room.clone();
        let mut participants = list(&room["participants"]).to_vec();
        participants.sort_by_key(|participant| participant["user_id"].to_string());
        for participant in &mut participants {
            for field in ["last_read_at", "is_online", "last_seen"] {
                participant[field] = Value::Null;
            }
        }
        room["participants"] = participants.into();
        let mut messages = messages.clone();
        messages.sort_by_key(|message| number(&message["seq"]));
        (room["id"].as_str().expect("an id").to_owned(), json!({"room": room, "messages": messages}))
    });
    shown.collect::<Map<_, _>>().into()
}

/// The newest message as a list of rooms shows it.
pub fn preview(message: &Value) -> Value {
    let mut message = message.clone();
    let content: String = message["content"].as_str().expect("a content").chars().take(280).collect();
    message["content"] = content.into();
    if message["message_type"] != "system" {
        message["payload"] = Value::Null;
    }
    message
}

/// The first difference between the stored state and a fresh load.
pub fn difference(stored: &Value, fresh: &Value) -> Option<String> {
    let inner = |name: &str, a: Option<&Value>, b: Option<&Value>| {
        let inner = difference(a.unwrap_or(&Value::Null), b.unwrap_or(&Value::Null));
        inner.map(|inner| format!("{name} {inner}"))
    };
    match (stored, fresh) {
        (Value::Object(a), Value::Object(b)) => {
            a.keys().chain(b.keys()).find_map(|name| inner(name, a.get(name), b.get(name)))
        }
        (Value::Array(a), Value::Array(b)) => {
            (0..a.len().max(b.len())).find_map(|n| inner(&n.to_string(), a.get(n), b.get(n)))
        }
        _ => (stored != fresh).then(|| format!("is {stored}, not {fresh}")),
    }
}

impl RoomState {
    fn apply_message(&mut self, message: &Value) -> bool {
        let seq = number(&message["seq"]);
        // An unknown message at or below `seq` is older than the user's current membership.
        if seq > self.seq || self.messages.contains_key(&seq) {
            self.merge_message(message);
        }
        self.advance_seq();
        seq > self.seq
    }

    /// Applies a change of a message. Returns `true` if an earlier revision was missed.
    fn apply_message_change(&mut self, change: &Value, apply: impl Fn(&mut Value)) -> bool {
        let (seq, rev) = (number(&change["seq"]), number(&change["rev"]));
        if let Some(message) = self.messages.get_mut(&seq)
            && number(&message["rev"]) < rev
        {
            apply(message);
        }
        // The missing message may still arrive in an older version, so this revision does not count as known.
        if seq > self.seq && !self.messages.contains_key(&seq) {
            return true;
        }
        self.advance_rev(rev)
    }

    fn apply_room_change(&mut self, change: &Value, apply: impl Fn(&mut Map<String, Value>)) -> bool {
        let rev = number(&change["rev"]);
        if number(&self.room["rev"]) < rev {
            apply(&mut self.room);
            self.room.insert("rev".to_owned(), rev.into());
        }
        self.advance_rev(rev)
    }

    /// The user's own settings of a room have their own version.
    fn apply_settings(&mut self, settings: &Value) -> bool {
        if number(&self.room["settings"]["version"]) < number(&settings["version"]) {
            self.room.insert("settings".to_owned(), settings.clone());
        }
        false
    }

    /// A response may list pins from before a deletion that a frame has already announced.
    fn unpin_deleted(&mut self) {
        let deleted = self.messages.values().filter(|message| message["is_deleted"] == true);
        for id in deleted.map(|message| message["id"].clone()).collect::<Vec<_>>() {
            self.unpin(&id);
        }
    }

    fn unpin(&mut self, id: &Value) {
        if let Some(pinned) = self.room["pinned_message_ids"].as_array_mut() {
            pinned.retain(|pinned| pinned != id);
        }
    }

    fn advance_rev(&mut self, rev: u64) -> bool {
        if rev == self.rev + 1 {
            self.rev = rev;
        }
        rev > self.rev
    }

    /// A position never moves back, and a read message is also delivered.
    fn advance_receipt(&mut self, user: &Value, position: &str, seq: u64) -> bool {
        let participants = self.room["participants"].as_array_mut().expect("a list");
        for participant in participants.iter_mut().filter(|participant| participant["user_id"] == *user) {
            for position in [position, "delivered_seq"] {
                participant[position] = number(&participant[position]).max(seq).into();
            }
        }
        false
    }

    /// Stores a message of a response unless a newer version is already stored.
    fn merge_message(&mut self, message: &Value) {
        // The sender of a message has read everything up to it.
        self.advance_receipt(&message["sender_id"], "read_seq", number(&message["seq"]));
        let stored = self.messages.entry(number(&message["seq"])).or_insert_with(|| message.clone());
        if number(&stored["rev"]) <= number(&message["rev"]) {
            *stored = message.clone();
        }
    }

    fn advance_seq(&mut self) {
        while self.messages.contains_key(&(self.seq + 1)) {
            self.seq += 1;
        }
    }

    /// Stores the room of a response unless a later revision is already stored. Positions never move back.
    fn merge_room(&mut self, room: &Value, rev: u64) {
        let before = std::mem::take(&mut self.room);
        let newer = before.get("rev").is_some_and(|stored| number(stored) > rev);
        let (kept, other) = if newer { (before, room.clone()) } else { (to_map(room), before.into()) };
        self.room = kept;
        self.apply_settings(&other["settings"]);
        for participant in list(&other["participants"]) {
            for position in ["read_seq", "delivered_seq"] {
                self.advance_receipt(&participant["user_id"], position, number(&participant[position]));
            }
        }
    }

    /// Stores the receipts and settings of a room of which the device misses nothing.
    fn merge_unchanged(&mut self, unchanged: &Value, me: &str) {
        let participants = list(&self.room["participants"]).iter();
        let users: Vec<Value> = participants.map(|participant| participant["user_id"].clone()).collect();
        for (position, of_others) in
            [("read_seq", "others_read_seq"), ("delivered_seq", "others_delivered_seq")]
        {
            for user in &users {
                let reached = if *user == *me { position } else { of_others };
                self.advance_receipt(user, position, number(&unchanged[reached]));
            }
            for receipt in list(&unchanged["receipts"]) {
                self.advance_receipt(&receipt["user_id"], position, number(&receipt[position]));
            }
        }
        self.apply_settings(&unchanged["settings"]);
    }

    fn shown(&self, me: &str) -> Value {
        let participants = self.visible_participants(me);
        let lowest = |position: &str| {
            let others = participants.iter().filter(|participant| participant["user_id"] != *me);
            others.map(|participant| number(&participant[position])).min().unwrap_or_default()
        };
        let (read, delivered) = (lowest("read_seq"), lowest("delivered_seq"));
        let messages = self.messages.values().cloned().map(|mut message| {
            let seq = number(&message["seq"]);
            if message["sender_id"] == *me {
                let reached =
                    [("read", read), ("delivered", delivered)].into_iter().find(|(_, to)| seq <= *to);
                message["status"] = reached.map_or("sent", |(status, _)| status).into();
            }
            self.refresh_preview(&mut message);
            message
        });
        let messages = messages.collect::<Vec<Value>>();
        let mine = participants.iter().find(|participant| participant["user_id"] == *me);
        let read = mine.map_or(0, |me| number(&me["read_seq"]));
        let mut room = Value::from(self.room.clone());
        room["participants"] = participants.into();
        room["last_message"] = messages.last().map_or(Value::Null, preview);
        let is_uncounted = |message: &&Value| {
            (read + 1..=self.seq).contains(&number(&message["seq"]))
                && (message["message_type"] == "system" || message["is_deleted"] == true)
        };
        let uncounted = messages.iter().filter(is_uncounted).count() as u64;
        room["unread_count"] = self.seq.saturating_sub(read).saturating_sub(uncounted).into();
        (room["seq"], room["rev"]) = (self.seq.into(), self.rev.into());
        shown(&[(room, messages)])[self.room["id"].as_str().expect("an id")].clone()
    }

    /// The participants, without read positions that they or the user `me` withhold.
    fn visible_participants(&self, me: &str) -> Vec<Value> {
        let mut participants = list(&self.room["participants"]).to_vec();
        let withholds = |participant: &Value| participant["read_receipts"] == false;
        let is_own_withheld =
            participants.iter().any(|participant| participant["user_id"] == *me && withholds(participant));
        for participant in participants.iter_mut().filter(|participant| participant["user_id"] != *me) {
            if is_own_withheld || withholds(participant) {
                participant["read_seq"] = 0.into();
            }
        }
        participants
    }

    /// Updates the preview of the message that `message` replies to.
    fn refresh_preview(&self, message: &mut Value) {
        let preview = &mut message["reply_to"];
        let original = self.messages.values().find(|stored| stored["id"] == preview["id"]);
        if let (Some(preview), Some(original)) = (preview.as_object_mut(), original) {
            let content: String =
                original["content"].as_str().unwrap_or_default().chars().take(100).collect();
            preview.insert("content".to_owned(), content.into());
            preview.insert("is_deleted".to_owned(), original["is_deleted"].clone());
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
