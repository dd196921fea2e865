//! How far a room's messages have come: delivered and read.

use serde::Serialize;

use crate::domain::rooms::Member;

/// How far all of some members have come: the least of their positions.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ReceiptPosition {
    /// All of them have read up to there.
    pub read_seq: u64,
    /// A device of each of them has everything up to there.
    pub delivered_seq: u64,
}

impl ReceiptPosition {
    /// How far everyone but `reader` has come, as far as `reader` may know. Where there is nobody else, nothing has come
    /// anywhere.
    pub fn by_others(members: &[Member], reader: &Member) -> Self {
        let others = || members.iter().filter(|member| member.shown.user_id != reader.shown.user_id);
        let read = others().map(|member| member.read_seq_shown_to(reader)).min();
        let delivered = others().map(Member::received_seq).min();
        Self { read_seq: read.unwrap_or_default(), delivered_seq: delivered.unwrap_or_default() }
    }
}

/// How far a message has come, as its sender sees it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum MessageStatus {
    /// It is in the log.
    Sent,
    /// A device of every other member has it.
    Delivered,
    /// Every other member has read it.
    Read,
}

impl MessageStatus {
    /// The status of the message at `seq`, when its sender's others have come so far.
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::rooms::tests::{member, withholding};

    #[test]
    fn a_message_is_as_far_as_the_last_of_the_others() {
        let me = member(1, 5, 5);
        let status = |members: &[Member]| MessageStatus::of(5, ReceiptPosition::by_others(members, &me));
        assert_eq!(status(&[member(1, 5, 5)]), MessageStatus::Sent);
        assert_eq!(status(&[member(1, 5, 5), member(2, 0, 4)]), MessageStatus::Sent);
        assert_eq!(status(&[member(1, 5, 5), member(2, 0, 5), member(3, 9, 0)]), MessageStatus::Delivered);
        assert_eq!(status(&[member(1, 0, 0), member(2, 5, 0), member(3, 9, 9)]), MessageStatus::Read);
    }

    #[test]
    fn a_message_is_never_read_where_one_of_the_others_or_its_sender_withholds_that() {
        let me = member(1, 5, 5);
        let members = [me.clone(), member(2, 9, 0), withholding(member(3, 9, 0))];
        let status = |seq, me| MessageStatus::of(seq, ReceiptPosition::by_others(&members, me));
        assert_eq!([status(1, &me), status(9, &me)], [MessageStatus::Delivered; 2]);
        assert_eq!(status(10, &me), MessageStatus::Sent);
        let both_show = [me.clone(), member(2, 9, 0)];
        let status = |me| MessageStatus::of(9, ReceiptPosition::by_others(&both_show, me));
        assert_eq!(
            (status(&me), status(&withholding(me.clone()))),
            (MessageStatus::Read, MessageStatus::Delivered)
        );
    }
}
