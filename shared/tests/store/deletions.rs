//! What happens at the very moment of a deletion, and what becomes of one whose call dies.

use std::{collections::BTreeSet, pin::pin, time::Duration};

use futures::{FutureExt, future::BoxFuture};
use serde_json::Value;
use shared::{
    Error, Result,
    domain::{
        relationships::{Answer, RelationshipAction},
        rooms::new_room::NewRoom,
        users::device::{Device, Platform},
    },
    id::{DeviceId, RoomId, UserId},
    serve::schedule::ScheduledEvent,
    store::db::keys,
};

use crate::{
    cloud::Cloud,
    endpoints,
    friendships::{ask, code},
    group_state::{rooms_counted, rooms_listed},
    log::send,
    profiles::identity,
    raw::{items, meta, set},
    rooms::room,
};

/// When tokens were issued here.
const ISSUED: i64 = 1_769_999_000;

/// Longer than any call may take, in seconds.
pub const LATER: u64 = 11 * 60;

/// More calls than any of these deletions makes one after the other.
const MOST_CALLS: u64 = 60;

/// Somebody deletes their account.
pub fn delete(cloud: &Cloud, user: UserId) -> BoxFuture<'_, Result<()>> {
    async move { cloud.app.delete_account(&identity(user, Some(ISSUED))).await }.boxed()
}

/// A group that is called gym.
pub async fn found(cloud: &Cloud, creator: UserId, others: &[UserId]) -> Result<RoomId> {
    let new_room = NewRoom::new(creator, others, true, Some("gym"))?;
    let people: Vec<UserId> = new_room.members.iter().copied().collect();
    let profiles = cloud.app.store.profiles(&people).await?;
    cloud.app.store.create_room(&new_room, profiles, cloud.app.now()).await?.ok_or(Error::NotFound)?;
    Ok(new_room.id)
}

/// The sort keys of all that is kept of a person under their own name.
pub fn kept(cloud: &Cloud, user: UserId) -> Vec<String> {
    let items = cloud.partition(&format!("USER#{user}"));
    items.iter().map(|item| item["sk"]["S"].as_str().unwrap().to_owned()).collect()
}

/// How many rooms are in somebody's list, and how many are counted.
fn rooms_of(cloud: &Cloud, user: UserId) -> (usize, usize) {
    (rooms_listed(cloud, user), rooms_counted(cloud, user))
}

/// How many deletions of a kind are not finished.
pub fn unfinished(cloud: &Cloud, kind: &str) -> usize {
    cloud.partition("DELETIONS").iter().filter(|note| note["of"]["M"].get(kind).is_some()).count()
}

/// Whether anything in a room holds a name.
pub fn holds(cloud: &Cloud, room: RoomId, name: &str) -> bool {
    items(cloud, room, "").iter().any(|item| item.to_string().contains(name))
}

/// The schedule's function, called when what has begun by now is overdue.
pub async fn finish(cloud: &Cloud) {
    cloud.wait(LATER).await;
    let event: Value =
        serde_json::from_str(include_str!("../../../events/maintenance/complete-deletions.json")).unwrap();
    let mut event: ScheduledEvent = serde_json::from_value(event).unwrap();
    event.time = Some(cloud.app.now().to_string().parse().unwrap());
    let finished = endpoints::call_scheduled(&cloud.app, "maintenance-complete-deletions", &event).await;
    assert!(finished.is_ok(), "{finished:?}");
}

/// Drops a call after so many seconds, which are as many of its round trips.
pub async fn killed_after<T>(seconds: u64, call: impl Future<Output = Result<T>>) -> Option<Result<T>> {
    tokio::time::timeout(Duration::from_millis(seconds * 1000 + 500), call).await.ok()
}

/// So many seconds in which others go on; none if it is less than one.
async fn pause(seconds: i64) {
    tokio::time::sleep(Duration::from_secs(u64::try_from(seconds).unwrap_or_default())).await;
}

fn phone(cloud: &Cloud) -> Device {
    Device {
        id: DeviceId::from(uuid::Uuid::from_u128(7)),
        platform: Platform::Ios,
        push_token: Some("token".to_owned()),
        registered_at: cloud.app.now(),
    }
}

/// What others may do to zoe, or she from another device, at the moment at which she deletes her account.
#[derive(Clone, Copy, Debug)]
enum Act {
    OpenRoom,
    Found,
    Add,
    Ask,
    Accept,
    ComeToRoomAgain,
    Register,
}

impl Act {
    const ALL: [Self; 7] = [
        Self::OpenRoom,
        Self::Found,
        Self::Add,
        Self::Ask,
        Self::Accept,
        Self::ComeToRoomAgain,
        Self::Register,
    ];

