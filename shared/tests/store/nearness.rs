//! What it costs to find out who is a friend of a friend.

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
    circles::{found, sorted, update_relationship},
    cloud::Cloud,
    raw::{choose, put_all},
};

/// Somebody of a certain place among all ids.
fn nth(n: u128) -> UserId {
    Uuid::from_u128(n).into()
}

/// An entry of somebody's list of friends.
fn entry(cloud: &Cloud, me: UserId, user_id: UserId) -> Item {
    item(keys::friend(me, user_id), Friend { user_id, since: cloud.app.now() }).unwrap()
}

/// Somebody who is found by friends of friends only.
async fn shy(cloud: &Cloud, name: &str) -> UserId {
    let person = cloud.person(name).await;
    choose(cloud, person, "findable_by", "friends_of_friends").await;
    person
}

/// Whom a search of `me` finds, and what it takes: round trips, one after the other; read units; reads of lists, of the
/// index among them.
async fn search(cloud: &Cloud, me: UserId) -> (Vec<UserId>, u64, f64, usize) {
    cloud.calls();
    let start = cloud.elapsed();
    let found = found(cloud, "runner", me).await;
    let calls = cloud.calls();
    let queries = calls.iter().filter(|call| call.operation == "Query").count();
    (found, cloud.elapsed() - start, calls.iter().map(|call| call.units).sum(), queries)
}

#[tokio::test(start_paused = true)]
async fn a_search_reads_the_searchers_friends_once_and_of_others_one_page() {
    let cloud = Cloud::new();
    let (ana, ben) = (cloud.person("ana").await, cloud.person("ben").await);
    let mut runners = Vec::new();
    for n in 0..6 {
        runners.push(shy(&cloud, &format!("runner {n}")).await);
    }
    for near in &runners[..3] {
        update_relationship(&cloud, ben, *near).await;
    }
    // Who has no friends has none in common with anybody. Twelve units are for the six profiles, and for what the two are
    // to each other.
    assert_eq!(search(&cloud, ana).await, (vec![], 3, 0.5 + 12.0 + 1.0, 2));
    update_relationship(&cloud, ana, ben).await;
    let near = sorted([runners[0], runners[1], runners[2]]);
    assert_eq!(search(&cloud, ana).await, (near, 4, 0.5 + 12.0 + 1.0 + 6.0, 8));
    // Where nothing depends on friends in common, nobody's are read.
    for runner in &runners {
        choose(&cloud, *runner, "findable_by", "everyone").await;
    }
    let all = sorted::<6>(runners.try_into().unwrap());
    assert_eq!(search(&cloud, ana).await, (all, 2, 0.5 + 12.0, 1));
}

#[tokio::test(start_paused = true)]
async fn a_long_list_is_read_up_to_the_first_friend_in_common() {
    let cloud = Cloud::new();
    let ana = cloud.person("ana").await;
    let runner = shy(&cloud, "runner").await;
    let theirs = (1000..2200).map(|n| entry(&cloud, runner, nth(n))).collect();
    put_all(&cloud, theirs).await;
    // Nobody of hers can stand in it beyond her last friend, nor before her first.
    put_all(&cloud, vec![entry(&cloud, ana, nth(7)), entry(&cloud, ana, nth(999))]).await;
    let (nobody, trips, units, queries) = search(&cloud, ana).await;
    assert_eq!((nobody, trips, queries), (vec![], 4, 3));
    assert!(units < 6.0, "{units}");
    put_all(&cloud, vec![entry(&cloud, ana, nth(5000))]).await;
    let (nobody, trips, all, queries) = search(&cloud, ana).await;
    assert_eq!((nobody, trips, queries), (vec![], 6, 5), "1,200 friends in three reads");
    // In the second read, whatever may be in the third.
    for common in [1600, 2100] {
        put_all(&cloud, vec![entry(&cloud, ana, nth(common))]).await;
        let (near, trips, part, queries) = search(&cloud, ana).await;
        assert_eq!((near, trips, queries), (vec![runner], 5, 4));
        assert!(part < all, "{part} of {all}");
    }
    put_all(&cloud, vec![entry(&cloud, ana, nth(1001))]).await;
    let (near, trips, _, queries) = search(&cloud, ana).await;
    assert_eq!((near, trips, queries), (vec![runner], 4, 3));
}

#[tokio::test(start_paused = true)]
async fn one_search_looks_for_friends_in_common_with_forty_people_at_the_most() {
    let cloud = Cloud::new();
    let (ana, ben) = (cloud.person("ana").await, cloud.person("ben").await);
    update_relationship(&cloud, ana, ben).await;
    for n in 0..39 {
        shy(&cloud, &format!("runner a{n:02}")).await;
    }
    let friend = shy(&cloud, "runner b").await;
    update_relationship(&cloud, ana, friend).await;
    let last = shy(&cloud, "runner c").await;
    let beyond = shy(&cloud, "runner d").await;
    for near in [last, beyond] {
        update_relationship(&cloud, ben, near).await;
    }
    let open = cloud.person("runner e").await;
    let (near, _, _, queries) = search(&cloud, ana).await;
    assert_eq!(near, sorted([friend, last, open]));
    assert_eq!(queries, 1 + 1 + 40);
}

#[tokio::test(start_paused = true)]
async fn a_room_for_many_reads_the_makers_friends_once() {
    let cloud = Cloud::new();
    let (ana, ben) = (cloud.person("ana").await, cloud.person("ben").await);
    update_relationship(&cloud, ana, ben).await;
    let mut people = vec![ben];
    for n in 0..5 {
        let near = cloud.person(&format!("runner {n}")).await;
        update_relationship(&cloud, ben, near).await;
        choose(&cloud, near, "messages_from", "friends_of_friends").await;
        people.push(near);
    }
    cloud.calls();
    let start = cloud.elapsed();
    assert_eq!(cloud.app.check_may_message(ana, &people).await.unwrap().len(), 6);
    assert_eq!(cloud.elapsed() - start, 3);
    let queries = cloud.calls().iter().filter(|call| call.operation == "Query").count();
    assert_eq!(queries, 1 + 5);
}

#[tokio::test(start_paused = true)]
async fn suggestions_look_for_nobodys_friends_again() {
    let cloud = Cloud::new();
    let (ana, ben) = (cloud.person("ana").await, cloud.person("ben").await);
    update_relationship(&cloud, ana, ben).await;
    for n in 0..5 {
        let near = shy(&cloud, &format!("runner {n}")).await;
        update_relationship(&cloud, ben, near).await;
    }
    cloud.calls();
    assert_eq!(cloud.app.suggestions(ana).await.unwrap().len(), 5);
    let queries = cloud.calls().iter().filter(|call| call.operation == "Query").count();
    assert_eq!(queries, 2, "hers, and those of the friend");
}
