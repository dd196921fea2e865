//! A request to send a message. Each retry sends the same request.

use crate::{
    domain::{
        messages::{Draft, Kind, Message},
        rooms::Member,
    },
    error::{Error, Result},
    id::{MessageId, RoomId, UserId},
};

/// A request to send a message.
#[derive(Clone, Debug)]
pub struct SendRequest {
    /// The sender.
    pub sender_id: UserId,
    /// The content. If a message is forwarded, that message's content replaces it.
    pub draft: Draft,
    /// The room and id of the message to forward.
    pub forwarded: Option<(RoomId, MessageId)>,
    /// The client's id of the message. A request without one is never a retry.
    pub client_message_id: Option<String>,
    /// The newest position when the client queued the message. An earlier attempt can only be above it.
    pub after_seq: Option<u64>,
}

impl SendRequest {
    /// The draft to append, with the content of the forwarded message if there is one. Fails if the message
    /// it replies to or the forwarded message is not visible to the sender.
    pub fn draft_to_append(
        &self,
        sender: &Member,
        replied: Option<&Message>,
        forwarded: Option<Message>,
    ) -> Result<Draft> {
        let draft = self.draft.clone();
        if draft.reply_to_id.is_some() && replied.is_none_or(|message| message.seq < sender.from_seq) {
            return Err(Error::invalid("reply_to_id", "must be a message of this room"));
        }
        if self.forwarded.is_none() {
            return Ok(draft);
        }
        let forwarded = forwarded.filter(|message| !message.is_deleted() && message.kind != Kind::System);
        let Message { content, kind, media_url, payload, .. } = forwarded
            .ok_or_else(|| Error::invalid("forward_message_id", "must be a message that you can see"))?;
        Ok(Draft { content, kind, media_url, payload, ..draft })
    }
}
