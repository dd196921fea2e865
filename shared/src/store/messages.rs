//! The message log: idempotent append, and reading by position.

use super::{
    Store,
    item::{Query, item, read},
    keys,
    rooms::RoomAndRoster,
    table::Put,
};
use crate::{
    clock::Timestamp,
    domain::{
        log::{self, Window},
        message::{Draft, Message},
        room::Member,
    },
    error::{Error, Result},
    id::{MessageId, RoomId, UserId},
};

/// How many slots a send tries before it gives way. Each lost slot holds a message of somebody else, so this many
/// others committed meanwhile.
const MAX_SLOTS: u64 = 256;

/// One send, the same at each of its tries.
#[derive(Clone, Debug)]
pub struct Send {
    /// Who sends.
    pub sender_id: UserId,
    /// What.
    pub draft: Draft,
    /// The client's own name for it. Without one it was never tried before.
    pub client_message_id: Option<String>,
    /// The newest position when the client first queued it: an earlier try can only lie above.
    pub after_seq: Option<u64>,
}

/// A message that is in the log, and the room as it was read just before.
#[derive(Clone, Debug)]
pub struct Committed {
    /// The message as it stands.
    pub message: Message,
    /// The room and the roster that authorised it.
    pub room: RoomAndRoster,
}

impl Store {
    /// Appends a message at the next position of its room, exactly once however often the same send is tried.
    ///
    /// Two sequential round trips where no other sender interferes; one more for each slot lost to another.
    pub async fn append(&self, send: &Send, now: Timestamp) -> Result<Committed> {
        let draft = &send.draft;
        let (room, earlier, replied) = futures::try_join!(
            self.room_and_roster(draft.room_id),
            self.newest_messages(send),
            self.replied_message(draft),
        )?;
        let member = room.member(send.sender_id)?.clone();
        if let Some(reply_to) = draft.reply_to_id {
            let seen =
                replied.is_some_and(|message| message.id == reply_to && message.seq >= member.from_seq);
            if !seen {
                return Err(Error::invalid("reply_to_id", "must be a message of this room"));
            }
        }
        let tail = earlier.first().map_or(0, |newest| newest.seq);
        if let Some(after_seq) = send.after_seq {
            log::check_search_bound(after_seq, tail)?;
        }
        // Minted before the first write, so that the SDK's own retries cannot double the message.
        let client_message_id =
            send.client_message_id.clone().unwrap_or_else(|| uuid::Uuid::new_v4().to_string());
        if let Some(message) =
            earlier.into_iter().find(|message| message.is_send(send.sender_id, &client_message_id))
        {
            return Ok(Committed { message, room });
        }
        for seq in tail + 1..=tail + MAX_SLOTS {
            let message = message_at(seq, draft, &member, &client_message_id, now);
            match self.table.put_new(item(keys::message(draft.room_id, seq), &message)?).await? {
                Put::Written => return Ok(Committed { message, room }),
                Put::Taken(taken) => {
                    let taken: Message = read(taken)?;
                    if taken.is_send(send.sender_id, &client_message_id) {
                        return Ok(Committed { message: taken, room });
                    }
                }
            }
        }
        Err(Error::Busy("every slot was taken".into()))
    }

    /// The newest messages, newest first, as far back as an earlier try of this send can lie; at least the newest.
    async fn newest_messages(&self, send: &Send) -> Result<Vec<Message>> {
        let first = send.after_seq.unwrap_or(1).max(1);
        let back = match (&send.client_message_id, send.after_seq) {
            (None, _) => 1,
            (Some(_), None) => log::DEFAULT_SEARCH,
            (Some(_), Some(_)) => log::MAX_SEARCH + 1,
        };
        let query = Query::of(keys::messages_from(send.draft.room_id, first)).consistent().newest_first();
        let newest = self.table.query(query.limit(usize::try_from(back).unwrap_or(usize::MAX))).await?;
        newest.into_iter().map(read).collect()
    }

    async fn replied_message(&self, draft: &Draft) -> Result<Option<Message>> {
        match draft.reply_to_id {
            Some(id) => self.table.get(keys::message(draft.room_id, id.seq()), true).await,
            None => Ok(None),
        }
    }

    /// The newest message of a room.
    pub async fn newest_message(&self, room: RoomId) -> Result<Option<Message>> {
        let query = Query::of(keys::messages_from(room, 1)).consistent().newest_first().limit(1);
        self.table.query(query).await?.pop().map(read).transpose()
    }

    /// The messages in a window of the log that a member may see, newest first, and the room with its roster.
    /// It costs what the window holds, however long the log is.
    pub async fn history(
        &self,
        room: RoomId,
        reader: UserId,
        window: Window,
        limit: u64,
    ) -> Result<(RoomAndRoster, Vec<Message>)> {
        let (room_and_roster, newest) =
            futures::try_join!(self.room_and_roster(room), self.newest_message(room))?;
        let from_seq = room_and_roster.member(reader)?.from_seq;
        let tail = newest.map_or(0, |message| message.seq);
        let Some((first, last)) = window.positions(limit, from_seq, tail) else {
            return Ok((room_and_roster, Vec::new()));
        };
        let query = Query::of(keys::messages(room, first, last)).consistent().newest_first();
        let messages = self.table.query(query).await?.into_iter().map(read).collect::<Result<_>>()?;
        Ok((room_and_roster, messages))
    }
}

fn message_at(seq: u64, draft: &Draft, sender: &Member, client_message_id: &str, now: Timestamp) -> Message {
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
    }
}
