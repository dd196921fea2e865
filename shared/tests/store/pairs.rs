//! What two people do to each other from many devices at once: one outcome each, and lists, counts and room that say what
//! the pair says.

use futures::future::join_all;
use serde_json::Value;
use shared::{
    Error, Result,
    domain::{
        relationships::{Answer, Pair, RelationshipAction, RelationshipChange},
        rooms::new_room::NewRoom,
        users::quota::Quota,
    },
    id::{RequestId, RoomId, UserId},
    store::db::keys,
};

use crate::{
    cloud::Cloud,
    friendships::{ask, code},
    log::send,
    raw::{meta, number, recorded_revisions, set},
    rooms::room,
};

async fn act(
    cloud: &Cloud,
    me: UserId,
    other: UserId,
    action: RelationshipAction,
) -> Result<RelationshipChange> {
    cloud.app.store.update_relationship(me, other, action, cloud.app.now()).await
}

/// How many items of a person's partition have a sort key that begins so.
fn listed(cloud: &Cloud, who: UserId, prefix: &str) -> i64 {
    let items = cloud.partition(&format!("USER#{who}"));
    let is_one = |item: &&Value| item["sk"]["S"].as_str().unwrap().starts_with(prefix);
    i64::try_from(items.iter().filter(is_one).count()).unwrap()
}

/// What is counted of a person.
fn count(cloud: &Cloud, who: UserId, attribute: &str) -> i64 {
    let items = cloud.partition(&format!("USER#{who}"));
    let counts = items.iter().find(|item| item["sk"]["S"] == "QUOTAS");
    counts.map_or(0, |counts| counts[attribute]["N"].as_str().map_or(0, |n| n.parse().unwrap()))
}

/// Makes sure that both sides' lists and counts are what the pair says.
async fn check(cloud: &Cloud, a: UserId, b: UserId) -> Pair {
    let pair = cloud.app.store.pair(a, b).await.unwrap();
    for who in [a, b] {
        let other = pair.other(who);
        let expected = [
            ("REQUEST#OUT#", "requests_sent", pair.contribution(Quota::RequestsSent, who)),
            ("FRIEND#", "friends", pair.contribution(Quota::Friends, who)),
            ("BLOCK#", "blocks", pair.contribution(Quota::Blocks, who)),
        ];
        for (prefix, attribute, n) in expected {
            assert_eq!(listed(cloud, who, prefix), n, "{prefix} of {pair:?}");
            assert_eq!(count(cloud, who, attribute), n, "{attribute} of {pair:?}");
        }
        assert_eq!(
            listed(cloud, who, "REQUEST#IN#"),
            pair.contribution(Quota::RequestsSent, other),
            "{pair:?}"
        );
    }
    pair
}

/// Whether a room is shut, in its own item.
fn is_shut(cloud: &Cloud, room: RoomId) -> bool {
    meta(cloud, room)["is_closed"]["BOOL"] == true
}

/// What a tap on one of the devices does; answers and cancellations name the request that waits as the tap is made.
fn any_action(cloud: &Cloud, waiting: Option<RequestId>) -> RelationshipAction {
    let id = waiting.unwrap_or_else(|| RequestId::at(cloud.app.now()));
    match fastrand::u8(0..8) {
        0 | 1 => RelationshipAction::Request(RequestId::at(cloud.app.now())),
        2 => RelationshipAction::Respond(id, Answer::Accepted),
        3 => RelationshipAction::Respond(id, Answer::Rejected),
        4 => RelationshipAction::Cancel(id),
        5 => RelationshipAction::Unfriend,
        6 => RelationshipAction::Block,
        _ => RelationshipAction::Unblock,
    }
}

