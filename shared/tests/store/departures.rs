//! The deletion of accounts: nothing of a name is left, whatever others do meanwhile, and whoever comes back starts anew.

use serde_json::Value;
use shared::{
    Error,
    domain::{
        messages::{Message, action::MessageAction, log::Window},
        page::PageRequest,
        relationships,
        rooms::{Role, new_room::NewRoom},
        users::profile::TokenProfile,
    },
    id::{RequestId, RoomId, UserId},
};

use crate::{
    cloud::Cloud,
    log::send,
    profiles::identity,
    raw::{member, meta, number, recorded_revisions},
    rooms::room,
};

/// When the token was issued with which people are in these tests.
const ISSUED: i64 = 1_769_999_000;

async fn delete(cloud: &Cloud, user: UserId) {
    cloud.app.delete_account(&identity(user, Some(ISSUED))).await.unwrap();
}

async fn say(cloud: &Cloud, room: RoomId, user: UserId, content: &str) -> Message {
    let sent = cloud.app.store.append(&send(room, user, content), cloud.app.now()).await.unwrap();
    cloud.app.deliver(&sent, None).await;
    sent.message().clone()
}

async fn update_relationship(cloud: &Cloud, a: UserId, b: UserId) {
    let id = RequestId::at(cloud.app.now());
    cloud.app.update_relationship(a, b, relationships::RelationshipAction::Request(id)).await.unwrap();
    let accepted = relationships::RelationshipAction::Respond(id, relationships::Answer::Accepted);
    cloud.app.update_relationship(b, a, accepted).await.unwrap();
}

async fn group(cloud: &Cloud, creator: UserId, others: &[UserId]) -> RoomId {
    let new_room = NewRoom::new(creator, others, true, Some("gym")).unwrap();
    let people: Vec<UserId> = new_room.members.iter().copied().collect();
    let profiles = cloud.app.store.profiles(&people).await.unwrap();
    cloud.app.store.create_room(&new_room, profiles, cloud.app.now()).await.unwrap();
    new_room.id
}

/// The messages of a room as the table has them.
fn log(cloud: &Cloud, room: RoomId) -> Vec<(String, String)> {
    let text = |item: &Value, name: &str| item[name]["S"].as_str().unwrap().to_owned();
    let messages = crate::raw::items(cloud, room, "MSG#");
    messages.iter().map(|item| (text(item, "sender_username"), text(item, "content"))).collect()
}

/// The sort keys of all that is kept of a person under their own name.
fn kept(cloud: &Cloud, user: UserId) -> Vec<String> {
    let items = cloud.partition(&format!("USER#{user}"));
    items.iter().map(|item| item["sk"]["S"].as_str().unwrap().to_owned()).collect()
}

fn pairs<const N: usize>(texts: [(&str, &str); N]) -> Vec<(String, String)> {
    texts.map(|(name, content)| (name.to_owned(), content.to_owned())).to_vec()
}

#[tokio::test(start_paused = true)]
async fn who_is_gone_leaves_words_without_a_name_and_groups_with_an_owner() {
    let cloud = Cloud::new();
    let (zoe, ben, cleo) = (cloud.person("zoe").await, cloud.person("ben").await, cloud.person("cleo").await);
    update_relationship(&cloud, zoe, ben).await;
    let (pair, gym) = (room(&cloud, zoe, &[ben]).await, group(&cloud, zoe, &[ben]).await);
    let added = cloud.app.store.profile(cleo).await.unwrap().unwrap();
    cloud.app.store.join(gym, zoe, &added, None, cloud.app.now()).await.unwrap();
    say(&cloud, pair, zoe, "zoe was here").await;
    say(&cloud, gym, ben, "hi zoe").await;
    cloud.connect(zoe, "zoe").await;
    for (who, device) in [(ben, "ben"), (cleo, "cleo")] {
        cloud.connect(who, device).await;
    }
    cloud.calls();
    cloud.frames();

    delete(&cloud, zoe).await;
    assert_eq!(kept(&cloud, zoe), ["QUOTAS", "PRESENCE", "PROFILE"]);
    assert_eq!(log(&cloud, pair), pairs([("Deleted user", "zoe was here")]));
    let said = [
        ("Deleted user", "Deleted user added cleo"),
        ("ben", "hi zoe"),
        ("Deleted user", "Deleted user left"),
    ];
    assert_eq!(log(&cloud, gym), pairs(said));
    assert!(member(&cloud, gym, zoe).is_none());
    let successor = member(&cloud, gym, ben).unwrap();
    assert_eq!(successor["role"]["S"], "owner", "{:?}", Role::Owner);
    let shown = member(&cloud, pair, zoe).unwrap();
    assert_eq!((&shown["username"]["S"], shown.get("avatar_url")), (&"Deleted user".into(), None));
    assert_eq!(recorded_revisions(&cloud, pair), [1]);
    assert!(cloud.app.store.friends(ben, PageRequest::default()).await.unwrap().items.is_empty());
    assert!(cloud.calls().iter().any(|call| call.operation == "DELETE"), "her connection is closed");
    let frames = cloud.frames();
    let heard = |device: &str| -> Vec<&str> {
        let mut kinds: Vec<&str> = frames
            .iter()
            .filter(|(to, _)| to == device)
            .map(|(_, frame)| frame["type"].as_str().unwrap())
            .collect();
        kinds.sort_unstable();
        kinds
    };
    assert_eq!(heard("ben"), ["friend_removed", "new_message", "participant_left", "participant_updated"]);
    assert_eq!(heard("cleo"), ["new_message", "participant_left"]);

    delete(&cloud, zoe).await;
    assert_eq!(cloud.frames(), [], "nothing is left to do");
    assert_eq!(number(&meta(&cloud, pair), "rev"), 1);
}

