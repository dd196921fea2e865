//! Messages: append and deliver, change and notify.

use crate::{
    App, BestEffort, Result,
    app::fanout::Recipients,
    clock::Timestamp,
    domain::{
        messages::{
            SendRequest,
            action::MessageAction,
            view::{FullMessage, View},
        },
        rooms::{Member, RoomWithMembers},
        users::rate_limit::RateLimitedAction,
    },
    id::UserId,
    push::{Origin, OutboundFrame},
    store::messages::{
        Committed,
        changes::{Changed, Part},
    },
    wire::{
        messages::{MessagePath, Reaction},
        socket::{Event, Frame, ReactionChange, RoomState},
    },
};

impl App {
    /// Appends a message, within the sender's rate limit. The limit is checked concurrently with the reads,
    /// so it adds no round trip.
    pub async fn append(&self, request: &SendRequest) -> Result<Committed> {
        let check = self.check_rate_limit(request.sender_id, RateLimitedAction::Messages);
        self.store.append_if(check, request, self.now()).await
    }

    /// Delivers a committed message: `message_sent` to the frame it came from, if any, and `new_message` to
    /// every other live connection of the members.
    ///
    /// Two sequential round trips. A failure does not fail the call, because the message is committed; a
    /// retried send delivers again, because its first attempt may have failed before.
    /// Returns the room as of the push.
    pub async fn deliver(&self, sent: &Committed, origin: Option<&Origin>) -> RoomWithMembers {
        let now = self.now();
        let message = sent.message();
        let (room, seq, sender) = (message.room_id, message.seq, message.sender_id);
        // Positions advance before the push, so that a client that has the message finds them advanced.
        let (recipients, head, read) = futures::join!(
            self.recipients(&sent.room, now),
            self.store.advance_head(room, seq),
            self.store.advance_read(room, sender, seq, now),
        );
        head.can_fail("advancing the head hint");
        read.map(drop).can_fail("advancing the sender's read position");
        let recipients = recipients.unwrap_or_else(|error| {
            Err::<(), _>(error).can_fail("reading the recipients");
            Recipients { room: sent.room.clone(), connections: Vec::new() }
        });
        self.push_message(sent, origin, &recipients, now).await.can_fail("pushing a message");
        recipients.room
    }

    async fn push_message(
        &self,
        sent: &Committed,
        origin: Option<&Origin>,
        recipients: &Recipients,
        now: Timestamp,
    ) -> Result<()> {
        let seen_by = |member: &Member| sent.full_message.seen_by(member, &recipients.room.members).into();
        let answer = match origin {
            Some(origin) => {
                let event = Event::MessageSent(sent.seen_by_sender(&recipients.room)?.into());
                let frame = Frame { event: &event, reference: origin.reference.as_ref() };
                Some(OutboundFrame { connection: origin.connection.clone(), frame: frame.encode()? })
            }
            None => None,
        };
        let is_origin =
            |frame: &OutboundFrame| origin.is_some_and(|from| from.connection.id == frame.connection.id);
        let seq = sent.message().seq;
        let new_message =
            |member: &Member| (member.from_seq <= seq).then(|| Event::NewMessage(seen_by(member)));
        let others = recipients.frames(new_message)?.into_iter().filter(|frame| !is_origin(frame));
        self.push.deliver(answer.into_iter().chain(others), now).await
    }

    /// Applies an action to a message and notifies the room. Returns the message as the actor sees it.
    ///
    /// A repeated action that changes nothing notifies again with the message as it is: the attempt that
    /// changed it may have failed before its push. A repeated pin does not, because the room's revision may
    /// be another user's change.
    pub async fn change_message(
        &self,
        path: &MessagePath,
        actor: UserId,
        action: &MessageAction,
    ) -> Result<View> {
        let changed = self.store.change_message(path.room_id, path.message_id, actor, action, self.now());
        let Changed { message, room, part } = changed.await?;
        let actor = room.member(actor)?;
        let (recipients, message) =
            futures::join!(self.recipients(&room, self.now()), self.store.full_message(message));
        let message = message?;
        let event = |reader: &Member| match part {
            Some(Part::Room) => Some(room_event(&room, reader)),
            Some(Part::Message) if message.message.seq < reader.from_seq => Some(room_event(&room, reader)),
            Some(Part::Message) => Some(message_event(&message, &room, reader, actor, action)),
            None if message.message.rev == 0 || message.message.seq < reader.from_seq => None,
            None => Some(whole_message(message.seen_by(reader, &room.members))),
        };
        self.notify(recipients, event).await.can_fail("notifying a room of a changed message");
        Ok(message.seen_by(actor, &room.members))
    }
}

/// The event of an action on a message that the reader sees.
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
                display_name: actor.shown.display_name.clone(),
                avatar_url: actor.shown.avatar_url.clone(),
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

/// The event of a changed room. For a member who does not see the changed message it carries the revision, so
/// that the member's client need not sync.
pub(super) fn room_event(room: &RoomWithMembers, reader: &Member) -> Event {
    Event::RoomUpdated(RoomState::of(&room.room, reader.from_seq))
}
