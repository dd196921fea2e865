//! Account deletion: no username remains, also under concurrent calls, and a recreated account starts empty.

use serde_json::Value;
use shared::{
    Error,
    domain::{
        accounts::DeletionProgress,
        messages::{Message, action::MessageAction, log::Window},
        page::PageRequest,
        relationships,
        rooms::{Role, new_room::NewRoom},
        users::profile::TokenProfile,
    },
    id::{RequestId, RoomId, UserId},
};

use crate::{
    backend::TestBackend,
    deletion::rejoin_direct_room,
    log::send,
    profiles::identity,
    raw::{member, meta, number, recorded_revisions, user_keys},
    rooms::{invitees, join, room},
};

/// When the tokens of these tests were issued, in Unix seconds.
const ISSUED: i64 = 1_769_999_000;

async fn delete(backend: &TestBackend, user: UserId) {
    backend.app.delete_account(&identity(user, Some(ISSUED))).await.unwrap();
}

async fn send_message(backend: &TestBackend, room: RoomId, user: UserId, content: &str) -> Message {
    let sent = backend.app.store.append(&send(room, user, content), backend.app.now()).await.unwrap();
    backend.app.deliver(&sent, None).await;
    sent.message().clone()
}

async fn make_friends(backend: &TestBackend, a: UserId, b: UserId) {
    let id = RequestId::at(backend.app.now());
    backend.app.update_relationship(a, b, relationships::RelationshipAction::Request(id)).await.unwrap();
    let accepted = relationships::RelationshipAction::Respond(id, relationships::Answer::Accepted);
    backend.app.update_relationship(b, a, accepted).await.unwrap();
}

async fn group(backend: &TestBackend, creator: UserId, others: &[UserId]) -> RoomId {
    let new_room = NewRoom::new(creator, others, true, Some("gym"), backend.app.now()).unwrap();
    let members: Vec<UserId> = new_room.members.iter().copied().collect();
    let check = || invitees(backend, &members);
    backend.app.store.create_room(&new_room, backend.app.now(), check).await.unwrap();
    new_room.id
}

/// The stored sender usernames and contents of the messages of a room.
fn log(backend: &TestBackend, room: RoomId) -> Vec<(String, String)> {
    let text = |item: &Value, name: &str| item[name]["S"].as_str().unwrap().to_owned();
    let messages = crate::raw::items(backend, room, "MSG#");
    messages.iter().map(|item| (text(item, "sender_username"), text(item, "content"))).collect()
}

fn entries<const N: usize>(texts: [(&str, &str); N]) -> Vec<(String, String)> {
    texts.map(|(name, content)| (name.to_owned(), content.to_owned())).to_vec()
}

#[tokio::test(start_paused = true)]
async fn a_deleted_account_leaves_anonymous_messages_and_groups_with_an_owner() {
    let backend = TestBackend::new();
    let (zoe, ben, cleo) = (backend.user("zoe").await, backend.user("ben").await, backend.user("cleo").await);
    make_friends(&backend, zoe, ben).await;
    let (direct, gym) = (room(&backend, zoe, &[ben]).await, group(&backend, zoe, &[ben]).await);
    join(&backend, gym, zoe, cleo).await.unwrap();
    send_message(&backend, direct, zoe, "zoe was here").await;
    send_message(&backend, gym, ben, "hi zoe").await;
    backend.connect(zoe, "zoe").await;
    for (user, device) in [(ben, "ben"), (cleo, "cleo")] {
        backend.connect(user, device).await;
    }
    backend.calls();
    backend.frames();

    delete(&backend, zoe).await;
    assert_eq!(user_keys(&backend, zoe), ["PRESENCE", "PROFILE", "QUOTAS"]);
    assert_eq!(log(&backend, direct), entries([("Deleted user", "zoe was here")]));
    let expected = [
        ("Deleted user", "Deleted user added cleo"),
        ("ben", "hi zoe"),
        ("Deleted user", "Deleted user left"),
    ];
    assert_eq!(log(&backend, gym), entries(expected));
    assert!(member(&backend, gym, zoe).is_none());
    let successor = member(&backend, gym, ben).unwrap();
    assert_eq!(successor["role"]["S"], "owner", "{:?}", Role::Owner);
    let shown = member(&backend, direct, zoe).unwrap();
    assert_eq!((&shown["username"]["S"], shown.get("avatar_url")), (&"Deleted user".into(), None));
    assert_eq!(recorded_revisions(&backend, direct), [1]);
    assert!(backend.app.store.friends(ben, PageRequest::default()).await.unwrap().items.is_empty());
    assert!(backend.calls().iter().any(|call| call.operation == "DELETE"), "her connection is closed");
    let frames = backend.frames();
    let received = |device: &str| -> Vec<&str> {
        let mut kinds: Vec<&str> = frames
            .iter()
            .filter(|(to, _)| to == device)
            .map(|(_, frame)| frame["type"].as_str().unwrap())
            .collect();
        kinds.sort_unstable();
        kinds
    };
    assert_eq!(received("ben"), ["friend_removed", "new_message", "participant_left", "participant_updated"]);
    assert_eq!(received("cleo"), ["new_message", "participant_left"]);

    delete(&backend, zoe).await;
    assert_eq!(backend.frames(), [], "nothing remains to be done");
    assert_eq!(number(&meta(&backend, direct), "rev"), 1);
}

