//! `POST /api/v1/chat/rooms`: make a group, or open the one direct room of two people.

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

pub(crate) async fn create_room(app: App, me: Me, Body(wish): Body<RoomCreate>) -> Reply<ChatRoom> {
    let new_room = NewRoom::new(me.id, &wish.participant_ids, wish.is_group, wish.name.as_deref())?;
    let existing = match new_room.kind {
        RoomKind::Direct => app.store.my_room(me.id, new_room.id).await?,
        RoomKind::Group => None,
    };
    if let Some(room) = existing.clone().filter(|room| room.others.iter().all(|other| !other.is_deleted)) {
        return answer(&app, &me, room.into()).await;
    }
    // A room that is there may be opened again and again.
    app.check_rate_limit(me.id, RateLimitedAction::Rooms).await?;
    let people: Vec<_> = new_room.members.iter().copied().collect();
    let now = app.now();
    let profiles = match (app.store.reachable(me.id, &people).await, existing) {
        (Err(Error::NotFound), Some(left)) => return answer(&app, &me, left.into()).await,
        (profiles, _) => profiles?,
    };
    let Some(room) = app.store.create_room(&new_room, profiles, now).await? else {
        // The other one opened it at the same moment, or shut the caller out; or one of them had deleted their account.
        app.rejoin_direct_room(new_room.id, me.id, &people).await?;
        let room = app.store.my_room(me.id, new_room.id).await?;
        return answer(&app, &me, room.ok_or(Error::NotFound)?.into()).await;
    };
    let event = |person| Event::RoomCreated(Box::new(ChatRoom::fresh(room.clone(), person)));
    app.push.notify_each(&people, event, now).await.can_fail("new room push");
    answer(&app, &me, ChatRoom::fresh(room, me.id)).await
}

/// The room, and in a direct one whether the other is online.
async fn answer(app: &App, me: &Me, mut room: ChatRoom) -> Reply<ChatRoom> {
    app.show_presence(me.id, Some(&mut room).filter(|room| room.is_direct())).await?;
    Ok(Json(room))
}
