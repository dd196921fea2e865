//! Concurrent relationship actions of two users: one order of outcomes, and lists, quotas and a direct room
//! that match the pair item.

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
    backend::TestBackend,
    log::send,
    raw::{meta, number, recorded_revisions, set},
    relationship_lists::{ask, code},
    rooms::room,
};

async fn act(
    backend: &TestBackend,
    me: UserId,
    other: UserId,
    action: RelationshipAction,
) -> Result<RelationshipChange> {
    backend.app.store.update_relationship(me, other, action, backend.app.now()).await
}

/// The number of items in the user's partition whose sort key starts with the prefix.
fn listed(backend: &TestBackend, user: UserId, prefix: &str) -> i64 {
    let items = backend.partition(&format!("USER#{user}"));
    let is_one = |item: &&Value| item["sk"]["S"].as_str().unwrap().starts_with(prefix);
    i64::try_from(items.iter().filter(is_one).count()).unwrap()
}

/// The value of a quota of the user.
fn quota(backend: &TestBackend, user: UserId, attribute: &str) -> i64 {
    let items = backend.partition(&format!("USER#{user}"));
    let quotas = items.iter().find(|item| item["sk"]["S"] == "QUOTAS");
    quotas.map_or(0, |quotas| quotas[attribute]["N"].as_str().map_or(0, |n| n.parse().unwrap()))
}

/// Checks that the lists and quotas of both users match the pair item.
async fn check_consistent(backend: &TestBackend, a: UserId, b: UserId) -> Pair {
    let pair = backend.app.store.pair(a, b).await.unwrap();
    for user in [a, b] {
        let other = pair.other(user);
        let expected = [
            ("REQUEST#OUT#", "requests_sent", pair.contribution(Quota::RequestsSent, user)),
            ("FRIEND#", "friends", pair.contribution(Quota::Friends, user)),
            ("BLOCK#", "blocks", pair.contribution(Quota::Blocks, user)),
        ];
        for (prefix, attribute, n) in expected {
            assert_eq!(listed(backend, user, prefix), n, "{prefix} of {pair:?}");
            assert_eq!(quota(backend, user, attribute), n, "{attribute} of {pair:?}");
        }
        assert_eq!(
            listed(backend, user, "REQUEST#IN#"),
            pair.contribution(Quota::RequestsSent, other),
            "{pair:?}"
        );
    }
    pair
}

/// Whether the room is closed, in its `META` item.
fn is_closed(backend: &TestBackend, room: RoomId) -> bool {
    meta(backend, room)["is_closed"]["BOOL"] == true
}

/// A random action. Responses and cancellations refer to the pending request.
fn any_action(backend: &TestBackend, pending: Option<RequestId>) -> RelationshipAction {
    let id = pending.unwrap_or_else(|| RequestId::at(backend.app.now()));
    match fastrand::u8(0..8) {
        0 | 1 => RelationshipAction::Request(RequestId::at(backend.app.now())),
        2 => RelationshipAction::Respond(id, Answer::Accepted),
        3 => RelationshipAction::Respond(id, Answer::Rejected),
        4 => RelationshipAction::Cancel(id),
        5 => RelationshipAction::Unfriend,
        6 => RelationshipAction::Block,
        _ => RelationshipAction::Unblock,
    }
}