    /// What has to be there before, and then the act itself.
    async fn prepare(
        self,
        cloud: &Cloud,
        ben: UserId,
        zoe: UserId,
    ) -> (Option<RoomId>, BoxFuture<'_, Result<()>>) {
        let store = &cloud.app.store;
        match self {
            Self::OpenRoom => {
                let room = RoomId::direct(ben, zoe);
                (
                    Some(room),
                    async move { crate::rooms::try_room(cloud, ben, &[zoe]).await.map(|_| ()) }.boxed(),
                )
            }
            Self::Found => (None, async move { found(cloud, ben, &[zoe]).await.map(drop) }.boxed()),
            Self::Add => {
                let gym = found(cloud, ben, &[cloud.person("cleo").await]).await.unwrap();
                let add = async move { cloud.app.put_participant(gym, ben, zoe, None).await.map(drop) };
                (Some(gym), add.boxed())
            }
            Self::Ask => {
                let ask = async move {
                    store.may_ask(ben, zoe, cloud.app.now()).await?;
                    ask(cloud, ben, zoe).await.map(drop)
                };
                (None, ask.boxed())
            }
            Self::Accept => {
                let asked = ask(cloud, zoe, ben).await.unwrap();
                let accept = RelationshipAction::Respond(asked.request_id, Answer::Accepted);
                (None, async move { cloud.app.update_relationship(ben, zoe, accept).await.map(drop) }.boxed())
            }
            Self::ComeToRoomAgain => {
                let pair = room(cloud, ben, &[zoe]).await;
                delete(cloud, zoe).await.unwrap();
                let back = identity(zoe, Some(cloud.app.now().seconds() + 1));
                cloud.wait(2).await;
                cloud.app.ensure_profile(&back).await.unwrap();
                let again = async move { cloud.app.rejoin_direct_room(pair, ben, &[ben, zoe]).await };
                (Some(pair), again.boxed())
            }
            Self::Register => {
                let device = phone(cloud);
                (None, async move { store.register_device(zoe, &device).await }.boxed())
            }
        }
    }
}

