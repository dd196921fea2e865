//! Events of a room in its log: structured data, which clients can localize, and an English sentence.

use serde::{Deserialize, Serialize};

use crate::{
    domain::{
        messages::Payload,
        rooms::{Role, ShownMember, patch::GroupField},
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
        #[serde(flatten)]
        user: NamedUser,
        /// The new member's role.
        role: Role,
    },
    /// A member was removed.
    ParticipantRemoved(NamedUser),
    /// The sender left.
    ParticipantLeft(NamedUser),
    /// A member has another role.
    RoleChanged {
        /// The member.
        #[serde(flatten)]
        user: NamedUser,
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

/// The user whom an event concerns, with the names at that time.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct NamedUser {
    /// The user.
    pub user_id: UserId,
    /// The username.
    pub username: String,
    /// The display name.
    #[serde(default)]
    pub display_name: Option<String>,
}

impl From<&ShownMember> for NamedUser {
    fn from(member: &ShownMember) -> Self {
        let ShownMember { user_id, username, display_name, .. } = member.clone();
        Self { user_id, username, display_name }
    }
}

impl SystemEvent {
    /// The English sentence, with `actor` as the username of the sender.
    pub fn sentence(&self, actor: &str) -> String {
        match self {
            Self::ParticipantAdded { user, role: Role::Admin } => {
                format!("{actor} added {} as an admin", user.username)
            }
            Self::ParticipantAdded { user, .. } => format!("{actor} added {}", user.username),
            Self::ParticipantRemoved(user) => format!("{actor} removed {}", user.username),
            Self::ParticipantLeft(_) => format!("{actor} left"),
            Self::RoleChanged { user, role } => {
                format!("{actor} made {} {}", user.username, with_article(*role))
            }
            Self::RoomChanged { changed, name: Some(name) } if *changed == [GroupField::Name] => {
                format!("{actor} named the group {name}")
            }
            Self::RoomChanged { changed, .. } => {
                format!("{actor} changed the group's {}", enumeration(changed))
            }
        }
    }

    /// The event without the names of a deleted account.
    #[must_use]
    pub fn without_names_of(mut self, deleted: UserId) -> Self {
        match &mut self {
            Self::ParticipantAdded { user, .. }
            | Self::ParticipantRemoved(user)
            | Self::ParticipantLeft(user)
            | Self::RoleChanged { user, .. } => {
                if user.user_id == deleted {
                    username::DELETED.clone_into(&mut user.username);
                    user.display_name = None;
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

    fn user() -> NamedUser {
        let (user_id, display_name) = (Uuid::from_u128(2).into(), Some("Ben Okafor".to_owned()));
        NamedUser { user_id, username: "ben".to_owned(), display_name }
    }

    fn ben(role: Role) -> SystemEvent {
        SystemEvent::RoleChanged { user: user(), role }
    }

    fn changed(changed: &[GroupField], name: Option<&str>) -> String {
        SystemEvent::RoomChanged { changed: changed.to_vec(), name: name.map(str::to_owned) }.sentence("ana")
    }

    #[test]
    fn a_sentence_names_the_sender_the_action_and_the_member() {
        let roles = [Role::Owner, Role::Admin, Role::Member].map(|role| ben(role).sentence("ana"));
        assert_eq!(roles, ["ana made ben the owner", "ana made ben an admin", "ana made ben a member"]);
        let added = |role| SystemEvent::ParticipantAdded { user: user(), role };
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
        let expected = json!({
            "action": "role_changed", "user_id": id, "username": "ben", "display_name": "Ben Okafor",
            "role": "admin",
        });
        assert_eq!(payload.read::<Value>(), Some(expected));
        assert_eq!(SystemEvent::from_payload(Some(&payload)), Some(ben(Role::Admin)));
        assert_eq!(SystemEvent::from_payload(None), None);
    }
}
