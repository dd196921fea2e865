//! How a room begins: which kind it becomes, and who is in it.

use std::collections::BTreeSet;

use crate::{
    clock::Timestamp,
    domain::rooms::{Role, Room, RoomKind, first_members, patch::HistoryVisibility},
    error::{Error, Result},
    id::{RoomId, UserId},
};

/// The most members that the call which makes a room may name, the caller included: three writes for each and one for the room
/// are what one transaction of DynamoDB holds. Others can be added later.
pub const MAX_INITIAL_MEMBERS: usize = 33;

const NOBODY: &str = "must name someone besides you";
const TOO_MANY: &str = "must name at most 33 members, you included";

/// What is wrong with members to be named for a room, whoever names them.
pub fn participants_violation(members: &[UserId]) -> Option<&'static str> {
    let distinct = members.iter().collect::<BTreeSet<_>>().len();
    match distinct {
        0 => Some(NOBODY),
        1..=MAX_INITIAL_MEMBERS => None,
        _ => Some(TOO_MANY),
    }
}

/// A room that shall be made.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NewRoom {
    /// Its id: derived for a pair, random for a group.
    pub id: RoomId,
    /// Pair or group.
    pub kind: RoomKind,
    /// Only groups have one.
    pub name: Option<String>,
    /// Who makes it.
    pub creator: UserId,
    /// Everyone in it, the creator included, without repetition.
    pub members: BTreeSet<UserId>,
}

impl NewRoom {
    /// What a caller's wish for a room comes to. Two members are a pair unless they ask for a group; three or more
    /// are a group whatever was asked.
    pub fn new(creator: UserId, others: &[UserId], is_group: bool, name: Option<&str>) -> Result<Self> {
        let members: BTreeSet<UserId> = others.iter().copied().chain([creator]).collect();
        if members.len() == 1 {
            return Err(Error::invalid("participant_ids", NOBODY));
        }
        if members.len() > MAX_INITIAL_MEMBERS {
            return Err(Error::invalid("participant_ids", TOO_MANY));
        }
        let name = name.map(str::trim).filter(|name| !name.is_empty());
        let mut others = members.iter().copied().filter(|person| *person != creator);
        Ok(match (others.next(), others.next()) {
            (Some(other), None) if !is_group => Self {
                id: RoomId::direct(creator, other),
                kind: RoomKind::Direct,
                name: None,
                creator,
                members,
            },
            _ => Self {
                id: RoomId::random(),
                kind: RoomKind::Group,
                name: name.map(str::to_owned),
                creator,
                members,
            },
        })
    }

    /// The room as it is at its beginning.
    pub fn room(&self, now: Timestamp) -> Room {
        Room {
            id: self.id,
            kind: self.kind,
            name: self.name.clone(),
            avatar_url: None,
            description: None,
            history_visibility: HistoryVisibility::default(),
            created_at: now,
            created_by: self.creator,
            members_version: 1,
            rev: 0,
            is_closed: false,
            deleted_by: None,
            expires_at: None,
            member_count: self.members.len(),
            first_members: first_members(self.members.iter().copied()),
            pinned: Vec::new(),
        }
    }

    /// What one of its members may do in it at its beginning.
    pub fn role(&self, user: UserId) -> Role {
        match self.kind {
            RoomKind::Group if user == self.creator => Role::Owner,
            RoomKind::Group | RoomKind::Direct => Role::Member,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::rooms::tests::user;

    #[test]
    fn two_people_share_one_direct_room_that_has_no_name() {
        let ana = NewRoom::new(user(1), &[user(2), user(2)], false, Some("us")).unwrap();
        let ben = NewRoom::new(user(2), &[user(1), user(2)], false, None).unwrap();
        assert_eq!((ana.id, ana.kind, ana.name), (ben.id, RoomKind::Direct, None));
    }

    #[test]
    fn two_who_ask_for_a_group_and_any_three_get_a_new_group() {
        let pair = NewRoom::new(user(1), &[user(2)], true, Some("  gym ")).unwrap();
        assert_eq!((pair.kind, pair.name.as_deref()), (RoomKind::Group, Some("gym")));
        let three = NewRoom::new(user(1), &[user(2), user(3)], false, Some(" ")).unwrap();
        assert_eq!((three.kind, three.name), (RoomKind::Group, None));
        assert_ne!(three.id, NewRoom::new(user(1), &[user(2), user(3)], false, None).unwrap().id);
    }

    #[test]
    fn a_room_needs_someone_else_and_is_made_by_at_most_thirty_three() {
        assert!(NewRoom::new(user(1), &[user(1)], false, None).is_err());
        assert!(NewRoom::new(user(1), &[], true, None).is_err());
        let many: Vec<UserId> = (2..=33).map(user).collect();
        assert!(NewRoom::new(user(1), &many, true, None).is_ok());
        assert!(
            NewRoom::new(user(99), &many.iter().copied().chain([user(1)]).collect::<Vec<_>>(), true, None)
                .is_err()
        );
    }
}