#[tokio::test(start_paused = true)]
async fn concurrent_actions_of_two_users_leave_consistent_lists_counts_and_room() {
    for seed in 0..12 {
        fastrand::seed(seed);
        let backend = TestBackend::new();
        let (ana, ben) = (backend.user("ana").await, backend.user("ben").await);
        let has_room = seed % 3 > 0;
        let direct = RoomId::direct(ana, ben);
        if has_room {
            room(&backend, ana, &[ben]).await;
        }
        for _ in 0..12 {
            let before = backend.app.store.pair(ana, ben).await.unwrap();
            let pending = before.request().map(|request| request.request_id);
            backend.set_conflicts("TransactWriteItems", fastrand::usize(0..4));
            let actions = (0..fastrand::usize(1..8)).map(|_| {
                let (me, other) = if fastrand::bool() { (ana, ben) } else { (ben, ana) };
                act(&backend, me, other, any_action(&backend, pending))
            });
            let outcomes = join_all(actions.collect::<Vec<_>>()).await;
            for outcome in &outcomes {
                assert!(!matches!(outcome, Err(Error::Busy(_) | Error::Internal(_))), "{outcome:?}");
            }
            let steps = outcomes.into_iter().flatten().filter(|change| change.before != change.after);
            let mut steps: Vec<RelationshipChange> = steps.collect();
            steps.sort_by_key(|change| change.after.version);
            // Each step starts from the result of the previous one, and the last result is stored.
            let mut current = before;
            for RelationshipChange { before, after } in steps {
                assert_eq!(before, current);
                current = after;
            }
            assert_eq!(check_consistent(&backend, ana, ben).await, current);
            if has_room {
                assert_eq!(is_closed(&backend, direct), current.is_blocked());
                let revs = recorded_revisions(&backend, direct);
                assert_eq!(revs.last().copied().unwrap_or(0), number(&meta(&backend, direct), "rev"));
            } else {
                assert!(backend.partition(&format!("ROOM#{direct}")).is_empty());
            }
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_block_concurrent_with_room_creation_and_messages_leaves_no_open_room() {
    for seed in 0..32 {
        fastrand::seed(seed);
        let backend = TestBackend::new();
        let (ana, ben) = (backend.user("ana").await, backend.user("ben").await);
        let direct = RoomId::direct(ana, ben);
        let create = async |me: UserId, other: UserId| {
            tokio::time::sleep(std::time::Duration::from_millis(fastrand::u64(0..3000))).await;
            let new_room = NewRoom::new(me, &[other], false, None, backend.app.now()).unwrap();
            let users = [me, other];
            let check = || backend.app.check_may_message(me, &users);
            backend.app.store.create_room(&new_room, backend.app.now(), check).await?;
            backend.app.store.append(&send(direct, me, "hi"), backend.app.now()).await.map(drop)
        };
        let blocking = async {
            tokio::time::sleep(std::time::Duration::from_millis(fastrand::u64(0..3000))).await;
            act(&backend, ana, ben, RelationshipAction::Block).await.map(drop)
        };
        let creating =
            join_all((0..=seed % 16).map(|n| if n % 2 == 0 { create(ana, ben) } else { create(ben, ana) }));
        let (created, blocked) = tokio::join!(creating, blocking);
        blocked.unwrap();
        for outcome in created {
            assert!(matches!(outcome, Ok(()) | Err(Error::NotFound)), "{outcome:?}");
        }
        check_consistent(&backend, ana, ben).await;
        if !backend.partition(&format!("ROOM#{direct}")).is_empty() {
            assert!(is_closed(&backend, direct), "seed {seed}");
        }
        let late = backend.app.store.append(&send(direct, ben, "still there?"), backend.app.now()).await;
        assert!(matches!(late, Err(Error::NotFound)));

        act(&backend, ana, ben, RelationshipAction::Unblock).await.unwrap();
        room(&backend, ben, &[ana]).await;
        backend.app.store.append(&send(direct, ben, "there you are"), backend.app.now()).await.unwrap();
    }
}

#[tokio::test(start_paused = true)]
async fn concurrent_blocks_and_unblocks_keep_the_room_consistent_with_the_pair() {
    let backend = TestBackend::new();
    let (ana, ben) = (backend.user("ana").await, backend.user("ben").await);
    let direct = room(&backend, ana, &[ben]).await;
    let (blocks, unblocks) =
        ((0..8).map(|_| RelationshipAction::Block), (0..8).map(|_| RelationshipAction::Unblock));
    let actions = blocks.chain(unblocks).map(|action| act(&backend, ana, ben, action));
    for outcome in join_all(actions).await {
        outcome.unwrap();
    }
    let pair = check_consistent(&backend, ana, ben).await;
    assert_eq!(is_closed(&backend, direct), pair.is_blocked());
    assert_eq!(number(&meta(&backend, direct), "rev"), pair.version, "one revision for each step");
    assert_eq!(number(&meta(&backend, direct), "members_version"), 1 + pair.version);
}

#[tokio::test(start_paused = true)]
async fn concurrent_requests_stop_at_the_quota() {
    let backend = TestBackend::new();
    let ana = backend.user("ana").await;
    set(&backend, keys::quotas(ana), "requests_sent", 47).await;
    let mut others = Vec::new();
    for n in 0..16 {
        others.push(backend.user(&format!("other{n}")).await);
    }
    let results = join_all(others.iter().map(|other| ask(&backend, ana, *other))).await;
    let (made, refused): (Vec<_>, Vec<_>) = results.into_iter().partition(Result::is_ok);
    assert_eq!((made.len(), quota(&backend, ana, "requests_sent")), (3, 50));
    for refusal in refused {
        assert_eq!(code(refusal), "too_many_requests_sent");
    }
    let request = made.into_iter().next().unwrap().unwrap();
    let cancelled =
        act(&backend, ana, request.receiver_id, RelationshipAction::Cancel(request.request_id)).await;
    cancelled.unwrap();
    ask(&backend, ana, request.receiver_id).await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn concurrent_friendships_stop_at_the_quota_on_both_sides() {
    let backend = TestBackend::new();
    let ana = backend.user("ana").await;
    let (mut received, mut sent) = (Vec::new(), Vec::new());
    for n in 0..16 {
        let other = backend.user(&format!("other{n}")).await;
        if n % 2 == 0 {
            received.push(ask(&backend, other, ana).await.unwrap());
        } else {
            sent.push(ask(&backend, ana, other).await.unwrap());
        }
    }
    set(&backend, keys::quotas(ana), "friends", 4_995).await;
    let accept = |me, request: &shared::domain::relationships::Request| {
        let other = if me == request.receiver_id { request.sender_id } else { request.receiver_id };
        let action = RelationshipAction::Respond(request.request_id, Answer::Accepted);
        let backend = &backend;
        async move { (me, act(backend, me, other, action).await) }
    };
    let answers = received.iter().map(|request| accept(ana, request));
    let answers = answers.chain(sent.iter().map(|request| accept(request.receiver_id, request)));
    let answers = join_all(answers.collect::<Vec<_>>()).await;
    assert_eq!(answers.iter().filter(|(_, answer)| answer.is_ok()).count(), 5);
    assert_eq!(quota(&backend, ana, "friends"), 5_000);
    assert_eq!(listed(&backend, ana, "FRIEND#"), 5);
    for (me, answer) in answers.into_iter().filter(|(_, answer)| answer.is_err()) {
        let expected = if me == ana { "too_many_friends" } else { "other_has_too_many_friends" };
        assert_eq!(code(answer), expected);
    }
}

#[tokio::test(start_paused = true)]
async fn concurrent_blocks_stop_at_the_quota() {
    let backend = TestBackend::new();
    let ana = backend.user("ana").await;
    set(&backend, keys::quotas(ana), "blocks", 990).await;
    let others: Vec<UserId> = (0..16).map(|_| uuid::Uuid::new_v4().into()).collect();
    let blocked =
        join_all(others.iter().map(|other| act(&backend, ana, *other, RelationshipAction::Block))).await;
    assert_eq!(blocked.iter().filter(|outcome| outcome.is_ok()).count(), 10);
    assert_eq!(quota(&backend, ana, "blocks"), 1_000);
    for outcome in blocked.into_iter().filter(Result::is_err) {
        assert_eq!(code(outcome), "too_many_blocks");
    }
}
