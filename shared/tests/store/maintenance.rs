//! What deletions leave to the schedule: messages of functions that read the room before the deletion, groups
//! without members, and deletions that cannot be completed yet.

use std::pin::pin;

use serde_json::Value;
use shared::{
    BestEffort, Error,
    domain::messages::Message,
    id::{MessageId, RoomId, UserId},
    store::{
        db::{item::item, keys},
        messages::Committed,
    },
};

use crate::{
    backend::TestBackend,
    deletion::{
        LEASE, OVERDUE, complete_deletions, contains_username, create_group, delete_account,
        pending_deletions, rejoin_direct_room, run_for,
    },
    log::send,
    profiles::{identity, named},
    raw::{items, member, meta, put_all, set, user_keys},
    rooms::room,
};

/// Sends a message during an action: the send reads the room before the action, and commits after it.
async fn send_during(backend: &TestBackend, room: RoomId, sender: UserId, action: impl Future) -> Committed {
    let message = send(room, sender, "last words");
    // Boxed, because tests nest these calls, and unoptimised futures are large.
    let mut late = Box::pin(backend.app.store.append(&message, backend.app.now()));
    assert!(run_for(0, late.as_mut()).await.is_none());
    Box::pin(action).await;
    let committed = late.await.unwrap();
    Box::pin(backend.app.deliver(&committed, None)).await;
    committed
}

/// The sort keys of the items of a room.
fn room_keys(backend: &TestBackend, room: RoomId) -> Vec<String> {
    items(backend, room, "").iter().map(|item| item["sk"]["S"].as_str().unwrap().to_owned()).collect()
}

#[tokio::test(start_paused = true)]
async fn a_message_sent_during_an_account_deletion_is_anonymized_afterwards() {
    let backend = TestBackend::new();
    let [ben, zoe] = [backend.user("ben").await, backend.user("zoe-the-first").await];
    let (direct, gym) =
        (room(&backend, zoe, &[ben]).await, create_group(&backend, ben, &[zoe]).await.unwrap());
    let deleting = send_during(&backend, direct, zoe, async { delete_account(&backend, zoe).await.unwrap() });
    send_during(&backend, gym, zoe, deleting).await;
    for room in [direct, gym] {
        assert!(contains_username(&backend, room, "zoe-the-first"), "sent after the anonymization");
    }
    assert_eq!((pending_deletions(&backend, "account"), pending_deletions(&backend, "sender_name")), (0, 2));
    complete_deletions(&backend).await;
    for room in [direct, gym] {
        assert!(!contains_username(&backend, room, "zoe-the-first"));
    }
    assert!(backend.partition("DELETIONS").is_empty());
}

#[tokio::test(start_paused = true)]
async fn a_recreated_account_keeps_its_new_username() {
    let backend = TestBackend::new();
    let [ben, zoe] = [backend.user("ben").await, backend.user("zoe-the-first").await];
    let direct = room(&backend, zoe, &[ben]).await;
    send_during(&backend, direct, zoe, async { delete_account(&backend, zoe).await.unwrap() }).await;
    backend.wait(2).await;
    let back = identity(zoe, Some(backend.app.now().seconds()));
    backend.app.ensure_profile(&back).await.unwrap();
    backend.app.change_profile(zoe, &named("zoe-the-second")).await.unwrap();
    rejoin_direct_room(&backend, ben, zoe).await.unwrap();
    backend.app.store.append(&send(direct, zoe, "words"), backend.app.now()).await.unwrap();
    complete_deletions(&backend).await;
    let names: Vec<String> = items(&backend, direct, "MSG#")
        .iter()
        .map(|item| item["sender_username"]["S"].as_str().unwrap().to_owned())
        .collect();
    assert_eq!(names, ["Deleted user", "zoe-the-second"]);
}

#[tokio::test(start_paused = true)]
async fn a_message_sent_while_an_account_returns_loses_the_former_username() {
    let backend = TestBackend::new();
    let [ben, zoe] = [backend.user("ben").await, backend.user("zoe-the-first").await];
    let direct = room(&backend, zoe, &[ben]).await;
    assert!(run_for(2, delete_account(&backend, zoe)).await.is_none());
    backend.wait(2).await;
    // Her return completes the deletion. It starts before the message.
    let back = identity(zoe, Some(backend.app.now().seconds()));
    let mut returning = pin!(backend.app.resume_account(&back));
    assert!(run_for(1, returning.as_mut()).await.is_none());
    let after = async { returning.await.unwrap() };
    send_during(&backend, direct, zoe, after).await;
    assert!(contains_username(&backend, direct, "zoe-the-first"), "sent after the anonymization");
    complete_deletions(&backend).await;
    assert!(!contains_username(&backend, direct, "zoe-the-first"));
}

