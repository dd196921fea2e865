//! What happens to a room after it was made: changes of its messages and of its people, and who is told.

use crate::{
    App, BestEffort, Error, Result,
    domain::{
        change::Action,
        room::Member,
        view::{InFull, View},
    },
    id::{RoomId, UserId},
    store::{
        changes::{Changed, Part},
        rooms::RoomAndRoster,
    },
    wire::{
        messages::{MessagePath, Reaction},
        rooms::{ChatRoom, Participant},
        socket::{Event, ReactionChange},
    },
};

impl App {
    /// Does something to a message, and tells everyone in the room. The answer is the message as the actor sees it.
    ///
    /// An action that was done before is told again, as the message stands: the try that did it may have died before it
    /// told anyone.
    pub async fn change(&self, at: &MessagePath, actor: UserId, action: &Action) -> Result<View> {
        let changed = self.store.change_message(at.room_id, at.message_id, actor, action, self.now()).await?;
        let Changed { message, room, part } = changed;
        let actor = room.member(actor)?;
        let message = self.store.in_full(message).await?;
        let event = |reader: &Member| match part {
            Some(Part::Room) => Some(room_event(&room, reader)),
            Some(Part::Message) if message.message.seq < reader.from_seq => Some(room_event(&room, reader)),
            Some(Part::Message) => Some(message_event(&message, &room, reader, actor, action)),
            None if message.message.rev == 0 || message.message.seq < reader.from_seq => None,
            None => Some(whole_message(message.seen_by(reader, &room.members))),
        };
        self.tell_room(&room, event).await.can_fail("telling of a change");
        Ok(message.seen_by(actor, &room.members))
    }

    /// Adds somebody to a group, and tells everyone in it. The answer is the room as the actor sees it.
    ///
    /// A newcomer who is in it already is told again: the try that added them may have died before it told anyone.
    pub async fn add_participant(
        &self,
        room_id: RoomId,
        actor: UserId,
        newcomer: UserId,
    ) -> Result<ChatRoom> {
        let profile = self.store.profiles(&[newcomer]).await?.remove(&newcomer).ok_or(Error::NotFound)?;
        if let Some(joined) = self.store.join(room_id, actor, &profile, self.now()).await? {
            let room = &joined.room;
            let participant = Participant::from(room.member(newcomer)?.clone());
            let event = Event::ParticipantJoined {
                chat_room_id: room_id,
                rev: room.room.rev,
                participant,
                participant_count: room.members.len(),
            };
            let for_others = |member: &Member| (member.shown.user_id != newcomer).then(|| event.clone());
            // One after the other: whoever reads of a newcomer knows them.
            self.tell_room(room, for_others).await.can_fail("telling of a newcomer");
            self.tell_newcomer(room_id, newcomer).await.can_fail("telling the newcomer");
            self.deliver(&joined, None).await;
        } else {
            self.tell_newcomer(room_id, newcomer).await.can_fail("telling the newcomer again");
        }
        Ok(self.store.whole_room(actor, room_id).await?.into())
    }

    /// Takes somebody out of a group, and tells everyone in it and them.
    pub async fn remove_participant(&self, room_id: RoomId, actor: UserId, leaver: UserId) -> Result<()> {
        let (left, new_owner_id) = self.store.leave(room_id, actor, leaver, self.now()).await?;
        let event = Event::ParticipantLeft {
            chat_room_id: room_id,
            rev: left.room.room.rev,
            user_id: leaver,
            participant_count: left.room.members.len(),
            new_owner_id,
        };
        self.tell_room(&left.room, |_| Some(event.clone())).await.can_fail("telling of a leaver");
        self.push.tell(&[leaver], &event, self.now()).await.can_fail("telling the leaver");
        self.deliver(&left, None).await;
        Ok(())
    }

    async fn tell_newcomer(&self, room_id: RoomId, newcomer: UserId) -> Result<()> {
        let room = self.store.whole_room(newcomer, room_id).await?;
        self.push.tell(&[newcomer], &Event::RoomCreated(room.into()), self.now()).await
    }
}

/// What one member hears of what somebody did to a message that they see.
fn message_event(
    message: &InFull,
    room: &RoomAndRoster,
    reader: &Member,
    actor: &Member,
    action: &Action,
) -> Event {
    let view = message.seen_by(reader, &room.members);
    match action {
        Action::React(emoji) | Action::Unreact(emoji) => Event::MessageReaction(ReactionChange {
            chat_room_id: room.room.id,
            message_id: view.message.id,
            seq: view.message.seq,
            rev: view.message.rev,
            user_id: actor.shown.user_id,
            username: actor.shown.username.clone(),
            emoji: emoji.clone(),
            is_added: matches!(action, Action::React(_)),
            reactions: Reaction::all(view.message.reactions, &view.mine),
        }),
        Action::Edit(_) | Action::Delete | Action::Pin | Action::Unpin => whole_message(view),
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
fn room_event(room: &RoomAndRoster, reader: &Member) -> Event {
    Event::RoomUpdated {
        chat_room_id: room.room.id,
        rev: room.room.rev,
        name: room.room.name.clone(),
        pinned_message_ids: room.room.pinned_from(reader.from_seq),
    }
}
