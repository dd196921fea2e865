//! Actions on messages and rooms.

use reqwest::Method;
use serde_json::{Value, json};

use super::{Actor, Answer};

/// The path of a message.
pub fn path_of(message: &Value) -> String {
    let [room, id] = ["chat_room_id", "id"].map(|field| message[field].as_str().unwrap());
    format!("/chat/rooms/{room}/messages/{id}")
}

/// The sender's message as the other members see it: without its delivery status.
pub fn as_others_see(message: &Value) -> Value {
    let mut seen = message.clone();
    seen["status"] = Value::Null;
    seen
}

/// A room without presence, which the answers to actions do not contain.
pub fn without_presence(mut room: Value) -> Value {
    for participant in room["participants"].as_array_mut().unwrap() {
        participant["is_online"] = Value::Null;
        participant["last_seen"] = Value::Null;
    }
    room
}

impl Actor {
    pub async fn edit(&self, message: &Value, content: &str) -> Answer {
        let body = json!({"content": content}).to_string();
        self.call(Method::PATCH, &path_of(message), Some(body)).await
    }

    pub async fn delete_message(&self, message: &Value) -> Answer {
        self.delete(&path_of(message)).await
    }

    pub async fn react(&self, message: &Value, emoji: &str) -> Answer {
        self.put(&format!("{}/reactions/{emoji}", path_of(message))).await
    }

    pub async fn unreact(&self, message: &Value, emoji: &str) -> Answer {
        self.delete(&format!("{}/reactions/{emoji}", path_of(message))).await
    }

    pub async fn reactions(&self, message: &Value) -> Answer {
        self.get(&format!("{}/reactions", path_of(message))).await
    }

    pub async fn pin(&self, message: &Value) -> Answer {
        self.put(&format!("{}/pin", path_of(message))).await
    }

    pub async fn unpin(&self, message: &Value) -> Answer {
        self.delete(&format!("{}/pin", path_of(message))).await
    }

    pub async fn pins(&self, room: &str) -> Value {
        self.get(&format!("/chat/rooms/{room}/pins")).await.ok()
    }

    /// Replies to a message.
    pub async fn reply(&self, message: &Value, content: &str) -> Value {
        let reply = json!({
            "chat_room_id": message["chat_room_id"], "content": content, "reply_to_id": message["id"]
        });
        self.post("/chat/messages", reply).await.ok()
    }

    /// Forwards a message to a room.
    pub async fn forward(&self, message: &Value, room: &str) -> Answer {
        let (from, id) = (&message["chat_room_id"], &message["id"]);
        let body = json!({"chat_room_id": room, "forward_room_id": from, "forward_message_id": id});
        self.post("/chat/messages", body).await
    }

    /// The message with this `seq`, as the actor sees it.
    pub async fn message(&self, room: &str, seq: u64) -> Value {
        let path = format!("/chat/rooms/{room}/messages?limit=1&before_seq={}", seq + 1);
        let page = self.get(&path).await.ok();
        assert_eq!(page[0]["seq"], seq);
        page[0].clone()
    }

    /// Gets a room with its members.
    pub async fn room(&self, room: &str) -> Answer {
        self.get(&format!("/chat/rooms/{room}")).await
    }

    /// Adds a user to a group.
    pub async fn add(&self, room: &str, user: &Self) -> Answer {
        self.put(&format!("/chat/rooms/{room}/participants/{}", user.id)).await
    }

    /// Updates a group's name, avatar, description or history visibility.
    pub async fn update_room(&self, room: &str, change: Value) -> Answer {
        self.call(Method::PATCH, &format!("/chat/rooms/{room}"), Some(change.to_string())).await
    }

    /// Deletes a group.
    pub async fn delete_room(&self, room: &str) -> Answer {
        self.delete(&format!("/chat/rooms/{room}")).await
    }

    /// Updates the actor's own settings of a room.
    pub async fn update_room_settings(&self, room: &str, change: Value) -> Answer {
        self.call(Method::PATCH, &format!("/chat/rooms/{room}/settings"), Some(change.to_string())).await
    }

    /// Sets a user's role in a group. Adds the user if they are not a member.
    pub async fn set_role(&self, room: &str, user: &Self, role: &str) -> Answer {
        let path = format!("/chat/rooms/{room}/participants/{}", user.id);
        self.call(Method::PUT, &path, Some(json!({"role": role}).to_string())).await
    }

    /// Removes a member from a group, or leaves it if `user` is the actor.
    pub async fn remove(&self, room: &str, user: &Self) -> Answer {
        self.delete(&format!("/chat/rooms/{room}/participants/{}", user.id)).await
    }

    /// Syncs a device that has these rooms: `{room: {seq, rev}}`.
    pub async fn sync(&self, rooms: Value) -> Value {
        self.post("/chat/sync", json!({"rooms": rooms})).await.ok()
    }
}

/// The value of one field in each item of a list.
pub fn each<'a>(list: &'a Value, field: &str) -> Vec<&'a Value> {
    list.as_array().unwrap().iter().map(|item| &item[field]).collect()
}
