//! Rooms and their members: kinds, roles, and what members see of each other.

pub mod group;
pub mod list;
pub mod new_room;
pub mod patch;
pub mod settings;
pub mod summary;
pub mod system_event;
pub mod uncounted;

use crate::{
    clock::Timestamp,
    domain::{
        rooms::{patch::HistoryVisibility, uncounted::Uncounted},
        text,
        users::{
            profile::{Profile, ShownProfile},
            username,
        },
    },
    error::{Error, Refusal, Result},
    id::{MessageId, RoomId, UserId},
};
use const_format::formatcp;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

/// The maximum length of a room name, in characters.
pub const MAX_NAME_CHARS: usize = 255;

/// The maximum number of members that a list of rooms shows per room, the caller excluded.
pub const SHOWN_MEMBERS: usize = 8;

/// The member's role does not permit the action.
pub const NOT_ALLOWED: Refusal = Refusal {
    status: 403,
    code: "not_allowed",
    detail: "You don't have permission to do this in this room.",
};

/// The kind of a room.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum RoomKind {
    /// The only direct room of two users. It has no name, and nobody can join or leave it.
    Direct,
    /// A group.
    Group,
}

/// The role of a member, which determines their permissions.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Role {
    /// The only owner of a group: its creator, or the successor.
    Owner,
    /// Manages the group together with the owner.
    Admin,
    /// A member without special permissions. Both users of a direct room have this role.
    Member,
}

impl Role {
    /// All roles with their names in the API.
    pub const CHOICES: [(&'static str, Self); 3] =
        [("owner", Self::Owner), ("admin", Self::Admin), ("member", Self::Member)];
}

/// The data of a room.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Room {
    /// The room.
    pub id: RoomId,
    /// Direct room or group.
    pub kind: RoomKind,
    /// The name of a group.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// The URL of a group's avatar.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub avatar_url: Option<String>,
    /// The description of a group.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub description: Option<String>,
    /// The part of the log that new members see.
    #[serde(default, skip_serializing_if = "HistoryVisibility::is_default")]
    pub history_visibility: HistoryVisibility,
    /// When the room was created.
    pub created_at: Timestamp,
    /// The creator.
    pub created_by: UserId,
    /// The number of changes of the members. A push uses it to detect that its copy of them is outdated.
    pub members_version: u64,
    /// The revision: the number of changes other than new messages.
    pub rev: u64,
    /// Whether the room is closed and does not exist for its members. A direct room is closed during a block.
    #[serde(default, skip_serializing_if = "is_false")]
    pub is_closed: bool,
    /// The user who deleted the group or left it last. The group is closed permanently, and this user may
    /// retry an incomplete deletion.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub deleted_by: Option<UserId>,
    /// When DynamoDB deletes the item of a deleted group (TTL), in seconds since 1970.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub expires_at: Option<i64>,
    /// The number of members.
    pub member_count: usize,
    /// The first members by id: one more than a list shows, because a list excludes its reader.
    pub first_members: Vec<UserId>,
    /// The pinned messages, newest pin first.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub pinned: Vec<MessageId>,
    /// The messages that do not count as unread.
    #[serde(default, skip_serializing_if = "Uncounted::is_empty")]
    pub uncounted: Uncounted,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde passes a reference")]
fn is_false(flag: &bool) -> bool {
    !flag
}

impl Room {
    /// A group of which only the id is known.
    pub fn unreadable(id: RoomId) -> Self {
        Self {
            id,
            kind: RoomKind::Group,
            name: None,
            avatar_url: None,
            description: None,
            history_visibility: HistoryVisibility::default(),
            created_at: Timestamp::from_seconds(0),
            created_by: Uuid::nil().into(),
            members_version: 0,
            rev: 0,
            is_closed: false,
            deleted_by: None,
            expires_at: None,
            member_count: 0,
            first_members: Vec::new(),
            pinned: Vec::new(),
            uncounted: Uncounted::default(),
        }
    }

    /// The room at its next revision, after a change of its members that keeps their number.
    #[must_use]
    pub fn with_members_changed(&self) -> Self {
        Self { rev: self.rev + 1, members_version: self.members_version + 1, ..self.clone() }
    }

    /// The group, closed permanently by `by`. Its name, avatar, description and pins are removed at once.
    #[must_use]
    pub fn closed_permanently(self, by: UserId) -> Self {
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

    /// The ids of the members that a list shows to one of them, who is not among them.
    pub fn shown_others(&self, me: UserId) -> impl Iterator<Item = UserId> {
        self.first_members.iter().copied().filter(move |user| *user != me).take(SHOWN_MEMBERS)
    }

    /// The pins visible to a member who sees the log from `from_seq`.
    pub fn pinned_from(&self, from_seq: u64) -> Vec<MessageId> {
        self.pinned.iter().copied().filter(|id| id.seq() >= from_seq).collect()
    }
}

/// The part of a member that a list of rooms shows.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ShownMember {
    /// The user.
    pub user_id: UserId,
    /// The username.
    pub username: String,
    /// The display name.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub display_name: Option<String>,
    /// The URL of the avatar.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub avatar_url: Option<String>,
    /// Whether the member hides read receipts. A copy from the profile, like the names and the avatar.
    #[serde(default, skip_serializing_if = "is_false")]
    pub hides_reads: bool,
    /// When the user joined the room.
    pub joined_at: Timestamp,
}

impl ShownMember {
    /// A member whose account is deleted.
    pub fn deleted(user_id: UserId, joined_at: Timestamp) -> Self {
        let username = username::DELETED.to_owned();
        Self { user_id, username, display_name: None, avatar_url: None, hides_reads: false, joined_at }
    }

    /// A member with a copy of the profile. The copy is updated when the profile changes.
    pub fn new(profile: &Profile, joined_at: Timestamp) -> Self {
        Self {
            user_id: profile.id,
            username: profile.username.clone(),
            display_name: profile.display_name.clone(),
            avatar_url: profile.avatar_url.clone(),
            hides_reads: !profile.settings.read_receipts,
            joined_at,
        }
    }
}

impl From<ShownMember> for ShownProfile {
    fn from(member: ShownMember) -> Self {
        let ShownMember { user_id, username, display_name, avatar_url, .. } = member;
        Self { id: user_id, username, display_name, avatar_url }
    }
}

/// The membership of a user in a room.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Member {
    /// The user, and what others see of them.
    #[serde(flatten)]
    pub shown: ShownMember,
    /// The role.
    pub role: Role,
    /// The first position that the member sees.
    pub from_seq: u64,
    /// The room's revision when the user joined. An earlier state is from an earlier membership.
    #[serde(default)]
    pub joined_rev: u64,
    /// The last position that the member has read. It never moves back.
    pub read_seq: u64,
    /// When the member last read.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub read_at: Option<Timestamp>,
    /// The last position that a device of the member has received. It never moves back.
    pub delivered_seq: u64,
    /// Whether the account is deleted. A direct room still shows the user, who is no longer a member.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub is_deleted: bool,
}

/// A position and revision that no room reaches; a number of this size is exact in JavaScript, too.
const UNREACHABLE: u64 = 999_999_999_999;

impl Member {
    /// A new member who sees the log from `from_seq` and has read everything before it.
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

