//! Creation of rooms: the kind, the initial members and their roles.

use std::collections::BTreeSet;

use const_format::formatcp;

use crate::{
    clock::Timestamp,
    domain::{
        rooms::{Role, Room, RoomKind, first_members, patch::HistoryVisibility, uncounted::Uncounted},
        text,
        users::profile::Profile,
    },
    error::{Error, Result},
    id::{RoomId, UserId},
};

/// The maximum number of initial members, the creator included. A DynamoDB transaction has at most 100
/// writes: three per member and one for the room. More members can be added later.
pub const MAX_INITIAL_MEMBERS: usize = 33;

const NO_OTHER: &str = "must name someone besides you";
const TOO_MANY: &str = formatcp!("must name at most {MAX_INITIAL_MEMBERS} people, you included");

/// Why a list of participants is not valid for any creator; `None` if it is.
pub fn participants_violation(participants: &[UserId]) -> Option<&'static str> {
    let distinct = participants.iter().collect::<BTreeSet<_>>().len();
    match distinct {
        0 => Some(NO_OTHER),
        1..=MAX_INITIAL_MEMBERS => None,
        _ => Some(TOO_MANY),
    }
}

/// Members per room that the creation of a group counts as: its work grows with them.
const MEMBERS_PER_COUNT: usize = 8;

/// A user to add to a room. The addition is decided on the profile, and on the additions so far.
#[derive(Clone, Debug)]
pub struct Invitee {
    /// The profile.
    pub profile: Profile,
    /// The addition to count, if the actor is no friend.
    pub counted: Option<CountedAddition>,
}

/// An addition that counts against the rate limit of the added user.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CountedAddition {
    /// The stored state of the rate limit.
    pub before: Option<Timestamp>,
    /// Its state with this addition.
    pub after: Timestamp,
}

impl Invitee {
    /// A user whose addition does not count.
    pub fn uncounted(profile: Profile) -> Self {
        Self { profile, counted: None }
    }
}

/// A room to create.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NewRoom {
    /// Derived from the two users for a direct room, from the time for a group.
    pub id: RoomId,
    /// Direct room or group.
    pub kind: RoomKind,
    /// The name of a group.
    pub name: Option<String>,
    /// The creator.
    pub creator: UserId,
    /// The initial members, the creator included.
    pub members: BTreeSet<UserId>,
}

impl NewRoom {
    /// The room for a creator and other users. Two members get a direct room unless `is_group`; three or more
    /// always get a group.
    pub fn new(
        creator: UserId,
        others: &[UserId],
        is_group: bool,
        name: Option<&str>,
        now: Timestamp,
    ) -> Result<Self> {
        let members: BTreeSet<UserId> = others.iter().copied().chain([creator]).collect();
        if members.len() == 1 {
            return Err(Error::invalid("participant_ids", NO_OTHER));
        }
        if members.len() > MAX_INITIAL_MEMBERS {
            return Err(Error::invalid("participant_ids", TOO_MANY));
        }
        let name = name.and_then(text::visible);
        let mut others = members.iter().copied().filter(|user| *user != creator);
        Ok(match (others.next(), others.next()) {
            (Some(other), None) if !is_group => Self {
                id: RoomId::direct(creator, other),
                kind: RoomKind::Direct,
                name: None,
                creator,
                members,
            },
            _ => Self {
                id: RoomId::group_at(now),
                kind: RoomKind::Group,
                name: name.map(str::to_owned),
                creator,
                members,
            },
        })
    }

    /// The number of rooms that the creation counts as.
    pub fn weight(&self) -> u32 {
        u32::try_from(self.members.len().div_ceil(MEMBERS_PER_COUNT)).unwrap_or(u32::MAX)
    }

    /// The room in its initial state.
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
            uncounted: Uncounted::default(),
        }
    }

    /// The initial role of a member.
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

    fn create(creator: u128, others: &[UserId], is_group: bool, name: Option<&str>) -> Result<NewRoom> {
        NewRoom::new(user(creator), others, is_group, name, Timestamp::from_seconds(1_770_000_000))
    }

    #[test]
    fn two_users_share_one_direct_room_without_a_name() {
        let ana = create(1, &[user(2), user(2)], false, Some("us")).unwrap();
        let ben = create(2, &[user(1), user(2)], false, None).unwrap();
        assert_eq!((ana.id, ana.kind, ana.name), (ben.id, RoomKind::Direct, None));
    }

    #[test]
    fn a_room_counts_once_for_each_eight_members() {
        for (others, weight) in [(1, 1), (7, 1), (8, 2), (32, 5)] {
            let others: Vec<UserId> = (2..others + 2).map(user).collect();
            assert_eq!(create(1, &others, true, None).unwrap().weight(), weight);
        }
    }

    #[test]
    fn two_users_get_a_group_if_requested_and_three_always_get_a_new_group() {
        let pair = create(1, &[user(2)], true, Some("  gym ")).unwrap();
        assert_eq!((pair.kind, pair.name.as_deref()), (RoomKind::Group, Some("gym")));
        let three = create(1, &[user(2), user(3)], false, Some("\u{3164} ")).unwrap();
        assert_eq!((three.kind, three.name), (RoomKind::Group, None));
        assert_ne!(three.id, create(1, &[user(2), user(3)], false, None).unwrap().id);
    }

    #[test]
    fn a_new_room_has_at_least_one_other_member_and_at_most_33_members() {
        assert!(create(1, &[user(1)], false, None).is_err());
        assert!(create(1, &[], true, None).is_err());
        let many: Vec<UserId> = (2..=33).map(user).collect();
        assert!(create(1, &many, true, None).is_ok());
        assert!(create(99, &many.iter().copied().chain([user(1)]).collect::<Vec<_>>(), true, None).is_err());
    }
}
