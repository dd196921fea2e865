//! `POST /api/v1/chat/rooms`: create a group, or open the direct room of two users.

use shared::{
    App, BestEffort, Error,
    domain::{
        rooms::{RoomKind, new_room::NewRoom},
        users::rate_limit::RateLimitedAction,
    },
    serve::{
        Fatal,
        http::{Body, Json, Me, Reply, serve},
    },
    wire::{
        rooms::{ChatRoom, RoomCreate},
        socket::Event,
    },
};

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Fatal> {
    serve(create_room).await
}

pub(crate) async fn create_room(app: App, me: Me, Body(body): Body<RoomCreate>) -> Reply<ChatRoom> {
    let new_room = NewRoom::new(me.id, &body.participant_ids, body.is_group, body.name.as_deref())?;
    let existing = match new_room.kind {
        RoomKind::Direct => app.store.my_room(me.id, new_room.id).await?,
        RoomKind::Group => None,
    };
    if let Some(room) = existing.clone().filter(|room| room.others.iter().all(|other| !other.is_deleted)) {
        return respond(&app, &me, room.into()).await;
    }
    // Opening an existing room is not rate limited.
    app.check_rate_limit(me.id, RateLimitedAction::Rooms).await?;
    let members: Vec<_> = new_room.members.iter().copied().collect();
    let now = app.now();
    let profiles = match (app.store.reachable(me.id, &members).await, existing) {
        (Err(Error::NotFound), Some(room)) => return respond(&app, &me, room.into()).await,
        (profiles, _) => profiles?,
    };
    let Some(room) = app.store.create_room(&new_room, profiles, now).await? else {
        // The other user opened the room concurrently, a block closes it, or an account was deleted.
        app.rejoin_direct_room(new_room.id, me.id, &members).await?;
        let room = app.store.my_room(me.id, new_room.id).await?;
        return respond(&app, &me, room.ok_or(Error::NotFound)?.into()).await;
    };
    let event = |member| Event::RoomCreated(Box::new(ChatRoom::fresh(room.clone(), member)));
    app.push.notify_each(&members, event, now).await.can_fail("new room notification");
    respond(&app, &me, ChatRoom::fresh(room, me.id)).await
}

/// Adds the other user's presence to a direct room.
async fn respond(app: &App, me: &Me, mut room: ChatRoom) -> Reply<ChatRoom> {
    app.show_presence(me.id, Some(&mut room).filter(|room| room.is_direct())).await?;
    Ok(Json(room))
}
