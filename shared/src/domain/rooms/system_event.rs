//! What the log itself says of a room: what happened, for clients to say in their own language, and a plain sentence.

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use crate::{
    domain::{
        rooms::{Role, patch::GroupField},
        users::username,
    },
    id::UserId,
};

/// What somebody did to a group: the payload of a system message. Who did it is the message's sender.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "action", rename_all = "snake_case")]
pub enum SystemEvent {
    /// They brought somebody in.
    ParticipantAdded {
        /// Whom.
        user_id: UserId,
        /// The newcomer's username.
        username: String,
        /// What the newcomer may do.
        role: Role,
    },
    /// They made somebody leave.
    ParticipantRemoved {
        /// Whom.
        user_id: UserId,
        /// The leaver's username.
        username: String,
    },
    /// They left.
    ParticipantLeft {
        /// The sender.
        user_id: UserId,
        /// The sender's username.
        username: String,
    },
    /// They gave somebody another role.
    RoleChanged {
        /// Whom.
        user_id: UserId,
        /// That one's username.
        username: String,
        /// What that one may do now.
        role: Role,
    },
    /// They changed what the group is.
    RoomChanged {
        /// What of it, in the order of [`GroupField::ALL`]; at least one.
        changed: Vec<GroupField>,
        /// What it is called now, where that has changed and it has a name.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        name: Option<String>,
    },
}

impl SystemEvent {
    /// The plain sentence, about what `actor` did.
    pub fn sentence(&self, actor: &str) -> String {
        match self {
            Self::ParticipantAdded { username, role: Role::Admin, .. } => {
                format!("{actor} added {username} as an admin")
            }
            Self::ParticipantAdded { username, .. } => format!("{actor} added {username}"),
            Self::ParticipantRemoved { username, .. } => format!("{actor} removed {username}"),
            Self::ParticipantLeft { .. } => format!("{actor} left"),
            Self::RoleChanged { username, role, .. } => format!("{actor} made {username} {}", a(*role)),
            Self::RoomChanged { changed, name: Some(name) } if *changed == [GroupField::Name] => {
                format!("{actor} named the group {name}")
            }
            Self::RoomChanged { changed, .. } => format!("{actor} changed the group's {}", list(changed)),
        }
    }

    /// The same without the name of somebody who is gone.
    #[must_use]
    pub fn without_username_of(mut self, user: UserId) -> Self {
        match &mut self {
            Self::ParticipantAdded { user_id, username, .. }
            | Self::ParticipantRemoved { user_id, username }
            | Self::ParticipantLeft { user_id, username }
            | Self::RoleChanged { user_id, username, .. } => {
                if *user_id == user {
                    username::DELETED.clone_into(username);
                }
            }
            Self::RoomChanged { .. } => {}
        }
        self
    }

    /// As the payload of a message.
    pub fn payload(&self) -> Option<Map<String, Value>> {
        serde_json::to_value(self).ok()?.as_object().cloned()
    }

    /// From the payload of a system message; `None` where it has none.
    pub fn of_payload(payload: Option<&Map<String, Value>>) -> Option<Self> {
        serde_json::from_value(payload?.clone().into()).ok()
    }
}

fn a(role: Role) -> &'static str {
    match role {
        Role::Owner => "the owner",
        Role::Admin => "an admin",
        Role::Member => "a member",
    }
}

fn list(details: &[GroupField]) -> String {
    let words: Vec<&str> = details
        .iter()
        .map(|detail| match detail {
            GroupField::Name => "name",
            GroupField::AvatarUrl => "picture",
            GroupField::Description => "description",
            GroupField::HistoryVisibility => "history visibility",
        })
        .collect();
    match words.split_last() {
        Some((last, others)) if !others.is_empty() => format!("{} and {last}", others.join(", ")),
        _ => words.concat(),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;
    use uuid::Uuid;

    use super::*;

    fn ben(role: Role) -> SystemEvent {
        SystemEvent::RoleChanged { user_id: Uuid::from_u128(2).into(), username: "ben".into(), role }
    }

    fn changed(changed: &[GroupField], name: Option<&str>) -> String {
        SystemEvent::RoomChanged { changed: changed.to_vec(), name: name.map(str::to_owned) }.sentence("ana")
    }

    #[test]
    fn sentences_say_who_did_what_to_whom() {
        let roles = [Role::Owner, Role::Admin, Role::Member].map(|role| ben(role).sentence("ana"));
        assert_eq!(roles, ["ana made ben the owner", "ana made ben an admin", "ana made ben a member"]);
        let (user_id, username) = (Uuid::from_u128(2).into(), "ben".to_owned());
        let added = |role| SystemEvent::ParticipantAdded { user_id, username: username.clone(), role };
        assert_eq!(added(Role::Member).sentence("ana"), "ana added ben");
        assert_eq!(added(Role::Admin).sentence("ana"), "ana added ben as an admin");
    }

    #[test]
    fn a_change_of_several_things_is_one_sentence() {
        assert_eq!(changed(&[GroupField::Name], Some("gym")), "ana named the group gym");
        assert_eq!(changed(&[GroupField::Name], None), "ana changed the group's name");
        assert_eq!(
            changed(&[GroupField::HistoryVisibility], None),
            "ana changed the group's history visibility"
        );
        assert_eq!(
            changed(&GroupField::ALL, Some("gym")),
            "ana changed the group's name, picture, description and history visibility"
        );
    }

    #[test]
    fn what_happened_survives_the_payload() {
        let payload = ben(Role::Admin).payload().unwrap();
        let id = Uuid::from_u128(2);
        let expected = json!({"action": "role_changed", "user_id": id, "username": "ben", "role": "admin"});
        assert_eq!(Value::from(payload.clone()), expected);
        assert_eq!(SystemEvent::of_payload(Some(&payload)), Some(ben(Role::Admin)));
        assert_eq!(SystemEvent::of_payload(None), None);
    }
}
