//! Events of a room in its log: structured data, which clients can localize, and an English sentence.

use serde::{Deserialize, Serialize};

use crate::{
    domain::{
        messages::Payload,
        rooms::{Role, patch::GroupField},
        users::username,
    },
    id::UserId,
};

/// The event of a system message: an action on a group by the sender of the message.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "action", rename_all = "snake_case")]
pub enum SystemEvent {
    /// A user was added.
    ParticipantAdded {
        /// The new member.
        user_id: UserId,
        /// The new member's username.
        username: String,
        /// The new member's role.
        role: Role,
    },
    /// A member was removed.
    ParticipantRemoved {
        /// The removed user.
        user_id: UserId,
        /// The removed user's username.
        username: String,
    },
    /// The sender left.
    ParticipantLeft {
        /// The sender.
        user_id: UserId,
        /// The sender's username.
        username: String,
    },
    /// A member has another role.
    RoleChanged {
        /// The member.
        user_id: UserId,
        /// The member's username.
        username: String,
        /// The new role.
        role: Role,
    },
    /// The group was updated.
    RoomChanged {
        /// The changed fields, at least one, in the order of [`GroupField::ALL`].
        changed: Vec<GroupField>,
        /// The new name, if the name changed and was not removed.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        name: Option<String>,
    },
}

impl SystemEvent {
    /// The English sentence, with `actor` as the username of the sender.
    pub fn sentence(&self, actor: &str) -> String {
        match self {
            Self::ParticipantAdded { username, role: Role::Admin, .. } => {
                format!("{actor} added {username} as an admin")
            }
            Self::ParticipantAdded { username, .. } => format!("{actor} added {username}"),
            Self::ParticipantRemoved { username, .. } => format!("{actor} removed {username}"),
            Self::ParticipantLeft { .. } => format!("{actor} left"),
            Self::RoleChanged { username, role, .. } => {
                format!("{actor} made {username} {}", with_article(*role))
            }
            Self::RoomChanged { changed, name: Some(name) } if *changed == [GroupField::Name] => {
                format!("{actor} named the group {name}")
            }
            Self::RoomChanged { changed, .. } => {
                format!("{actor} changed the group's {}", enumeration(changed))
            }
        }
    }

    /// The event with the username of a deleted account replaced.
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

    /// The payload of the system message.
    pub fn payload(&self) -> Option<Payload> {
        Payload::of(self)
    }

    /// The event of a system message; `None` if the payload is absent or not an event.
    pub fn from_payload(payload: Option<&Payload>) -> Option<Self> {
        payload?.read()
    }
}

fn with_article(role: Role) -> &'static str {
    match role {
        Role::Owner => "the owner",
        Role::Admin => "an admin",
        Role::Member => "a member",
    }
}

fn enumeration(fields: &[GroupField]) -> String {
    let words: Vec<&str> = fields
        .iter()
        .map(|field| match field {
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
    use serde_json::{Value, json};
    use uuid::Uuid;

    use super::*;

    fn ben(role: Role) -> SystemEvent {
        SystemEvent::RoleChanged { user_id: Uuid::from_u128(2).into(), username: "ben".into(), role }
    }

    fn changed(changed: &[GroupField], name: Option<&str>) -> String {
        SystemEvent::RoomChanged { changed: changed.to_vec(), name: name.map(str::to_owned) }.sentence("ana")
    }

    #[test]
    fn a_sentence_names_the_sender_the_action_and_the_member() {
        let roles = [Role::Owner, Role::Admin, Role::Member].map(|role| ben(role).sentence("ana"));
        assert_eq!(roles, ["ana made ben the owner", "ana made ben an admin", "ana made ben a member"]);
        let (user_id, username) = (Uuid::from_u128(2).into(), "ben".to_owned());
        let added = |role| SystemEvent::ParticipantAdded { user_id, username: username.clone(), role };
        assert_eq!(added(Role::Member).sentence("ana"), "ana added ben");
        assert_eq!(added(Role::Admin).sentence("ana"), "ana added ben as an admin");
    }

    #[test]
    fn an_update_of_several_fields_is_one_sentence() {
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
    fn an_event_is_the_same_after_a_round_trip_through_the_payload() {
        let payload = ben(Role::Admin).payload().unwrap();
        let id = Uuid::from_u128(2);
        let expected = json!({"action": "role_changed", "user_id": id, "username": "ben", "role": "admin"});
        assert_eq!(payload.read::<Value>(), Some(expected));
        assert_eq!(SystemEvent::from_payload(Some(&payload)), Some(ben(Role::Admin)));
        assert_eq!(SystemEvent::from_payload(None), None);
    }
}
