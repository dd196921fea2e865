//! Access: which users a user can see, find, ask to be friends and message.

use shared::{
    Error, Result,
    domain::{
        page::PageRequest,
        relationships::{Answer, RelationshipAction, access::Degree},
        users::username::SearchQuery,
    },
    id::UserId,
    store::db::keys,
};

use crate::{
    backend::TestBackend,
    deletion::delete_account,
    profiles::named,
    raw::set_audience,
    relationship_lists::{answer, ask, code},
};

/// Makes two users friends.
pub async fn make_friends(backend: &TestBackend, a: UserId, b: UserId) {
    let request = ask(backend, a, b).await.unwrap();
    answer(backend, b, &request, Answer::Accepted).await.unwrap();
}

async fn act(backend: &TestBackend, me: UserId, other: UserId, action: RelationshipAction) {
    backend.app.store.update_relationship(me, other, action, backend.app.now()).await.unwrap();
}

/// Ana, Ben, Cleo and Dev. Ana and Ben are friends, Ben and Cleo are friends, Dev has no friends.
async fn create_users(backend: &TestBackend) -> [UserId; 4] {
    let mut users = Vec::new();
    for name in ["runner ana", "runner ben", "runner cleo", "runner dev"] {
        users.push(backend.user(name).await);
    }
    make_friends(backend, users[0], users[1]).await;
    make_friends(backend, users[1], users[2]).await;
    users.try_into().unwrap()
}

pub async fn search_results(backend: &TestBackend, query: &str, caller: UserId) -> Vec<UserId> {
    let query = SearchQuery::read(query).unwrap();
    let found = backend.app.search_users(&query, caller, 20).await.unwrap();
    let mut found: Vec<UserId> = found.into_iter().map(|(profile, _)| profile.id).collect();
    found.sort();
    found
}

pub fn sorted<const N: usize>(mut users: [UserId; N]) -> Vec<UserId> {
    users.sort();
    users.into()
}

async fn mutual(backend: &TestBackend, me: UserId, other: UserId) -> Vec<UserId> {
    let page = backend.app.store.mutual_friends(me, other, PageRequest::default()).await.unwrap();
    page.items.into_iter().map(|(_, profile)| profile.id).collect()
}

async fn suggested(backend: &TestBackend, me: UserId) -> Vec<(UserId, u64)> {
    let suggested = backend.app.suggestions(me).await.unwrap();
    suggested.into_iter().map(|(profile, _, count)| (profile.id, count)).collect()
}

#[tokio::test(start_paused = true)]
async fn degrees_are_friend_friend_of_friend_and_everyone() {
    let backend = TestBackend::new();
    let [ana, ben, cleo, dev] = create_users(&backend).await;
    for (me, other, expected) in [
        (ana, ben, Degree::Friend),
        (ana, cleo, Degree::FriendOfFriend),
        (cleo, ana, Degree::FriendOfFriend),
        (ana, dev, Degree::Everyone),
    ] {
        let pair = backend.app.store.pair(me, other).await.unwrap();
        assert_eq!(backend.app.access(me).degree(&pair).await.unwrap(), expected);
    }
    assert_eq!(mutual(&backend, ana, cleo).await, [ben]);
    assert_eq!(mutual(&backend, ana, dev).await, []);
}

#[tokio::test(start_paused = true)]
async fn a_search_finds_the_users_whose_settings_allow_it() {
    let backend = TestBackend::new();
    let [ana, ben, cleo, dev] = create_users(&backend).await;
    assert_eq!(search_results(&backend, "runner", dev).await, sorted([ana, ben, cleo]));
    set_audience(&backend, cleo, "findable_by", "friends_of_friends").await;
    assert_eq!(search_results(&backend, "runner", dev).await, sorted([ana, ben]));
    assert_eq!(search_results(&backend, "runner", ana).await, sorted([ben, cleo, dev]));
    set_audience(&backend, cleo, "findable_by", "nobody").await;
    assert_eq!(search_results(&backend, "runner", ana).await, sorted([ben, dev]));
    assert_eq!(
        search_results(&backend, "runner", ben).await,
        sorted([ana, cleo, dev]),
        "friends find each other with every setting"
    );
    act(&backend, ben, dev, RelationshipAction::Block).await;
    assert_eq!(search_results(&backend, "runner", dev).await, [ana]);
    assert_eq!(search_results(&backend, "runner", ben).await, sorted([ana, cleo]));
}

