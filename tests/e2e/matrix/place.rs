//! Someone who stands so to somebody else, and what lies between them.

use serde::Deserialize;
use serde_json::{Value, json};
use uuid::Uuid;

use crate::harness::{Actor, TestStack, make_friends};

/// How a caller stands to what they call about.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Relation {
    /// It is their own: the person, the message, the place in a group.
    #[serde(rename = "self")]
    Oneself,
    Friend,
    Stranger,
    /// The other has blocked them.
    Blocked,
    /// They have blocked the other.
    Blocker,
    Member,
    Admin,
    Owner,
    /// They were a member.
    ExMember,
}

impl Relation {
    pub const ALL: [Self; 9] = [
        Self::Oneself,
        Self::Friend,
        Self::Stranger,
        Self::Blocked,
        Self::Blocker,
        Self::Member,
        Self::Admin,
        Self::Owner,
        Self::ExMember,
    ];

    /// Whether the two have a direct room, and no group.
    fn is_of_two(self) -> bool {
        matches!(self, Self::Friend | Self::Blocked | Self::Blocker)
    }
}

/// What a call is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum About {
    /// The caller and nobody else.
    Oneself,
    /// A person.
    Person,
    /// A request that the person whom it is about has received.
    RequestReceived,
    /// A request that the person whom it is about has sent.
    RequestSent,
    /// A room, or something in it.
    Room,
}

/// A caller, and all that a call of theirs may name.
pub struct Place {
    pub caller: Actor,
    /// The person whom the caller stands so to; where it is a group, one in it who is not the caller.
    pub target: Actor,
    /// A plain member of the group.
    other: Actor,
    /// Somebody who has nothing to do with any of them.
    newcomer: Actor,
    room: Option<String>,
    /// A message in the room: the caller's own, or the target's.
    message: Value,
    newest_seq: u64,
    request: Option<String>,
}

impl Place {
    pub async fn new(stack: &TestStack, relation: Relation, about: About) -> Self {
        let name = || format!("p{}", Uuid::new_v4().simple());
        let [mut caller, target, other, newcomer] =
            futures::future::join_all([name(), name(), name(), name()].iter().map(|name| stack.actor(name)))
                .await
                .try_into()
                .unwrap_or_else(|_| unreachable!("as many as names"));
        if relation == Relation::Oneself && about != About::Room {
            caller = target.clone();
        }
        if relation == Relation::Friend {
            make_friends(&caller, &target).await;
        }
        let mut place = Self {
            caller,
            target,
            other,
            newcomer,
            room: None,
            message: Value::Null,
            newest_seq: 0,
            request: None,
        };
        match about {
            About::Oneself | About::Person => {}
            About::RequestReceived => {
                place.request = Some(place.send_request(&place.other, &place.target).await)
            }
            About::RequestSent => place.request = Some(place.send_request(&place.target, &place.other).await),
            About::Room => place.talk(relation).await,
        }
        if about == About::Person && !relation.is_of_two() {
            place.gather(relation).await;
        }
        let block = match relation {
            Relation::Blocked => Some((&place.target, &place.caller)),
            Relation::Blocker => Some((&place.caller, &place.target)),
            _ => None,
        };
        if let Some((blocker, blocked)) = block {
            blocker.put(&format!("/friends/blocks/{}", blocked.id)).await.nothing();
        }
        place
    }

    async fn send_request(&self, sender: &Actor, receiver: &Actor) -> String {
        let request = sender.post("/friends/requests", json!({"receiver_id": receiver.id})).await.ok();
        request["id"].as_str().unwrap().to_owned()
    }

    /// The group in which the caller has their role.
    async fn gather(&mut self, relation: Relation) {
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

    /// A room in which something was said, by the caller if it is about themselves.
    async fn talk(&mut self, relation: Relation) {
        if relation.is_of_two() {
            self.room = Some(self.target.room_with(&self.caller).await);
        } else {
            self.gather(if relation == Relation::ExMember { Relation::Member } else { relation }).await;
        }
        let room = self.room.clone().unwrap();
        self.message = if relation == Relation::Oneself {
            self.caller.send_message(&room, "mine").await
        } else {
            self.target.send_message(&room, "theirs").await
        };
        self.newest_seq = self.target.send_message(&room, "and more").await["seq"].as_u64().unwrap();
        match relation {
            Relation::ExMember => self.caller.remove(&room, &self.caller).await.nothing(),
            Relation::Oneself => self.target = self.caller.clone(),
            _ => {}
        }
    }

    /// Puts what stands here in the place of `{target}` and its like.
    pub fn fill(&self, text: &str) -> String {
        let of_message = self.message["id"].as_str().map(str::to_owned);
        let names = [
            ("{caller}", Some(self.caller.id.clone())),
            ("{target}", Some(self.target.id.clone())),
            ("{user_id}", Some(self.target.id.clone())),
            ("{other}", Some(self.other.id.clone())),
            ("{newcomer}", Some(self.newcomer.id.clone())),
            ("{room_id}", self.room.clone()),
            ("{message_id}", of_message),
            ("{request_id}", self.request.clone()),
            ("\"{newest_seq}\"", Some(self.newest_seq.to_string())),
        ];
        names.into_iter().fold(text.to_owned(), |text, (name, value)| match value {
            Some(value) => text.replace(name, &value),
            None => text,
        })
    }

    /// Somebody else who is there.
    pub fn witness(&self) -> &Actor {
        if self.target.id == self.caller.id { &self.other } else { &self.target }
    }

    /// All that somebody else sees of the room, so that one can tell whether it has changed.
    pub async fn seen_by_others(&self) -> Vec<String> {
        let Some(room) = &self.room else { return Vec::new() };
        let witness = self.witness();
        let seen = [witness.room(room).await, witness.get(&format!("/chat/rooms/{room}/messages")).await];
        seen.map(|answer| answer.text).to_vec()
    }
}