#[tokio::test(start_paused = true)]
async fn nothing_new_comes_to_somebody_at_the_moment_at_which_they_delete_their_account() {
    for act in Act::ALL {
        let mut outcomes = [0, 0];
        for ahead in -8_i64..12 {
            let cloud = Cloud::new();
            let (ben, zoe) = (cloud.person("ben").await, cloud.person("zoe-the-first").await);
            let (room, act_of_ben) = act.prepare(&cloud, ben, zoe).await;
            let act_of_ben = async {
                pause(-ahead).await;
                act_of_ben.await
            };
            let leave = async {
                pause(ahead).await;
                let issued = cloud.app.now().seconds() + 1;
                cloud.app.delete_account(&identity(zoe, Some(issued))).await
            };
            let (outcome, deleted) = tokio::join!(act_of_ben, leave);
            let when = format!("{act:?}, {ahead} s before: {outcome:?}");
            assert!(deleted.is_ok(), "{when}: {deleted:?}");
            outcomes[usize::from(outcome.is_ok())] += 1;
            assert_eq!(kept(&cloud, zoe), ["QUOTAS", "PRESENCE", "PROFILE"], "{when}");
            for item in &cloud.partition(&format!("USER#{zoe}"))[..2] {
                assert_eq!(item.as_object().unwrap().len(), 3, "its key, and that she is gone: {item}");
            }
            let left = kept(&cloud, ben);
            assert!(
                !left.iter().any(|sk| sk.starts_with("FRIEND#") || sk.starts_with("REQUEST#")),
                "{when}: {left:?}"
            );
            assert_eq!(unfinished(&cloud, "account"), 0, "{when}");
            for room in room.into_iter().chain(rooms_in(&left)) {
                assert!(!holds(&cloud, room, "zoe-the-first"), "{when}");
            }
            let (listed, counted) = rooms_of(&cloud, ben);
            assert_eq!(listed, counted, "{when}");
        }
        assert!(outcomes.iter().all(|n| *n > 0), "{act:?} was both first and last: {outcomes:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn what_was_begun_before_a_deletion_is_not_done_after_it() {
    let cloud = Cloud::new();
    let [ben, zoe] = [cloud.person("ben").await, cloud.person("zoe-the-first").await];
    let (store, now) = (&cloud.app.store, cloud.app.now());
    let gym = found(&cloud, ben, &[cloud.person("cleo").await]).await.unwrap();
    let asked = ask(&cloud, zoe, ben).await.unwrap();
    let profiles = store.profiles(&[ben, zoe]).await.unwrap();
    // Dead as soon as the account is gone.
    assert!(killed_after(2, delete(&cloud, zoe)).await.is_none());
    let accept = RelationshipAction::Respond(asked.request_id, Answer::Accepted);
    assert!(matches!(store.update_relationship(ben, zoe, accept, now).await, Err(Error::NotFound)));
    for is_group in [false, true] {
        let new_room = NewRoom::new(ben, &[zoe], is_group, None).unwrap();
        assert!(matches!(store.create_room(&new_room, profiles.clone(), now).await, Err(Error::NotFound)));
    }
    assert!(matches!(store.join(gym, ben, &profiles[&zoe], None, now).await, Err(Error::NotFound)));
    assert!(matches!(store.register_device(zoe, &phone(&cloud)).await, Err(Error::InvalidToken(_))));
    delete(&cloud, zoe).await.unwrap();
    assert!(matches!(ask(&cloud, ben, zoe).await, Err(Error::NotFound)));
    assert!(matches!(ask(&cloud, zoe, ben).await, Err(Error::InvalidToken(_))));
    assert_eq!(kept(&cloud, zoe), ["QUOTAS", "PRESENCE", "PROFILE"]);
    assert_eq!(kept(&cloud, ben), ["QUOTAS", "PROFILE", &format!("ROOM#{gym}")]);
    assert!(!holds(&cloud, gym, "zoe-the-first"));
    assert!(items(&cloud, RoomId::direct(ben, zoe), "").is_empty());
}

/// The rooms that stand in a list.
fn rooms_in(keys: &[String]) -> Vec<RoomId> {
    keys.iter().filter_map(|sk| sk.strip_prefix("ROOM#")?.parse().ok()).collect()
}

#[tokio::test(start_paused = true)]
async fn whoever_is_still_finishing_a_deletion_takes_nothing_from_who_is_back() {
    let mut stopped = BTreeSet::new();
    for seconds in 3..40 {
        let cloud = Cloud::new();
        let (zoe, ben) = (cloud.person("zoe").await, cloud.person("ben").await);
        let (cleo, eve) = (cloud.person("cleo").await, cloud.person("eve").await);
        ask(&cloud, ben, zoe).await.unwrap();
        for n in 0..3 {
            found(&cloud, zoe, &[ben]).await.unwrap();
            let late =
                Device { id: DeviceId::from(uuid::Uuid::from_u128(n)), push_token: None, ..phone(&cloud) };
            cloud.app.store.register_device(zoe, &late).await.unwrap();
        }
        let mut late = pin!(delete(&cloud, zoe));
        let over = killed_after(seconds, late.as_mut()).await;
        if over.is_some() {
            break;
        }
        // Another call finishes it, and she comes back.
        delete(&cloud, zoe).await.unwrap();
        cloud.wait(2).await;
        cloud.app.ensure_profile(&identity(zoe, Some(cloud.app.now().seconds()))).await.unwrap();
        let asked = ask(&cloud, cleo, zoe).await.unwrap();
        cloud
            .app
            .update_relationship(zoe, cleo, RelationshipAction::Respond(asked.request_id, Answer::Accepted))
            .await
            .unwrap();
        cloud.app.update_relationship(zoe, eve, RelationshipAction::Block).await.unwrap();
        cloud.app.store.register_device(zoe, &phone(&cloud)).await.unwrap();
        found(&cloud, ben, &[zoe]).await.unwrap();
        let before = kept(&cloud, zoe);

        stopped.insert(late.await.is_ok());
        assert_eq!(kept(&cloud, zoe), before, "stopped after {seconds} s");
        assert!(cloud.app.store.pair(zoe, cleo).await.unwrap().are_friends());
    }
    assert!(stopped.contains(&true), "what another has done is done");
}

#[tokio::test(start_paused = true)]
async fn who_is_going_is_taken_out_by_their_deletion_alone() {
    let cloud = Cloud::new();
    let [ben, zoe] = [cloud.person("ben").await, cloud.person("zoe-the-first").await];
    let gym = found(&cloud, ben, &[zoe]).await.unwrap();
    cloud.app.store.append(&send(gym, zoe, "words"), cloud.app.now()).await.unwrap();
    assert!(killed_after(2, delete(&cloud, zoe)).await.is_none());
    assert!(matches!(cloud.app.remove_participant(gym, ben, zoe).await, Err(Error::NotFound)));
    finish(&cloud).await;
    assert!(!holds(&cloud, gym, "zoe-the-first"));
    cloud.app.remove_participant(gym, ben, zoe).await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn a_deletion_whose_call_dies_is_finished_by_the_schedule() {
    let mut died = 0;
    for seconds in 0..MOST_CALLS {
        let cloud = Cloud::new();
        let (zoe, ben) = (cloud.person("zoe-the-first").await, cloud.person("ben").await);
        ask(&cloud, ben, zoe).await.unwrap();
        let (pair, gym) = (room(&cloud, zoe, &[ben]).await, found(&cloud, zoe, &[ben]).await.unwrap());
        let owned = found(&cloud, zoe, &[ben]).await.unwrap();
        for room in [pair, gym, owned] {
            cloud.app.store.append(&send(room, zoe, "words"), cloud.app.now()).await.unwrap();
        }
        // Both at once: a group that is being deleted by somebody who then deletes their account.
        let both = async {
            let group = cloud.app.delete_room(owned, zoe).await;
            group.and(delete(&cloud, zoe).await)
        };
        let is_over = killed_after(seconds, both).await.is_some();
        died += u64::from(!is_over);
        for _ in 0..2 {
            finish(&cloud).await;
        }
        assert!(cloud.partition("DELETIONS").is_empty(), "killed after {seconds} s");
        if kept(&cloud, zoe) != ["QUOTAS", "PRESENCE", "PROFILE"] {
            // The account's deletion had not begun.
            delete(&cloud, zoe).await.unwrap();
        }
        assert_eq!(kept(&cloud, zoe), ["QUOTAS", "PRESENCE", "PROFILE"], "killed after {seconds} s");
        assert!([pair, gym, owned].iter().all(|room| !holds(&cloud, *room, "zoe-the-first")));
        let is_deleted = meta(&cloud, owned).get("expires_at").is_some();
        assert_eq!(items(&cloud, owned, "MSG#").is_empty(), is_deleted);
        assert!(is_deleted || seconds < 2, "killed after {seconds} s");
        let (listed, counted) = rooms_of(&cloud, ben);
        assert_eq!(listed, counted);
        if is_over {
            break;
        }
    }
    assert!((5..MOST_CALLS).contains(&died), "{died}");
}

#[tokio::test(start_paused = true)]
async fn a_deletion_that_is_under_way_is_left_to_its_call() {
    let cloud = Cloud::new();
    let (zoe, ben) = (cloud.person("zoe").await, cloud.person("ben").await);
    room(&cloud, zoe, &[ben]).await;
    assert!(killed_after(2, delete(&cloud, zoe)).await.is_none());
    let before = kept(&cloud, zoe);
    cloud.app.complete_deletions().await.unwrap();
    assert_eq!(kept(&cloud, zoe), before);
    assert_eq!(unfinished(&cloud, "account"), 1);
}

#[tokio::test(start_paused = true)]
async fn nobody_is_in_more_rooms_than_a_list_can_hold() {
    let cloud = Cloud::new();
    let (ana, ben, cleo) = (cloud.person("ana").await, cloud.person("ben").await, cloud.person("cleo").await);
    let gym = found(&cloud, ana, &[cleo]).await.unwrap();
    set(&cloud, keys::quotas(ben), "rooms", 2_000).await;
    for (creator, other, expected) in [(ben, ana, "too_many_rooms"), (ana, ben, "other_has_too_many_rooms")] {
        assert_eq!(code(found(&cloud, creator, &[other]).await), expected);
        assert_eq!(code(crate::rooms::try_room(&cloud, creator, &[other]).await), expected);
    }
    assert_eq!(code(cloud.app.put_participant(gym, ana, ben, None).await), "other_has_too_many_rooms");
    set(&cloud, keys::quotas(ben), "rooms", 1_999).await;
    cloud.app.put_participant(gym, ana, ben, None).await.unwrap();
    assert_eq!(
        code(cloud.app.put_participant(found(&cloud, ana, &[cleo]).await.unwrap(), ana, ben, None).await),
        "other_has_too_many_rooms"
    );
    cloud.app.remove_participant(gym, ben, ben).await.unwrap();
    // Whoever is second finds them in it, and not in too many rooms.
    let both = [(), ()].map(|()| cloud.app.put_participant(gym, ana, ben, None));
    assert!(futures::future::join_all(both).await.iter().all(Result::is_ok));
    cloud.app.remove_participant(gym, ben, ben).await.unwrap();
    cloud.app.remove_participant(gym, ben, ben).await.unwrap();
    assert_eq!(rooms_of(&cloud, ben), (0, 1_999));
    found(&cloud, ben, &[ana]).await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn who_is_gone_keeps_their_pace() {
    let cloud = Cloud::new();
    let zoe = cloud.person("zoe").await;
    cloud
        .app
        .check_rate_limit(zoe, shared::domain::users::rate_limit::RateLimitedAction::Reports)
        .await
        .unwrap();
    delete(&cloud, zoe).await.unwrap();
    assert_eq!(kept(&cloud, zoe), ["QUOTAS", "PRESENCE", "PROFILE", "RATE#reports"]);
}
