//! The cost of determining who is a friend of a friend.

use shared::{
    domain::relationships::lists::Friend,
    id::UserId,
    store::db::{
        item::{Item, item},
        keys,
    },
};
use uuid::Uuid;

use crate::{
    access::{make_friends, search_results, sorted},
    backend::TestBackend,
    raw::{put_all, set_audience},
};

/// The user with the n-th id in sort order.
fn nth(n: u128) -> UserId {
    Uuid::from_u128(n).into()
}

/// A friend list entry of `me`.
fn entry(backend: &TestBackend, me: UserId, user_id: UserId) -> Item {
    item(keys::friend(me, user_id), Friend { user_id, since: backend.app.now() }).unwrap()
}

/// Creates a user who only friends of friends can find.
async fn hidden(backend: &TestBackend, name: &str) -> UserId {
    let user = backend.user(name).await;
    set_audience(backend, user, "findable_by", "friends_of_friends").await;
    user
}

/// Searches as `me`. Returns the results, the sequential round trips, the consumed units and the number of
/// queries, with the query of the name index.
async fn search(backend: &TestBackend, me: UserId) -> (Vec<UserId>, u64, f64, usize) {
    backend.calls();
    let start = backend.elapsed();
    let users = search_results(backend, "runner", me).await;
    let calls = backend.calls();
    let queries = calls.iter().filter(|call| call.operation == "Query").count();
    (users, backend.elapsed() - start, calls.iter().map(|call| call.units).sum(), queries)
}

#[tokio::test(start_paused = true)]
async fn a_search_reads_the_callers_friends_once_and_one_page_of_each_result() {
    let backend = TestBackend::new();
    let (ana, ben) = (backend.user("ana").await, backend.user("ben").await);
    let mut runners = Vec::new();
    for n in 0..6 {
        runners.push(hidden(&backend, &format!("runner {n}")).await);
    }
    for near in &runners[..3] {
        make_friends(&backend, ben, *near).await;
    }
    // A caller without friends has no mutual friends. Twelve units are the six profiles and their
    // relationships to the caller.
    assert_eq!(search(&backend, ana).await, (vec![], 3, 0.5 + 12.0 + 1.0, 2));
    make_friends(&backend, ana, ben).await;
    let near = sorted([runners[0], runners[1], runners[2]]);
    assert_eq!(search(&backend, ana).await, (near, 4, 0.5 + 12.0 + 1.0 + 6.0, 8));
    // When no setting depends on mutual friends, no friend list is read.
    for runner in &runners {
        set_audience(&backend, *runner, "findable_by", "everyone").await;
    }
    let all = sorted::<6>(runners.try_into().unwrap());
    assert_eq!(search(&backend, ana).await, (all, 2, 0.5 + 12.0, 1));
}

#[tokio::test(start_paused = true)]
async fn a_long_friend_list_is_read_up_to_the_first_mutual_friend() {
    let backend = TestBackend::new();
    let ana = backend.user("ana").await;
    let runner = hidden(&backend, "runner").await;
    let entries = (1000..2200).map(|n| entry(&backend, runner, nth(n))).collect();
    put_all(&backend, entries).await;
    // Mutual friends lie between the ids of her first and her last friend.
    put_all(&backend, vec![entry(&backend, ana, nth(7)), entry(&backend, ana, nth(999))]).await;
    let (users, trips, units, queries) = search(&backend, ana).await;
    assert_eq!((users, trips, queries), (vec![], 4, 3));
    assert!(units < 6.0, "{units}");
    put_all(&backend, vec![entry(&backend, ana, nth(5000))]).await;
    let (users, trips, all, queries) = search(&backend, ana).await;
    assert_eq!((users, trips, queries), (vec![], 6, 5), "1,200 friends in three queries");
    // Found in the second query; the third is not made.
    for common in [1600, 2100] {
        put_all(&backend, vec![entry(&backend, ana, nth(common))]).await;
        let (near, trips, part, queries) = search(&backend, ana).await;
        assert_eq!((near, trips, queries), (vec![runner], 5, 4));
        assert!(part < all, "{part} of {all}");
    }
    put_all(&backend, vec![entry(&backend, ana, nth(1001))]).await;
    let (near, trips, _, queries) = search(&backend, ana).await;
    assert_eq!((near, trips, queries), (vec![runner], 4, 3));
}

#[tokio::test(start_paused = true)]
async fn a_search_looks_for_mutual_friends_with_at_most_forty_users() {
    let backend = TestBackend::new();
    let (ana, ben) = (backend.user("ana").await, backend.user("ben").await);
    make_friends(&backend, ana, ben).await;
    for n in 0..39 {
        hidden(&backend, &format!("runner a{n:02}")).await;
    }
    let friend = hidden(&backend, "runner b").await;
    make_friends(&backend, ana, friend).await;
    let last = hidden(&backend, "runner c").await;
    let beyond = hidden(&backend, "runner d").await;
    for near in [last, beyond] {
        make_friends(&backend, ben, near).await;
    }
    let open = backend.user("runner e").await;
    let (near, _, _, queries) = search(&backend, ana).await;
    assert_eq!(near, sorted([friend, last, open]));
    assert_eq!(queries, 1 + 1 + 40);
}

#[tokio::test(start_paused = true)]
async fn creating_a_group_reads_the_creators_friends_once() {
    let backend = TestBackend::new();
    let (ana, ben) = (backend.user("ana").await, backend.user("ben").await);
    make_friends(&backend, ana, ben).await;
    let mut users = vec![ben];
    for n in 0..5 {
        let near = backend.user(&format!("runner {n}")).await;
        make_friends(&backend, ben, near).await;
        set_audience(&backend, near, "messages_from", "friends_of_friends").await;
        users.push(near);
    }
    backend.calls();
    let start = backend.elapsed();
    assert_eq!(backend.app.check_may_message(ana, &users).await.unwrap().len(), 6);
    assert_eq!(backend.elapsed() - start, 3);
    let queries = backend.calls().iter().filter(|call| call.operation == "Query").count();
    assert_eq!(queries, 1 + 5);
}

#[tokio::test(start_paused = true)]
async fn suggestions_query_no_friend_list_twice() {
    let backend = TestBackend::new();
    let (ana, ben) = (backend.user("ana").await, backend.user("ben").await);
    make_friends(&backend, ana, ben).await;
    for n in 0..5 {
        let near = hidden(&backend, &format!("runner {n}")).await;
        make_friends(&backend, ben, near).await;
    }
    backend.calls();
    assert_eq!(backend.app.suggestions(ana).await.unwrap().len(), 5);
    let queries = backend.calls().iter().filter(|call| call.operation == "Query").count();
    assert_eq!(queries, 2, "hers, and those of the friend");
}
