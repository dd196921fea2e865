//! A message as one reader sees it: its status, the message that it replies to, and the reader's reactions.

use std::collections::BTreeMap;

use crate::{
    domain::{
        messages::{Message, reaction::Emoji},
        receipts::{MessageStatus, ReceiptPosition},
        rooms::Member,
    },
    id::{MessageId, UserId},
};

/// A message as one reader sees it.
#[derive(Clone, Debug, PartialEq)]
pub struct View {
    /// The message.
    pub message: Message,
    /// The delivery status, if the reader is the sender.
    pub status: Option<MessageStatus>,
    /// The current state of the message that this one replies to, if the reader sees it.
    pub reply_to: Option<Message>,
    /// The reader's own reactions.
    pub mine: Vec<Emoji>,
}

impl View {
    /// A view without `reply_to` and reactions, which the caller may add.
    pub fn new(message: Message, status: Option<MessageStatus>) -> Self {
        Self { message, status, reply_to: None, mine: Vec::new() }
    }

    /// A view with the status computed from the members of the room.
    pub fn with_members(members: &[Member], message: Message, reader: &Member) -> Self {
        let is_own = message.sender_id == reader.shown.user_id;
        let status =
            is_own.then(|| MessageStatus::of(message.seq, ReceiptPosition::by_others(members, reader)));
        Self::new(message, status)
    }

    /// A view with the status computed from the positions of the members other than the reader.
    pub fn with_receipts(others: ReceiptPosition, message: Message, reader: UserId) -> Self {
        let status = (message.sender_id == reader).then(|| MessageStatus::of(message.seq, others));
        Self::new(message, status)
    }

    /// The message that this one replies to, if a member who sees the log from `from_seq` sees it.
    pub fn visible_reply_to_id(&self, from_seq: u64) -> Option<MessageId> {
        self.message.reply_to_id.filter(|id| id.seq() >= from_seq)
    }
}

/// A message with the data for the view of every reader.
#[derive(Clone, Debug)]
pub struct FullMessage {
    /// The message.
    pub message: Message,
    /// The current state of the message that this one replies to.
    pub reply_to: Option<Message>,
    /// The reactions of each user, in the order of first use.
    pub reactions: BTreeMap<UserId, Vec<Emoji>>,
}

impl FullMessage {
    /// A message without `reply_to` and reactions.
    pub fn new(message: Message) -> Self {
        Self { message, reply_to: None, reactions: BTreeMap::new() }
    }

    /// The view of a member of the room.
    pub fn seen_by(&self, reader: &Member, members: &[Member]) -> View {
        let user = reader.shown.user_id;
        let mut view = View::with_members(members, self.message.clone(), reader);
        view.message.reply_to_id = view.visible_reply_to_id(reader.from_seq);
        view.reply_to = self.reply_to.clone().filter(|message| Some(message.id) == view.message.reply_to_id);
        view.mine = self.reactions.get(&user).cloned().unwrap_or_default();
        view
    }
}
