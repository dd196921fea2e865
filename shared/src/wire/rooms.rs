//! Rooms and their participants. A member of a room is a participant in the API.

use std::collections::HashMap;

use serde::Serialize;

use crate::{
    clock::Timestamp,
    domain::{
        messages::normalize_url,
        rooms::{
            self, Member, Role, Room, RoomKind, RoomWithMembers, caller_last, new_room,
            patch::{self, GroupPatch, HistoryVisibility},
            settings::{self, RoomSettings, RoomSettingsChange},
            summary::RoomSummary,
        },
        text,
        users::{presence::ShownPresence, profile::avatar_violation},
    },
    id::{MessageId, RoomId, UserId},
    wire::{
        ListItem,
        fields::{Fields, Input},
        messages::Message,
    },
};

/// `POST /chat/rooms`.
pub struct RoomCreate {
    /// The name of the group; ignored for a direct room.
    pub name: Option<String>,
    /// Whether to create a group of two users instead of their direct room.
    pub is_group: bool,
    /// The participants. The caller is added.
    pub participant_ids: Vec<UserId>,
    /// The client's id of the group, which makes the call repeatable.
    pub client_room_id: Option<String>,
}

impl Input for RoomCreate {
    fn read(fields: &mut Fields) -> Option<Self> {
        let (name, is_group): (Option<String>, _) = (fields.optional("name"), fields.optional("is_group"));
        let participant_ids: Option<Vec<UserId>> = fields.required("participant_ids");
        if let Some(message) = name.as_deref().and_then(rooms::name_violation) {
            fields.violation("name", message);
        }
        if let Some(message) = participant_ids.as_deref().and_then(new_room::participants_violation) {
            fields.violation("participant_ids", message);
        }
        let client_room_id = fields.client_id("client_room_id");
        let is_group = is_group.unwrap_or(false);
        Some(Self { name, is_group, participant_ids: participant_ids?, client_room_id })
    }
}

/// A member of a room.
#[derive(Clone, Debug, Serialize)]
pub struct Participant {
    user_id: UserId,
    username: String,
    display_name: Option<String>,
    avatar_url: Option<String>,
    joined_at: Timestamp,
    last_read_at: Option<Timestamp>,
    role: Role,
    read_receipts: bool,
    read_seq: u64,
    delivered_seq: u64,
    #[serde(flatten)]
    presence: ShownPresence,
}

impl Participant {
    /// Converts a member for a reader of the same room. Receipts are included only if `reader` may see them.
    pub fn seen_by(reader: &Member, member: Member) -> Self {
        let read_seq = member.read_seq_shown_to(reader);
        let delivered_seq = member.received_seq_shown_to(reader);
        let last_read_at = member.read_at.filter(|_| member.shows_reads_to(reader));
        let (read_receipts, role) = (!member.shown.hides_reads, member.role);
        let rooms::ShownMember { user_id, username, display_name, avatar_url, joined_at, .. } = member.shown;
        Self {
            user_id,
            username,
            display_name,
            avatar_url,
            joined_at,
            last_read_at,
            role,
            read_receipts,
            read_seq,
            delivered_seq,
            presence: ShownPresence::default(),
        }
    }
}

/// A room for one of its members. The caller is the last participant.
#[derive(Clone, Debug, Serialize)]
pub struct ChatRoom {
    id: RoomId,
    name: Option<String>,
    is_group: bool,
    avatar_url: Option<String>,
    description: Option<String>,
    history_visibility: HistoryVisibility,
    created_by: UserId,
    created_at: Timestamp,
    last_message: Option<Message>,
    unread_count: u64,
    participants: Vec<Participant>,
    participant_count: usize,
    pinned_message_ids: Vec<MessageId>,
    settings: RoomSettingsView,
    first_seq: u64,
    seq: u64,
    rev: u64,
    #[serde(skip)]
    cursor: String,
}

impl ListItem for ChatRoom {
    fn cursor(&self) -> String {
        self.cursor.clone()
    }
}

impl ChatRoom {
    fn new(room: Room, mut members: Vec<Member>, reader: UserId) -> Self {
        caller_last(&mut members, |member| member.shown.user_id == reader);
        let me = members.iter().find(|member| member.shown.user_id == reader).cloned();
        // A reader who is not a member sees no participants and no pins.
        let (from_seq, participants) = me.map_or((u64::MAX, Vec::new()), |me| {
            let shown = members.into_iter().map(|member| Participant::seen_by(&me, member)).collect();
            (me.from_seq, shown)
        });
        Self {
            pinned_message_ids: room.pinned_from(from_seq),
            id: room.id,
            name: room.name,
            is_group: room.kind == RoomKind::Group,
            avatar_url: room.avatar_url,
            description: room.description,
            history_visibility: room.history_visibility,
            created_by: room.created_by,
            created_at: room.created_at,
            last_message: None,
            unread_count: 0,
            participants,
            participant_count: room.member_count,
            settings: RoomSettings::default().into(),
            first_seq: from_seq,
            seq: 0,
            rev: room.rev,
            cursor: String::new(),
        }
    }

