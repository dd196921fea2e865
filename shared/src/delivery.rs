//! What follows the commit of a message: its push to everyone present, the head hint, the sender's own position.

use crate::{
    App,
    clock::Timestamp,
    error::{BestEffort, Result},
    id::UserId,
    push::{Origin, Parcel},
    store::{messages::Committed, presence::Connection},
    wire::{
        chat::Message,
        socket::{Event, Frame},
    },
};

impl App {
    /// Tells of a committed message: `message_sent` to the frame it came from, if any, and `new_message` to every
    /// other live connection of the room's people.
    ///
    /// Two sequential round trips. None of it can undo the commit, so nothing of it fails the call; a repeated
    /// send comes here again, because its first try may have died just before.
    pub async fn deliver(&self, sent: &Committed, origin: Option<&Origin>) {
        let now = self.now();
        let (room, seq, sender) = (sent.message.room_id, sent.message.seq, sent.message.sender_id);
        let live = self.live_connections(sent, now).await;
        let live = live.unwrap_or_else(|error| {
            Err::<(), _>(error).can_fail("reading who is present");
            Vec::new()
        });
        let (pushed, head, read) = futures::join!(
            self.push_message(sent, origin, live, now),
            self.store.move_head(room, seq),
            self.store.move_read(room, sender, seq, now),
        );
        pushed.can_fail("pushing a message");
        head.can_fail("moving the head hint");
        read.map(drop).can_fail("moving the sender's position");
    }

    /// The live connections of those who are in the room now: presence is read after the commit, so that whoever
    /// connected before it is reached, and whoever connects after it finds the message in the log.
    async fn live_connections(&self, sent: &Committed, now: Timestamp) -> Result<Vec<Connection>> {
        let room = &sent.room.room;
        let (live, present) = self.store.connections_and_room(&sent.room.people(), room.id, now).await?;
        if present.roster_version == room.roster_version {
            return Ok(live);
        }
        let people = self.store.room_and_roster(room.id).await?.people();
        self.store.connections(&people, now).await
    }

    async fn push_message(
        &self,
        sent: &Committed,
        origin: Option<&Origin>,
        live: Vec<Connection>,
        now: Timestamp,
    ) -> Result<()> {
        let sender = sent.message.sender_id;
        let to_sender = Message::seen_by(sender, &sent.message, &sent.room.members);
        let for_others = Frame::of(&Event::NewMessage(Message::shown(&sent.message, None))).encode()?;
        let for_own_devices = Frame::of(&Event::NewMessage(to_sender.clone())).encode()?;
        let frame_for = |user: UserId| {
            if user == sender { for_own_devices.clone() } else { for_others.clone() }
        };

        let answer = match origin {
            Some(origin) => {
                let event = Event::MessageSent(to_sender);
                let frame = Frame { event: &event, reference: origin.reference.as_ref() };
                Some(Parcel { connection: origin.connection.clone(), frame: frame.encode()? })
            }
            None => None,
        };
        let is_origin =
            |connection: &Connection| origin.is_some_and(|from| from.connection.id == connection.id);
        let others = live.into_iter().filter(|connection| !is_origin(connection));
        let news = others.map(|connection| Parcel { frame: frame_for(connection.user_id), connection });
        self.push.deliver(answer.into_iter().chain(news), now).await
    }
}
