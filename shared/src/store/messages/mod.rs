//! The message log: idempotent append, and reads by position.

pub mod changes;
pub mod views;

use std::cmp::Reverse;

use uuid::Uuid;

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
            item::{self, Item, Query, item},
            keys,
            table::Put,
        },
    },
};

/// The maximum number of positions that a send tries. Each lost position holds a message of another sender,
/// so this many others were committed meanwhile.
const MAX_POSITION_ATTEMPTS: u64 = 256;

/// After this many lost positions in a row, the rest of the log is queried.
const LOST_BEFORE_QUERY: u64 = 8;

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

    /// The message as its sender sees it as a member of the room as of `now`, or as of the send if the sender
    /// is no member now. Someone who left and joined again meanwhile sees less of a reply.
    pub fn seen_by_sender(&self, now: &RoomWithMembers) -> Result<View> {
        let id = self.message().sender_id;
        let sender = now.member(id).or_else(|_| self.room.member(id))?;
        Ok(self.full_message.seen_by(sender, &now.members))
    }
}

impl Store {
    /// Appends a message at the next position of its room, exactly once however often the request is retried.
    ///
    /// Two sequential round trips without concurrent senders; one more for each position lost to another
    /// sender, and one more for a reply, a forwarded message, or a search for an earlier attempt.
    pub async fn append(&self, request: &SendRequest, now: Timestamp) -> Result<Committed> {
        self.append_if(async { Ok(()) }, request, now).await
    }

    /// Appends a message if `check` succeeds. The check runs concurrently with the first read; its error
    /// takes precedence over any other, so a failed call counts too. Nothing but the room is read before it
    /// is certain that the sender is a member.
    pub async fn append_if(
        &self,
        check: impl Future<Output = Result<()>>,
        request: &SendRequest,
        now: Timestamp,
    ) -> Result<Committed> {
        let room_id = request.draft.room_id;
        let (checked, found) = futures::join!(check, self.room_and_head(room_id, request.sender_id));
        checked?;
        let (room, head) = found?;
        let member = room.member(request.sender_id)?.clone();
        let tail = match request.after_seq {
            // The hint lags behind what the client has seen.
            Some(after_seq) if after_seq > head => self.newest_position(room_id).await?,
            _ => head,
        };
        let (earlier, replied, forwarded) = futures::try_join!(
            self.possible_attempts(request, tail),
            self.replied(room_id, request.draft.reply_to_id),
            self.forwarded_message(request),
        )?;
        // Generated before the first write, so that the SDK's own retries cannot double the message.
        let client_message_id =
            request.client_message_id.clone().unwrap_or_else(|| uuid::Uuid::new_v4().to_string());
        let is_this = |message: &Message| message.is_send(request.sender_id, &client_message_id);
        if let Some(message) = earlier.into_iter().find(is_this) {
            return Ok(Committed { full_message: self.full_message(message).await?, room });
        }
        let draft = request.draft_to_append(&member, replied.as_ref(), forwarded)?;
        let mut seq = tail + 1;
        for lost in 1..=MAX_POSITION_ATTEMPTS {
            let message = Message {
                is_forwarded: request.forwarded.is_some(),
                ..message_at(seq, &draft, &member, &client_message_id, now)
            };
            let taken = match self.table.put_new(item(keys::message(room_id, seq), &message)?).await? {
                Put::Written => {
                    let full_message = FullMessage { reply_to: replied, ..FullMessage::new(message) };
                    return Ok(Committed { full_message, room });
                }
                Put::Taken(taken) => vec![read_message(taken)],
            };
            // Many lost positions in a row: the hint lags, and one query finds the end of the log.
            let taken = if lost % LOST_BEFORE_QUERY == 0 {
                self.messages_between(room_id, seq, seq + log::MAX_SEARCH).await?
            } else {
                taken
            };
            seq += taken.len() as u64;
            if let Some(message) = taken.into_iter().find(is_this) {
                return Ok(Committed { full_message: self.full_message(message).await?, room });
            }
        }
        Err(Error::Busy("every position was taken".into()))
    }

    /// The messages up to `tail` that may be earlier attempts of this request. Those above `tail` hold the
    /// positions that the request will try.
    async fn possible_attempts(&self, request: &SendRequest, tail: u64) -> Result<Vec<Message>> {
        if let Some(after_seq) = request.after_seq {
            log::check_search_bound(after_seq, tail)?;
        }
        let first = match (&request.client_message_id, request.after_seq) {
            (None, _) => return Ok(Vec::new()),
            (Some(_), None) => tail.saturating_sub(log::DEFAULT_SEARCH) + 1,
            (Some(_), Some(after_seq)) => after_seq + 1,
        };
        self.messages_between(request.draft.room_id, first, tail).await
    }

