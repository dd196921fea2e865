//! `PUT /api/v1/chat/rooms/{room_id}/read`: the caller has read everything in a room.

use shared::{
    App, BestEffort,
    id::RoomId,
    serve::{
        Fatal,
        http::{Json, Me, Path, Reply, serve},
    },
    wire::{friends::Done, socket::Event},
};

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Fatal> {
    serve(mark_read).await
}

async fn mark_read(app: App, me: Me, Path(room_id): Path<RoomId>) -> Reply<Done> {
    let now = app.now();
    let (room, newest) =
        tokio::try_join!(app.store.room_and_roster(room_id), app.store.newest_message(room_id))?;
    room.member(me.id)?;
    let seq = newest.map_or(0, |message| message.seq);
    if app.store.move_read(room_id, me.id, seq, now).await? {
        let receipt =
            Event::MessageReadReceipt { chat_room_id: room_id, user_id: me.id, seq, message_ids: [] };
        app.push.tell(&room.people(), &receipt, now).await.can_fail("read receipt push");
    }
    Ok(Json(Done { message: "Messages marked as read".to_owned() }))
}
