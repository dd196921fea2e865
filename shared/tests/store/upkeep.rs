//! What deletions leave to the schedule: messages whose functions had read the room before, groups that nobody is in any more, and
//! what cannot be finished yet.

use std::pin::pin;

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
    cloud::Cloud,
    deletions::{LATER, delete, finish, found, holds, kept, killed_after, unfinished},
    log::send,
    profiles::{identity, named},
    raw::{items, member, meta, put_all, set},
    rooms::room,
};

/// A message that is sent while something happens: its function has read the room, and commits only afterwards.
async fn sent_during(cloud: &Cloud, room: RoomId, sender: UserId, happens: impl Future) -> Committed {
    let message = send(room, sender, "last words");
    let mut late = pin!(cloud.app.store.append(&message, cloud.app.now()));
    assert!(killed_after(0, late.as_mut()).await.is_none());
    happens.await;
    let committed = late.await.unwrap();
    cloud.app.deliver(&committed, None).await;
    committed
}

/// The sort keys of a room's items.
fn left(cloud: &Cloud, room: RoomId) -> Vec<String> {
    items(cloud, room, "").iter().map(|item| item["sk"]["S"].as_str().unwrap().to_owned()).collect()
}

#[tokio::test(start_paused = true)]
async fn what_somebody_was_saying_while_they_left_for_good_loses_their_name_afterwards() {
    let cloud = Cloud::new();
    let [ben, zoe] = [cloud.person("ben").await, cloud.person("zoe-the-first").await];
    let (pair, gym) = (room(&cloud, zoe, &[ben]).await, found(&cloud, ben, &[zoe]).await.unwrap());
    let leaving = sent_during(&cloud, pair, zoe, async { delete(&cloud, zoe).await.unwrap() });
    sent_during(&cloud, gym, zoe, leaving).await;
    for room in [pair, gym] {
        assert!(holds(&cloud, room, "zoe-the-first"), "it came too late");
    }
    assert_eq!((unfinished(&cloud, "account"), unfinished(&cloud, "name")), (0, 2));
    finish(&cloud).await;
    for room in [pair, gym] {
        assert!(!holds(&cloud, room, "zoe-the-first"));
    }
    assert!(cloud.partition("DELETIONS").is_empty());
}

#[tokio::test(start_paused = true)]
async fn whoever_is_back_by_then_keeps_their_new_name() {
    let cloud = Cloud::new();
    let [ben, zoe] = [cloud.person("ben").await, cloud.person("zoe-the-first").await];
    let pair = room(&cloud, zoe, &[ben]).await;
    sent_during(&cloud, pair, zoe, async { delete(&cloud, zoe).await.unwrap() }).await;
    cloud.wait(2).await;
    let back = identity(zoe, Some(cloud.app.now().seconds()));
    cloud.app.ensure_profile(&back).await.unwrap();
    cloud.app.change_profile(zoe, &named("zoe-the-second")).await.unwrap();
    cloud.app.rejoin_direct_room(pair, ben, &[ben, zoe]).await.unwrap();
    cloud.app.store.append(&send(pair, zoe, "words"), cloud.app.now()).await.unwrap();
    finish(&cloud).await;
    let names: Vec<String> = items(&cloud, pair, "MSG#")
        .iter()
        .map(|item| item["sender_username"]["S"].as_str().unwrap().to_owned())
        .collect();
    assert_eq!(names, ["Deleted user", "zoe-the-second"]);
}

#[tokio::test(start_paused = true)]
async fn what_somebody_was_saying_while_they_came_back_loses_their_former_name() {
    let cloud = Cloud::new();
    let [ben, zoe] = [cloud.person("ben").await, cloud.person("zoe-the-first").await];
    let pair = room(&cloud, zoe, &[ben]).await;
    assert!(killed_after(2, delete(&cloud, zoe)).await.is_none());
    cloud.wait(2).await;
    // What finishes the deletion is her return, which began before the message.
    let back = identity(zoe, Some(cloud.app.now().seconds()));
    let mut returning = pin!(cloud.app.resume_account(&back));
    assert!(killed_after(1, returning.as_mut()).await.is_none());
    let after = async { returning.await.unwrap() };
    sent_during(&cloud, pair, zoe, after).await;
    assert!(holds(&cloud, pair, "zoe-the-first"), "it came too late");
    finish(&cloud).await;
    assert!(!holds(&cloud, pair, "zoe-the-first"));
}

