//! The message log: idempotent append, and reads by position.

pub mod changes;
pub mod views;

use crate::{
    clock::Timestamp,
    domain::{
        messages::{
            Draft, Message, SendRequest,
            log::{self, Window},
            view::{FullMessage, View},
        },
        rooms::{Member, RoomWithMembers},
    },
    error::{Error, Result},
    id::{MessageId, RoomId, UserId},
    store::{
        Store,
        db::{
            item::{Query, item, read},
            keys,
            table::Put,
        },
    },
};

/// The maximum number of positions that a send tries. Each lost position holds a message of another sender,
/// so this many others were committed meanwhile.
const MAX_POSITION_ATTEMPTS: u64 = 256;

/// A message in the log, and the room as it was read just before.
#[derive(Clone, Debug)]
pub struct Committed {
    /// The message with what its readers see beside it.
    pub full_message: FullMessage,
    /// The room and the members that authorized it.
    pub room: RoomWithMembers,
}

impl Committed {
    /// The message.
    pub fn message(&self) -> &Message {
        &self.full_message.message
    }
}

impl Store {
    /// Appends a message at the next position of its room, exactly once however often the request is retried.
    ///
    /// Two sequential round trips without concurrent senders; one more for each position lost to another
    /// sender.
    pub async fn append(&self, request: &SendRequest, now: Timestamp) -> Result<Committed> {
        self.append_if(async { Ok(()) }, request, now).await
    }

    /// Appends a message if `check` succeeds. The check runs concurrently with the reads; its error takes
    /// precedence over any other, so a failed call counts too.
    pub async fn append_if(
        &self,
        check: impl Future<Output = Result<()>>,
        request: &SendRequest,
        now: Timestamp,
    ) -> Result<Committed> {
        let room_id = request.draft.room_id;
        let reads = async {
            futures::try_join!(
                self.room_with_members(room_id),
                self.newest_messages(request),
                self.replied(room_id, request.draft.reply_to_id),
                self.forwarded_message(request),
            )
        };
        let (checked, found) = futures::join!(check, reads);
        checked?;
        let (room, earlier, replied, forwarded) = found?;
        let member = room.member(request.sender_id)?.clone();
        let tail = earlier.first().map_or(0, |newest| newest.seq);
        if let Some(after_seq) = request.after_seq {
            log::check_search_bound(after_seq, tail)?;
        }
        // Generated before the first write, so that the SDK's own retries cannot double the message.
        let client_message_id =
            request.client_message_id.clone().unwrap_or_else(|| uuid::Uuid::new_v4().to_string());
        let is_this = |message: &Message| message.is_send(request.sender_id, &client_message_id);
        if let Some(message) = earlier.into_iter().find(is_this) {
            return Ok(Committed { full_message: self.full_message(message).await?, room });
        }
        let draft = request.draft_to_append(&member, replied.as_ref(), forwarded)?;
        for seq in tail + 1..=tail + MAX_POSITION_ATTEMPTS {
            let message = Message {
                is_forwarded: request.forwarded.is_some(),
                ..message_at(seq, &draft, &member, &client_message_id, now)
            };
            match self.table.put_new(item(keys::message(room_id, seq), &message)?).await? {
                Put::Written => {
                    let full_message = FullMessage { reply_to: replied, ..FullMessage::new(message) };
                    return Ok(Committed { full_message, room });
                }
                Put::Taken(taken) => {
                    let taken: Message = read(taken)?;
                    if is_this(&taken) {
                        return Ok(Committed { full_message: self.full_message(taken).await?, room });
                    }
                }
            }
        }
        Err(Error::Busy("every position was taken".into()))
    }

    /// The newest messages, newest first, as far back as an earlier attempt of this request can be; at least
    /// the newest.
    async fn newest_messages(&self, request: &SendRequest) -> Result<Vec<Message>> {
        let first = request.after_seq.unwrap_or(1).max(1);
        let count = match (&request.client_message_id, request.after_seq) {
            (None, _) => 1,
            (Some(_), None) => log::DEFAULT_SEARCH,
            (Some(_), Some(_)) => log::MAX_SEARCH + 1,
        };
        let query = Query::of(keys::messages_from(request.draft.room_id, first)).consistent().newest_first();
        let newest = self.table.query(query.limit(usize::try_from(count).unwrap_or(usize::MAX))).await?;
        newest.into_iter().map(read).collect()
    }