#[tokio::test(start_paused = true)]
async fn a_search_continues_after_users_it_must_not_return() {
    let backend = TestBackend::new();
    let ana = backend.user("ana").await;
    for n in 0..30 {
        let hidden = backend.user(&format!("runner a{n:02}")).await;
        set_audience(&backend, hidden, "findable_by", "nobody").await;
    }
    let last = backend.user("runner b").await;
    assert_eq!(search_results(&backend, "runner", ana).await, [last]);
}

#[tokio::test(start_paused = true)]
async fn a_request_requires_the_receivers_permission() {
    let backend = TestBackend::new();
    let [ana, ben, cleo, dev] = create_users(&backend).await;
    let may_ask =
        async |me, other| backend.app.check_may_request(me, other, backend.app.now()).await.map(drop);
    set_audience(&backend, cleo, "requests_from", "friends_of_friends").await;
    may_ask(ana, cleo).await.unwrap();
    assert_eq!(code(may_ask(dev, cleo).await), "requests_not_allowed");
    set_audience(&backend, cleo, "requests_from", "nobody").await;
    assert_eq!(code(may_ask(ana, cleo).await), "requests_not_allowed");
    assert_eq!(code(may_ask(ben, cleo).await), "already_friends");
    act(&backend, cleo, ana, RelationshipAction::Block).await;
    let unknown = UserId::from(uuid::Uuid::new_v4());
    for other in [cleo, unknown] {
        assert_eq!(code(may_ask(ana, other).await), "not_found");
        act(&backend, ana, other, RelationshipAction::Block).await;
        assert_eq!(code(may_ask(ana, other).await), "you_blocked_them");
    }
}

#[tokio::test(start_paused = true)]
async fn a_room_can_include_existing_users_who_accept_messages_without_a_block() {
    let backend = TestBackend::new();
    let [ana, ben, cleo, dev] = create_users(&backend).await;
    let unknown = UserId::from(uuid::Uuid::new_v4());
    let reach = async |me, users: &[UserId]| -> Result<usize> {
        Ok(backend.app.check_may_message(me, users).await?.len())
    };
    assert_eq!(reach(ana, &[ana, ben, cleo, dev]).await.unwrap(), 4);
    assert!(matches!(reach(ana, &[ben, unknown]).await, Err(Error::NotFound)));
    set_audience(&backend, ben, "messages_from", "friends").await;
    assert_eq!(reach(ana, &[ben, dev]).await.unwrap(), 2);
    assert_eq!(code(reach(dev, &[ana, ben]).await), "messages_not_allowed");
    set_audience(&backend, ana, "messages_from", "friends_of_friends").await;
    assert_eq!(reach(cleo, &[ana]).await.unwrap(), 1);
    assert_eq!(code(reach(dev, &[ana]).await), "messages_not_allowed");
    act(&backend, ben, dev, RelationshipAction::Block).await;
    for (me, other) in [(dev, ben), (ben, dev)] {
        assert!(matches!(reach(me, &[other, cleo]).await, Err(Error::NotFound)));
        assert!(matches!(backend.app.visible_profile(me, other).await, Err(Error::NotFound)));
    }
    let (profile, pair) = backend.app.visible_profile(ana, ben).await.unwrap();
    assert!(profile.id == ben && pair.are_friends());
    assert_eq!(backend.app.visible_profile(ana, ana).await.unwrap().0.id, ana);
}

