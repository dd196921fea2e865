//! Demo data: people to try things with, made through the API when the command first runs on an empty data folder.
//!
//! Each step looks before it writes, or is the same however often it is tried. So a start that was interrupted is
//! finished by the next one, and nothing is there twice.

mod script;

use std::collections::HashMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context, Result};
use local::epoch_millis;
use reqwest::Method;
use serde_json::{Value, json};

use self::script::{CHATS, Chat, FRIENDS, FRIENDS_SINCE, Line, PEOPLE, Person, WAITING, WAITING_SINCE};
use super::api::{Api, Token};

/// The file that says how far the demo data of a data folder has come.
const MARKER: &str = "demo";
const BEGUN: &str = "begun";
const DONE: &str = "done";

/// What this start has to do with demo data.
#[derive(Debug, PartialEq, Eq)]
pub enum Demo {
    /// Nothing: it is not wanted, or the folder was somebody's own from the start.
    None,
    /// It is there.
    There,
    /// It is to be made, or finished. The marker says so until it is done; there is none in memory.
    Wanted(Option<PathBuf>),
}

impl Demo {
    /// Decides by the data folder, before anything is written to it: demo data comes into an empty one only.
    ///
    /// # Errors
    /// If the folder cannot be made or written to.
    pub fn plan(data: Option<&Path>, wanted: bool) -> Result<Self> {
        let Some(folder) = data else {
            return Ok(if wanted { Self::Wanted(None) } else { Self::None });
        };
        let marker = folder.join(MARKER);
        match fs::read_to_string(&marker) {
            Ok(state) if state == DONE => return Ok(Self::There),
            Ok(_) if wanted => return Ok(Self::Wanted(Some(marker))),
            Ok(_) => return Ok(Self::None),
            Err(_) => {}
        }
        let is_empty = fs::read_dir(folder).map_or(true, |mut entries| entries.next().is_none());
        if !wanted || !is_empty {
            return Ok(Self::None);
        }
        // The folder's first file: from here on it is not empty, and this is what tells why.
        fs::create_dir_all(folder)
            .and_then(|()| fs::write(&marker, BEGUN))
            .with_context(|| format!("the data folder {} cannot be written to", folder.display()))?;
        Ok(Self::Wanted(Some(marker)))
    }

    /// Makes what is missing, with calls to the API at `base`.
    ///
    /// # Errors
    /// If a call fails; the next start tries again.
    pub async fn make(self, base: &str) -> Result<Self> {
        let Self::Wanted(marker) = self else {
            return Ok(self);
        };
        Cast::assemble(base).await?.play().await?;
        if let Some(marker) = &marker {
            fs::write(marker, DONE).with_context(|| format!("{} cannot be written", marker.display()))?;
        }
        Ok(Self::There)
    }
}

/// The usernames of all demo people.
pub fn usernames() -> impl Iterator<Item = &'static str> {
    PEOPLE.iter().map(|person| person.username)
}

/// The demo people, signed in.
struct Cast {
    api: Api,
    tokens: HashMap<&'static str, Token>,
    /// The present, in milliseconds since 1970, from which everything that happened is dated back.
    now: i64,
}

impl Cast {
    async fn assemble(base: &str) -> Result<Self> {
        let api = Api::new(base)?;
        let (mut tokens, now) = (HashMap::new(), epoch_millis());
        // The first thing that they did.
        let issued_at = (now - i64::try_from(FRIENDS_SINCE.as_millis())?) / 1000;
        for Person { username, name } in PEOPLE {
            let picture = script::face(username);
            let ask =
                json!({ "username": username, "name": name, "picture": picture, "issued_at": issued_at });
            tokens.insert(username, api.token(&ask).await.with_context(|| username.to_owned())?);
        }
        Ok(Self { api, tokens, now })
    }

    async fn play(&self) -> Result<()> {
        for (from, to) in FRIENDS {
            self.befriend(from, to).await?;
        }
        for (from, to) in WAITING {
            self.ask(from, to, self.ago(WAITING_SINCE)).await?;
        }
        for chat in &CHATS {
            self.chat(chat).await?;
        }
        Ok(())
    }

    fn token(&self, who: &str) -> Result<&Token> {
        self.tokens.get(who).with_context(|| format!("{who} is none of the demo people"))
    }

    fn ago(&self, time: Duration) -> i64 {
        self.now - i64::try_from(time.as_millis()).unwrap_or_default()
    }

    async fn get(&self, who: &str, path: &str) -> Result<Vec<Value>> {
        let list = self.api.call(self.token(who)?, self.now, Method::GET, path, None).await?;
        serde_json::from_value(list).with_context(|| format!("GET {path} answered no list"))
    }

    async fn post(&self, who: &str, at: i64, path: &str, body: &Value) -> Result<Value> {
        self.api.call(self.token(who)?, at, Method::POST, path, Some(body)).await
    }

