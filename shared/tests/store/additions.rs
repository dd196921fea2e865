//! Being added to groups: by the user's settings, and by a rate limit that counts users who are no friends.

use std::pin::pin;

use futures::future::join_all;
use shared::{
    Error, Result,
    domain::{
        relationships::access::Audience,
        rooms::new_room::NewRoom,
        users::{profile::ProfileChange, settings::SettingsChange},
    },
    id::UserId,
    store::db::keys,
};

use crate::{
    access::make_friends,
    backend::TestBackend,
    deletion::run_for,
    raw::{member, set_audience},
    relationship_lists::code,
    rooms::room,
};

/// The default limit: additions by users who are no friends, per day.
const LIMIT: usize = 20;

/// Creates a group as the API does, and repeats the call while the store is busy.
async fn create(backend: &TestBackend, creator: UserId, others: &[UserId]) -> Result<()> {
    loop {
        match backend.app.create_room(NewRoom::new(creator, others, true, None, backend.app.now())?).await {
            Err(Error::Busy(_)) => {}
            created => return created.map(drop),
        }
    }
}

/// Whether an addition of the user is counted.
fn is_counted(backend: &TestBackend, user: UserId) -> bool {
    let partition = backend.partition(&keys::quotas(user).pk);
    partition.iter().any(|item| item.get("additions_tat").is_some())
}

async fn users(backend: &TestBackend, count: usize) -> Vec<UserId> {
    let mut users = Vec::new();
    for n in 0..count {
        users.push(backend.user(&format!("user {n}")).await);
    }
    users
}

#[tokio::test(start_paused = true)]
async fn strangers_add_a_user_to_no_more_groups_than_the_limit_however_many_they_are() {
    let backend = TestBackend::new();
    let (zoe, strangers) = (backend.user("zoe").await, users(&backend, LIMIT + 4).await);
    let creating = strangers.iter().map(|stranger| create(&backend, *stranger, std::slice::from_ref(&zoe)));
    let outcomes = join_all(creating).await;
    assert_eq!(outcomes.iter().filter(|outcome| outcome.is_ok()).count(), LIMIT);
    for refused in outcomes.into_iter().filter(Result::is_err) {
        assert_eq!(code(refused), "groups_not_allowed");
    }
    // Adding the user to an existing group counts in the same way.
    let gym = room(&backend, strangers[0], &strangers[1..3]).await;
    let added = backend.app.put_participant(gym, strangers[0], zoe, None).await;
    assert_eq!(code(added.map(drop)), "groups_not_allowed");
    assert!(member(&backend, gym, zoe).is_none());
    // Friends are never limited.
    make_friends(&backend, strangers[5], zoe).await;
    for _ in 0..3 {
        create(&backend, strangers[5], &[zoe]).await.unwrap();
    }
    // One more a little more than an hour later.
    backend.wait(24 * 3600 / 20).await;
    create(&backend, strangers[1], &[zoe]).await.unwrap();
    assert_eq!(code(create(&backend, strangers[2], &[zoe]).await), "groups_not_allowed");
}

#[tokio::test(start_paused = true)]
async fn a_refused_group_counts_for_none_of_its_members() {
    let backend = TestBackend::new();
    let (zoe, ana) = (backend.user("zoe").await, backend.user("ana").await);
    let others = users(&backend, 5).await;
    set_audience(&backend, zoe, "groups_from", "friends").await;
    let named: Vec<UserId> = others.iter().copied().chain([zoe]).collect();
    assert_eq!(code(create(&backend, ana, &named).await), "groups_not_allowed");
    assert!(others.iter().all(|user| !is_counted(&backend, *user)));
    create(&backend, ana, &others).await.unwrap();
    assert!(others.iter().all(|user| is_counted(&backend, *user)));
    assert!(!is_counted(&backend, ana), "the creator is not added");
    make_friends(&backend, ana, zoe).await;
    create(&backend, ana, &[zoe]).await.unwrap();
    assert!(!is_counted(&backend, zoe));
}

#[tokio::test(start_paused = true)]
async fn groups_from_admits_the_users_of_its_audience_who_may_also_send_messages() {
    let backend = TestBackend::new();
    let [ana, ben, cleo, dev] = [
        backend.user("ana").await,
        backend.user("ben").await,
        backend.user("cleo").await,
        backend.user("dev").await,
    ];
    make_friends(&backend, ana, ben).await;
    make_friends(&backend, ben, cleo).await;
    for (groups, messages, expected) in [
        ("everyone", "everyone", ["ok", "ok", "ok"]),
        ("friends_of_friends", "everyone", ["ok", "ok", "groups_not_allowed"]),
        ("friends", "everyone", ["ok", "groups_not_allowed", "groups_not_allowed"]),
        ("everyone", "friends", ["ok", "messages_not_allowed", "messages_not_allowed"]),
    ] {
        set_audience(&backend, ana, "groups_from", groups).await;
        set_audience(&backend, ana, "messages_from", messages).await;
        let mut outcomes = Vec::new();
        for user in [ben, cleo, dev] {
            let added = backend.app.check_may_add(user, &[user, ana]).await;
            outcomes.push(added.map_or_else(|error| code::<()>(Err(error)), |_| "ok"));
        }
        assert_eq!(outcomes, expected, "{groups} and {messages}");
        // The setting does not concern direct rooms.
        let messages = backend.app.check_may_message(dev, &[ana]).await;
        assert_eq!(messages.is_ok(), outcomes[2] != "messages_not_allowed");
    }
}

#[tokio::test(start_paused = true)]
async fn a_setting_that_changes_before_the_commit_decides() {
    for is_new in [false, true] {
        for seconds in 0.. {
            let backend = TestBackend::new();
            let (ana, zoe, others) =
                (backend.user("ana").await, backend.user("zoe").await, users(&backend, 2).await);
            let gym = room(&backend, ana, &others).await;
            let named = [zoe];
            let adding = async {
                if is_new {
                    create(&backend, ana, &named).await
                } else {
                    backend.app.put_participant(gym, ana, zoe, None).await.map(drop)
                }
            };
            let mut adding = pin!(adding);
            if run_for(seconds, adding.as_mut()).await.is_some() {
                assert!(seconds > 3);
                break;
            }
            let is_added =
                || backend.partition(&keys::profile(zoe).pk).iter().any(|item| item.get("room_id").is_some());
            let was_added = is_added();
            let settings =
                SettingsChange { groups_from: Some(Audience::Friends), ..SettingsChange::default() };
            let change = ProfileChange { settings, ..ProfileChange::default() };
            backend.app.store.change_profile(zoe, &change).await.unwrap();
            let outcome = adding.await;
            assert_eq!((outcome.is_ok(), is_added()), (was_added, was_added), "{seconds} s");
            if !was_added {
                assert_eq!(code(outcome), "groups_not_allowed", "{seconds} s");
            }
        }
    }
}