#[tokio::test(start_paused = true)]
async fn late_messages_are_anonymized_behind_many_later_messages() {
    let backend = TestBackend::new();
    let [ben, cleo, zoe] =
        [backend.user("ben").await, backend.user("cleo").await, backend.user("zoe-the-first").await];
    let gym = create_group(&backend, ben, &[cleo, zoe]).await.unwrap();
    let late = send_during(&backend, gym, zoe, async { delete_account(&backend, zoe).await.unwrap() }).await;
    let late = late.message();
    // One full page of messages of Ben, then one of hers.
    let copy = |seq: u64| Message { seq, id: MessageId::new(late.created_at, seq), ..late.clone() };
    let bens = |seq: u64| Message { sender_id: ben, sender_username: "ben".into(), ..copy(seq) };
    let end = late.seq + 501;
    let messages = (late.seq..end).map(bens).chain([copy(end)]);
    put_all(
        &backend,
        messages.map(|message| item(keys::message(gym, message.seq), &message).unwrap()).collect(),
    )
    .await;
    assert!(contains_username(&backend, gym, "zoe-the-first"));
    complete_deletions(&backend).await;
    assert!(!contains_username(&backend, gym, "zoe-the-first"));
    assert_eq!(items(&backend, gym, "MSG#").len() as u64, end);
}

#[tokio::test(start_paused = true)]
async fn items_that_cannot_be_read_keep_no_deletion_pending() {
    let backend = TestBackend::new();
    let [ben, cleo, zoe] =
        [backend.user("ben").await, backend.user("cleo").await, backend.user("zoe-the-first").await];
    let direct = room(&backend, zoe, &[ben]).await;
    let [gym, pool] = [
        create_group(&backend, cleo, &[ben]).await.unwrap(),
        create_group(&backend, cleo, &[ben]).await.unwrap(),
    ];
    for group in [gym, pool] {
        send_during(&backend, group, ben, async { backend.app.delete_room(group, cleo).await.unwrap() })
            .await;
    }
    send_during(&backend, direct, zoe, async { delete_account(&backend, zoe).await.unwrap() }).await;
    assert!(run_for(2, delete_account(&backend, cleo)).await.is_none());

    for attribute in ["kind", "rev"] {
        set(&backend, keys::meta(gym), attribute, -1).await;
    }
    set(&backend, keys::message(direct, 1), "kind", 1).await;
    for (n, deletion) in backend.partition("DELETIONS").into_iter().enumerate() {
        let sk = deletion["sk"]["S"].as_str().unwrap().to_owned();
        set(&backend, keys::Key { pk: "DELETIONS".into(), sk }, ["of", "since"][n % 2], 1).await;
    }
    set(&backend, keys::Key { pk: "DELETIONS".into(), sk: "A".into() }, "of", 1).await;

    for _ in 0..2 {
        backend.wait(OVERDUE).await;
        backend.app.complete_deletions().await.unwrap();
    }
    assert_eq!(backend.partition("DELETIONS"), Vec::<Value>::new());
    assert_eq!(user_keys(&backend, cleo), ["PRESENCE", "PROFILE", "QUOTAS"]);
    assert!(!contains_username(&backend, direct, "zoe-the-first"));
    for group in [gym, pool] {
        assert_eq!(room_keys(&backend, group), ["META"]);
        assert!(meta(&backend, group)["expires_at"]["N"].is_string());
    }
}

#[tokio::test(start_paused = true)]
async fn a_deletion_that_fails_is_reported_and_kept_and_blocks_no_other() {
    let backend = TestBackend::new();
    let [ben, zoe] = [backend.user("ben").await, backend.user("zoe").await];
    let gym = create_group(&backend, ben, &[zoe]).await.unwrap();
    backend.app.delete_room(gym, ben).await.unwrap();
    assert!(run_for(2, delete_account(&backend, zoe)).await.is_none());
    backend.wait(OVERDUE).await;
    // The lease of an account deletion is an update.
    backend.set_conflicts("UpdateItem", usize::MAX);
    assert!(matches!(backend.app.complete_deletions().await, Err(Error::Busy(_))));
    let pending = |kind| pending_deletions(&backend, kind);
    assert_eq!((pending("account"), pending("room")), (1, 0));
    backend.set_conflicts("UpdateItem", 0);
    complete_deletions(&backend).await;
    assert_eq!(pending("account"), 0);
}

#[tokio::test(start_paused = true)]
async fn completing_a_former_deletion_does_not_complete_a_new_one() {
    let backend = TestBackend::new();
    let [ben, zoe] = [backend.user("ben").await, backend.user("zoe").await];
    room(&backend, zoe, &[ben]).await;
    delete_account(&backend, zoe).await.unwrap();
    let first = backend.app.store.overdue_deletions(backend.app.now()).await.unwrap();
    backend.wait(2).await;
    backend.app.ensure_profile(&identity(zoe, Some(backend.app.now().seconds()))).await.unwrap();
    rejoin_direct_room(&backend, ben, zoe).await.unwrap();
    let again = backend.app.now().seconds() + 1;
    backend.app.delete_account(&identity(zoe, Some(again))).await.unwrap();
    let [first] = <[_; 1]>::try_from(first).unwrap();
    backend.app.store.complete_deletion(first).await.unwrap();
    assert_eq!(pending_deletions(&backend, "sender_name"), 1);
    complete_deletions(&backend).await;
    assert_eq!(pending_deletions(&backend, "sender_name"), 0);
}

