//! A caller with a relation to a target, and the rooms, messages and requests that a call of theirs can name.

use serde::Deserialize;
use serde_json::{Value, json};
use uuid::Uuid;

use crate::harness::{Actor, TestStack, make_friends};

/// The relation of the caller to the subject of a call.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Relation {
    /// The caller's own account, request or message.
    #[serde(rename = "self")]
    Own,
    Friend,
    Stranger,
    /// The target has blocked the caller.
    Blocked,
    /// The caller has blocked the target.
    Blocker,
    Member,
    Admin,
    Owner,
    /// The caller has left the group.
    ExMember,
}

impl Relation {
    pub const ALL: [Self; 9] = [
        Self::Own,
        Self::Friend,
        Self::Stranger,
        Self::Blocked,
        Self::Blocker,
        Self::Member,
        Self::Admin,
        Self::Owner,
        Self::ExMember,
    ];

    /// Whether the caller and the target share a direct room instead of a group.
    fn has_direct_room(self) -> bool {
        matches!(self, Self::Friend | Self::Blocked | Self::Blocker)
    }
}

/// The subject of a call.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Subject {
    /// The caller's own account.
    Caller,
    /// The target, a user.
    User,
    /// A friend request that the target has received.
    RequestReceived,
    /// A friend request that the target has sent.
    RequestSent,
    /// A room, or a message in it.
    Room,
}

/// A caller, and everything that a call of theirs can name.
pub struct Scenario {
    pub caller: Actor,
    /// The user to whom the caller has the relation. In a group, a member other than the caller.
    pub target: Actor,
    /// A member of the group without a special role.
    other: Actor,
    /// A user without any relation to the others, who can be added to the group.
    new_member: Actor,
    room: Option<String>,
    /// A message in the room, by the caller if the relation is `Own`, or else by the target.
    message: Value,
    newest_seq: u64,
    request: Option<String>,
}

impl Scenario {
    pub async fn new(stack: &TestStack, relation: Relation, subject: Subject) -> Self {
        let name = || format!("p{}", Uuid::new_v4().simple());
        let [mut caller, target, other, new_member] =
            futures::future::join_all([name(), name(), name(), name()].iter().map(|name| stack.actor(name)))
                .await
                .try_into()
                .unwrap_or_else(|_| unreachable!("one actor per name"));
        if relation == Relation::Own && subject != Subject::Room {
            caller = target.clone();
        }
        if relation == Relation::Friend {
            make_friends(&caller, &target).await;
        }
        let mut scenario = Self {
            caller,
            target,
            other,
            new_member,
            room: None,
            message: Value::Null,
            newest_seq: 0,
            request: None,
        };
        match subject {
            Subject::Caller | Subject::User => {}
            Subject::RequestReceived => {
                scenario.request = Some(scenario.send_request(&scenario.other, &scenario.target).await);
            }
            Subject::RequestSent => {
                scenario.request = Some(scenario.send_request(&scenario.target, &scenario.other).await);
            }
            Subject::Room => scenario.create_room_with_messages(relation).await,
        }
        if subject == Subject::User && !relation.has_direct_room() {
            scenario.create_group(relation).await;
        }
        let block = match relation {
            Relation::Blocked => Some((&scenario.target, &scenario.caller)),
            Relation::Blocker => Some((&scenario.caller, &scenario.target)),
            _ => None,
        };
        if let Some((blocker, blocked)) = block {
            blocker.put(&format!("/friends/blocks/{}", blocked.id)).await.nothing();
        }
        scenario
    }

    async fn send_request(&self, sender: &Actor, receiver: &Actor) -> String {
        let request = sender.post("/friends/requests", json!({"receiver_id": receiver.id})).await.ok();
        request["id"].as_str().unwrap().to_owned()
    }

    /// Creates the group in which the caller has the role of the relation.
    async fn create_group(&mut self, relation: Relation) {
        let (caller, target, other) = (&self.caller, &self.target, &self.other);
        let room = match relation {
            Relation::Owner => caller.group_with(&[target, other]).await,
            Relation::Stranger => target.group_with(&[other]).await,
            _ => target.group_with(&[caller, other]).await,
        };
        match relation {
            Relation::Admin => {
                let path = format!("/chat/rooms/{room}/participants/{}", caller.id);
                target
                    .call(reqwest::Method::PUT, &path, Some(json!({"role": "admin"}).to_string()))
                    .await
                    .ok();
            }
            Relation::ExMember => caller.remove(&room, caller).await.nothing(),
            _ => {}
        }
        self.room = Some(room);
    }

    /// Creates a room with messages. The first is the caller's own if the relation is `Own`.
    async fn create_room_with_messages(&mut self, relation: Relation) {
        if relation.has_direct_room() {
            self.room = Some(self.target.room_with(&self.caller).await);
        } else {
            self.create_group(if relation == Relation::ExMember { Relation::Member } else { relation }).await;
        }
        let room = self.room.clone().unwrap();
        self.message = if relation == Relation::Own {
            self.caller.send_message(&room, "mine").await
        } else {
            self.target.send_message(&room, "theirs").await
        };
        self.newest_seq = self.target.send_message(&room, "and more").await["seq"].as_u64().unwrap();
        match relation {
            Relation::ExMember => self.caller.remove(&room, &self.caller).await.nothing(),
            Relation::Own => self.target = self.caller.clone(),
            _ => {}
        }
    }

    /// Replaces `{target}` and the other placeholders of the table.
    pub fn fill(&self, text: &str) -> String {
        let message_id = self.message["id"].as_str().map(str::to_owned);
        let names = [
            ("{caller}", Some(self.caller.id.clone())),
            ("{target}", Some(self.target.id.clone())),
            ("{user_id}", Some(self.target.id.clone())),
            ("{other}", Some(self.other.id.clone())),
            ("{new_member}", Some(self.new_member.id.clone())),
            ("{room_id}", self.room.clone()),
            ("{message_id}", message_id),
            ("{request_id}", self.request.clone()),
            ("\"{newest_seq}\"", Some(self.newest_seq.to_string())),
        ];
        names.into_iter().fold(text.to_owned(), |text, (name, value)| match value {
            Some(value) => text.replace(name, &value),
            None => text,
        })
    }

    /// A user other than the caller who is in the room.
    pub fn observer(&self) -> &Actor {
        if self.target.id == self.caller.id { &self.other } else { &self.target }
    }

    /// The room and its messages as the observer sees them. Empty without a room.
    pub async fn observed_state(&self) -> Vec<String> {
        let Some(room) = &self.room else { return Vec::new() };
        let observer = self.observer();
        let seen = [observer.room(room).await, observer.get(&format!("/chat/rooms/{room}/messages")).await];
        seen.map(|answer| answer.text).to_vec()
    }
}
