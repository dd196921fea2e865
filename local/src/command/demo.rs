//! Demo data: users, friendships and rooms, created through the API on the first start with an empty folder.
//!
//! Each step is idempotent, so the next start resumes an interrupted one without duplicates.

mod script;

use std::collections::HashMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context, Result};
use local::{Person, epoch_millis};
use reqwest::Method;
use serde_json::{Value, json};

use self::script::{
    CHATS, Chat, ChatEvent, DemoUser, FRIENDS, FRIENDSHIP_AGE, PENDING_REQUESTS, REQUEST_AGE, USERS,
};
use super::api::{Api, Token};

/// The file in a data folder that records the state of its demo data.
const MARKER: &str = "demo";
const BEGUN: &str = "begun";
const DONE: &str = "done";

/// The state of the demo data of a data folder.
#[derive(Debug, PartialEq, Eq)]
pub enum Demo {
    /// No demo data: disabled, or the folder contained other data first.
    None,
    /// All demo data exists.
    Complete,
    /// Demo data must be created or completed. Contains the path of the marker file; `None` in memory.
    Pending(Option<PathBuf>),
}

impl Demo {
    /// Inspects the data folder before anything else writes to it. Only an empty folder gets demo data.
    ///
    /// # Errors
    /// If the folder cannot be created or written to.
    pub fn plan(data: Option<&Path>, enabled: bool) -> Result<Self> {
        let Some(folder) = data else {
            return Ok(if enabled { Self::Pending(None) } else { Self::None });
        };
        let marker = folder.join(MARKER);
        match fs::read_to_string(&marker) {
            Ok(state) if state == DONE => return Ok(Self::Complete),
            Ok(_) if enabled => return Ok(Self::Pending(Some(marker))),
            Ok(_) => return Ok(Self::None),
            Err(_) => {}
        }
        let is_empty = fs::read_dir(folder).map_or(true, |mut entries| entries.next().is_none());
        if !enabled || !is_empty {
            return Ok(Self::None);
        }
        // The first file of the folder: it marks the folder as one that gets demo data.
        fs::create_dir_all(folder)
            .and_then(|()| fs::write(&marker, BEGUN))
            .with_context(|| format!("cannot write to the data folder {}", folder.display()))?;
        Ok(Self::Pending(Some(marker)))
    }

    /// Creates the missing demo data through the API at `base`.
    ///
    /// # Errors
    /// If a request fails; the next start tries again.
    pub async fn create(self, base: &str) -> Result<Self> {
        let Self::Pending(marker) = self else {
            return Ok(self);
        };
        DemoClient::sign_in(base).await?.create_all().await?;
        if let Some(marker) = &marker {
            fs::write(marker, DONE).with_context(|| format!("cannot write {}", marker.display()))?;
        }
        Ok(Self::Complete)
    }
}

/// The usernames of all demo users.
pub fn usernames() -> impl Iterator<Item = &'static str> {
    USERS.iter().map(|user| user.username)
}

/// All demo users.
pub fn people() -> Vec<Person> {
    let person = |user: &DemoUser| Person { username: user.username.to_owned(), name: user.name.to_owned() };
    USERS.iter().map(person).collect()
}

/// A client of the API with a token of each demo user.
struct DemoClient {
    api: Api,
    tokens: HashMap<&'static str, Token>,
    /// The current time in milliseconds since 1970. All demo data is dated relative to it.
    now: i64,
}

impl DemoClient {
    async fn sign_in(base: &str) -> Result<Self> {
        let api = Api::new(base)?;
        let (mut tokens, now) = (HashMap::new(), epoch_millis());
        // A token must not be issued after the first request with it, and friendships are the oldest data.
        let issued_at = (now - i64::try_from(FRIENDSHIP_AGE.as_millis())?) / 1000;
        for DemoUser { username, name } in USERS {
            let picture = script::picture_url(username);
            let body =
                json!({ "username": username, "name": name, "picture": picture, "issued_at": issued_at });
            tokens.insert(username, api.token(&body).await.with_context(|| username.to_owned())?);
        }
        Ok(Self { api, tokens, now })
    }

    async fn create_all(&self) -> Result<()> {
        for (from, to) in FRIENDS {
            self.make_friends(from, to).await?;
        }
        for (from, to) in PENDING_REQUESTS {
            self.send_request(from, to, self.ago(REQUEST_AGE)).await?;
        }
        for chat in &CHATS {
            self.create_chat(chat).await?;
        }
        Ok(())
    }

    fn token(&self, user: &str) -> Result<&Token> {
        self.tokens.get(user).with_context(|| format!("{user} is not a demo user"))
    }

    fn ago(&self, time: Duration) -> i64 {
        self.now - i64::try_from(time.as_millis()).unwrap_or_default()
    }

    async fn get(&self, user: &str, path: &str) -> Result<Vec<Value>> {
        let list = self.api.call(self.token(user)?, self.now, Method::GET, path, None).await?;
        serde_json::from_value(list).with_context(|| format!("the response of GET {path} is not a list"))
    }

