//! The client of the plan, ported from its Dart code: each method of `ApiService`, each `fromJson` with its
//! null rules, and the use of the responses by the screens.

use reqwest::Method;
use serde_json::{Value, json};

use crate::harness::{Actor, TestStack};

/// A field that Dart declares as `String`: `null` would throw.
fn string(json: &Value, field: &str) -> String {
    json[field].as_str().unwrap_or_else(|| panic!("{field} is a String in {json}")).to_owned()
}

/// A field that Dart declares as `String?`: a string or `null`.
fn string_or_null(json: &Value, field: &str) -> Option<String> {
    assert!(json.get(field).is_some(), "{field} is missing in {json}");
    assert!(json[field].is_null() || json[field].is_string(), "{field} is a String? in {json}");
    json[field].as_str().map(str::to_owned)
}

fn boolean(json: &Value, field: &str) -> bool {
    json[field].as_bool().unwrap_or_else(|| panic!("{field} is a bool in {json}"))
}

/// `DateTime.parse`, which accepts RFC 3339.
fn date(json: &Value, field: &str) -> shared::clock::Timestamp {
    string(json, field).parse().unwrap_or_else(|_| panic!("{field} is a date in {json}"))
}

fn list<T>(json: &Value, from_json: impl Fn(&Value) -> T) -> Vec<T> {
    json.as_array().unwrap_or_else(|| panic!("a List: {json}")).iter().map(from_json).collect()
}

struct User {
    id: String,
    username: String,
}

impl User {
    fn from_json(json: &Value) -> Self {
        string_or_null(json, "display_name");
        string_or_null(json, "avatar_url");
        boolean(json, "is_friend");
        boolean(json, "has_pending_request");
        Self { id: string(json, "id"), username: string(json, "username") }
    }
}

struct Friend {
    id: String,
    user_id: String,
    username: String,
}

impl Friend {
    fn from_json(json: &Value) -> Self {
        string_or_null(json, "display_name");
        string_or_null(json, "avatar_url");
        date(json, "created_at");
        Self { id: string(json, "id"), user_id: string(json, "user_id"), username: string(json, "username") }
    }
}

struct FriendRequest {
    id: String,
    sender_id: String,
    receiver_id: String,
    status: String,
    sender_username: Option<String>,
}

impl FriendRequest {
    fn from_json(json: &Value) -> Self {
        date(json, "created_at");
        string_or_null(json, "receiver_username");
        Self {
            id: string(json, "id"),
            sender_id: string(json, "sender_id"),
            receiver_id: string(json, "receiver_id"),
            status: string(json, "status"),
            sender_username: string_or_null(json, "sender_username"),
        }
    }
}

#[derive(Debug, PartialEq)]
struct ChatMessage {
    id: String,
    chat_room_id: String,
    sender_id: String,
    sender_username: String,
    content: String,
    message_type: String,
}

impl ChatMessage {
    fn from_json(json: &Value) -> Self {
        string_or_null(json, "media_url");
        string_or_null(json, "reply_to_id");
        boolean(json, "is_edited");
        date(json, "created_at");
        Self {
            id: string(json, "id"),
            chat_room_id: string(json, "chat_room_id"),
            sender_id: string(json, "sender_id"),
            sender_username: string(json, "sender_username"),
            content: string(json, "content"),
            message_type: string(json, "message_type"),
        }
    }
}

struct ChatParticipant {
    username: String,
    last_read_at: Option<shared::clock::Timestamp>,
}

impl ChatParticipant {
    fn from_json(json: &Value) -> Self {
        string(json, "user_id");
        string_or_null(json, "avatar_url");
        date(json, "joined_at");
        let last_read_at = string_or_null(json, "last_read_at").map(|_| date(json, "last_read_at"));
        Self { username: string(json, "username"), last_read_at }
    }
}

struct ChatRoom {
    id: String,
    name: Option<String>,
    is_group: bool,
    last_message: Option<ChatMessage>,
    unread_count: u64,
    participants: Vec<ChatParticipant>,
}

