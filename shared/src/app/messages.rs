//! What becomes of messages after they were sent, and who is told.

use crate::{
    App, BestEffort, Result,
    domain::{
        messages::{
            action::MessageAction,
            view::{FullMessage, View},
        },
        rooms::{Member, RoomWithMembers},
    },
    id::UserId,
    store::messages::changes::{Changed, Part},
    wire::{
        messages::{MessagePath, Reaction},
        socket::{Event, ReactionChange, RoomState},
    },
};

impl App {
    /// Does something to a message, and tells everyone in the room. The answer is the message as the actor sees it.
    ///
    /// What was done to a message before is told again, as the message stands: the try that did it may have died before it
    /// told anyone. A pin is not: the room's present revision may be somebody else's change.
    pub async fn change(&self, at: &MessagePath, actor: UserId, action: &MessageAction) -> Result<View> {
        let changed = self.store.change_message(at.room_id, at.message_id, actor, action, self.now()).await?;
        let Changed { message, room, part } = changed;
        let actor = room.member(actor)?;
        let (audience, message) =
            futures::join!(self.audience(&room, self.now()), self.store.full_message(message));
        let message = message?;
        let event = |reader: &Member| match part {
            Some(Part::Room) => Some(room_event(&room, reader)),
            Some(Part::Message) if message.message.seq < reader.from_seq => Some(room_event(&room, reader)),
            Some(Part::Message) => Some(message_event(&message, &room, reader, actor, action)),
            None if message.message.rev == 0 || message.message.seq < reader.from_seq => None,
            None => Some(whole_message(message.seen_by(reader, &room.members))),
        };
        self.notify(audience, event).await.can_fail("telling of a change");
        Ok(message.seen_by(actor, &room.members))
    }
}

/// What one member hears of what somebody did to a message that they see.
fn message_event(
    message: &FullMessage,
    room: &RoomWithMembers,
    reader: &Member,
    actor: &Member,
    action: &MessageAction,
) -> Event {
    let view = message.seen_by(reader, &room.members);
    match action {
        MessageAction::React(emoji) | MessageAction::Unreact(emoji) => {
            Event::MessageReaction(ReactionChange {
                chat_room_id: room.room.id,
                message_id: view.message.id,
                seq: view.message.seq,
                rev: view.message.rev,
                user_id: actor.shown.user_id,
                username: actor.shown.username.clone(),
                emoji: emoji.clone(),
                is_added: matches!(action, MessageAction::React(_)),
                reactions: Reaction::all(view.message.reactions, &view.mine),
            })
        }
        MessageAction::Edit(_) | MessageAction::Delete | MessageAction::Pin | MessageAction::Unpin => {
            whole_message(view)
        }
    }
}

fn whole_message(view: View) -> Event {
    if view.message.is_deleted() {
        Event::MessageDeleted(view.into())
    } else {
        Event::MessageUpdated(view.into())
    }
}

/// What one member hears of a changed room, and all that they hear of a message that they do not see: its revision, so
/// that they need not ask what they missed.
pub(crate) fn room_event(room: &RoomWithMembers, reader: &Member) -> Event {
    Event::RoomUpdated(RoomState::of(&room.room, reader.from_seq))
}
