//! Who is online, who hears of it, and that it is said once whatever happens at the same moment.

use futures::future::join_all;
use serde_json::{Value, json};
use shared::{
    Error,
    domain::{
        relationships::{Answer, RelationshipAction, access::Audience},
        users::{
            presence::{Connection, Presence},
            profile::ProfileChange,
            settings::SettingsChange,
        },
    },
    id::{ConnectionId, RequestId, UserId},
};

use crate::{
    cloud::{Cloud, Socket},
    profiles::identity,
    raw::choose,
};

/// Tokens end so late that nothing here ends with them.
const EXPIRES: i64 = i64::MAX;

fn connection(cloud: &Cloud, user_id: UserId, n: usize) -> Connection {
    let id = ConnectionId(format!("device{n:02}"));
    Connection { user_id, id, since: cloud.app.now(), device_id: None }
}

/// A device connects and says hello. Whether that brought its person online.
async fn comes(cloud: &Cloud, user: UserId, n: usize) -> bool {
    let store = cloud.another_store();
    store.connected(&connection(cloud, user, n), EXPIRES).await.unwrap();
    store.mark_online(&connection(cloud, user, n), EXPIRES).await.unwrap().1
}

/// A device's connection ends. Whether that took its person offline.
async fn goes(cloud: &Cloud, user: UserId, n: usize) -> bool {
    let id = connection(cloud, user, n).id;
    cloud.another_store().disconnected(user, &[id], cloud.app.now()).await.unwrap()
}

async fn presence(cloud: &Cloud, user: UserId) -> Presence {
    cloud.app.store.presences(&[user], cloud.app.now()).await.unwrap().remove(&user).unwrap_or_default()
}

async fn update_relationship(cloud: &Cloud, a: UserId, b: UserId) {
    let (now, id) = (cloud.app.now(), RequestId::at(cloud.app.now()));
    cloud.app.store.update_relationship(a, b, RelationshipAction::Request(id), now).await.unwrap();
    cloud
        .app
        .store
        .update_relationship(b, a, RelationshipAction::Respond(id, Answer::Accepted), now)
        .await
        .unwrap();
}

/// What was heard of somebody since the last look: on which connection, and whether they are online.
fn heard(cloud: &Cloud) -> Vec<(String, bool)> {
    let frames = cloud.frames().into_iter().filter(|(_, frame)| frame["type"] == "user_status_change");
    frames.map(|(to, frame)| (to, frame["data"]["is_online"].as_bool().unwrap())).collect()
}

#[tokio::test(start_paused = true)]
async fn of_sixteen_devices_at_once_one_brings_their_person_online_and_one_takes_them_offline() {
    let cloud = Cloud::new();
    let ana = cloud.person("ana").await;
    for _ in 0..4 {
        let came = join_all((0..16).map(|n| comes(&cloud, ana, n))).await;
        assert_eq!(came.iter().filter(|is_news| **is_news).count(), 1);
        assert!(presence(&cloud, ana).await.is_online);
        let went = join_all((0..16).map(|n| goes(&cloud, ana, n))).await;
        assert_eq!(went.iter().filter(|is_news| **is_news).count(), 1);
        assert!(!presence(&cloud, ana).await.is_online);
    }
}

