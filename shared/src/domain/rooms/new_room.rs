//! Creation of rooms: the kind, the initial members and their roles.

use std::collections::BTreeSet;

use chrono::Duration;
use const_format::formatcp;
use serde::{Deserialize, Serialize};

use crate::{
    clock::Timestamp,
    domain::{
        rooms::{Role, Room, RoomKind, first_members, patch::HistoryVisibility, uncounted::Uncounted},
        text,
        users::profile::Profile,
    },
    error::{Error, Refusal, Result},
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
    /// The client's id of a group. Together with the creator it identifies a repeated call.
    pub client_id: Option<String>,
}

/// The creation of a group that has begun. Repeated calls with its client id create this group, or return it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct GroupCreation {
    /// The group.
    pub room_id: RoomId,
    /// SHA-256 of what the client has requested, as of [`NewRoom::requested`].
    pub requested_sha256: String,
    /// When DynamoDB deletes the item (TTL), in seconds since 1970.
    pub expires_at: i64,
}

impl GroupCreation {
    /// How long a call can be repeated: less than a deleted group is remembered, so that no repeated call
    /// creates it anew.
    pub const RETENTION: Duration = Duration::days(7);

    /// The group of an earlier call, if it has requested the same.
    pub fn repeated_by(&self, requested_sha256: &str) -> Result<RoomId> {
        if self.requested_sha256 == requested_sha256 { Ok(self.room_id) } else { Err(OTHER_GROUP.into()) }
    }
}

/// The client id of a new group belongs to another group.
const OTHER_GROUP: Refusal = Refusal {
    status: 409,
    code: "client_room_id_used",
    detail: "You have already started to create another group with this form. Please start again.",
};

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
                client_id: None,
            },
            _ => Self {
                id: RoomId::group_at(now),
                kind: RoomKind::Group,
                name: name.map(str::to_owned),
                creator,
                members,
                client_id: None,
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

    /// The room with the client's id. A direct room needs none: its users have only one.
    #[must_use]
    pub fn with_client_id(self, client_id: Option<String>) -> Self {
        Self { client_id: client_id.filter(|_| self.kind == RoomKind::Group), ..self }
    }

    /// What the client has requested: the name and the members.
    pub fn requested(&self) -> String {
        let members: Vec<String> = self.members.iter().map(UserId::to_string).collect();
        format!("{} {}", members.join(" "), self.name.as_deref().unwrap_or_default())
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
    fn a_repeated_call_requests_the_same_members_and_name() {
        let id = |room: NewRoom| room.with_client_id(Some("1".to_owned())).client_id;
        assert_eq!(id(create(1, &[user(2)], false, None).unwrap()), None, "a direct room has none");
        assert_eq!(id(create(1, &[user(2)], true, None).unwrap()).as_deref(), Some("1"));
        let requested = |others: &[UserId], name| create(1, others, true, name).unwrap().requested();
        let both = requested(&[user(2), user(3)], Some("gym"));
        assert_eq!(requested(&[user(3), user(1), user(2), user(2)], Some(" gym ")), both);
        assert_ne!(requested(&[user(2), user(3)], None), both);
        assert_ne!(requested(&[user(2), user(4)], Some("gym")), both);
        let begun =
            GroupCreation { room_id: RoomId::random(), requested_sha256: both.clone(), expires_at: 0 };
        assert_eq!(begun.repeated_by(&both).unwrap(), begun.room_id);
        assert!(matches!(begun.repeated_by("other"), Err(Error::Refused(OTHER_GROUP))));
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
