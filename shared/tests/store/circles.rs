//! Who sees, finds and reaches whom.

use shared::{
    Error, Result,
    domain::{
        page::PageRequest,
        relationships::{Answer, RelationshipAction, access::Degree},
    },
    id::UserId,
};

use crate::{
    cloud::Cloud,
    friendships::{answer, ask, code},
    raw::choose,
};

/// Makes two people friends.
pub async fn update_relationship(cloud: &Cloud, a: UserId, b: UserId) {
    let request = ask(cloud, a, b).await.unwrap();
    answer(cloud, b, &request, Answer::Accepted).await.unwrap();
}

async fn act(cloud: &Cloud, me: UserId, other: UserId, action: RelationshipAction) {
    cloud.app.store.update_relationship(me, other, action, cloud.app.now()).await.unwrap();
}

/// Ana and Ben, who are friends, Cleo, who is Ben's, and Dev, who is nobody's.
async fn town(cloud: &Cloud) -> [UserId; 4] {
    let mut people = Vec::new();
    for name in ["runner ana", "runner ben", "runner cleo", "runner dev"] {
        people.push(cloud.person(name).await);
    }
    update_relationship(cloud, people[0], people[1]).await;
    update_relationship(cloud, people[1], people[2]).await;
    people.try_into().unwrap()
}

pub async fn found(cloud: &Cloud, query: &str, caller: UserId) -> Vec<UserId> {
    let found = cloud.app.search_users(query, caller, 20).await.unwrap();
    let mut found: Vec<UserId> = found.into_iter().map(|(profile, _)| profile.id).collect();
    found.sort();
    found
}

pub fn sorted<const N: usize>(mut people: [UserId; N]) -> Vec<UserId> {
    people.sort();
    people.into()
}

async fn mutual(cloud: &Cloud, me: UserId, other: UserId) -> Vec<UserId> {
    let page = cloud.app.store.mutual_friends(me, other, PageRequest::default()).await.unwrap();
    page.items.into_iter().map(|(_, profile)| profile.id).collect()
}

async fn suggested(cloud: &Cloud, me: UserId) -> Vec<(UserId, u64)> {
    let people = cloud.app.suggestions(me).await.unwrap();
    people.into_iter().map(|(profile, count)| (profile.id, count)).collect()
}

#[tokio::test(start_paused = true)]
async fn friends_of_friends_stand_nearer_than_strangers() {
    let cloud = Cloud::new();
    let [ana, ben, cleo, dev] = town(&cloud).await;
    for (me, other, expected) in [
        (ana, ben, Degree::Friend),
        (ana, cleo, Degree::FriendOfFriend),
        (cleo, ana, Degree::FriendOfFriend),
        (ana, dev, Degree::Everyone),
    ] {
        let pair = cloud.app.store.pair(me, other).await.unwrap();
        assert_eq!(cloud.app.access(me).of(&pair).await.unwrap(), expected);
    }
    assert_eq!(mutual(&cloud, ana, cleo).await, [ben]);
    assert_eq!(mutual(&cloud, ana, dev).await, []);
}

#[tokio::test(start_paused = true)]
async fn a_search_finds_those_who_let_the_searcher() {
    let cloud = Cloud::new();
    let [ana, ben, cleo, dev] = town(&cloud).await;
    assert_eq!(found(&cloud, "runner", dev).await, sorted([ana, ben, cleo]));
    choose(&cloud, cleo, "findable_by", "friends_of_friends").await;
    assert_eq!(found(&cloud, "runner", dev).await, sorted([ana, ben]));
    assert_eq!(found(&cloud, "runner", ana).await, sorted([ben, cleo, dev]));
    choose(&cloud, cleo, "findable_by", "nobody").await;
    assert_eq!(found(&cloud, "runner", ana).await, sorted([ben, dev]));
    assert_eq!(
        found(&cloud, "runner", ben).await,
        sorted([ana, cleo, dev]),
        "friends always find each other"
    );
    act(&cloud, ben, dev, RelationshipAction::Block).await;
    assert_eq!(found(&cloud, "runner", dev).await, [ana]);
    assert_eq!(found(&cloud, "runner", ben).await, sorted([ana, cleo]));
}

#[tokio::test(start_paused = true)]
async fn a_search_goes_on_behind_those_who_are_not_to_be_found() {
    let cloud = Cloud::new();
    let ana = cloud.person("ana").await;
    for n in 0..30 {
        let hidden = cloud.person(&format!("runner a{n:02}")).await;
        choose(&cloud, hidden, "findable_by", "nobody").await;
    }
    let last = cloud.person("runner b").await;
    assert_eq!(found(&cloud, "runner", ana).await, [last]);
}

#[tokio::test(start_paused = true)]
async fn requests_come_from_those_who_are_let_in() {
    let cloud = Cloud::new();
    let [ana, ben, cleo, dev] = town(&cloud).await;
    let may_ask = async |me, other| cloud.app.check_may_request(me, other, cloud.app.now()).await.map(drop);
    choose(&cloud, cleo, "requests_from", "friends_of_friends").await;
    may_ask(ana, cleo).await.unwrap();
    assert_eq!(code(may_ask(dev, cleo).await), "requests_not_allowed");
    choose(&cloud, cleo, "requests_from", "nobody").await;
    assert_eq!(code(may_ask(ana, cleo).await), "requests_not_allowed");
    assert_eq!(code(may_ask(ben, cleo).await), "already_friends");
    act(&cloud, cleo, ana, RelationshipAction::Block).await;
    let nobody = UserId::from(uuid::Uuid::new_v4());
    for other in [cleo, nobody] {
        assert_eq!(code(may_ask(ana, other).await), "not_found");
        act(&cloud, ana, other, RelationshipAction::Block).await;
        assert_eq!(code(may_ask(ana, other).await), "you_blocked_them");
    }
}

