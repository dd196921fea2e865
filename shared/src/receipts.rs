//! How far members have come in a room: positions that move forward only, and who is told of it.

use crate::{
    App, BestEffort, Result,
    domain::room::Member,
    id::{RoomId, UserId},
    wire::socket::{Event, Receipt},
};

/// How far somebody has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Progress {
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
    pub async fn progress(
        &self,
        progress: Progress,
        room_id: RoomId,
        user_id: UserId,
        seq: Option<u64>,
    ) -> Result<()> {
        let now = self.now();
        let (room, newest) =
            futures::try_join!(self.store.room_and_roster(room_id), self.store.newest_message(room_id))?;
        let member = room.member(user_id)?;
        let tail = newest.map_or(0, |message| message.seq);
        let seq = seq.unwrap_or(tail).min(tail);
        let moved = match progress {
            Progress::Read => self.store.move_read(room_id, user_id, seq, now).await?,
            Progress::Delivered => self.store.move_delivered(room_id, user_id, seq, now).await?,
        };
        if moved {
            let receipt = Receipt { chat_room_id: room_id, user_id, seq, message_ids: [] };
            let event = |reader: &Member| match progress {
                Progress::Read if member.shows_reads_to(reader) => {
                    Some(Event::MessageReadReceipt(receipt.clone()))
                }
                Progress::Read if member.reached_seq() >= seq => None,
                Progress::Read | Progress::Delivered => Some(Event::MessageDeliveredReceipt(receipt.clone())),
            };
            self.tell_room(&room, event).await.can_fail("receipt push");
        }
        Ok(())
    }
}