#[tokio::test(start_paused = true)]
async fn who_comes_back_starts_anew_and_stays_blocked() {
    let cloud = Cloud::new();
    let (zoe, ben, eve) = (cloud.person("zoe").await, cloud.person("ben").await, cloud.person("eve").await);
    let pair = room(&cloud, zoe, &[ben]).await;
    say(&cloud, pair, ben, "before").await;
    cloud.app.update_relationship(eve, zoe, relationships::RelationshipAction::Block).await.unwrap();
    cloud.app.update_relationship(zoe, eve, relationships::RelationshipAction::Block).await.unwrap();
    delete(&cloud, zoe).await;
    say(&cloud, pair, ben, "are you there?").await;
    let deleted = cloud.app.now().seconds();
    for stale in [None, Some(ISSUED), Some(deleted - 100)] {
        assert!(matches!(cloud.app.ensure_profile(&identity(zoe, stale)).await, Err(Error::InvalidToken(_))));
        assert!(matches!(cloud.app.resume_account(&identity(zoe, stale)).await, Err(Error::InvalidToken(_))));
    }

    let newer = TokenProfile { username: Some("zoe".to_owned()), ..TokenProfile::default() };
    let newer = shared::auth::Identity { profile: newer, ..identity(zoe, Some(deleted + 1)) };
    let profile = cloud.app.resume_account(&newer).await.unwrap();
    assert_eq!(profile.username, "zoe", "the name was free");
    assert!(cloud.app.store.my_rooms(zoe, PageRequest::default()).await.unwrap().items.is_empty());
    assert!(matches!(cloud.app.visible_profile(zoe, eve).await, Err(Error::NotFound)), "her block holds");
    assert!(matches!(
        cloud.app.delete_account(&identity(zoe, Some(ISSUED))).await,
        Err(Error::InvalidToken(_))
    ));
    assert!(matches!(
        cloud.app.ensure_profile(&identity(zoe, Some(ISSUED))).await,
        Err(Error::InvalidToken(_))
    ));

    cloud.app.rejoin_direct_room(pair, ben, &[zoe, ben]).await.unwrap();
    let history = |who| cloud.app.store.history(pair, who, Window::Newest { offset: 0 }, 50);
    assert_eq!(history(zoe).await.unwrap(), []);
    assert_eq!(history(ben).await.unwrap().len(), 2);
    say(&cloud, pair, ben, "hello again").await;
    let seen = history(zoe).await.unwrap();
    assert_eq!((seen.len(), seen[0].message.content.as_str()), (1, "hello again"));
    let listed = &cloud.app.store.my_rooms(zoe, PageRequest::default()).await.unwrap().items[0];
    assert_eq!((listed.unread(), listed.others.len()), (1, 1));
    cloud.app.rejoin_direct_room(pair, ben, &[zoe, ben]).await.unwrap();
    assert_eq!(history(zoe).await.unwrap().len(), 1, "again changes nothing");
}

#[tokio::test(start_paused = true)]
async fn changes_and_sends_at_the_same_moment_do_not_bring_the_name_back() {
    for delay in 0..24 {
        let cloud = Cloud::new();
        let (zoe, ben) = (cloud.person("zoe").await, cloud.person("ben").await);
        let pair = room(&cloud, zoe, &[ben]).await;
        let mut said = Vec::new();
        for n in 0..3 {
            said.push(say(&cloud, pair, zoe, &format!("m{n}")).await);
        }
        let thumb = MessageAction::React("👍".parse().unwrap());
        let reactions = said.iter().map(async |message| {
            cloud.wait(0).await;
            tokio::time::sleep(std::time::Duration::from_secs(delay)).await;
            let now = cloud.app.now();
            cloud.app.store.change_message(pair, message.id, ben, &thumb, now).await.unwrap()
        });
        let (changed, ()) = futures::join!(futures::future::join_all(reactions), delete(&cloud, zoe));
        assert_eq!(changed.len(), 3);
        let expected = pairs([("Deleted user", "m0"), ("Deleted user", "m1"), ("Deleted user", "m2")]);
        assert_eq!(log(&cloud, pair), expected, "after {delay} s");
    }
}

#[tokio::test(start_paused = true)]
async fn sixteen_calls_at_once_delete_once() {
    let cloud = Cloud::new();
    let (zoe, ben) = (cloud.person("zoe").await, cloud.person("ben").await);
    let gym = group(&cloud, zoe, &[ben]).await;
    say(&cloud, gym, zoe, "hello").await;
    let me = identity(zoe, Some(ISSUED));
    let calls = (0..16).map(|_| cloud.app.delete_account(&me));
    let outcomes = futures::future::join_all(calls).await;
    assert!(outcomes.iter().any(Result::is_ok), "{outcomes:?}");
    delete(&cloud, zoe).await;
    assert_eq!(log(&cloud, gym), pairs([("Deleted user", "hello"), ("Deleted user", "Deleted user left")]));
    assert_eq!(kept(&cloud, zoe), ["QUOTAS", "PRESENCE", "PROFILE"]);
}