    async fn post(&self, user: &str, at: i64, path: &str, body: &Value) -> Result<Value> {
        self.api.call(self.token(user)?, at, Method::POST, path, Some(body)).await
    }

    async fn put(&self, user: &str, at: i64, path: &str) -> Result<Value> {
        self.api.call(self.token(user)?, at, Method::PUT, path, None).await
    }

    async fn make_friends(&self, from: &str, to: &str) -> Result<()> {
        let at = self.ago(FRIENDSHIP_AGE);
        if let Some(request) = self.send_request(from, to, at).await? {
            self.put(to, at, &format!("/friends/requests/{request}?action=accepted")).await?;
        }
        Ok(())
    }

    /// Returns the id of the pending request; `None` if the two users are already friends.
    async fn send_request(&self, from: &str, to: &str, at: i64) -> Result<Option<String>> {
        let receiver = &self.token(to)?.user_id;
        let friends = self.get(from, "/friends/").await?;
        if friends.iter().any(|friend| friend["user_id"] == receiver.as_str()) {
            return Ok(None);
        }
        let sent = self.get(from, "/friends/requests?direction=sent").await?;
        let request = match sent.into_iter().find(|request| request["receiver_id"] == receiver.as_str()) {
            Some(request) => request,
            None => self.post(from, at, "/friends/requests", &json!({ "receiver_id": receiver })).await?,
        };
        id(&request).map(Some)
    }

    async fn create_chat(&self, chat: &Chat) -> Result<()> {
        let room = self.find_or_create_room(chat).await?;
        let room_id = id(&room)?;
        // The call marks all messages as read. If later messages exist, an earlier start has already made it.
        let existing_seq = room["seq"].as_u64().unwrap_or_default();
        let (mut seq, mut at) = (0, self.ago(chat.age));
        for (n, event) in chat.events.iter().enumerate() {
            at += event.duration_ms();
            match *event {
                ChatEvent::Message(sender, content) => {
                    let message = json!({
                        "chat_room_id": room_id,
                        "content": content,
                        "client_message_id": format!("demo-{n}"),
                        "after_seq": seq,
                    });
                    let message = self.post(sender, at, "/chat/messages", &message).await?;
                    seq = message["seq"].as_u64().unwrap_or_default();
                }
                ChatEvent::Read(reader) if existing_seq <= seq => {
                    self.put(reader, at, &format!("/chat/rooms/{room_id}/read")).await?;
                }
                ChatEvent::Read(_) | ChatEvent::Pause(_) => {}
            }
        }
        Ok(())
    }

    /// The room of a chat. A direct room is unique for its two members; a group is identified by its name.
    async fn find_or_create_room(&self, chat: &Chat) -> Result<Value> {
        let (creator, others) = chat.members.split_first().context("a chat needs members")?;
        if chat.group_name.is_some() {
            let rooms = self.get(creator, "/chat/rooms").await?;
            if let Some(room) = rooms.into_iter().find(|room| room["name"].as_str() == chat.group_name) {
                return Ok(room);
            }
        }
        let others: Vec<&str> =
            others.iter().map(|user| Ok(self.token(user)?.user_id.as_str())).collect::<Result<_>>()?;
        let (is_group, name) = (chat.group_name.is_some(), chat.group_name);
        let body = json!({ "participant_ids": others, "is_group": is_group, "name": name });
        self.post(creator, self.ago(chat.age), "/chat/rooms", &body).await
    }
}

fn id(response: &Value) -> Result<String> {
    response["id"].as_str().map(str::to_owned).context("the response has no id")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn folder() -> PathBuf {
        std::env::temp_dir().join(format!("local-demo-{}", uuid::Uuid::new_v4()))
    }

    #[test]
    fn an_empty_folder_gets_demo_data_until_it_is_complete() {
        let folder = folder();
        let marker = folder.join(MARKER);
        assert_eq!(Demo::plan(Some(&folder), false).unwrap(), Demo::None);
        assert!(!folder.exists(), "nothing is written when demo data is disabled");
        assert_eq!(Demo::plan(Some(&folder), true).unwrap(), Demo::Pending(Some(marker.clone())));
        fs::write(folder.join("other"), "").unwrap();
        assert_eq!(
            Demo::plan(Some(&folder), true).unwrap(),
            Demo::Pending(Some(marker.clone())),
            "not complete yet"
        );
        assert_eq!(Demo::plan(Some(&folder), false).unwrap(), Demo::None);
        fs::write(&marker, DONE).unwrap();
        assert_eq!(Demo::plan(Some(&folder), true).unwrap(), Demo::Complete);
        fs::remove_dir_all(folder).unwrap();
    }

    #[test]
    fn a_folder_with_other_data_gets_no_demo_data() {
        let folder = folder();
        fs::create_dir_all(&folder).unwrap();
        fs::write(folder.join("dynamodb.sqlite"), "").unwrap();
        assert_eq!(Demo::plan(Some(&folder), true).unwrap(), Demo::None);
        fs::remove_dir_all(folder).unwrap();
        assert_eq!(Demo::plan(None, true).unwrap(), Demo::Pending(None));
        assert_eq!(Demo::plan(None, false).unwrap(), Demo::None);
    }
}