impl ChatRoom {
    fn from_json(json: &Value) -> Self {
        date(json, "created_at");
        let last = &json["last_message"];
        Self {
            id: string(json, "id"),
            name: string_or_null(json, "name"),
            is_group: boolean(json, "is_group"),
            last_message: (!last.is_null()).then(|| ChatMessage::from_json(last)),
            unread_count: json["unread_count"].as_u64().unwrap(),
            participants: list(&json["participants"], ChatParticipant::from_json),
        }
    }

    /// `room.name ?? room.participants.first.username`.
    fn title(&self) -> &str {
        self.name.as_deref().unwrap_or(&self.participants[0].username)
    }

    /// `substring(0, 1).toUpperCase()` of the title, which throws for an empty string.
    fn letter(&self) -> String {
        self.title().chars().next().expect("not empty").to_uppercase().to_string()
    }
}

/// The plan's `ApiService`. Dio encodes queries as `&`-joined pairs and bodies as JSON, nulls included.
struct ApiService<'a>(&'a Actor);

impl ApiService<'_> {
    async fn search_users(&self, query: &str) -> Vec<User> {
        list(&self.0.get(&format!("/friends/search?query={query}")).await.ok(), User::from_json)
    }

    async fn send_friend_request(&self, user_id: &str) {
        self.0.post("/friends/requests", json!({"receiver_id": user_id})).await.ok();
    }

    async fn get_friend_requests(&self) -> Vec<FriendRequest> {
        list(&self.0.get("/friends/requests").await.ok(), FriendRequest::from_json)
    }

    async fn handle_friend_request(&self, request_id: &str, action: &str) {
        self.0.put(&format!("/friends/requests/{request_id}?action={action}")).await.ok();
    }

    async fn get_friends(&self) -> Vec<Friend> {
        list(&self.0.get("/friends/").await.ok(), Friend::from_json)
    }

    async fn create_chat_room(
        &self,
        participant_ids: &[&str],
        name: Option<&str>,
        is_group: bool,
    ) -> ChatRoom {
        let body = json!({"participant_ids": participant_ids, "name": name, "is_group": is_group});
        ChatRoom::from_json(&self.0.post("/chat/rooms", body).await.ok())
    }

    async fn get_chat_rooms(&self) -> Vec<ChatRoom> {
        list(&self.0.get("/chat/rooms").await.ok(), ChatRoom::from_json)
    }

    async fn send_message(&self, chat_room_id: &str, content: &str) -> ChatMessage {
        let body = json!({"chat_room_id": chat_room_id, "content": content, "message_type": "text"});
        ChatMessage::from_json(&self.0.post("/chat/messages", body).await.ok())
    }

    async fn get_chat_messages(&self, chat_room_id: &str) -> Vec<ChatMessage> {
        let path = format!("/chat/rooms/{chat_room_id}/messages?limit=50&offset=0");
        list(&self.0.get(&path).await.ok(), ChatMessage::from_json)
    }

    async fn mark_messages_as_read(&self, chat_room_id: &str) {
        self.0.call(Method::PUT, &format!("/chat/rooms/{chat_room_id}/read"), None).await.ok();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_find_friends_page_searches_sends_requests_and_responds() {
    let stack = TestStack::new().await;
    let [ana, ben, cleo] = stack.actors(["ana", "BenBoxer", "cleo"]).await;
    let (ana_api, ben_api, cleo_api) = (ApiService(&ana), ApiService(&ben), ApiService(&cleo));
    let found = ana_api.search_users("nbox").await;
    assert_eq!((found.len(), found[0].username.as_str()), (1, "BenBoxer"));
    assert_eq!(found[0].id, ben.id);
    ana_api.send_friend_request(&found[0].id).await;
    cleo_api.send_friend_request(&ben.id).await;

    let requests = ben_api.get_friend_requests().await;
    assert_eq!(requests.len(), 2);
    assert!(requests.iter().all(|request| request.status == "pending" && request.receiver_id == ben.id));
    for request in &requests {
        let title =
            request.sender_username.as_deref().expect("`request.senderUsername`, else \"Unknown User\"");
        let action = if title == "ana" { "accepted" } else { "rejected" };
        assert_eq!(request.sender_id, if title == "ana" { ana.id.as_str() } else { cleo.id.as_str() });
        ben_api.handle_friend_request(&request.id, action).await;
    }
    assert!(ben_api.get_friend_requests().await.is_empty(), "the provider reloads the list");
    let friends = ben_api.get_friends().await;
    assert_eq!((friends.len(), friends[0].username.as_str()), (1, "ana"));
    assert_eq!((&friends[0].id, &friends[0].user_id), (&ana.id, &ana.id));
    assert!(cleo_api.get_friends().await.is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn the_messages_page_has_a_title_and_an_unread_count_for_every_room() {
    let stack = TestStack::new().await;
    let [ana, ben, cleo] = stack.actors(["ana", "ben", "cleo"]).await;
    let (ana_api, ben_api) = (ApiService(&ana), ApiService(&ben));
    let direct = ana_api.create_chat_room(&[&ben.id], None, false).await;
    assert!(!direct.is_group && direct.last_message.is_none());
    assert_eq!((direct.title(), direct.letter().as_str()), ("ben", "B"));
    let group = ana_api.create_chat_room(&[&ben.id, &cleo.id], Some("lifting"), true).await;
    assert_eq!((group.title(), group.letter().as_str()), ("lifting", "L"));
    let unnamed = ana_api.create_chat_room(&[&ben.id, &cleo.id], Some(""), true).await;
    assert_ne!(unnamed.title(), "ana", "the title is the name of another member");
    unnamed.letter();

    for n in 0..3 {
        ana_api.send_message(&direct.id, &format!("m{n}")).await;
    }
    let rooms = ben_api.get_chat_rooms().await;
    let room = &rooms[0];
    assert_eq!((room.id.as_str(), room.title(), room.unread_count), (direct.id.as_str(), "ana", 3));
    assert_eq!(room.last_message.as_ref().unwrap().content, "m2");
    assert!(
        room.participants
            .iter()
            .all(|participant| participant.username == "ana" || participant.last_read_at.is_none())
    );
    ben_api.mark_messages_as_read(&direct.id).await;
    let room = &ben_api.get_chat_rooms().await[0];
    assert_eq!(room.unread_count, 0);
    assert!(room.participants.last().unwrap().last_read_at.is_some());
}

#[tokio::test(flavor = "multi_thread")]
async fn the_chat_screen_sends_and_shows_messages_in_order() {
    let stack = TestStack::new().await;
    let [ana, ben] = stack.actors(["ana", "ben"]).await;
    let (ana_api, ben_api) = (ApiService(&ana), ApiService(&ben));
    let room = ana_api.create_chat_room(&[&ben.id], None, false).await;
    let mut sent = Vec::new();
    for (user, content) in [(&ana_api, "Hi"), (&ben_api, "Hello"), (&ana_api, "Gym at 6?"), (&ben_api, "Yes")]
    {
        let message = user.send_message(&room.id, content).await;
        assert_eq!((message.chat_room_id.as_str(), message.content.as_str()), (room.id.as_str(), content));
        assert_eq!((message.message_type.as_str(), &message.sender_username), ("text", &user.0.name));
        sent.push(message);
    }
    for user in [&ana_api, &ben_api] {
        // `messages.reversed.toList()`, and `message.senderId == getCurrentUserId()` picks the side.
        let shown: Vec<ChatMessage> = user.get_chat_messages(&room.id).await.into_iter().rev().collect();
        assert_eq!(shown, sent);
        let mine = shown.iter().filter(|message| message.sender_id == user.0.id).count();
        assert_eq!(mine, 2);
    }
}
