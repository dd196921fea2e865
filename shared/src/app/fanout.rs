//! What follows a commit: its push to everyone who is in the room and present, and the positions that it moves.

use std::{collections::HashMap, sync::Arc};

use crate::{
    App,
    clock::Timestamp,
    domain::{
        rooms::{Member, RoomWithMembers},
        users::presence::Connection,
    },
    error::{BestEffort, Error, Result},
    id::UserId,
    push::{Origin, OutboundFrame},
    store::messages::Committed,
    wire::socket::{Event, Frame},
};

/// A room, and the live connections of those who are in it.
pub(crate) struct Recipients {
    pub room: RoomWithMembers,
    pub live: Vec<Connection>,
}

impl Recipients {
    /// What goes to each connection. People see things differently; all devices of one see the same.
    pub fn parcels(&self, event: impl Fn(&Member) -> Option<Event>) -> Result<Vec<OutboundFrame>> {
        let mut frames: HashMap<UserId, Option<Arc<[u8]>>> = HashMap::new();
        for member in &self.room.members {
            let user = member.shown.user_id;
            if self.live.iter().any(|connection| connection.user_id == user) {
                let frame = event(member).map(|event| Frame::of(&event).encode()).transpose()?;
                frames.insert(user, frame);
            }
        }
        let parcel = |connection: &Connection| {
            let frame = frames.get(&connection.user_id).cloned().flatten()?;
            Some(OutboundFrame { connection: connection.clone(), frame })
        };
        Ok(self.live.iter().filter_map(parcel).collect())
    }
}

impl App {
    /// Tells of a committed message: `message_sent` to the frame it came from, if any, and `new_message` to every
    /// other live connection of the room's people.
    ///
    /// Two sequential round trips. None of it can undo the commit, so nothing of it fails the call; a repeated
    /// send comes here again, because its first try may have died just before.
    pub async fn deliver(&self, sent: &Committed, origin: Option<&Origin>) {
        let now = self.now();
        let message = sent.message();
        let (room, seq, sender) = (message.room_id, message.seq, message.sender_id);
        // Positions move before anyone is told, so that whoever was told finds them moved.
        let (audience, head, read) = futures::join!(
            self.audience(&sent.room, now),
            self.store.advance_head(room, seq),
            self.store.advance_read(room, sender, seq, now),
        );
        head.can_fail("moving the head hint");
        read.map(drop).can_fail("moving the sender's position");
        let audience = audience.unwrap_or_else(|error| {
            Err::<(), _>(error).can_fail("reading who is present");
            Recipients { room: sent.room.clone(), live: Vec::new() }
        });
        self.push_message(sent, origin, &audience, now).await.can_fail("pushing a message");
    }

    /// Tells everyone in a room who is present what concerns them.
    pub(crate) async fn notify_room(
        &self,
        room: &RoomWithMembers,
        event: impl Fn(&Member) -> Option<Event>,
    ) -> Result<()> {
        self.notify(self.audience(room, self.now()).await, event).await
    }

    /// Tells an audience what concerns it.
    pub(crate) async fn notify(
        &self,
        audience: Result<Recipients>,
        event: impl Fn(&Member) -> Option<Event>,
    ) -> Result<()> {
        self.push.deliver(audience?.parcels(event)?, self.now()).await
    }

    /// Those who are in the room now, or nobody if it has been closed since: presence is read after the commit, so that whoever connected before it is
    /// reached, and whoever connects after it finds what was committed in the log.
    pub(crate) async fn audience(&self, before: &RoomWithMembers, now: Timestamp) -> Result<Recipients> {
        let id = before.room.id;
        let (live, present) = self.store.connections_and_room(&before.member_ids(), id, now).await?;
        if present.members_version == before.room.members_version {
            return Ok(Recipients { room: before.clone(), live });
        }
        let room = match self.store.room_with_members(id).await {
            Err(Error::NotFound) => return Ok(Recipients { room: before.clone(), live: Vec::new() }),
            room => room?,
        };
        let live = self.store.connections(&room.member_ids(), now).await?;
        Ok(Recipients { room, live })
    }

    async fn push_message(
        &self,
        sent: &Committed,
        origin: Option<&Origin>,
        audience: &Recipients,
        now: Timestamp,
    ) -> Result<()> {
        let seen_by = |member: &Member| sent.full_message.seen_by(member, &audience.room.members).into();
        let answer = match origin {
            Some(origin) => {
                let sender = sent.room.member(sent.message().sender_id)?;
                let event = Event::MessageSent(seen_by(sender));
                let frame = Frame { event: &event, reference: origin.reference.as_ref() };
                Some(OutboundFrame { connection: origin.connection.clone(), frame: frame.encode()? })
            }
            None => None,
        };
        let is_origin =
            |parcel: &OutboundFrame| origin.is_some_and(|from| from.connection.id == parcel.connection.id);
        let seq = sent.message().seq;
        let news = audience
            .parcels(|member| (member.from_seq <= seq).then(|| Event::NewMessage(seen_by(member))))?;
        let news = news.into_iter().filter(|parcel| !is_origin(parcel));
        self.push.deliver(answer.into_iter().chain(news), now).await
    }
}