    async fn put(&self, who: &str, at: i64, path: &str) -> Result<Value> {
        self.api.call(self.token(who)?, at, Method::PUT, path, None).await
    }

    async fn befriend(&self, from: &str, to: &str) -> Result<()> {
        let at = self.ago(FRIENDS_SINCE);
        if let Some(request) = self.ask(from, to, at).await? {
            self.put(to, at, &format!("/friends/requests/{request}?action=accepted")).await?;
        }
        Ok(())
    }

    /// The id of the pending request; `None` if they are friends already.
    async fn ask(&self, from: &str, to: &str, at: i64) -> Result<Option<String>> {
        let other = &self.token(to)?.user_id;
        let friends = self.get(from, "/friends/").await?;
        if friends.iter().any(|friend| friend["user_id"] == other.as_str()) {
            return Ok(None);
        }
        let sent = self.get(from, "/friends/requests?direction=sent").await?;
        let request = match sent.into_iter().find(|request| request["receiver_id"] == other.as_str()) {
            Some(request) => request,
            None => self.post(from, at, "/friends/requests", &json!({ "receiver_id": other })).await?,
        };
        id(&request).map(Some)
    }

    async fn chat(&self, chat: &Chat) -> Result<()> {
        let room = self.room(chat).await?;
        let room_id = id(&room)?;
        // A mark of having read belongs before the next line; where that was said, it was set.
        let said_before = room["seq"].as_u64().unwrap_or_default();
        let (mut seq, mut at) = (0, self.ago(chat.began_ago));
        for (n, line) in chat.lines.iter().enumerate() {
            at += line.takes();
            match *line {
                Line::Says(who, content) => {
                    let message = json!({
                        "chat_room_id": room_id,
                        "content": content,
                        "client_message_id": format!("demo-{n}"),
                        "after_seq": seq,
                    });
                    let message = self.post(who, at, "/chat/messages", &message).await?;
                    seq = message["seq"].as_u64().unwrap_or_default();
                }
                Line::Reads(who) if said_before <= seq => {
                    self.put(who, at, &format!("/chat/rooms/{room_id}/read")).await?;
                }
                Line::Reads(_) | Line::Later(_) => {}
            }
        }
        Ok(())
    }

    /// The room of a chat. A pair has only one; a group is known by its name.
    async fn room(&self, chat: &Chat) -> Result<Value> {
        let (founder, others) = chat.people.split_first().context("a chat has people")?;
        if chat.group.is_some() {
            let rooms = self.get(founder, "/chat/rooms").await?;
            if let Some(room) = rooms.into_iter().find(|room| room["name"].as_str() == chat.group) {
                return Ok(room);
            }
        }
        let others: Vec<&str> =
            others.iter().map(|who| Ok(self.token(who)?.user_id.as_str())).collect::<Result<_>>()?;
        let wish = json!({ "participant_ids": others, "is_group": chat.group.is_some(), "name": chat.group });
        self.post(founder, self.ago(chat.began_ago), "/chat/rooms", &wish).await
    }
}

fn id(of: &Value) -> Result<String> {
    of["id"].as_str().map(str::to_owned).context("an answer has no id")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn folder() -> PathBuf {
        std::env::temp_dir().join(format!("local-demo-{}", uuid::Uuid::new_v4()))
    }

    #[test]
    fn an_empty_folder_gets_demo_data_until_it_is_done() {
        let folder = folder();
        let marker = folder.join(MARKER);
        assert_eq!(Demo::plan(Some(&folder), false).unwrap(), Demo::None);
        assert!(!folder.exists(), "nothing is written where nothing is wanted");
        assert_eq!(Demo::plan(Some(&folder), true).unwrap(), Demo::Wanted(Some(marker.clone())));
        fs::write(folder.join("other"), "").unwrap();
        assert_eq!(
            Demo::plan(Some(&folder), true).unwrap(),
            Demo::Wanted(Some(marker.clone())),
            "not done yet"
        );
        assert_eq!(Demo::plan(Some(&folder), false).unwrap(), Demo::None);
        fs::write(&marker, DONE).unwrap();
        assert_eq!(Demo::plan(Some(&folder), true).unwrap(), Demo::There);
        fs::remove_dir_all(folder).unwrap();
    }

    #[test]
    fn a_folder_that_somebody_uses_gets_none() {
        let folder = folder();
        fs::create_dir_all(&folder).unwrap();
        fs::write(folder.join("dynamodb.sqlite"), "").unwrap();
        assert_eq!(Demo::plan(Some(&folder), true).unwrap(), Demo::None);
        fs::remove_dir_all(folder).unwrap();
        assert_eq!(Demo::plan(None, true).unwrap(), Demo::Wanted(None));
        assert_eq!(Demo::plan(None, false).unwrap(), Demo::None);
    }
}
