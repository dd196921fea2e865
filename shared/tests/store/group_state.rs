//! Groups as the table has them, and what of that must always fit together.

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
    cloud::Cloud,
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

/// The items of a room whose sort keys begin so, in order.
pub fn all<T: DeserializeOwned>(cloud: &Cloud, room: RoomId, prefix: &str) -> Vec<T> {
    let items = items(cloud, room, prefix);
    items.iter().map(|item| serde_json::from_value(fields(item)).unwrap()).collect()
}

pub fn is_listed(cloud: &Cloud, who: UserId, room: RoomId) -> bool {
    let items = cloud.partition(&format!("USER#{who}"));
    items.iter().any(|item| item["sk"]["S"] == format!("ROOM#{room}"))
}

/// How many rooms are in somebody's list.
pub fn rooms_listed(cloud: &Cloud, who: UserId) -> usize {
    let items = cloud.partition(&format!("USER#{who}"));
    items.iter().filter(|item| item["sk"]["S"].as_str().unwrap().starts_with("ROOM#")).count()
}

/// How many rooms are counted for somebody.
pub fn rooms_counted(cloud: &Cloud, who: UserId) -> usize {
    let items = cloud.partition(&format!("USER#{who}"));
    let counts = items.iter().find(|item| item["sk"]["S"] == "QUOTAS");
    counts.and_then(|counts| counts["rooms"]["N"].as_str()).map_or(0, |n| n.parse().unwrap())
}

/// The group as the table has it. What it says of itself must be what its items are; `people` are all who may ever have
/// been in it.
pub fn consistent(cloud: &Cloud, room: RoomId, people: &[UserId]) -> RoomWithMembers {
    let members: Vec<Member> = all(cloud, room, "MEMBER#");
    let room: Room = all(cloud, room, "META").remove(0);
    let owners = members.iter().filter(|member| member.role == Role::Owner).count();
    assert_eq!(owners, usize::from(!members.is_empty()), "one owner: {members:?}");
    assert_eq!(room.member_count, members.len());
    assert_eq!(room.first_members, first_members(members.iter().map(|member| member.shown.user_id)));
    for who in people {
        let is_member = members.iter().any(|member| member.shown.user_id == *who);
        assert_eq!(is_listed(cloud, *who, room.id), is_member, "{who} among {members:?}");
        assert_eq!(rooms_listed(cloud, *who), rooms_counted(cloud, *who), "{who}");
    }
    assert!(members.iter().all(|member| people.contains(&member.shown.user_id)));
    let recorded = recorded_revisions(cloud, room.id);
    assert!(recorded.iter().copied().eq(1..=room.rev), "{recorded:?} up to {}", room.rev);
    let log: Vec<Message> = all(cloud, room.id, "MSG#");
    assert!(log.iter().map(|message| message.seq).eq(1..=log.len() as u64), "{log:?}");
    RoomWithMembers { room, members }
}
