//! Groups that a user left before the deletion of the account: no name remains there either.

use std::pin::pin;

use shared::{
    domain::accounts::DeletionProgress,
    id::{RoomId, UserId},
    store::db::{item::item, keys},
};

use crate::{
    backend::TestBackend,
    deletion::{LEASE, complete_deletions, contains_username, create_group, delete_account, run_for},
    log::send,
    raw::{items, put_all, user_keys},
    rooms::join,
};

/// A username that occurs nowhere else.
const NAME: &str = "zoe-the-first";

async fn say(backend: &TestBackend, room: RoomId, user: UserId, text: &str) {
    let sent = backend.app.store.append(&send(room, user, text), backend.app.now()).await.unwrap();
    backend.app.deliver(&sent, None).await;
}

/// Zoe, and groups of Ben in which she wrote and which she no longer is in.
struct Past {
    backend: TestBackend,
    ben: UserId,
    zoe: UserId,
    rooms: Vec<RoomId>,
}

impl Past {
    /// Groups that Zoe left, was removed from, and left twice; and one that was deleted afterwards.
    async fn new() -> Self {
        let backend = TestBackend::new();
        let [ben, cleo, zoe] =
            [backend.user("ben").await, backend.user("cleo").await, backend.user(NAME).await];
        let mut rooms = Vec::new();
        for _ in 0..4 {
            let room = create_group(&backend, ben, &[cleo, zoe]).await.unwrap();
            say(&backend, room, zoe, "hello").await;
            rooms.push(room);
        }
        let app = &backend.app;
        for (room, actor) in [(rooms[0], zoe), (rooms[1], ben), (rooms[2], zoe), (rooms[3], zoe)] {
            app.remove_participant(room, actor, zoe).await.unwrap();
        }
        join(&backend, rooms[2], ben, zoe).await.unwrap();
        app.remove_participant(rooms[2], zoe, zoe).await.unwrap();
        app.delete_room(rooms[3], ben).await.unwrap();
        let entries = user_keys(&backend, zoe).into_iter().filter(|sk| sk.starts_with("FORMER_ROOM#"));
        assert_eq!(entries.count(), 4);
        Self { backend, ben, zoe, rooms }
    }

    fn assert_forgotten(&self) {
        for (n, room) in self.rooms.iter().enumerate() {
            assert!(!contains_username(&self.backend, *room, NAME), "room {n}");
        }
        assert_eq!(user_keys(&self.backend, self.zoe), ["PRESENCE", "PROFILE", "QUOTAS"]);
    }
}

#[tokio::test(start_paused = true)]
async fn a_deletion_removes_the_name_from_every_room_that_the_user_was_ever_in() {
    let past = Past::new().await;
    for room in &past.rooms[..3] {
        assert!(contains_username(&past.backend, *room, NAME), "or the test proves nothing");
    }
    assert_eq!(delete_account(&past.backend, past.zoe).await.unwrap(), DeletionProgress::Complete);
    past.assert_forgotten();
    complete_deletions(&past.backend).await;
    past.assert_forgotten();
    assert!(past.backend.partition("DELETIONS").is_empty());
}

#[tokio::test(start_paused = true)]
async fn a_member_again_is_forgotten_in_both_memberships() {
    let past = Past::new().await;
    join(&past.backend, past.rooms[0], past.ben, past.zoe).await.unwrap();
    say(&past.backend, past.rooms[0], past.zoe, "back").await;
    delete_account(&past.backend, past.zoe).await.unwrap();
    past.assert_forgotten();
}

#[tokio::test(start_paused = true)]
async fn a_deletion_aborted_at_any_moment_is_continued_in_former_rooms() {
    for seconds in 1.. {
        let past = Past::new().await;
        if run_for(seconds, delete_account(&past.backend, past.zoe)).await.is_some() {
            assert!(seconds > 8, "aborted at each step");
            past.assert_forgotten();
            return;
        }
        past.backend.wait(LEASE).await;
        assert_eq!(delete_account(&past.backend, past.zoe).await.unwrap(), DeletionProgress::Complete);
        past.assert_forgotten();
    }
}

#[tokio::test(start_paused = true)]
async fn a_message_in_flight_while_its_sender_leaves_is_anonymized_afterwards() {
    let past = Past::new().await;
    let backend = &past.backend;
    let room = create_group(backend, past.ben, &[past.zoe]).await.unwrap();
    let message = send(room, past.zoe, "last words");
    let mut late = pin!(backend.app.store.append(&message, backend.app.now()));
    assert!(run_for(0, late.as_mut()).await.is_none());
    backend.app.remove_participant(room, past.zoe, past.zoe).await.unwrap();
    delete_account(backend, past.zoe).await.unwrap();
    late.await.unwrap();
    assert!(contains_username(backend, room, NAME), "sent after the anonymization");
    complete_deletions(backend).await;
    assert!(!contains_username(backend, room, NAME));
}

#[tokio::test(start_paused = true)]
async fn a_long_former_room_is_anonymized_in_steps_that_a_later_call_continues() {
    let past = Past::new().await;
    let (backend, room) = (&past.backend, past.rooms[0]);
    let first = backend.app.store.newest_message(room).await.unwrap().unwrap();
    let end = first.seq + 1200;
    let copy = |seq: u64| {
        let id = shared::id::MessageId::new(first.created_at, seq);
        shared::domain::messages::Message { seq, id, ..first.clone() }
    };
    let messages = (first.seq + 1..=end).map(copy);
    put_all(backend, messages.map(|it| item(keys::message(room, it.seq), &it).unwrap()).collect()).await;
    let progress = || {
        let entries = backend.partition(&keys::former_room(past.zoe, room).pk);
        let steps = entries.iter().filter_map(|entry| entry["anonymized_to"]["N"].as_str()?.parse().ok());
        steps.max().unwrap_or(0_u64)
    };
    {
        let mut deletion = pin!(delete_account(backend, past.zoe));
        while progress() == 0 {
            assert!(run_for(1, deletion.as_mut()).await.is_none());
        }
    }
    assert_eq!(progress(), 500, "the first step is stored");
    backend.wait(LEASE).await;
    backend.calls();
    delete_account(backend, past.zoe).await.unwrap();
    let rewritten = backend.calls().iter().filter(|call| call.operation == "UpdateItem").count();
    assert!(rewritten < 900, "{rewritten}: the first step is not repeated");
    past.assert_forgotten();
    assert_eq!(items(backend, room, "MSG#").len() as u64, end);
}
