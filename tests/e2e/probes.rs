//! One valid call of each operation, whose target does not exist.

use reqwest::Method;
use serde_json::{Value, json};

use crate::harness::{Actor, Answer};

/// A valid call of an operation, whose target does not exist.
pub struct Probe {
    operation: &'static str,
    pub method: Method,
    pub path: String,
    pub body: Option<Value>,
    /// A body with an invalid field.
    pub bad_body: Option<&'static str>,
    /// A path (with its query) with an invalid parameter.
    pub bad_path: Option<&'static str>,
    /// The expected status.
    pub leads_to: u16,
}

impl Probe {
    pub async fn call(&self, actor: &Actor) -> Answer {
        actor.call(self.method.clone(), &self.path, self.body.as_ref().map(Value::to_string)).await
    }

    /// Whether the call deletes the caller's account.
    pub fn ends_account(&self) -> bool {
        self.operation == "usersDeleteMe"
    }

    /// The logical id of the function that handles the operation.
    pub fn function(&self) -> String {
        match self.operation {
            "friendsListSlashed" => "HttpUnknownFunction".to_owned(),
            name => format!("{}{}Function", name[..1].to_uppercase(), &name[1..]),
        }
    }

    /// The binary of that function.
    pub fn binary(&self) -> String {
        let function = self.function();
        let mut name = String::new();
        for letter in function.trim_end_matches("Function").chars() {
            if letter.is_uppercase() && !name.is_empty() {
                name.push('-');
            }
            name.extend(letter.to_lowercase());
        }
        name
    }
}

