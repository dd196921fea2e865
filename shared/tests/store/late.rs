//! What comes too late for a deletion: messages whose functions had read the room before it, and groups that nobody is in any more.

use std::pin::pin;

use shared::{
    Error,
    id::{RoomId, UserId},
    store::messages::Committed,
};

use crate::{
    cloud::Cloud,
    deletions::{delete, finish, found, holds, kept, killed_after, unfinished},
    log::send,
    profiles::{identity, named},
    raw::{items, meta},
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
    cloud.app.welcome(&back).await.unwrap();
    cloud.app.change_profile(zoe, &named("zoe-the-second")).await.unwrap();
    cloud.app.bring_back(pair, ben, &[ben, zoe]).await.unwrap();
    cloud.app.store.append(&send(pair, zoe, "words"), cloud.app.now()).await.unwrap();
    finish(&cloud).await;
    let names: Vec<String> = items(&cloud, pair, "MSG#")
        .iter()
        .map(|item| item["sender_username"]["S"].as_str().unwrap().to_owned())
        .collect();
    assert_eq!(names, ["Deleted user", "zoe-the-second"]);
}

#[tokio::test(start_paused = true)]
async fn a_deletion_that_has_begun_anew_is_not_crossed_out_for_the_first() {
    let cloud = Cloud::new();
    let [ben, zoe] = [cloud.person("ben").await, cloud.person("zoe").await];
    let pair = room(&cloud, zoe, &[ben]).await;
    delete(&cloud, zoe).await.unwrap();
    let first = cloud.app.store.unfinished_deletions(cloud.app.now()).await.unwrap();
    cloud.wait(2).await;
    cloud.app.welcome(&identity(zoe, Some(cloud.app.now().seconds()))).await.unwrap();
    cloud.app.bring_back(pair, ben, &[ben, zoe]).await.unwrap();
    let again = cloud.app.now().seconds() + 1;
    cloud.app.delete_account(&identity(zoe, Some(again))).await.unwrap();
    assert_eq!(first.len(), 1);
    cloud.app.store.cross_out(first[0]).await.unwrap();
    assert_eq!(unfinished(&cloud, "name"), 1);
    finish(&cloud).await;
    assert_eq!(unfinished(&cloud, "name"), 0);
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
