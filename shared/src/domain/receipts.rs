//! Receipts: the positions up to which members have received and read a room's messages.

use serde::Serialize;

use crate::{domain::rooms::Member, id::MessageId};

/// The maximum number of messages that a receipt names: as many as a page of messages has.
pub const MAX_NAMED_MESSAGES: usize = 100;

/// The minimum receipt positions of several members.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ReceiptPosition {
    /// All of them have read the messages up to this position.
    pub read_seq: u64,
    /// Each of them has a device with the messages up to this position.
    pub delivered_seq: u64,
}

impl ReceiptPosition {
    /// The positions of all members except `reader`, as far as `reader` may see them. Both are 0 if there are
    /// no other members.
    pub fn by_others(members: &[Member], reader: &Member) -> Self {
        let others = || members.iter().filter(|member| member.shown.user_id != reader.shown.user_id);
        let read = others().map(|member| member.read_seq_shown_to(reader)).min();
        let delivered = others().map(|member| member.received_seq_shown_to(reader)).min();
        Self { read_seq: read.unwrap_or_default(), delivered_seq: delivered.unwrap_or_default() }
    }
}

/// The delivery status of a message, as its sender sees it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum MessageStatus {
    /// The message is in the log.
    Sent,
    /// A device of every other member has the message.
    Delivered,
    /// Every other member has read the message.
    Read,
}

impl MessageStatus {
    /// The status of the message at `seq`, given the positions of the members other than its sender.
    pub fn of(seq: u64, others: ReceiptPosition) -> Self {
        if others.read_seq >= seq {
            Self::Read
        } else if others.delivered_seq >= seq {
            Self::Delivered
        } else {
            Self::Sent
        }
    }
}

/// The kind of a receipt.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ReceiptKind {
    /// The user has read all messages up to the position.
    Read,
    /// A device of the user has all messages up to the position.
    Delivered,
}

/// The messages that a receipt covers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ReceiptTarget {
    /// All messages of the room.
    Newest,
    /// The messages up to a position, and up to the newest of the named messages.
    UpTo {
        /// The position.
        seq: u64,
        /// The named messages. Those that the member does not see in the room do not count.
        messages: Vec<MessageId>,
    },
}

impl ReceiptTarget {
    /// The position without the named messages, in a room whose newest message is at `tail`.
    pub fn seq(&self, tail: u64) -> u64 {
        match self {
            Self::Newest => tail,
            Self::UpTo { seq, .. } => tail.min(*seq),
        }
    }

    /// The named messages above position `seq` that the room can contain, newest first.
    pub fn named_above(&self, seq: u64, tail: u64) -> Vec<MessageId> {
        let mut named = match self {
            Self::Newest => Vec::new(),
            Self::UpTo { messages, .. } => messages.clone(),
        };
        named.retain(|id| (seq + 1..=tail).contains(&id.seq()));
        named.sort_unstable_by_key(|id| std::cmp::Reverse(id.seq()));
        named
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock::Timestamp;
    use crate::domain::rooms::tests::{hiding_reads, member};

    #[test]
    fn the_status_follows_the_member_furthest_behind() {
        let me = member(1, 5, 5);
        let status = |members: &[Member]| MessageStatus::of(5, ReceiptPosition::by_others(members, &me));
        assert_eq!(status(&[member(1, 5, 5)]), MessageStatus::Sent);
        assert_eq!(status(&[member(1, 5, 5), member(2, 0, 4)]), MessageStatus::Sent);
        assert_eq!(status(&[member(1, 5, 5), member(2, 0, 5), member(3, 9, 0)]), MessageStatus::Delivered);
        assert_eq!(status(&[member(1, 0, 0), member(2, 5, 0), member(3, 9, 9)]), MessageStatus::Read);
    }

    #[test]
    fn the_status_is_never_read_if_the_sender_or_a_recipient_hides_read_receipts() {
        let me = member(1, 5, 5);
        let members = [me.clone(), member(2, 9, 0), hiding_reads(member(3, 9, 0))];
        let status = |seq, me| MessageStatus::of(seq, ReceiptPosition::by_others(&members, me));
        assert_eq!([status(1, &me), status(9, &me)], [MessageStatus::Delivered; 2]);
        assert_eq!(status(10, &me), MessageStatus::Sent);
        let visible = [me.clone(), member(2, 9, 0)];
        let status = |me| MessageStatus::of(9, ReceiptPosition::by_others(&visible, me));
        assert_eq!(
            (status(&me), status(&hiding_reads(me.clone()))),
            (MessageStatus::Read, MessageStatus::Delivered)
        );
    }

    #[test]
    fn a_receipt_covers_all_messages_or_up_to_a_position_within_the_log() {
        let up_to = |seq| ReceiptTarget::UpTo { seq, messages: Vec::new() };
        assert_eq!([ReceiptTarget::Newest, up_to(0), up_to(3), up_to(9)].map(|to| to.seq(5)), [5, 0, 3, 5]);
    }

    #[test]
    fn only_named_messages_that_advance_the_receipt_are_looked_up() {
        let id = |seq| MessageId::new(Timestamp::from_seconds(0), seq);
        let messages: Vec<MessageId> = [2, 9, 4, 3, 5, 6].map(id).to_vec();
        let named = ReceiptTarget::UpTo { seq: 0, messages }.named_above(3, 5);
        assert_eq!(named.into_iter().map(MessageId::seq).collect::<Vec<_>>(), [5, 4]);
        assert_eq!(ReceiptTarget::Newest.named_above(0, 5), []);
    }
}