    async fn forwarded_message(&self, request: &SendRequest) -> Result<Option<Message>> {
        match request.forwarded {
            Some((room, id)) => self.message_seen_by(request.sender_id, room, id).await,
            None => Ok(None),
        }
    }

    /// The newest message of a room.
    pub async fn newest_message(&self, room: RoomId) -> Result<Option<Message>> {
        let query = Query::of(keys::messages_from(room, 1)).consistent().newest_first().limit(1);
        self.table.query(query).await?.pop().map(read).transpose()
    }

    /// The messages in a window of the log as a member sees them, newest first. The cost depends on the
    /// window only, not on the length of the log: two sequential round trips, and one more where there are
    /// replies or reactions.
    pub async fn history(
        &self,
        room: RoomId,
        reader: UserId,
        window: Window,
        limit: u64,
    ) -> Result<Vec<View>> {
        let (room_with_members, newest) =
            futures::try_join!(self.room_with_members(room), self.newest_message(room))?;
        let from_seq = room_with_members.member(reader)?.from_seq;
        let tail = newest.map_or(0, |message| message.seq);
        let Some((first, last)) = window.positions(limit, from_seq, tail) else {
            return Ok(Vec::new());
        };
        let query = Query::of(keys::messages(room, first, last)).consistent().newest_first();
        let messages = self.table.query(query).await?.into_iter().map(read);
        let messages = messages.collect::<Result<Vec<Message>>>()?;
        self.views_among(&room_with_members, reader, messages).await
    }

    /// The pinned messages that a member sees, the newest pin first.
    pub async fn pins(&self, room: RoomId, reader: UserId) -> Result<Vec<View>> {
        let room_with_members = self.room_with_members(room).await?;
        let pinned = room_with_members.room.pinned_from(room_with_members.member(reader)?.from_seq);
        let keys = pinned.iter().map(|id| keys::message(room, id.seq()));
        let found = self.table.batch_get(keys, true).await?.into_iter().map(read);
        let mut messages = found.collect::<Result<Vec<Message>>>()?;
        messages.sort_by_key(|message| pinned.iter().position(|id| *id == message.id));
        self.views_among(&room_with_members, reader, messages).await
    }

    /// Messages of a room as one of its members sees them, in the given order.
    pub(in crate::store) async fn views_among(
        &self,
        room: &RoomWithMembers,
        reader: UserId,
        messages: Vec<Message>,
    ) -> Result<Vec<View>> {
        let me = room.member(reader)?;
        let messages = messages.into_iter();
        let mut views: Vec<View> =
            messages.map(|message| View::with_members(&room.members, message, me)).collect();
        let mut to_complete: Vec<(&mut View, u64)> =
            views.iter_mut().map(|view| (view, me.from_seq)).collect();
        self.complete_views(reader, &mut to_complete).await?;
        Ok(views)
    }
}

/// A message as it is appended.
pub(in crate::store) fn message_at(
    seq: u64,
    draft: &Draft,
    sender: &Member,
    client_message_id: &str,
    now: Timestamp,
) -> Message {
    Message {
        id: MessageId::new(now, seq),
        room_id: draft.room_id,
        seq,
        rev: 0,
        sender_id: sender.shown.user_id,
        sender_username: sender.shown.username.clone(),
        client_message_id: client_message_id.to_owned(),
        kind: draft.kind,
        content: draft.content.clone(),
        media_url: draft.media_url.clone(),
        reply_to_id: draft.reply_to_id,
        payload: draft.payload.clone(),
        created_at: now,
        is_forwarded: false,
        edited_at: None,
        deleted_at: None,
        reactions: Vec::new(),
    }
}