#[tokio::test(start_paused = true)]
async fn a_late_call_of_the_first_deletion_hides_no_room_from_the_second() {
    for seconds in 3..40 {
        let backend = TestBackend::new();
        let [ben, zoe] = [backend.user("ben").await, backend.user("zoe").await];
        let gym = create_group(&backend, ben, &[zoe]).await.unwrap();
        let mut late = pin!(delete_account(&backend, zoe));
        if run_for(seconds, late.as_mut()).await.is_some() {
            assert!(seconds > 10);
            break;
        }
        // Another call completes it. The account is recreated, rejoins the room, and is deleted again.
        backend.wait(LEASE).await;
        delete_account(&backend, zoe).await.unwrap();
        backend.wait(2).await;
        backend.app.ensure_profile(&identity(zoe, Some(backend.app.now().seconds()))).await.unwrap();
        backend.app.put_participant(gym, ben, zoe, None).await.unwrap();
        let again = identity(zoe, Some(backend.app.now().seconds() + 1));
        assert!(run_for(2, backend.app.delete_account(&again)).await.is_none());
        late.await.can_fail("completing a completed deletion");
        for _ in 0..2 {
            complete_deletions(&backend).await;
        }
        assert!(member(&backend, gym, zoe).is_none(), "stopped after {seconds} s");
        assert_eq!(user_keys(&backend, zoe), ["PRESENCE", "PROFILE", "QUOTAS"]);
        assert!(backend.partition("DELETIONS").is_empty());
    }
}

#[tokio::test(start_paused = true)]
async fn a_message_sent_during_a_group_deletion_is_removed_afterwards() {
    let backend = TestBackend::new();
    let [ben, zoe] = [backend.user("ben").await, backend.user("zoe").await];
    let gym = create_group(&backend, ben, &[zoe]).await.unwrap();
    send_during(&backend, gym, zoe, async { backend.app.delete_room(gym, ben).await.unwrap() }).await;
    assert_eq!(room_keys(&backend, gym), ["HEAD", "META", "MSG#000000000001"]);
    complete_deletions(&backend).await;
    assert_eq!(room_keys(&backend, gym), ["META"]);
    assert!(backend.partition("DELETIONS").is_empty());
}

#[tokio::test(start_paused = true)]
async fn a_group_is_removed_after_its_last_member_leaves() {
    for deletes_account in [false, true] {
        let backend = TestBackend::new();
        let [ben, zoe] = [backend.user("ben").await, backend.user("zoe-the-first").await];
        let gym = create_group(&backend, zoe, &[ben]).await.unwrap();
        backend.app.remove_participant(gym, ben, ben).await.unwrap();
        let leaving = async {
            if deletes_account {
                delete_account(&backend, zoe).await.unwrap();
            } else {
                backend.app.remove_participant(gym, zoe, zoe).await.unwrap();
            }
        };
        send_during(&backend, gym, zoe, leaving).await;
        let meta = meta(&backend, gym);
        assert_eq!(meta["is_closed"]["BOOL"], true);
        assert!(meta.get("name").is_none(), "{meta}");
        assert!(user_keys(&backend, zoe).iter().all(|sk| !sk.starts_with("ROOM#")));
        assert!(matches!(backend.app.put_participant(gym, zoe, ben, None).await, Err(Error::NotFound)));
        backend.app.remove_participant(gym, zoe, zoe).await.unwrap();
        complete_deletions(&backend).await;
        assert_eq!(room_keys(&backend, gym), ["META"]);
        assert!(backend.partition("DELETIONS").is_empty());
    }
}

#[tokio::test(start_paused = true)]
async fn a_user_added_while_the_last_member_leaves_is_a_member_or_not_added() {
    let mut outcomes = [0, 0];
    for ahead in 0..8 {
        let backend = TestBackend::new();
        let [ben, zoe] = [backend.user("ben").await, backend.user("zoe").await];
        let gym = create_group(&backend, zoe, &[ben]).await.unwrap();
        backend.app.remove_participant(gym, ben, ben).await.unwrap();
        let adding = backend.app.put_participant(gym, zoe, ben, None);
        let leaving = async {
            tokio::time::sleep(std::time::Duration::from_secs(ahead)).await;
            backend.app.remove_participant(gym, zoe, zoe).await
        };
        let (added, left) = tokio::join!(adding, leaving);
        left.unwrap();
        complete_deletions(&backend).await;
        let is_member = user_keys(&backend, ben).contains(&format!("ROOM#{gym}"));
        assert_eq!(is_member, meta(&backend, gym).get("is_closed").is_none(), "{ahead} s: {added:?}");
        assert!(added.is_err() || is_member, "{ahead} s");
        outcomes[usize::from(is_member)] += 1;
    }
    assert!(outcomes.iter().all(|n| *n > 0), "{outcomes:?}");
}
