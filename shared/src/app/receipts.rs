//! How far members have come in a room: positions that move forward only, and who is told of it.

use crate::{
    App, BestEffort, Result,
    domain::rooms::Member,
    id::{RoomId, UserId},
    wire::socket::{Event, Receipt},
};

/// How far somebody has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ReceiptKind {
    /// The person has read up to there.
    Read,
    /// A device of theirs has everything up to there.
    Delivered,
}

impl App {
    /// Moves a member's position forward, to the newest message at the most, and tells the room if that was news.
    /// Without a position, to the newest message. One write and one push, however many messages it passes.
    ///
    /// What was read is delivered: who may not know of the reading hears of that, if it is news.
    pub async fn advance_receipt(
        &self,
        progress: ReceiptKind,
        room_id: RoomId,
        user_id: UserId,
        seq: Option<u64>,
    ) -> Result<()> {
        let now = self.now();
        let (room, newest) =
            futures::try_join!(self.store.room_with_members(room_id), self.store.newest_message(room_id))?;
        let member = room.member(user_id)?;
        let tail = newest.map_or(0, |message| message.seq);
        let seq = seq.unwrap_or(tail).min(tail);
        let moved = match progress {
            ReceiptKind::Read => self.store.advance_read(room_id, user_id, seq, now).await?,
            ReceiptKind::Delivered => self.store.advance_delivered(room_id, user_id, seq, now).await?,
        };
        if moved {
            let receipt = Receipt { chat_room_id: room_id, user_id, seq, message_ids: [] };
            let event = |reader: &Member| match progress {
                ReceiptKind::Read if member.shows_reads_to(reader) => {
                    Some(Event::MessageReadReceipt(receipt.clone()))
                }
                ReceiptKind::Read if member.received_seq() >= seq => None,
                ReceiptKind::Read | ReceiptKind::Delivered => {
                    Some(Event::MessageDeliveredReceipt(receipt.clone()))
                }
            };
            self.notify_room(&room, event).await.can_fail("receipt push");
        }
        Ok(())
    }
}
