//! A room as a list shows it to one of its members.

use crate::{
    clock::Timestamp,
    domain::{
        messages::{Kind, Message, log, view::View},
        rooms::{Member, Room, ShownMember, list::ListCursor, settings::RoomSettings},
        sync::SyncPosition,
    },
};

/// The maximum length of the last message's content in a list, in characters.
pub const PREVIEW_CHARS: usize = 280;

/// A room as a list shows it to one of its members.
#[derive(Clone, Debug)]
pub struct RoomSummary {
    /// The room.
    pub room: Room,
    /// The member who reads the list.
    pub me: Member,
    /// The other members to show.
    pub others: Vec<Member>,
    /// The newest message, if the member sees it; in a list only its [`preview`].
    pub last_message: Option<View>,
    /// The newest position of the room's log.
    pub tail: u64,
    /// The member's own settings of the room.
    pub settings: RoomSettings,
    /// The place of the room in a list.
    pub list_cursor: Option<ListCursor>,
}

/// The JSON of a room without its texts, members and pins, but with the longest preview of a message.
const ROOM_BYTES: usize = 12 * 1024;

/// The JSON of a member without names and avatar.
const MEMBER_BYTES: usize = 400;

/// The JSON of a pinned id.
const PINNED_BYTES: usize = 40;

/// The part of a message that a list shows: the beginning of the content, without what users attached to it. A
/// list of many rooms with the longest messages would not fit a response.
pub fn preview(message: Message) -> Message {
    let content = match message.content.char_indices().nth(PREVIEW_CHARS) {
        Some((end, _)) => message.content[..end].to_owned(),
        None => message.content,
    };
    let payload = message.payload.filter(|_| message.kind == Kind::System);
    Message { content, payload, ..message }
}

impl RoomSummary {
    /// The time of the last activity.
    pub fn active_at(&self) -> Timestamp {
        self.last_message.as_ref().map_or(self.me.shown.joined_at, |view| view.message.created_at)
    }

    /// The number of unread messages.
    pub fn unread(&self) -> u64 {
        log::unread(self.tail, self.me.read_seq, self.me.from_seq, &self.room.uncounted)
    }

    /// An upper bound of the size of the room as JSON, in bytes, as far as it varies.
    pub fn bytes(&self) -> usize {
        let text = |text: &Option<String>| text.as_ref().map_or(0, String::len);
        let member = |member: &Member| {
            let ShownMember { username, display_name, avatar_url, .. } = &member.shown;
            MEMBER_BYTES + 2 * (username.len() + text(display_name)) + text(avatar_url)
        };
        let room = &self.room;
        ROOM_BYTES
            + 2 * (text(&room.name) + text(&room.description))
            + text(&room.avatar_url)
            + PINNED_BYTES * room.pinned.len()
            + self.others.iter().map(member).sum::<usize>()
    }

    /// The position of a client that holds the whole room.
    pub fn sync_position(&self) -> SyncPosition {
        SyncPosition { seq: self.tail, rev: self.room.rev }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        domain::messages::payload::Payload,
        id::{MessageId, RoomId},
    };

    fn message() -> Message {
        let now = Timestamp::from_seconds(0);
        let message = serde_json::json!({
            "id": MessageId::new(now, 1), "room_id": RoomId::random(), "seq": 1, "rev": 0, "kind": "location",
            "sender_id": crate::id::UserId::from(uuid::Uuid::new_v4()), "sender_username": "ana", "content": "",
            "client_message_id": "1", "created_at": now,
        });
        serde_json::from_value(message).unwrap()
    }

    #[test]
    fn a_preview_is_cut_between_characters_and_has_no_payload() {
        let payload = Payload::parse(r#"{"latitude":1}"#).ok();
        let long = Message { content: "é".repeat(PREVIEW_CHARS + 1), payload, ..message() };
        let shown = preview(long.clone());
        assert_eq!(shown, Message { content: "é".repeat(PREVIEW_CHARS), payload: None, ..long.clone() });
        let event = Message { kind: Kind::System, ..long };
        assert_eq!(preview(event.clone()).payload, event.payload);
        let short = Message { content: "é".repeat(PREVIEW_CHARS), ..message() };
        assert_eq!(preview(short.clone()), short);
    }
}