    /// The last position before those that the member sees.
    pub fn hidden_seq(&self) -> u64 {
        self.from_seq.saturating_sub(1)
    }

    /// A membership of which only the user is known: it shows nothing of the log.
    pub fn unreadable(user_id: UserId) -> Self {
        let shown = ShownMember::deleted(user_id, Timestamp::from_seconds(0));
        let (read_seq, delivered_seq) = (0, 0);
        let new = Self::new(shown, Role::Member, UNREACHABLE);
        Self { joined_rev: UNREACHABLE, read_seq, delivered_seq, ..new }
    }

    /// The last delivered position. Reading a message implies its delivery.
    pub fn received_seq(&self) -> u64 {
        self.delivered_seq.max(self.read_seq)
    }

    /// Whether `reader` sees the member's read receipts. A user who hides their own sees none of others.
    pub fn shows_reads_to(&self, reader: &Self) -> bool {
        let is_self = self.shown.user_id == reader.shown.user_id;
        is_self || !(self.shown.hides_reads || reader.shown.hides_reads)
    }

    /// The member's read position as `reader` sees it; 0 if it is hidden.
    ///
    /// It is not below the messages that `reader` sees: a receipt among earlier ones means nothing to the
    /// reader, who gets no frame if a sender's position advances there.
    pub fn read_seq_shown_to(&self, reader: &Self) -> u64 {
        if self.shows_reads_to(reader) { self.read_seq.max(reader.hidden_seq()) } else { 0 }
    }

    /// The member's delivered position as `reader` sees it, with the same lower bound.
    pub fn received_seq_shown_to(&self, reader: &Self) -> u64 {
        self.received_seq().max(reader.hidden_seq())
    }
}

/// The members that lists show: one more than a list shows, because a list excludes its reader.
pub fn first_members(members: impl IntoIterator<Item = UserId>) -> Vec<UserId> {
    members.into_iter().take(SHOWN_MEMBERS + 1).collect()
}

/// Why a name is not valid for a room; `None` if it is. A blank one removes the name.
pub fn name_violation(name: &str) -> Option<&'static str> {
    let name = name.trim();
    if name.chars().count() > MAX_NAME_CHARS {
        Some(formatcp!("must have at most {MAX_NAME_CHARS} characters"))
    } else {
        text::line_violation(name)
    }
}

/// Moves the caller to the end, because the app names a direct room after its first participant.
pub fn caller_last<T>(members: &mut [T], is_caller: impl Fn(&T) -> bool) {
    members.sort_by_key(|member| is_caller(member));
}

/// A room with all of its members.
#[derive(Clone, Debug)]
pub struct RoomWithMembers {
    /// The room.
    pub room: Room,
    /// The members in the order of their ids, including deleted accounts that a direct room still shows.
    pub members: Vec<Member>,
}

impl RoomWithMembers {
    /// The member with this id. To any other user the room does not exist.
    pub fn member(&self, user: UserId) -> Result<&Member> {
        let mut members = self.members.iter();
        members.find(|member| member.shown.user_id == user && !member.is_deleted).ok_or(Error::NotFound)
    }

    /// The ids of the members in order, including deleted accounts that a direct room still shows.
    pub fn member_ids(&self) -> Vec<UserId> {
        self.members.iter().map(|member| member.shown.user_id).collect()
    }

    /// Removes the names and the avatar of a user whose account is deleted.
    pub fn hide_name(&mut self, user: UserId) {
        for member in self.members.iter_mut().filter(|member| member.shown.user_id == user) {
            member.shown = ShownMember::deleted(user, member.shown.joined_at);
        }
    }
}

#[cfg(test)]
pub(super) mod tests;