#[tokio::test(start_paused = true)]
async fn whatever_two_do_at_once_their_lists_counts_and_room_say_what_the_pair_says() {
    for seed in 0..12 {
        fastrand::seed(seed);
        let cloud = Cloud::new();
        let (ana, ben) = (cloud.person("ana").await, cloud.person("ben").await);
        let has_room = seed % 3 > 0;
        let direct = RoomId::direct(ana, ben);
        if has_room {
            room(&cloud, ana, &[ben]).await;
        }
        for _ in 0..12 {
            let before = cloud.app.store.pair(ana, ben).await.unwrap();
            let waiting = before.request().map(|request| request.request_id);
            cloud.set_conflicts("TransactWriteItems", fastrand::usize(0..4));
            let taps = (0..fastrand::usize(1..8)).map(|_| {
                let (me, other) = if fastrand::bool() { (ana, ben) } else { (ben, ana) };
                act(&cloud, me, other, any_action(&cloud, waiting))
            });
            let outcomes = join_all(taps.collect::<Vec<_>>()).await;
            for outcome in &outcomes {
                assert!(!matches!(outcome, Err(Error::Busy(_) | Error::Internal(_))), "{outcome:?}");
            }
            let steps = outcomes.into_iter().flatten().filter(|moved| moved.before != moved.after);
            let mut steps: Vec<RelationshipChange> = steps.collect();
            steps.sort_by_key(|moved| moved.after.version);
            // Each step begins where the one before it ended, and the last one is what there is.
            let mut at = before;
            for RelationshipChange { before, after } in steps {
                assert_eq!(before, at);
                at = after;
            }
            assert_eq!(check(&cloud, ana, ben).await, at);
            if has_room {
                assert_eq!(is_shut(&cloud, direct), at.is_blocked());
                let revs = recorded_revisions(&cloud, direct);
                assert_eq!(revs.last().copied().unwrap_or(0), number(&meta(&cloud, direct), "rev"));
            } else {
                assert!(cloud.partition(&format!("ROOM#{direct}")).is_empty());
            }
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_block_that_meets_the_making_of_the_room_and_sends_leaves_no_open_room() {
    for seed in 0..32 {
        fastrand::seed(seed);
        let cloud = Cloud::new();
        let (ana, ben) = (cloud.person("ana").await, cloud.person("ben").await);
        let direct = RoomId::direct(ana, ben);
        let found = async |me: UserId, other: UserId| {
            tokio::time::sleep(std::time::Duration::from_millis(fastrand::u64(0..3000))).await;
            let new_room = NewRoom::new(me, &[other], false, None).unwrap();
            let profiles = cloud.app.check_may_message(me, &[me, other]).await?;
            cloud.app.store.create_room(&new_room, profiles, cloud.app.now()).await?;
            cloud.app.store.append(&send(direct, me, "hi"), cloud.app.now()).await.map(drop)
        };
        let blocking = async {
            tokio::time::sleep(std::time::Duration::from_millis(fastrand::u64(0..3000))).await;
            act(&cloud, ana, ben, RelationshipAction::Block).await.map(drop)
        };
        let founders =
            join_all((0..=seed % 16).map(|n| if n % 2 == 0 { found(ana, ben) } else { found(ben, ana) }));
        let (founded, blocked) = tokio::join!(founders, blocking);
        blocked.unwrap();
        for outcome in founded {
            assert!(matches!(outcome, Ok(()) | Err(Error::NotFound)), "{outcome:?}");
        }
        check(&cloud, ana, ben).await;
        if !cloud.partition(&format!("ROOM#{direct}")).is_empty() {
            assert!(is_shut(&cloud, direct), "seed {seed}");
        }
        let late = cloud.app.store.append(&send(direct, ben, "still there?"), cloud.app.now()).await;
        assert!(matches!(late, Err(Error::NotFound)));

        act(&cloud, ana, ben, RelationshipAction::Unblock).await.unwrap();
        room(&cloud, ben, &[ana]).await;
        cloud.app.store.append(&send(direct, ben, "there you are"), cloud.app.now()).await.unwrap();
    }
}

#[tokio::test(start_paused = true)]
async fn sixteen_changes_of_the_room_do_not_keep_a_block_from_shutting_it() {
    let cloud = Cloud::new();
    let (ana, ben) = (cloud.person("ana").await, cloud.person("ben").await);
    let direct = room(&cloud, ana, &[ben]).await;
    let (blocks, unblocks) =
        ((0..8).map(|_| RelationshipAction::Block), (0..8).map(|_| RelationshipAction::Unblock));
    let taps = blocks.chain(unblocks).map(|action| act(&cloud, ana, ben, action));
    for outcome in join_all(taps).await {
        outcome.unwrap();
    }
    let pair = check(&cloud, ana, ben).await;
    assert_eq!(is_shut(&cloud, direct), pair.is_blocked());
    assert_eq!(number(&meta(&cloud, direct), "rev"), pair.version, "one revision for each step");
    assert_eq!(number(&meta(&cloud, direct), "members_version"), 1 + pair.version);
}

#[tokio::test(start_paused = true)]
async fn of_sixteen_requests_at_once_as_many_are_made_as_there_is_room_for() {
    let cloud = Cloud::new();
    let ana = cloud.person("ana").await;
    set(&cloud, keys::quotas(ana), "requests_sent", 47).await;
    let mut others = Vec::new();
    for n in 0..16 {
        others.push(cloud.person(&format!("other{n}")).await);
    }
    let asked = join_all(others.iter().map(|other| ask(&cloud, ana, *other))).await;
    let (made, refused): (Vec<_>, Vec<_>) = asked.into_iter().partition(Result::is_ok);
    assert_eq!((made.len(), count(&cloud, ana, "requests_sent")), (3, 50));
    for refusal in refused {
        assert_eq!(code(refusal), "too_many_requests_sent");
    }
    let request = made.into_iter().next().unwrap().unwrap();
    let cancelled =
        act(&cloud, ana, request.receiver_id, RelationshipAction::Cancel(request.request_id)).await;
    cancelled.unwrap();
    ask(&cloud, ana, request.receiver_id).await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn of_sixteen_friends_at_once_as_many_are_made_as_there_is_room_for_on_both_sides() {
    let cloud = Cloud::new();
    let ana = cloud.person("ana").await;
    let (mut from, mut to) = (Vec::new(), Vec::new());
    for n in 0..16 {
        let other = cloud.person(&format!("other{n}")).await;
        if n % 2 == 0 {
            from.push(ask(&cloud, other, ana).await.unwrap());
        } else {
            to.push(ask(&cloud, ana, other).await.unwrap());
        }
    }
    set(&cloud, keys::quotas(ana), "friends", 4_995).await;
    let yes = |me, request: &shared::domain::relationships::Request| {
        let other = if me == request.receiver_id { request.sender_id } else { request.receiver_id };
        let action = RelationshipAction::Respond(request.request_id, Answer::Accepted);
        let cloud = &cloud;
        async move { (me, act(cloud, me, other, action).await) }
    };
    let answers = from.iter().map(|request| yes(ana, request));
    let answers = answers.chain(to.iter().map(|request| yes(request.receiver_id, request)));
    let answers = join_all(answers.collect::<Vec<_>>()).await;
    assert_eq!(answers.iter().filter(|(_, answer)| answer.is_ok()).count(), 5);
    assert_eq!(count(&cloud, ana, "friends"), 5_000);
    assert_eq!(listed(&cloud, ana, "FRIEND#"), 5);
    for (me, answer) in answers.into_iter().filter(|(_, answer)| answer.is_err()) {
        let expected = if me == ana { "too_many_friends" } else { "other_has_too_many_friends" };
        assert_eq!(code(answer), expected);
    }
}

#[tokio::test(start_paused = true)]
async fn of_sixteen_blocks_at_once_as_many_are_made_as_there_is_room_for() {
    let cloud = Cloud::new();
    let ana = cloud.person("ana").await;
    set(&cloud, keys::quotas(ana), "blocks", 990).await;
    let others: Vec<UserId> = (0..16).map(|_| uuid::Uuid::new_v4().into()).collect();
    let blocked =
        join_all(others.iter().map(|other| act(&cloud, ana, *other, RelationshipAction::Block))).await;
    assert_eq!(blocked.iter().filter(|outcome| outcome.is_ok()).count(), 10);
    assert_eq!(count(&cloud, ana, "blocks"), 1_000);
    for outcome in blocked.into_iter().filter(Result::is_err) {
        assert_eq!(code(outcome), "too_many_blocks");
    }
}
