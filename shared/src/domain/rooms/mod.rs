//! Rooms and their members: which kind a room is, who is in it, and what its people may see of each other.

pub mod group;
pub mod new_room;
pub mod patch;
pub mod settings;
pub mod summary;
pub mod system_event;

use crate::{
    clock::Timestamp,
    domain::{
        rooms::patch::HistoryVisibility,
        users::{profile::Profile, username},
    },
    error::{Error, Refusal, Result},
    id::{MessageId, RoomId, UserId},
};
use serde::{Deserialize, Serialize};

/// The longest room name, in characters.
pub const MAX_NAME_CHARS: usize = 255;

/// How many members a room shows in a list, beside the caller.
pub const SHOWN_MEMBERS: usize = 8;

/// Someone's role does not let them do it.
pub const NOT_ALLOWED: Refusal =
    Refusal { status: 403, code: "not_allowed", detail: "You are not allowed to do this in this room." };

/// Whether a room belongs to a pair of people or to a group.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum RoomKind {
    /// The one room of two people: it has no name and cannot be left.
    Direct,
    /// Any other.
    Group,
}

/// What a member may do in a room.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Role {
    /// Made the group, or was handed it.
    Owner,
    /// Helps to run it.
    Admin,
    /// Everyone else, and both people of a direct room.
    Member,
}

impl Role {
    /// As the API spells them.
    pub const CHOICES: [(&'static str, Self); 3] =
        [("owner", Self::Owner), ("admin", Self::Admin), ("member", Self::Member)];
}

/// A room's own data.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Room {
    /// Its id.
    pub id: RoomId,
    /// Pair or group.
    pub kind: RoomKind,
    /// What the group is called.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// The group's picture.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub avatar_url: Option<String>,
    /// What the group is about.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub description: Option<String>,
    /// How much of its log newcomers see.
    #[serde(default, skip_serializing_if = "HistoryVisibility::is_default")]
    pub history_visibility: HistoryVisibility,
    /// When it was made.
    pub created_at: Timestamp,
    /// Who made it.
    pub created_by: UserId,
    /// Counts changes of who is in it, so that a push can tell whether the roster it read is still right.
    pub members_version: u64,
    /// Counts changes of anything but new messages.
    pub rev: u64,
    /// Whether it is shut: for its people it does not exist while it is. A direct room is, while one blocks the other.
    #[serde(default, skip_serializing_if = "is_false")]
    pub is_closed: bool,
    /// Who deleted the group, or was the last to leave it: it is closed for good, and they may finish what a call that died
    /// has left of it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub deleted_by: Option<UserId>,
    /// When the table collects what is left of a deleted group, in seconds since 1970.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub expires_at: Option<i64>,
    /// How many members it has.
    pub member_count: usize,
    /// Its first members: enough for any list that leaves the reader out.
    pub first_members: Vec<UserId>,
    /// The messages that are pinned, the newest pin first.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub pinned: Vec<MessageId>,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde passes a reference")]
fn is_false(flag: &bool) -> bool {
    !flag
}

impl Room {
    /// The room at its next revision, with the same number of other members.
    #[must_use]
    pub fn with_members_changed(&self) -> Self {
        Self { rev: self.rev + 1, members_version: self.members_version + 1, ..self.clone() }
    }

    /// The group closed for good by somebody: what it was called and looked like goes at once.
    #[must_use]
    pub fn closed_for_good(self, by: UserId) -> Self {
        Self {
            name: None,
            avatar_url: None,
            description: None,
            is_closed: true,
            deleted_by: Some(by),
            pinned: Vec::new(),
            ..self
        }
    }

    /// The pins that somebody sees who sees the log from `from_seq` on.
    pub fn pinned_from(&self, from_seq: u64) -> Vec<MessageId> {
        self.pinned.iter().copied().filter(|id| id.seq() >= from_seq).collect()
    }
}

/// What a list shows of a member.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ShownMember {
    /// Who.
    pub user_id: UserId,
    /// Their username.
    pub username: String,
    /// Their picture.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub avatar_url: Option<String>,
    /// Whether they withhold what they have read: a copy of their profile's setting, like the name and the picture.
    #[serde(default, skip_serializing_if = "is_false")]
    pub hides_reads: bool,
    /// Since when they are in the room.
    pub joined_at: Timestamp,
}

impl ShownMember {
    /// Somebody who has deleted their account.
    pub fn deleted(user_id: UserId, joined_at: Timestamp) -> Self {
        let username = username::DELETED.to_owned();
        Self { user_id, username, avatar_url: None, hides_reads: false, joined_at }
    }

    /// What a room shows of a person. All but the time of joining follows the profile when that changes.
    pub fn new(profile: &Profile, joined_at: Timestamp) -> Self {
        Self {
            user_id: profile.id,
            username: profile.username.clone(),
            avatar_url: profile.avatar_url.clone(),
            hides_reads: !profile.settings.read_receipts,
            joined_at,
        }
    }
}

/// A person's membership of a room.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Member {
    /// Who, and what is shown of them.
    #[serde(flatten)]
    pub shown: ShownMember,
    /// What they may do.
    pub role: Role,
    /// The first position that they see.
    pub from_seq: u64,
    /// The room's revision when they joined. What a client holds from before is of an earlier membership.
    #[serde(default)]
    pub joined_rev: u64,
    /// The last position that they have read; moves forward only.
    pub read_seq: u64,
    /// When they last read.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub read_at: Option<Timestamp>,
    /// The last position that one of their devices has; moves forward only.
    pub delivered_seq: u64,
    /// Whether they have deleted their account. In a direct room they are still shown, but are no member any more.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub is_deleted: bool,
}

