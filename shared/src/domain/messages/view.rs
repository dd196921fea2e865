//! A message as one reader sees it: its status if it is theirs, what it answers, and which reactions are theirs.

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
    /// How far it has come, if the reader sent it.
    pub status: Option<MessageStatus>,
    /// What it answers, as that stands now, if the reader sees it.
    pub reply_to: Option<Message>,
    /// The reader's own reactions.
    pub mine: Vec<Emoji>,
}

impl View {
    /// A message that answers nothing and has no reactions of the reader's, as far as is known yet.
    pub fn of(message: Message, status: Option<MessageStatus>) -> Self {
        Self { message, status, reply_to: None, mine: Vec::new() }
    }

    /// A message of a room whose members are known, as far as is known yet.
    pub fn among(members: &[Member], message: Message, reader: &Member) -> Self {
        let own = message.sender_id == reader.shown.user_id;
        let status = own.then(|| MessageStatus::of(message.seq, ReceiptPosition::by_others(members, reader)));
        Self::of(message, status)
    }

    /// A message whose reader's others have come so far, as far as is known yet.
    pub fn at(others: ReceiptPosition, message: Message, reader: UserId) -> Self {
        let status = (message.sender_id == reader).then(|| MessageStatus::of(message.seq, others));
        Self::of(message, status)
    }

    /// The message that it answers, if somebody who sees the log from `from_seq` on sees that.
    pub fn answers(&self, from_seq: u64) -> Option<MessageId> {
        self.message.reply_to_id.filter(|id| id.seq() >= from_seq)
    }
}

/// A message with all that any of its readers may see beside it.
#[derive(Clone, Debug)]
pub struct FullMessage {
    /// The message.
    pub message: Message,
    /// What it answers, as that stands now.
    pub replied: Option<Message>,
    /// Who put which emoji to it.
    pub reacted: BTreeMap<UserId, Vec<Emoji>>,
}

impl FullMessage {
    /// A message that answers nothing and to which nobody has put anything yet.
    pub fn fresh(message: Message) -> Self {
        Self { message, replied: None, reacted: BTreeMap::new() }
    }

    /// As one member of its room sees it.
    pub fn seen_by(&self, reader: &Member, members: &[Member]) -> View {
        let user = reader.shown.user_id;
        let mut view = View::among(members, self.message.clone(), reader);
        view.message.reply_to_id = view.answers(reader.from_seq);
        view.reply_to = self.replied.clone().filter(|replied| Some(replied.id) == view.message.reply_to_id);
        view.mine = self.reacted.get(&user).cloned().unwrap_or_default();
        view
    }
}