#[tokio::test(start_paused = true)]
async fn it_is_looked_for_in_a_room_where_much_was_said_since() {
    let cloud = Cloud::new();
    let [ben, cleo, zoe] =
        [cloud.person("ben").await, cloud.person("cleo").await, cloud.person("zoe-the-first").await];
    let gym = found(&cloud, ben, &[cleo, zoe]).await.unwrap();
    let late = sent_during(&cloud, gym, zoe, async { delete(&cloud, zoe).await.unwrap() }).await;
    let late = late.message();
    // As many as are read at once, and then hers.
    let at = |seq: u64| Message { seq, id: MessageId::new(late.created_at, seq), ..late.clone() };
    let bens = |seq: u64| Message { sender_id: ben, sender_username: "ben".into(), ..at(seq) };
    let end = late.seq + 501;
    let messages = (late.seq..end).map(bens).chain([at(end)]);
    put_all(
        &cloud,
        messages.map(|message| item(keys::message(gym, message.seq), &message).unwrap()).collect(),
    )
    .await;
    assert!(holds(&cloud, gym, "zoe-the-first"));
    finish(&cloud).await;
    assert!(!holds(&cloud, gym, "zoe-the-first"));
    assert_eq!(items(&cloud, gym, "MSG#").len() as u64, end);
}

#[tokio::test(start_paused = true)]
async fn what_cannot_be_finished_is_said_and_kept_and_holds_up_nothing_else() {
    let cloud = Cloud::new();
    let [ben, cleo, zoe] = [cloud.person("ben").await, cloud.person("cleo").await, cloud.person("zoe").await];
    let pair = room(&cloud, cleo, &[ben]).await;
    let [gym, pool] = [found(&cloud, zoe, &[ben]).await.unwrap(), found(&cloud, zoe, &[ben]).await.unwrap()];
    for group in [gym, pool] {
        cloud.app.delete_room(group, zoe).await.unwrap();
    }
    sent_during(&cloud, pair, cleo, async { delete(&cloud, cleo).await.unwrap() }).await;
    for who in [ben, zoe] {
        assert!(killed_after(2, delete(&cloud, who)).await.is_none());
    }
    set(&cloud, keys::friend(ben, zoe), "unreadable", 1).await;
    set(&cloud, keys::meta(gym), "kind", 1).await;
    set(&cloud, keys::message(pair, 1), "kind", 1).await;
    let unknown = keys::Key { pk: "DELETIONS".into(), sk: "A".into() };
    set(&cloud, unknown, "of", 1).await;
    cloud.wait(LATER).await;
    assert!(cloud.app.complete_deletions().await.is_err());
    assert_eq!(kept(&cloud, zoe), ["QUOTAS", "PRESENCE", "PROFILE"]);
    let of_kinds = ["account", "room", "name"].map(|kind| unfinished(&cloud, kind));
    assert_eq!(of_kinds, [1, 1, 1]);
}

#[tokio::test(start_paused = true)]
async fn a_deletion_that_has_begun_anew_is_not_crossed_out_for_the_first() {
    let cloud = Cloud::new();
    let [ben, zoe] = [cloud.person("ben").await, cloud.person("zoe").await];
    let pair = room(&cloud, zoe, &[ben]).await;
    delete(&cloud, zoe).await.unwrap();
    let first = cloud.app.store.pending_deletions(cloud.app.now()).await.unwrap();
    cloud.wait(2).await;
    cloud.app.ensure_profile(&identity(zoe, Some(cloud.app.now().seconds()))).await.unwrap();
    cloud.app.rejoin_direct_room(pair, ben, &[ben, zoe]).await.unwrap();
    let again = cloud.app.now().seconds() + 1;
    cloud.app.delete_account(&identity(zoe, Some(again))).await.unwrap();
    let [Ok(first)] = first[..] else { panic!("{first:?}") };
    cloud.app.store.complete_deletion(first).await.unwrap();
    assert_eq!(unfinished(&cloud, "name"), 1);
    finish(&cloud).await;
    assert_eq!(unfinished(&cloud, "name"), 0);
}