    /// The messages from position `first` to `last`, both included, in order. No call for an empty range.
    async fn messages_between(&self, room: RoomId, first: u64, last: u64) -> Result<Vec<Message>> {
        if first > last {
            return Ok(Vec::new());
        }
        let query = Query::of(keys::messages(room, first, last)).consistent();
        Ok(self.table.query(query).await?.into_iter().map(read_message).collect())
    }

    /// The newest position of a room; 0 without messages.
    pub(in crate::store) async fn newest_position(&self, room: RoomId) -> Result<u64> {
        Ok(self.newest_message(room).await?.map_or(0, |message| message.seq))
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
        Ok(self.table.query(query).await?.pop().map(read_message))
    }

    /// The position of the newest of some messages, whose ids are given newest first. Ids that are not those of
    /// messages of the room do not count. At most two round trips, and none if the newest message is named.
    pub async fn newest_of(
        &self,
        room: RoomId,
        newest: Option<&Message>,
        ids: &[MessageId],
    ) -> Result<Option<u64>> {
        if newest.is_some_and(|newest| ids.contains(&newest.id)) {
            return Ok(newest.map(|newest| newest.seq));
        }
        // The first one is nearly always a message, and then the others need not be read.
        let (first, others) = ids.split_at(ids.len().min(1));
        for ids in [first, others] {
            let keys = ids.iter().map(|id| keys::message(room, id.seq()));
            let found = self.table.batch_get(keys, true).await?.into_iter().map(read_message);
            let named = found.filter(|message| ids.contains(&message.id)).map(|message| message.seq);
            if let Some(seq) = named.max() {
                return Ok(Some(seq));
            }
        }
        Ok(None)
    }

    /// The messages in a window of the log as a member sees them, newest first. The cost depends on the
    /// window only, not on the length of the log: two sequential round trips, one more where there are
    /// replies or reactions, and one more for an offset.
    pub async fn history(
        &self,
        room: RoomId,
        reader: UserId,
        window: Window,
        limit: usize,
    ) -> Result<Vec<View>> {
        let room_with_members = self.room_of_member(room, reader).await?;
        let from_seq = room_with_members.member(reader)?.from_seq;
        let tail = match window {
            Window::Newest { offset: 1.. } => self.newest_position(room).await?,
            _ => 0,
        };
        let Some(part) = window.part(limit as u64, from_seq, tail) else { return Ok(Vec::new()) };
        let query = Query::of(keys::messages(room, part.first, part.last)).consistent().limit(limit);
        let query = if part.newest_first { query.newest_first() } else { query };
        let messages = self.table.query(query).await?.into_iter().map(read_message);
        let mut messages: Vec<Message> = messages.collect();
        messages.sort_by_key(|message| Reverse(message.seq));
        self.views_among(&room_with_members, reader, messages).await
    }

    /// A message that a member sees. [`Error::NotFound`] for any other one, and for a user who is no member.
    pub async fn message(&self, room: RoomId, reader: UserId, id: MessageId) -> Result<View> {
        let room_with_members = self.room_of_member(room, reader).await?;
        let from_seq = room_with_members.member(reader)?.from_seq;
        let found = self.table.get_item(keys::message(room, id.seq()), true).await?.map(read_message);
        let seen = found.filter(|message| message.id == id && message.seq >= from_seq);
        let mut views = self.views_among(&room_with_members, reader, seen.into_iter().collect()).await?;
        views.pop().ok_or(Error::NotFound)
    }

    /// The pinned messages that a member sees, the newest pin first.
    pub async fn pins(&self, room: RoomId, reader: UserId) -> Result<Vec<View>> {
        let room_with_members = self.room_of_member(room, reader).await?;
        let pinned = room_with_members.room.pinned_from(room_with_members.member(reader)?.from_seq);
        let keys = pinned.iter().map(|id| keys::message(room, id.seq()));
        let found = self.table.batch_get(keys, true).await?;
        let mut messages: Vec<Message> = found.into_iter().map(read_message).collect();
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

/// A message. One that cannot be read is shown as deleted: its position stays taken, and the log has no gap.
pub(in crate::store) fn read_message(item: Item) -> Message {
    let key = item::key(&item);
    let found = item::read_or_recover(item, || {
        let (room, seq) = key.as_ref().and_then(keys::message_of).unwrap_or((Uuid::nil().into(), 0));
        Message::unreadable(room, seq)
    });
    found.unwrap_or_else(|recovered| {
        let created_at = recovered.created_at;
        recovered.deleted(created_at)
    })
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
        sender_display_name: sender.shown.display_name.clone(),
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
