//! Receipts: positions of members that only advance, and their pushes.

use crate::{
    App, BestEffort, Result,
    domain::{
        receipts::{ReceiptKind, ReceiptTarget},
        rooms::Member,
    },
    id::{RoomId, UserId},
    wire::socket::{Event, Receipt},
};

impl App {
    /// Advances a member's receipt, at most to the newest message, and notifies the room if it has advanced.
    /// One write and one push, however many messages it passes. Named messages that the member does not see in
    /// the room are ignored.
    ///
    /// Reading implies delivery: a member who may not see reads is notified of the delivery, if it has
    /// advanced.
    pub async fn advance_receipt(
        &self,
        kind: ReceiptKind,
        room_id: RoomId,
        user_id: UserId,
        target: &ReceiptTarget,
    ) -> Result<()> {
        let now = self.now();
        let room = self.store.room_of_member(room_id, user_id).await?;
        let newest = self.store.newest_message(room_id).await?;
        let member = room.member(user_id)?;
        let tail = newest.as_ref().map_or(0, |message| message.seq);
        let reached = match kind {
            ReceiptKind::Read => member.read_seq,
            ReceiptKind::Delivered => member.received_seq(),
        };
        let unnamed = target.seq(tail);
        let below = unnamed.max(reached).max(member.from_seq.saturating_sub(1));
        let named = target.named_above(below, tail);
        let named = self.store.newest_of(room_id, newest.as_ref(), &named).await?;
        let seq = named.unwrap_or(unnamed);
        if seq <= reached {
            return Ok(());
        }
        let has_advanced = match kind {
            ReceiptKind::Read => self.store.advance_read(room_id, user_id, seq, now).await?,
            ReceiptKind::Delivered => self.store.advance_delivered(room_id, user_id, seq).await?,
        };
        if has_advanced {
            let receipt = Receipt { chat_room_id: room_id, user_id, seq, message_ids: [] };
            let event = |reader: &Member| match kind {
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