impl Member {
    /// Somebody who joins now.
    pub fn new(shown: ShownMember, role: Role, from_seq: u64) -> Self {
        let before = from_seq.saturating_sub(1);
        Self {
            shown,
            role,
            from_seq,
            joined_rev: 0,
            read_seq: before,
            read_at: None,
            delivered_seq: before,
            is_deleted: false,
        }
    }

    /// The last position that reached them: reading implies delivery.
    pub fn received_seq(&self) -> u64 {
        self.delivered_seq.max(self.read_seq)
    }

    /// Whether `reader` may know what they have read. Who withholds it is not shown what others have read either.
    pub fn shows_reads_to(&self, reader: &Self) -> bool {
        let is_self = self.shown.user_id == reader.shown.user_id;
        is_self || !(self.shown.hides_reads || reader.shown.hides_reads)
    }

    /// The position up to which `reader` may know that they have read: none where that is withheld.
    pub fn read_seq_shown_to(&self, reader: &Self) -> u64 {
        if self.shows_reads_to(reader) { self.read_seq } else { 0 }
    }
}

/// Whom a list shows of a room's members: one more than it has places for, since it leaves its reader out.
pub fn first_members(people: impl IntoIterator<Item = UserId>) -> Vec<UserId> {
    people.into_iter().take(SHOWN_MEMBERS + 1).collect()
}

/// What is wrong with a name for a room.
pub fn name_violation(name: &str) -> Option<&'static str> {
    if name.trim().chars().count() > MAX_NAME_CHARS {
        Some("must have at most 255 characters")
    } else if name.contains(char::is_control) {
        Some("must not contain control characters")
    } else {
        None
    }
}

/// Puts the caller last: the app titles a direct room with its first participant.
pub fn caller_last<T>(people: &mut [T], is_caller: impl Fn(&T) -> bool) {
    people.sort_by_key(|person| is_caller(person));
}

/// A room with all of its members.
#[derive(Clone, Debug)]
pub struct RoomWithMembers {
    /// The room.
    pub room: Room,
    /// The members, in the order of their ids.
    pub members: Vec<Member>,
}

impl RoomWithMembers {
    /// The member with this id. To any other user the room does not exist.
    pub fn member(&self, user: UserId) -> Result<&Member> {
        let mut members = self.members.iter();
        members.find(|member| member.shown.user_id == user && !member.is_deleted).ok_or(Error::NotFound)
    }

    /// The ids of the members, in order.
    pub fn member_ids(&self) -> Vec<UserId> {
        self.members.iter().map(|member| member.shown.user_id).collect()
    }

    /// Replaces the name and picture of a user whose account is deleted.
    pub fn hide_name(&mut self, user: UserId) {
        for member in self.members.iter_mut().filter(|member| member.shown.user_id == user) {
            member.shown = ShownMember::deleted(user, member.shown.joined_at);
        }
    }
}

#[cfg(test)]
pub(super) mod tests {
    use uuid::Uuid;

    use super::*;

    /// A group of two.
    pub fn group() -> Room {
        Room {
            id: RoomId::random(),
            kind: RoomKind::Group,
            name: None,
            avatar_url: None,
            description: None,
            history_visibility: HistoryVisibility::Joined,
            created_at: Timestamp::from_seconds(0),
            created_by: user(1),
            members_version: 1,
            rev: 0,
            is_closed: false,
            deleted_by: None,
            expires_at: None,
            member_count: 2,
            first_members: Vec::new(),
            pinned: Vec::new(),
        }
    }

    pub fn user(n: u128) -> UserId {
        Uuid::from_u128(n).into()
    }

    /// A member who has read up to one position and has everything up to another.
    pub fn member(n: u128, read_seq: u64, delivered_seq: u64) -> Member {
        let joined_at = Timestamp::from_seconds(0);
        let shown = ShownMember {
            user_id: user(n),
            username: format!("u{n}"),
            avatar_url: None,
            hides_reads: false,
            joined_at,
        };
        Member { read_seq, delivered_seq, ..Member::new(shown, Role::Member, 1) }
    }

    pub fn withholding(member: Member) -> Member {
        Member { shown: ShownMember { hides_reads: true, ..member.shown }, ..member }
    }

    #[test]
    fn who_withholds_what_they_read_shows_it_to_themselves_alone_and_is_shown_nobody_elses() {
        let (ana, ben) = (member(1, 5, 5), member(2, 4, 5));
        assert_eq!(ana.read_seq_shown_to(&ben), 5);
        let ana = withholding(ana);
        assert_eq!((ana.read_seq_shown_to(&ben), ana.read_seq_shown_to(&ana)), (0, 5));
        assert_eq!(ben.read_seq_shown_to(&ana), 0);
        assert_eq!(ben.read_seq_shown_to(&withholding(ana)), 0);
    }

    #[test]
    fn the_caller_comes_last_and_the_others_keep_their_order() {
        let mut people = [2, 1, 3];
        caller_last(&mut people, |person| *person == 2);
        assert_eq!(people, [1, 3, 2]);
    }
}