#[tokio::test(start_paused = true)]
async fn who_comes_and_goes_at_the_same_moment_is_said_to_be_what_they_are() {
    for seed in 0..40 {
        let cloud = Cloud::new();
        let ana = cloud.person("ana").await;
        let mut random = fastrand::Rng::with_seed(seed);
        let mut online_said = 0;
        let mut live = [false; 16];
        for _ in 0..8 {
            let moves: Vec<usize> = (0..16).filter(|_| random.bool()).collect();
            let said = join_all(moves.iter().map(|n| {
                let (cloud, is_live, delay) = (&cloud, live[*n], random.u64(0..4));
                async move {
                    tokio::time::sleep(std::time::Duration::from_millis(delay * 300)).await;
                    if is_live {
                        -i32::from(goes(cloud, ana, *n).await)
                    } else {
                        i32::from(comes(cloud, ana, *n).await)
                    }
                }
            }));
            online_said += said.await.iter().sum::<i32>();
            for n in moves {
                live[n] = !live[n];
            }
            let is_online = live.contains(&true);
            assert_eq!(presence(&cloud, ana).await.is_online, is_online);
            assert_eq!(online_said, i32::from(is_online), "seed {seed}");
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_second_device_and_a_second_hello_are_no_news() {
    let cloud = Cloud::new();
    let ana = cloud.person("ana").await;
    assert!(comes(&cloud, ana, 1).await);
    assert!(!comes(&cloud, ana, 1).await);
    assert!(!comes(&cloud, ana, 2).await);
    assert!(!goes(&cloud, ana, 1).await);
    assert!(!comes(&cloud, ana, 2).await);
    assert!(!comes(&cloud, ana, 3).await);
    assert!(!goes(&cloud, ana, 2).await);
    assert!(goes(&cloud, ana, 3).await);
    assert!(!goes(&cloud, ana, 3).await, "it is said once");
}

#[tokio::test(start_paused = true)]
async fn whose_going_nobody_told_is_told_to_have_come_back() {
    let cloud = Cloud::new();
    let ana = cloud.person("ana").await;
    let short = connection(&cloud, ana, 1);
    assert!(cloud.app.store.mark_online(&short, short.since.seconds() + 600).await.unwrap().1);
    cloud.wait(700).await;
    assert!(comes(&cloud, ana, 2).await);
    assert!(!comes(&cloud, ana, 3).await);
}

#[tokio::test(start_paused = true)]
async fn a_person_was_last_seen_when_a_connection_of_theirs_ended_also_by_itself() {
    let cloud = Cloud::new();
    let ana = cloud.person("ana").await;
    assert_eq!(presence(&cloud, ana).await, Presence::default());
    let short = connection(&cloud, ana, 1);
    let end = short.since.plus(chrono::Duration::seconds(600));
    cloud.app.store.connected(&short, end.seconds()).await.unwrap();
    assert_eq!(presence(&cloud, ana).await, Presence { is_online: true, last_seen: None });
    cloud.wait(900).await;
    assert_eq!(presence(&cloud, ana).await, Presence { is_online: false, last_seen: Some(end) });
    // The next one clears it away, and what it said stays.
    comes(&cloud, ana, 2).await;
    assert_eq!(presence(&cloud, ana).await, Presence { is_online: true, last_seen: Some(end) });
    let before = cloud.app.now();
    goes(&cloud, ana, 2).await;
    let after = presence(&cloud, ana).await;
    assert!(!after.is_online && after.last_seen >= Some(before));
}

#[tokio::test(start_paused = true)]
async fn a_connection_that_ends_after_all_was_forgotten_leaves_nothing_behind() {
    let cloud = Cloud::new();
    let ana = cloud.person("ana").await;
    assert!(!goes(&cloud, ana, 1).await);
    let items = cloud.partition(&format!("USER#{ana}"));
    assert!(items.iter().all(|item| item["sk"] != json!({"S": "PRESENCE"})), "{items:?}");
}

#[tokio::test(start_paused = true)]
async fn whoever_overtakes_the_last_that_friends_hear_is_how_it_is() {
    for seed in 0..20 {
        let cloud = Cloud::new();
        let (ana, ben) = (cloud.person("ana").await, cloud.person("ben").await);
        update_relationship(&cloud, ana, ben).await;
        cloud.connect(ben, "ben").await;
        let mut random = fastrand::Rng::with_seed(seed);
        let acts = (0..8).map(|n| {
            let (cloud, delays) = (&cloud, [random.u64(0..6), random.u64(0..9)]);
            async move {
                let tell = async |is_news| {
                    if is_news {
                        cloud.app.push.notify_status(ana, cloud.app.now()).await.unwrap();
                    }
                };
                tokio::time::sleep(std::time::Duration::from_millis(delays[0] * 700)).await;
                tell(comes(cloud, ana, n).await).await;
                tokio::time::sleep(std::time::Duration::from_millis(delays[1] * 700)).await;
                if n > 0 {
                    tell(goes(cloud, ana, n).await).await;
                }
            }
        });
        join_all(acts).await;
        assert_eq!(heard(&cloud).last(), Some(&("ben".to_owned(), true)), "seed {seed}");
        if goes(&cloud, ana, 0).await {
            cloud.app.push.notify_status(ana, cloud.app.now()).await.unwrap();
        }
        assert_eq!(heard(&cloud), [("ben".to_owned(), false)]);
    }
}

#[tokio::test(start_paused = true)]
async fn who_is_found_gone_by_a_push_is_offline_to_their_friends() {
    let cloud = Cloud::new();
    let (ana, ben, cleo) = (cloud.person("ana").await, cloud.person("ben").await, cloud.person("cleo").await);
    update_relationship(&cloud, ana, ben).await;
    update_relationship(&cloud, ben, cleo).await;
    comes(&cloud, ana, 1).await;
    comes(&cloud, ben, 2).await;
    cloud.connect(cleo, "cleo").await;
    // Both have gone without a word, and the telling of one finds the other.
    cloud.set_socket("device01", Socket::Gone);
    cloud.set_socket("device02", Socket::Gone);
    cloud.wait(60).await;
    let event = shared::wire::socket::Event::Pong { timestamp: Value::Null };
    cloud.app.push.notify(&[ana], &event, cloud.app.now()).await.unwrap();
    assert_eq!(heard(&cloud), [("cleo".to_owned(), false)]);
    assert!(!presence(&cloud, ana).await.is_online && !presence(&cloud, ben).await.is_online);
}

#[tokio::test(start_paused = true)]
async fn friends_hear_what_a_change_of_settings_shows_or_hides() {
    let cloud = Cloud::new();
    let (ana, ben) = (cloud.person("ana").await, cloud.person("ben").await);
    update_relationship(&cloud, ana, ben).await;
    cloud.connect(ben, "ben").await;
    comes(&cloud, ana, 1).await;
    let tell = async |circle| {
        choose(&cloud, ana, "online_shown_to", circle).await;
        cloud.app.push.notify_presence_settings(ana, cloud.app.now()).await.unwrap();
        heard(&cloud).into_iter().map(|(_, is_online)| is_online).collect::<Vec<_>>()
    };
    assert_eq!(tell("nobody").await, [false]);
    assert_eq!(tell("everyone").await, [true]);
    assert_eq!(tell("friends").await, [true], "the call that chose it before may have died");
}

#[tokio::test(start_paused = true)]
async fn whoever_hides_while_they_come_online_is_hidden() {
    for (hides_after, comes_after) in (0..8).flat_map(|hides| (0..8).map(move |comes| (hides, comes))) {
        let cloud = Cloud::new();
        let (ana, ben) = (cloud.person("ana").await, cloud.person("ben").await);
        update_relationship(&cloud, ana, ben).await;
        cloud.connect(ben, "ben").await;
        let pause =
            |half_seconds: u64| tokio::time::sleep(std::time::Duration::from_millis(half_seconds * 500));
        let hide = async {
            pause(hides_after).await;
            let settings =
                SettingsChange { online_shown_to: Some(Audience::Nobody), ..SettingsChange::default() };
            let change = ProfileChange { settings, ..ProfileChange::default() };
            cloud.app.change_profile(ana, &change).await.unwrap();
        };
        let come = async {
            pause(comes_after).await;
            if comes(&cloud, ana, 1).await {
                cloud.app.push.notify_status(ana, cloud.app.now()).await.unwrap();
            }
        };
        tokio::join!(hide, come);
        let last = heard(&cloud).pop();
        assert_eq!(last, Some(("ben".to_owned(), false)), "{hides_after}, {comes_after}");
    }
}

#[tokio::test(start_paused = true)]
async fn who_is_gone_comes_online_by_no_connection_from_before() {
    let cloud = Cloud::new();
    let ana = cloud.person("ana").await;
    let late =
        Connection { user_id: ana, id: ConnectionId("late".into()), since: cloud.app.now(), device_id: None };
    comes(&cloud, ana, 1).await;
    cloud.app.delete_account(&identity(ana, Some(1_769_999_000))).await.unwrap();
    let expires = cloud.app.now().seconds() + 3600;
    assert!(matches!(cloud.app.push.register_connection(&late, expires).await, Err(Error::InvalidToken(_))));
    assert!(matches!(cloud.app.push.mark_online(&late, expires).await, Err(Error::InvalidToken(_))));
    goes(&cloud, ana, 1).await;
    assert_eq!(presence(&cloud, ana).await, Presence::default());
    cloud.wait(10).await;
    let back = identity(ana, Some(cloud.app.now().seconds()));
    cloud.app.ensure_profile(&back).await.unwrap();
    assert!(cloud.app.push.mark_online(&late, expires).await.unwrap());
}