    /// The ids of all participants.
    pub fn participant_ids(&self) -> impl Iterator<Item = UserId> {
        self.participants.iter().map(|participant| participant.user_id)
    }

    /// Whether this is the direct room of two users.
    pub fn is_direct(&self) -> bool {
        !self.is_group
    }

    /// Sets the presence of all participants. A participant without an entry shows none.
    pub fn show_presence(&mut self, presences: &HashMap<UserId, ShownPresence>) {
        for participant in &mut self.participants {
            participant.presence = presences.get(&participant.user_id).copied().unwrap_or_default();
        }
    }

    /// Converts a room without messages.
    pub fn fresh(room: RoomWithMembers, reader: UserId) -> Self {
        Self::new(room.room, room.members, reader)
    }
}

impl From<RoomSummary> for ChatRoom {
    fn from(summary: RoomSummary) -> Self {
        let reader = summary.me.shown.user_id;
        let (unread_count, seq, cursor) = (summary.unread(), summary.tail, summary.list_cursor);
        let cursor = cursor.map(|cursor| cursor.to_string()).unwrap_or_default();
        let last_message = summary.last_message.map(Message::from);
        let members = summary.others.into_iter().chain([summary.me]).collect();
        let settings = summary.settings.into();
        Self { last_message, unread_count, settings, seq, cursor, ..Self::new(summary.room, members, reader) }
    }
}

/// The path parameters that name a participant.
pub struct ParticipantPath {
    /// The room.
    pub room_id: RoomId,
    /// The participant.
    pub user_id: UserId,
}

impl Input for ParticipantPath {
    fn read(fields: &mut Fields) -> Option<Self> {
        let (room_id, user_id) = (fields.required("room_id"), fields.required("user_id"));
        Some(Self { room_id: room_id?, user_id: user_id? })
    }
}

/// `PUT /chat/rooms/{room_id}/participants/{user_id}`. The body is optional.
#[derive(Default)]
pub struct ParticipantPut {
    /// The new role. Without it, a new participant becomes a member, and an existing one keeps their role.
    pub role: Option<Role>,
}

impl Input for ParticipantPut {
    fn read(fields: &mut Fields) -> Option<Self> {
        Some(Self { role: fields.choice("role", &Role::CHOICES) })
    }
}

/// `PATCH /chat/rooms/{room_id}`.
impl Input for GroupPatch {
    fn read(fields: &mut Fields) -> Option<Self> {
        let name = fields.change::<String>("name");
        let description =
            fields.change::<String>("description").map(|text| text.map(|text| text::clean(&text)));
        let avatar_url = fields.change::<String>("avatar_url").map(|url| url.map(|url| normalize_url(&url)));
        let history_visibility = fields.choice("history_visibility", &HistoryVisibility::CHOICES);
        let media_origins = fields.media_origins();
        for (field, violation) in [
            ("name", name.iter().flatten().find_map(|name| rooms::name_violation(name))),
            ("description", description.iter().flatten().find_map(|text| patch::description_violation(text))),
            ("avatar_url", avatar_url.iter().flatten().find_map(|url| avatar_violation(url, media_origins))),
        ] {
            if let Some(message) = violation {
                fields.violation(field, message);
            }
        }
        Some(Self { name, avatar_url, description, history_visibility })
    }
}

/// `PATCH /chat/rooms/{room_id}/settings`.
impl Input for RoomSettingsChange {
    fn read(fields: &mut Fields) -> Option<Self> {
        let (muted_until, theme) = (fields.change("muted_until"), fields.change::<String>("theme"));
        if let Some(message) = theme.iter().flatten().find_map(|theme| settings::theme_violation(theme)) {
            fields.violation("theme", message);
        }
        let (is_pinned, is_archived) = (fields.optional("is_pinned"), fields.optional("is_archived"));
        Some(Self { muted_until, is_pinned, is_archived, theme })
    }
}

/// The caller's settings of a room.
#[derive(Clone, Debug, Serialize)]
pub struct RoomSettingsView {
    muted_until: Option<Timestamp>,
    is_pinned: bool,
    is_archived: bool,
    theme: Option<String>,
    version: u64,
}

impl From<RoomSettings> for RoomSettingsView {
    fn from(settings: RoomSettings) -> Self {
        let RoomSettings { muted_until, is_pinned, is_archived, theme, version } = settings;
        Self { muted_until, is_pinned, is_archived, theme, version }
    }
}