#[tokio::test(start_paused = true)]
async fn whoever_still_finishes_the_first_deletion_hides_no_room_from_the_second() {
    for seconds in 3..40 {
        let cloud = Cloud::new();
        let [ben, zoe] = [cloud.person("ben").await, cloud.person("zoe").await];
        let gym = found(&cloud, ben, &[zoe]).await.unwrap();
        let mut late = pin!(delete(&cloud, zoe));
        if killed_after(seconds, late.as_mut()).await.is_some() {
            assert!(seconds > 10);
            break;
        }
        // Another call finishes it; she comes back, into the same room, and goes again.
        delete(&cloud, zoe).await.unwrap();
        cloud.wait(2).await;
        cloud.app.ensure_profile(&identity(zoe, Some(cloud.app.now().seconds()))).await.unwrap();
        cloud.app.put_participant(gym, ben, zoe, None).await.unwrap();
        let again = identity(zoe, Some(cloud.app.now().seconds() + 1));
        assert!(killed_after(2, cloud.app.delete_account(&again)).await.is_none());
        late.await.can_fail("finishing what is finished");
        for _ in 0..2 {
            finish(&cloud).await;
        }
        assert!(member(&cloud, gym, zoe).is_none(), "stopped after {seconds} s");
        assert_eq!(kept(&cloud, zoe), ["QUOTAS", "PRESENCE", "PROFILE"]);
        assert!(cloud.partition("DELETIONS").is_empty());
    }
}

#[tokio::test(start_paused = true)]
async fn what_somebody_was_saying_while_their_group_was_deleted_is_removed_afterwards() {
    let cloud = Cloud::new();
    let [ben, zoe] = [cloud.person("ben").await, cloud.person("zoe").await];
    let gym = found(&cloud, ben, &[zoe]).await.unwrap();
    sent_during(&cloud, gym, zoe, async { cloud.app.delete_room(gym, ben).await.unwrap() }).await;
    assert_eq!(left(&cloud, gym), ["HEAD", "META", "MSG#000000000001"]);
    finish(&cloud).await;
    assert_eq!(left(&cloud, gym), ["META"]);
    assert!(cloud.partition("DELETIONS").is_empty());
}

#[tokio::test(start_paused = true)]
async fn a_group_that_its_last_member_leaves_is_removed() {
    for for_good in [false, true] {
        let cloud = Cloud::new();
        let [ben, zoe] = [cloud.person("ben").await, cloud.person("zoe-the-first").await];
        let gym = found(&cloud, zoe, &[ben]).await.unwrap();
        cloud.app.remove_participant(gym, ben, ben).await.unwrap();
        let leaving = async {
            if for_good {
                delete(&cloud, zoe).await.unwrap();
            } else {
                cloud.app.remove_participant(gym, zoe, zoe).await.unwrap();
            }
        };
        sent_during(&cloud, gym, zoe, leaving).await;
        let meta = meta(&cloud, gym);
        assert_eq!(meta["is_closed"]["BOOL"], true);
        assert!(meta.get("name").is_none(), "{meta}");
        assert!(kept(&cloud, zoe).iter().all(|sk| !sk.starts_with("ROOM#")));
        assert!(matches!(cloud.app.put_participant(gym, zoe, ben, None).await, Err(Error::NotFound)));
        cloud.app.remove_participant(gym, zoe, zoe).await.unwrap();
        finish(&cloud).await;
        assert_eq!(left(&cloud, gym), ["META"]);
        assert!(cloud.partition("DELETIONS").is_empty());
    }
}

#[tokio::test(start_paused = true)]
async fn whoever_is_added_while_the_last_member_leaves_is_in_it_or_not_added() {
    let mut outcomes = [0, 0];
    for ahead in 0..8 {
        let cloud = Cloud::new();
        let [ben, zoe] = [cloud.person("ben").await, cloud.person("zoe").await];
        let gym = found(&cloud, zoe, &[ben]).await.unwrap();
        cloud.app.remove_participant(gym, ben, ben).await.unwrap();
        let adding = cloud.app.put_participant(gym, zoe, ben, None);
        let leaving = async {
            tokio::time::sleep(std::time::Duration::from_secs(ahead)).await;
            cloud.app.remove_participant(gym, zoe, zoe).await
        };
        let (added, left_it) = tokio::join!(adding, leaving);
        left_it.unwrap();
        finish(&cloud).await;
        let is_there = kept(&cloud, ben).contains(&format!("ROOM#{gym}"));
        assert_eq!(is_there, meta(&cloud, gym).get("is_closed").is_none(), "{ahead} s: {added:?}");
        assert!(added.is_err() || is_there, "{ahead} s");
        outcomes[usize::from(is_there)] += 1;
    }
    assert!(outcomes.iter().all(|n| *n > 0), "{outcomes:?}");
}