#[tokio::test(start_paused = true)]
async fn suggestions_exclude_friends_pending_requests_blocks_and_hidden_users() {
    let backend = TestBackend::new();
    let [ana, ben, cleo, dev] = create_users(&backend).await;
    let eve = backend.user("eve").await;
    assert_eq!(suggested(&backend, ana).await, [(cleo, 1)]);
    make_friends(&backend, ana, dev).await;
    make_friends(&backend, dev, eve).await;
    make_friends(&backend, ben, eve).await;
    assert_eq!(suggested(&backend, ana).await, [(eve, 2), (cleo, 1)]);
    set_audience(&backend, eve, "findable_by", "friends_of_friends").await;
    let request = ask(&backend, cleo, ana).await.unwrap();
    assert_eq!(suggested(&backend, ana).await, [(eve, 2)]);
    act(&backend, cleo, ana, RelationshipAction::Cancel(request.request_id)).await;
    set_audience(&backend, eve, "findable_by", "nobody").await;
    assert_eq!(suggested(&backend, ana).await, [(cleo, 1)]);
    act(&backend, cleo, ana, RelationshipAction::Block).await;
    assert_eq!(suggested(&backend, ana).await, []);
    set_audience(&backend, eve, "findable_by", "everyone").await;
    assert_eq!(suggested(&backend, cleo).await, [(eve, 1)], "nor users whom the caller blocks");
}

#[tokio::test(start_paused = true)]
async fn mutual_friends_paginate_to_the_end() {
    let backend = TestBackend::new();
    let (ana, ben) = (backend.user("ana").await, backend.user("ben").await);
    let mut common = Vec::new();
    for n in 0..7 {
        let friend = backend.user(&format!("friend{n}")).await;
        make_friends(&backend, ana, friend).await;
        make_friends(&backend, friend, ben).await;
        common.push(friend);
    }
    common.sort();
    let (mut seen, mut sizes, mut cursor) = (Vec::new(), Vec::new(), None);
    loop {
        let page = PageRequest { limit: Some(3), cursor };
        let page = backend.app.store.mutual_friends(ana, ben, page).await.unwrap();
        sizes.push(page.items.len());
        seen.extend(page.items.into_iter().map(|(friend, _)| friend.user_id));
        cursor = page.next;
        if cursor.is_none() {
            break;
        }
    }
    assert_eq!((seen, sizes), (common, vec![3, 3, 1]));
}

#[tokio::test(start_paused = true)]
async fn a_block_list_includes_the_profiles_that_were_visible_to_the_caller() {
    let backend = TestBackend::new();
    let [ana, ben, cleo, _] = create_users(&backend).await;
    let unknown = UserId::from(uuid::Uuid::new_v4());
    act(&backend, ben, ana, RelationshipAction::Block).await;
    for other in [ben, cleo, unknown] {
        act(&backend, ana, other, RelationshipAction::Block).await;
    }
    act(&backend, cleo, ana, RelationshipAction::Block).await;
    let blocks = backend.app.store.blocks(ana, PageRequest::default()).await.unwrap().items;
    let profiles = blocks.iter().filter_map(|(block, profile)| {
        assert!(profile.as_ref().is_none_or(|profile| profile.id == block.user_id));
        profile.as_ref().map(|profile| profile.id)
    });
    assert_eq!((blocks.len(), profiles.collect::<Vec<_>>()), (3, vec![cleo]));

    // A user who blocks back is shown as of then, however often they change their name.
    let shown = async || {
        let blocks = backend.app.store.blocks(ana, PageRequest::default()).await.unwrap().items;
        let of_cleo = blocks.into_iter().find(|(block, _)| block.user_id == cleo).unwrap();
        of_cleo.1.map(|profile| profile.username)
    };
    let rename = async |name| backend.app.store.change_profile(cleo, &named(name)).await.unwrap();
    rename("cleopatra").await;
    assert_eq!(shown().await.as_deref(), Some("runner cleo"));
    act(&backend, cleo, ana, RelationshipAction::Unblock).await;
    assert_eq!(shown().await.as_deref(), Some("cleopatra"));
    act(&backend, cleo, ana, RelationshipAction::Block).await;
    rename("cleo the third").await;
    assert_eq!(shown().await.as_deref(), Some("cleopatra"));
    // Nothing of a deleted account remains.
    delete_account(&backend, cleo).await.unwrap();
    assert_eq!(shown().await, None);
    let stored = backend.partition(&keys::blocks(ana).pk).iter().map(ToString::to_string).collect::<String>();
    assert!(!stored.contains("cleo"), "{stored}");
}