#[tokio::test(start_paused = true)]
async fn those_are_reached_who_exist_and_let_in_and_block_nobody() {
    let cloud = Cloud::new();
    let [ana, ben, cleo, dev] = town(&cloud).await;
    let nobody = UserId::from(uuid::Uuid::new_v4());
    let reach = async |me, people: &[UserId]| -> Result<usize> {
        Ok(cloud.app.check_may_message(me, people).await?.len())
    };
    assert_eq!(reach(ana, &[ana, ben, cleo, dev]).await.unwrap(), 4);
    assert!(matches!(reach(ana, &[ben, nobody]).await, Err(Error::NotFound)));
    choose(&cloud, ben, "messages_from", "friends").await;
    assert_eq!(reach(ana, &[ben, dev]).await.unwrap(), 2);
    assert_eq!(code(reach(dev, &[ana, ben]).await), "messages_not_allowed");
    choose(&cloud, ana, "messages_from", "friends_of_friends").await;
    assert_eq!(reach(cleo, &[ana]).await.unwrap(), 1);
    assert_eq!(code(reach(dev, &[ana]).await), "messages_not_allowed");
    act(&cloud, ben, dev, RelationshipAction::Block).await;
    for (me, other) in [(dev, ben), (ben, dev)] {
        assert!(matches!(reach(me, &[other, cleo]).await, Err(Error::NotFound)));
        assert!(matches!(cloud.app.visible_profile(me, other).await, Err(Error::NotFound)));
    }
    let (profile, pair) = cloud.app.visible_profile(ana, ben).await.unwrap();
    assert!(profile.id == ben && pair.are_friends());
    assert_eq!(cloud.app.visible_profile(ana, ana).await.unwrap().0.id, ana);
}

#[tokio::test(start_paused = true)]
async fn suggestions_are_friends_of_friends_and_nobody_who_is_known_asked_blocked_or_hidden() {
    let cloud = Cloud::new();
    let [ana, ben, cleo, dev] = town(&cloud).await;
    let eve = cloud.person("eve").await;
    assert_eq!(suggested(&cloud, ana).await, [(cleo, 1)]);
    update_relationship(&cloud, ana, dev).await;
    update_relationship(&cloud, dev, eve).await;
    update_relationship(&cloud, ben, eve).await;
    assert_eq!(suggested(&cloud, ana).await, [(eve, 2), (cleo, 1)]);
    choose(&cloud, eve, "findable_by", "friends_of_friends").await;
    let request = ask(&cloud, cleo, ana).await.unwrap();
    assert_eq!(suggested(&cloud, ana).await, [(eve, 2)]);
    act(&cloud, cleo, ana, RelationshipAction::Cancel(request.request_id)).await;
    choose(&cloud, eve, "findable_by", "nobody").await;
    assert_eq!(suggested(&cloud, ana).await, [(cleo, 1)]);
    act(&cloud, cleo, ana, RelationshipAction::Block).await;
    assert_eq!(suggested(&cloud, ana).await, []);
    choose(&cloud, eve, "findable_by", "everyone").await;
    assert_eq!(suggested(&cloud, cleo).await, [(eve, 1)], "nor whom one blocks oneself");
}

#[tokio::test(start_paused = true)]
async fn friends_in_common_are_read_page_by_page_to_their_end() {
    let cloud = Cloud::new();
    let (ana, ben) = (cloud.person("ana").await, cloud.person("ben").await);
    let mut common = Vec::new();
    for n in 0..7 {
        let friend = cloud.person(&format!("friend{n}")).await;
        update_relationship(&cloud, ana, friend).await;
        update_relationship(&cloud, friend, ben).await;
        common.push(friend);
    }
    common.sort();
    let (mut seen, mut sizes, mut cursor) = (Vec::new(), Vec::new(), None);
    loop {
        let page = PageRequest { limit: Some(3), cursor };
        let page = cloud.app.store.mutual_friends(ana, ben, page).await.unwrap();
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
async fn a_list_of_blocks_names_those_alone_whom_one_could_see() {
    let cloud = Cloud::new();
    let [ana, ben, cleo, _] = town(&cloud).await;
    let nobody = UserId::from(uuid::Uuid::new_v4());
    act(&cloud, ben, ana, RelationshipAction::Block).await;
    for other in [ben, cleo, nobody] {
        act(&cloud, ana, other, RelationshipAction::Block).await;
    }
    act(&cloud, cleo, ana, RelationshipAction::Block).await;
    let blocks = cloud.app.store.blocks(ana, PageRequest::default()).await.unwrap().items;
    let named = blocks.iter().filter_map(|(block, profile)| {
        assert!(profile.as_ref().is_none_or(|profile| profile.id == block.user_id));
        profile.as_ref().map(|profile| profile.id)
    });
    assert_eq!((blocks.len(), named.collect::<Vec<_>>()), (3, vec![cleo]));
}
