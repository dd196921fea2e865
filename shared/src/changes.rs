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
        messages::Committed,
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
    /// What was done to a message before is told again, as the message stands: the try that did it may have died before it
    /// told anyone. A pin is not: the room's present revision may be somebody else's change.
    pub async fn change(&self, at: &MessagePath, actor: UserId, action: &Action) -> Result<View> {
        let changed = self.store.change_message(at.room_id, at.message_id, actor, action, self.now()).await?;
        let Changed { message, room, part } = changed;
        let actor = room.member(actor)?;
        let (audience, message) =
            futures::join!(self.audience(&room, self.now()), self.store.in_full(message));
        let message = message?;
        let event = |reader: &Member| match part {
            Some(Part::Room) => Some(room_event(&room, reader)),
            Some(Part::Message) if message.message.seq < reader.from_seq => Some(room_event(&room, reader)),
            Some(Part::Message) => Some(message_event(&message, &room, reader, actor, action)),
            None if message.message.rev == 0 || message.message.seq < reader.from_seq => None,
            None => Some(whole_message(message.seen_by(reader, &room.members))),
        };
        self.tell(audience, event).await.can_fail("telling of a change");
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
        let profile =
            self.store.reachable(actor, &[newcomer]).await?.remove(&newcomer).ok_or(Error::NotFound)?;
        let joined = self.store.join(room_id, actor, &profile, self.now()).await?;
        let room = match &joined {
            Some(joined) => joined.room.clone(),
            None => self.store.room_and_roster(room_id).await?,
        };
        let (others_told, newcomer_told) =
            futures::join!(self.tell_of_newcomer(&room, newcomer), self.tell_newcomer(room_id, newcomer));
        others_told.can_fail("telling of a newcomer");
        newcomer_told.can_fail("telling the newcomer");
        // After that, so that whoever reads of a newcomer knows them.
        if let Some(joined) = joined {
            self.deliver(&joined, None).await;
        }
        Ok(self.store.whole_room(actor, room_id).await?.into())
    }

    /// Takes somebody out of a group, and tells everyone in it and them.
    pub async fn remove_participant(&self, room_id: RoomId, actor: UserId, leaver: UserId) -> Result<()> {
        let left = match self.store.leave(room_id, actor, leaver, self.now()).await {
            // Who is not in a room has left it. Whether there is such a room is not said.
            Err(Error::NotFound) if actor == leaver => None,
            other => other?,
        };
        if let Some(left) = left {
            self.tell_of_leaver(left, leaver).await;
        }
        Ok(())
    }

    /// Everyone in a room hears of somebody who has left it, and so do they.
    pub(crate) async fn tell_of_leaver(
        &self,
        (left, new_owner_id): (Committed, Option<UserId>),
        leaver: UserId,
    ) {
        let event = Event::ParticipantLeft {
            chat_room_id: left.room.room.id,
            rev: left.room.room.rev,
            user_id: leaver,
            participant_count: left.room.members.len(),
            new_owner_id,
        };
        let leaver = [leaver];
        let (others_told, leaver_told) = futures::join!(
            self.tell_room(&left.room, |_| Some(event.clone())),
            self.push.tell(&leaver, &event, self.now()),
        );
        others_told.can_fail("telling of a leaver");
        leaver_told.can_fail("telling the leaver");
        self.deliver(&left, None).await;
    }

    /// Everyone else in the room hears of a newcomer, at the revision that they joined with.
    async fn tell_of_newcomer(&self, room: &RoomAndRoster, newcomer: UserId) -> Result<()> {
        let member = room.member(newcomer)?;
        let event = |reader: &Member| Event::ParticipantJoined {
            chat_room_id: room.room.id,
            rev: member.joined_rev,
            participant: Participant::seen_by(reader, member.clone()),
            participant_count: room.members.len(),
        };
        let is_told = member.joined_rev > 0;
        let for_others =
            |reader: &Member| (is_told && reader.shown.user_id != newcomer).then(|| event(reader));
        self.tell_room(room, for_others).await
    }

    /// A newcomer gets the room as their list shows it, which fits a frame.
    pub(crate) async fn tell_newcomer(&self, room_id: RoomId, newcomer: UserId) -> Result<()> {
        let room = self.store.my_room(newcomer, room_id).await?.ok_or(Error::NotFound)?;
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