/// One probe for each operation. No resource has the id `missing_id`.
#[expect(clippy::too_many_lines, reason = "a table with one entry for each operation")]
pub fn probes(missing_id: &str) -> Vec<Probe> {
    let get = |operation, path: &str, bad_path, leads_to| Probe {
        operation,
        method: Method::GET,
        path: path.to_owned(),
        body: None,
        bad_body: None,
        bad_path,
        leads_to,
    };
    let with = |method, operation, path: String, bad_path| Probe {
        method,
        ..get(operation, &path, Some(bad_path), 404)
    };
    let put = |operation, path, bad_path| with(Method::PUT, operation, path, bad_path);
    let delete = |operation, path, bad_path| with(Method::DELETE, operation, path, bad_path);
    let post = |operation, path: &str, body: Value| Probe {
        method: Method::POST,
        body: Some(body),
        bad_body: Some("{}"),
        ..get(operation, path, None, 404)
    };
    let patch =
        |operation, path: &str, body: Value| Probe { method: Method::PATCH, ..post(operation, path, body) };
    let room = format!("/chat/rooms/{missing_id}");
    let message = format!("{room}/messages/{missing_id}");
    vec![
        get("usersGetMe", "/users/me", None, 200),
        Probe {
            method: Method::PATCH,
            bad_body: Some(r#"{"username": "x"}"#),
            leads_to: 200,
            ..post("usersUpdateMe", "/users/me", json!({"settings": {}}))
        },
        get("usersGet", &format!("/users/{missing_id}"), Some("/users/ana"), 404),
        get("friendsSearchUsers", "/friends/search?query=ben", Some("/friends/search?query=b"), 200),
        post("friendsSendRequest", "/friends/requests", json!({"receiver_id": missing_id})),
        get("friendsListRequests", "/friends/requests", Some("/friends/requests?direction=up"), 200),
        put(
            "friendsRespondToRequest",
            format!("/friends/requests/{missing_id}?action=accepted"),
            "/friends/requests/gym?action=maybe",
        ),
        delete("friendsCancelRequest", format!("/friends/requests/{missing_id}"), "/friends/requests/gym"),
        Probe {
            leads_to: 204,
            ..delete("friendsRemoveFriend", format!("/friends/{missing_id}"), "/friends/ana")
        },
        get("friendsListMutual", &format!("/friends/{missing_id}/mutual"), Some("/friends/ana/mutual"), 404),
        get("friendsListSuggestions", "/friends/suggestions", None, 200),
        get("friendsListBlocks", "/friends/blocks", Some("/friends/blocks?limit=0"), 200),
        Probe {
            leads_to: 204,
            ..put("friendsBlockUser", format!("/friends/blocks/{missing_id}"), "/friends/blocks/ana")
        },
        Probe {
            leads_to: 204,
            ..delete("friendsUnblockUser", format!("/friends/blocks/{missing_id}"), "/friends/blocks/ana")
        },
        get("friendsList", "/friends", Some("/friends?limit=0"), 200),
        get("friendsListSlashed", "/friends/", Some("/friends/?limit=101"), 200),
        post("chatCreateRoom", "/chat/rooms", json!({"participant_ids": [missing_id]})),
        get("chatListRooms", "/chat/rooms", Some("/chat/rooms?cursor=%20"), 200),
        post("chatSendMessage", "/chat/messages", json!({"chat_room_id": missing_id, "content": "hi"})),
        get("chatListMessages", &format!("{room}/messages"), Some("/chat/rooms/gym/messages"), 404),
        get("chatGetMessage", &message, Some("/chat/rooms/gym/messages/first"), 404),
        Probe {
            body: Some(json!({"seq": 1})),
            bad_body: Some(r#"{"message_ids": ["latest"]}"#),
            ..put("chatMarkRead", format!("{room}/read"), "/chat/rooms/gym/read")
        },
        get("chatGetRoom", &room, Some("/chat/rooms/gym"), 404),
        Probe {
            bad_body: Some(r#"{"history_visibility": "some"}"#),
            ..patch("chatUpdateRoom", &room, json!({"name": "gym"}))
        },
        delete("chatDeleteRoom", room.clone(), "/chat/rooms/gym"),
        Probe {
            bad_body: Some(r#"{"theme": "!"}"#),
            ..patch("chatUpdateRoomSettings", &format!("{room}/settings"), json!({"is_pinned": true}))
        },
        Probe {
            body: Some(json!({"role": "member"})),
            bad_body: Some(r#"{"role": "king"}"#),
            ..put(
                "chatAddParticipant",
                format!("{room}/participants/{missing_id}"),
                "/chat/rooms/gym/participants/ana",
            )
        },
        delete(
            "chatRemoveParticipant",
            format!("{room}/participants/{missing_id}"),
            "/chat/rooms/gym/participants/ana",
        ),
        patch("chatEditMessage", &message, json!({"content": "hi"})),
        delete("chatDeleteMessage", message.clone(), "/chat/rooms/gym/messages/first"),
        get(
            "chatListReactions",
            &format!("{message}/reactions"),
            Some("/chat/rooms/gym/messages/first/reactions"),
            404,
        ),
        put(
            "chatAddReaction",
            format!("{message}/reactions/👍"),
            "/chat/rooms/gym/messages/first/reactions/up",
        ),
        delete(
            "chatRemoveReaction",
            format!("{message}/reactions/👍"),
            "/chat/rooms/gym/messages/first/reactions/up",
        ),
        put("chatPinMessage", format!("{message}/pin"), "/chat/rooms/gym/messages/first/pin"),
        delete("chatUnpinMessage", format!("{message}/pin"), "/chat/rooms/gym/messages/first/pin"),
        get("chatListPins", &format!("{room}/pins"), Some("/chat/rooms/gym/pins"), 404),
        get("devicesList", "/devices", None, 200),
        Probe {
            method: Method::PUT,
            leads_to: 204,
            ..post(
                "devicesRegister",
                "/devices/7d0c2b1a-5e4f-4a3b-9c8d-1e2f3a4b5c6d",
                json!({"platform": "web"}),
            )
        },
        Probe {
            leads_to: 204,
            ..delete(
                "devicesSignOut",
                "/devices/7d0c2b1a-5e4f-4a3b-9c8d-1e2f3a4b5c6d".to_owned(),
                "/devices/phone",
            )
        },
        Probe {
            leads_to: 200,
            ..post("chatSync", "/chat/sync", json!({"rooms": {missing_id: {"seq": 1, "rev": 0}}}))
        },
        post("reportsCreate", "/reports", json!({"user_id": missing_id, "reason": "spam"})),
        // Last, because it deletes the caller's account.
        Probe { method: Method::DELETE, ..get("usersDeleteMe", "/users/me", None, 204) },
    ]
}
