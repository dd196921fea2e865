//! Typing indicators: pushed to the other members of a room, and stored nowhere.

use crate::{
    App, BestEffort, Result,
    domain::rooms::{Member, ShownMember},
    id::{RoomId, UserId},
    wire::socket::Event,
};

impl App {
    /// Notifies the other members of a room that a member has started or stopped typing.
    pub async fn notify_typing(&self, room_id: RoomId, user_id: UserId, is_typing: bool) -> Result<()> {
        let room = self.store.room_of_member(room_id, user_id).await?;
        let ShownMember { username, display_name, avatar_url, .. } = room.member(user_id)?.shown.clone();
        let chat_room_id = room_id;
        let event =
            Event::TypingIndicator { chat_room_id, user_id, username, display_name, avatar_url, is_typing };
        let for_others = |reader: &Member| (reader.shown.user_id != user_id).then(|| event.clone());
        self.notify_room(&room, for_others).await.can_fail("typing indicator");
        Ok(())
    }
}