#[tokio::test(start_paused = true)]
async fn a_recreated_account_starts_empty_and_stays_blocked() {
    let backend = TestBackend::new();
    let (zoe, ben, eve) = (backend.user("zoe").await, backend.user("ben").await, backend.user("eve").await);
    let direct = room(&backend, zoe, &[ben]).await;
    send_message(&backend, direct, ben, "before").await;
    backend.app.update_relationship(eve, zoe, relationships::RelationshipAction::Block).await.unwrap();
    backend.app.update_relationship(zoe, eve, relationships::RelationshipAction::Block).await.unwrap();
    delete(&backend, zoe).await;
    send_message(&backend, direct, ben, "are you there?").await;
    let deleted = backend.app.now().seconds();
    for stale in [None, Some(ISSUED), Some(deleted - 100)] {
        assert!(matches!(
            backend.app.ensure_profile(&identity(zoe, stale)).await,
            Err(Error::InvalidToken(_))
        ));
        assert!(matches!(
            backend.app.resume_account(&identity(zoe, stale)).await,
            Err(Error::InvalidToken(_))
        ));
    }

    let newer = TokenProfile { username: Some("zoe".to_owned()), ..TokenProfile::default() };
    let newer = shared::auth::Identity { profile: newer, ..identity(zoe, Some(deleted + 1)) };
    let profile = backend.app.resume_account(&newer).await.unwrap();
    assert_eq!(profile.username, "zoe", "the username was free");
    assert!(backend.app.store.my_rooms(zoe, PageRequest::default()).await.unwrap().items.is_empty());
    assert!(matches!(backend.app.visible_profile(zoe, eve).await, Err(Error::NotFound)), "her block holds");
    assert!(matches!(
        backend.app.delete_account(&identity(zoe, Some(ISSUED))).await,
        Err(Error::InvalidToken(_))
    ));
    assert!(matches!(
        backend.app.ensure_profile(&identity(zoe, Some(ISSUED))).await,
        Err(Error::InvalidToken(_))
    ));

    rejoin_direct_room(&backend, ben, zoe).await.unwrap();
    let history = |reader| backend.app.store.history(direct, reader, Window::Newest { offset: 0 }, 50);
    assert_eq!(history(zoe).await.unwrap(), []);
    assert_eq!(history(ben).await.unwrap().len(), 2);
    send_message(&backend, direct, ben, "hello again").await;
    let seen = history(zoe).await.unwrap();
    assert_eq!((seen.len(), seen[0].message.content.as_str()), (1, "hello again"));
    let listed = &backend.app.store.my_rooms(zoe, PageRequest::default()).await.unwrap().items[0];
    assert_eq!((listed.unread(), listed.others.len()), (1, 1));
    rejoin_direct_room(&backend, ben, zoe).await.unwrap();
    assert_eq!(history(zoe).await.unwrap().len(), 1, "idempotent");
}

#[tokio::test(start_paused = true)]
async fn concurrent_message_changes_do_not_restore_a_deleted_username() {
    for delay in 0..24 {
        let backend = TestBackend::new();
        let (zoe, ben) = (backend.user("zoe").await, backend.user("ben").await);
        let direct = room(&backend, zoe, &[ben]).await;
        let mut messages = Vec::new();
        for n in 0..3 {
            messages.push(send_message(&backend, direct, zoe, &format!("m{n}")).await);
        }
        let thumb = MessageAction::React("👍".parse().unwrap());
        let reactions = messages.iter().map(async |message| {
            backend.wait(0).await;
            tokio::time::sleep(std::time::Duration::from_secs(delay)).await;
            let now = backend.app.now();
            backend.app.store.change_message(direct, message.id, ben, &thumb, now).await.unwrap()
        });
        let (changed, ()) = futures::join!(futures::future::join_all(reactions), delete(&backend, zoe));
        assert_eq!(changed.len(), 3);
        let expected = entries([("Deleted user", "m0"), ("Deleted user", "m1"), ("Deleted user", "m2")]);
        assert_eq!(log(&backend, direct), expected, "after {delay} s");
    }
}

#[tokio::test(start_paused = true)]
async fn one_of_sixteen_concurrent_calls_deletes_an_account() {
    let backend = TestBackend::new();
    let (zoe, ben) = (backend.user("zoe").await, backend.user("ben").await);
    let gym = group(&backend, zoe, &[ben]).await;
    send_message(&backend, gym, zoe, "hello").await;
    let me = identity(zoe, Some(ISSUED));
    let calls = (0..16).map(|_| backend.app.delete_account(&me));
    let outcomes = futures::future::join_all(calls).await;
    let count = |progress| outcomes.iter().filter(|it| matches!(it, Ok(found) if *found == progress)).count();
    let counts = [DeletionProgress::Complete, DeletionProgress::InProgress].map(count);
    assert_eq!(counts, [1, 15], "{outcomes:?}");
    assert_eq!(
        log(&backend, gym),
        entries([("Deleted user", "hello"), ("Deleted user", "Deleted user left")])
    );
    assert_eq!(user_keys(&backend, zoe), ["PRESENCE", "PROFILE", "QUOTAS"]);
}
