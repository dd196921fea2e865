//! Groups as the table holds them, and their invariants.

use serde::de::DeserializeOwned;
use serde_json::Value;
use shared::{
    domain::{
        messages::Message,
        rooms::{Member, Role, Room, RoomWithMembers, first_members},
    },
    id::{RoomId, UserId},
};

use crate::{
    backend::TestBackend,
    raw::{items, recorded_revisions},
};

/// An attribute of an item as plain JSON.
fn plain(value: &Value) -> Value {
    let (kind, value) = value.as_object().unwrap().iter().next().unwrap();
    match (kind.as_str(), value) {
        ("N", Value::String(digits)) => digits.parse::<i64>().unwrap().into(),
        ("L", Value::Array(values)) => values.iter().map(plain).collect(),
        ("M", map) => fields(map),
        _ => value.clone(),
    }
}

fn fields(item: &Value) -> Value {
    let fields = item.as_object().unwrap().iter();
    Value::Object(fields.map(|(name, value)| (name.clone(), plain(value))).collect())
}

/// The items of a room whose sort keys start with the prefix, in order.
pub fn all<T: DeserializeOwned>(backend: &TestBackend, room: RoomId, prefix: &str) -> Vec<T> {
    let items = items(backend, room, prefix);
    items.iter().map(|item| serde_json::from_value(fields(item)).unwrap()).collect()
}

pub fn is_listed(backend: &TestBackend, user: UserId, room: RoomId) -> bool {
    let items = backend.partition(&format!("USER#{user}"));
    items.iter().any(|item| item["sk"]["S"] == format!("ROOM#{room}"))
}

/// The number of rooms in the user's list.
pub fn rooms_listed(backend: &TestBackend, user: UserId) -> usize {
    let items = backend.partition(&format!("USER#{user}"));
    items.iter().filter(|item| item["sk"]["S"].as_str().unwrap().starts_with("ROOM#")).count()
}

/// The value of the user's room quota.
pub fn rooms_counted(backend: &TestBackend, user: UserId) -> usize {
    let items = backend.partition(&format!("USER#{user}"));
    let quotas = items.iter().find(|item| item["sk"]["S"] == "QUOTAS");
    quotas.and_then(|quotas| quotas["rooms"]["N"].as_str()).map_or(0, |n| n.parse().unwrap())
}

/// The group as the table holds it. Checks that its counts match its items.
/// `users` are all users who may have been members.
pub fn check_consistent(backend: &TestBackend, room: RoomId, users: &[UserId]) -> RoomWithMembers {
    let members: Vec<Member> = all(backend, room, "MEMBER#");
    let room: Room = all(backend, room, "META").remove(0);
    let owners = members.iter().filter(|member| member.role == Role::Owner).count();
    assert_eq!(owners, usize::from(!members.is_empty()), "one owner: {members:?}");
    assert_eq!(room.member_count, members.len());
    assert_eq!(room.first_members, first_members(members.iter().map(|member| member.shown.user_id)));
    for user in users {
        let is_member = members.iter().any(|member| member.shown.user_id == *user);
        assert_eq!(is_listed(backend, *user, room.id), is_member, "{user} in {members:?}");
        assert_eq!(rooms_listed(backend, *user), rooms_counted(backend, *user), "{user}");
    }
    assert!(members.iter().all(|member| users.contains(&member.shown.user_id)));
    let recorded = recorded_revisions(backend, room.id);
    assert!(recorded.iter().copied().eq(1..=room.rev), "{recorded:?} up to {}", room.rev);
    let log: Vec<Message> = all(backend, room.id, "MSG#");
    assert!(log.iter().map(|message| message.seq).eq(1..=log.len() as u64), "{log:?}");
    RoomWithMembers { room, members }
}
