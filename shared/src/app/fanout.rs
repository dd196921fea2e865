//! Fan-out: the frames that the members of a room receive, each as that member sees the change.

use std::{collections::HashMap, sync::Arc};

use crate::{
    App,
    clock::Timestamp,
    domain::{
        rooms::{Member, RoomWithMembers},
        users::presence::Connection,
    },
    error::{Error, Result},
    id::UserId,
    push::OutboundFrame,
    wire::socket::{Event, Frame},
};

/// A room, and the live connections of its members.
pub(super) struct Recipients {
    pub room: RoomWithMembers,
    pub connections: Vec<Connection>,
}

impl Recipients {
    /// The frame of each connection. Members may receive different frames; all devices of a member receive
    /// the same.
    pub fn frames(&self, event: impl Fn(&Member) -> Option<Event>) -> Result<Vec<OutboundFrame>> {
        let mut frames: HashMap<UserId, Option<Arc<[u8]>>> = HashMap::new();
        for member in &self.room.members {
            let user = member.shown.user_id;
            if self.connections.iter().any(|connection| connection.user_id == user) {
                let frame = event(member).map(|event| Frame::of(&event).encode()).transpose()?;
                frames.insert(user, frame);
            }
        }
        let frame = |connection: &Connection| {
            let frame = frames.get(&connection.user_id).cloned().flatten()?;
            Some(OutboundFrame { connection: connection.clone(), frame })
        };
        Ok(self.connections.iter().filter_map(frame).collect())
    }
}

impl App {
    /// Sends each connected member of a room the event that concerns the member, if any.
    pub(super) async fn notify_room(
        &self,
        room: &RoomWithMembers,
        event: impl Fn(&Member) -> Option<Event>,
    ) -> Result<()> {
        self.notify(self.recipients(room, self.now()).await, event).await
    }

    /// Sends each recipient the event that concerns the member, if any.
    pub(super) async fn notify(
        &self,
        recipients: Result<Recipients>,
        event: impl Fn(&Member) -> Option<Event>,
    ) -> Result<()> {
        self.push.deliver(recipients?.frames(event)?, self.now()).await
    }

    /// The current members of a room with their live connections; none if the room has been closed since
    /// `before`.
    ///
    /// Presence is read after the commit: a connection from before it is reached, and a later one finds the
    /// commit in the log.
    pub(super) async fn recipients(&self, before: &RoomWithMembers, now: Timestamp) -> Result<Recipients> {
        let id = before.room.id;
        let (connections, current) = self.store.connections_and_room(&before.member_ids(), id, now).await?;
        if current.members_version == before.room.members_version {
            return Ok(Recipients { room: before.clone(), connections });
        }
        let room = match self.store.room_with_members(id).await {
            Err(Error::NotFound) => {
                return Ok(Recipients { room: before.clone(), connections: Vec::new() });
            }
            room => room?,
        };
        let connections = self.store.connections(&room.member_ids(), now).await?;
        Ok(Recipients { room, connections })
    }
}
