use proptest::prelude::*;
use uuid::Uuid;

use crate::domain::{relationships::*, users::quota::Quota};

const HOUR: i64 = 3600;

fn users() -> (UserId, UserId) {
    (Uuid::from_u128(1).into(), Uuid::from_u128(2).into())
}

fn strangers() -> Pair {
    let (ana, ben) = users();
    Pair::strangers(ben, ana)
}

fn at(seconds: i64) -> Timestamp {
    Timestamp::from_seconds(1_770_000_000 + seconds)
}

fn request(seconds: i64) -> RelationshipAction {
    RelationshipAction::Request(RequestId::at(at(seconds)))
}

/// The pair with a pending request of ana, and the request's id.
fn pending() -> (Pair, RequestId) {
    let (ana, _) = users();
    let pending = strangers().after(ana, request(0), at(0)).unwrap();
    let id = pending.request().unwrap().request_id;
    (pending, id)
}

fn friends() -> Pair {
    let (pending, id) = pending();
    pending.after(users().1, RelationshipAction::Respond(id, Answer::Accepted), at(2)).unwrap()
}

fn code<T: std::fmt::Debug>(result: Result<T>) -> &'static str {
    match result.unwrap_err() {
        Error::Refused(refusal) => refusal.code,
        Error::NotFound => "not_found",
        other => panic!("{other}"),
    }
}

#[test]
fn a_user_cannot_befriend_or_block_themselves() {
    let (ana, _) = users();
    let alone = Pair::strangers(ana, ana);
    assert_eq!(code(alone.after(ana, request(0), at(0))), "cannot_request_yourself");
    assert_eq!(code(alone.after(ana, RelationshipAction::Block, at(0))), "cannot_block_yourself");
    for action in [RelationshipAction::Unfriend, RelationshipAction::Unblock] {
        assert_eq!(alone.after(ana, action, at(0)).unwrap(), alone);
    }
}

#[test]
fn a_request_is_sent_once_and_answered_once_by_its_receiver() {
    let (ana, ben) = users();
    let (pending, id) = pending();
    assert_eq!(
        (pending.relationship_status(ana), pending.relationship_status(ben)),
        (RelationshipStatus::RequestSent, RelationshipStatus::RequestReceived)
    );
    assert_eq!(code(pending.after(ana, request(1), at(1))), "request_already_sent");
    assert_eq!(code(pending.after(ben, request(1), at(1))), "request_waiting");
    let accept = RelationshipAction::Respond(id, Answer::Accepted);
    assert_eq!(code(pending.after(ana, accept, at(2))), "not_found");
    let other = RelationshipAction::Respond(RequestId::at(at(9)), Answer::Accepted);
    assert_eq!(code(pending.after(ben, other, at(2))), "not_found");

    let friends = pending.after(ben, accept, at(2)).unwrap();
    assert_eq!(friends.state, State::Friends { since: at(2) });
    assert_eq!(code(friends.after(ben, accept, at(3))), "not_found");
    assert_eq!(code(friends.after(ben, request(3), at(3))), "already_friends");
}

#[test]
fn only_the_sender_cancels_a_request_and_only_while_it_is_pending() {
    let (ana, ben) = users();
    let (pending, id) = pending();
    assert_eq!(code(pending.after(ben, RelationshipAction::Cancel(id), at(1))), "not_found");
    assert_eq!(
        code(pending.after(ana, RelationshipAction::Cancel(RequestId::at(at(9))), at(1))),
        "not_found"
    );
    let cancelled = pending.after(ana, RelationshipAction::Cancel(id), at(1)).unwrap();
    assert_eq!(cancelled.state, State::Strangers);
    assert_eq!(code(cancelled.after(ana, RelationshipAction::Cancel(id), at(2))), "not_found");
    assert_eq!(code(friends().after(ana, RelationshipAction::Cancel(id), at(3))), "not_found");
    assert!(cancelled.after(ana, request(2), at(2)).is_ok());
}

#[test]
fn the_sender_of_a_rejected_request_waits_a_day_and_its_receiver_does_not() {
    let (ana, ben) = users();
    let (pending, id) = pending();
    let rejected = pending.after(ben, RelationshipAction::Respond(id, Answer::Rejected), at(0)).unwrap();
    assert_eq!(rejected.relationship_status(ana), RelationshipStatus::None);
    assert_eq!(code(rejected.after(ana, request(0), at(24 * HOUR - 1))), "request_too_soon");
    assert!(rejected.after(ana, request(0), at(24 * HOUR)).is_ok());
    assert!(rejected.after(ben, request(1), at(1)).is_ok());
}

#[test]
fn a_block_does_not_shorten_the_wait_after_a_rejection() {
    let (ana, ben) = users();
    let (pending, id) = pending();
    let answered = pending.after(ben, RelationshipAction::Respond(id, Answer::Rejected), at(0)).unwrap();
    let blocked_and_unblocked = pending
        .after(ben, RelationshipAction::Block, at(0))
        .unwrap()
        .after(ben, RelationshipAction::Unblock, at(1))
        .unwrap();
    for rejected in [answered, blocked_and_unblocked] {
        for user in [ana, ben] {
            let blocked = rejected.after(user, RelationshipAction::Block, at(1)).unwrap();
            let unblocked = blocked.after(user, RelationshipAction::Unblock, at(2)).unwrap();
            assert_eq!(code(unblocked.after(ana, request(3), at(3))), "request_too_soon");
        }
        let deleted = rejected.after(ana, RelationshipAction::DeleteAccount, at(1)).unwrap();
        assert_eq!(code(deleted.after(ana, request(3), at(3))), "request_too_soon");
    }
}

#[test]
fn a_block_while_a_request_is_pending_looks_like_a_rejection() {
    let (ana, ben) = users();
    let (pending, _) = pending();
    let blocked = pending.after(ben, RelationshipAction::Block, at(0)).unwrap();
    assert_eq!(code(blocked.after(ana, request(1), at(1))), "request_too_soon");
}

#[test]
fn a_friendship_ends_for_both_and_ending_it_again_changes_nothing() {
    let (ana, ben) = users();
    let ended = friends().after(ana, RelationshipAction::Unfriend, at(3)).unwrap();
    assert_eq!(ended.state, State::Strangers);
    assert_eq!(ended.after(ben, RelationshipAction::Unfriend, at(4)).unwrap(), ended);
    let (pending, _) = pending();
    assert_eq!(pending.after(ben, RelationshipAction::Unfriend, at(1)).unwrap(), pending);
}

#[test]
fn a_block_ends_friendship_and_requests_and_unblocking_restores_neither() {
    let (ana, ben) = users();
    for before in [strangers(), pending().0, friends()] {
        let blocked = before.after(ana, RelationshipAction::Block, at(5)).unwrap();
        assert_eq!((blocked.state.clone(), blocked.is_blocked()), (State::Strangers, true));
        assert_eq!(blocked.after(ana, RelationshipAction::Block, at(6)).unwrap(), blocked);
        assert_eq!(blocked.after(ben, RelationshipAction::Unblock, at(6)).unwrap(), blocked);
        let unblocked = blocked.after(ana, RelationshipAction::Unblock, at(7)).unwrap();
        assert_eq!((unblocked.state.clone(), unblocked.is_blocked()), (State::Strangers, false));
        assert_eq!(unblocked.after(ana, RelationshipAction::Unblock, at(8)).unwrap(), unblocked);
        assert!(unblocked.after(ben, request(8), at(8)).is_ok());
    }
}

#[test]
fn a_blocked_user_gets_not_found_and_a_blocking_user_always_gets_a_refusal() {
    let (ana, ben) = users();
    let blocked = strangers().after(ana, RelationshipAction::Block, at(0)).unwrap();
    assert_eq!(code(blocked.after(ben, request(1), at(1))), "not_found");
    assert_eq!(code(blocked.after(ana, request(1), at(1))), "you_blocked_them");
    let both = blocked.after(ben, RelationshipAction::Block, at(2)).unwrap();
    assert_eq!((both.blocked_by(ana), both.blocked_by(ben)), (Some(at(0)), Some(at(2))));
    assert_eq!(code(both.after(ana, request(3), at(3))), "you_blocked_them");
    assert_eq!(code(both.after(ben, request(3), at(3))), "you_blocked_them");
    let one = both.after(ana, RelationshipAction::Unblock, at(4)).unwrap();
    assert!(one.is_blocked());
    assert_eq!(code(one.after(ana, request(5), at(5))), "not_found");
}

#[test]
fn account_deletion_ends_everything_except_a_block_of_the_other_user() {
    let (ana, ben) = users();
    for before in [strangers(), pending().0, friends()] {
        let deleted = before.after(ana, RelationshipAction::DeleteAccount, at(5)).unwrap();
        assert_eq!(deleted.state, State::Strangers);
        let both = before
            .after(ana, RelationshipAction::Block, at(5))
            .unwrap()
            .after(ben, RelationshipAction::Block, at(5))
            .unwrap();
        let deleted = both.after(ana, RelationshipAction::DeleteAccount, at(6)).unwrap();
        assert_eq!((deleted.blocked_by(ana), deleted.blocked_by(ben)), (None, Some(at(5))));
        assert_eq!(deleted.after(ana, RelationshipAction::DeleteAccount, at(7)).unwrap(), deleted);
    }
}

/// An action by number. Responses and cancellations name the last request.
fn action(n: u8, last: RequestId, now: Timestamp) -> RelationshipAction {
    match n {
        0 => RelationshipAction::Request(RequestId::at(now)),
        1 => RelationshipAction::Respond(last, Answer::Accepted),
        2 => RelationshipAction::Respond(last, Answer::Rejected),
        3 => RelationshipAction::Cancel(last),
        4 => RelationshipAction::Unfriend,
        5 => RelationshipAction::Block,
        6 => RelationshipAction::Unblock,
        _ => RelationshipAction::DeleteAccount,
    }
}

proptest! {
    /// Each step of two users is a refusal without effect or one transition that its actor may make. A
    /// friendship comes only from the receiver's acceptance of a pending request, and no friendship or
    /// request exists beside a block.
    #[test]
    fn every_interleaving_of_two_users_makes_only_valid_transitions(
        steps in prop::collection::vec((any::<bool>(), 0..8_u8, 0..48_i64), 1..60),
    ) {
        let (ana, ben) = users();
        let mut pair = strangers();
        let (mut last, mut hours) = (RequestId::at(at(0)), 0);
        let mut rejected: Option<(UserId, i64)> = None;
        for (is_ana, n, pause) in steps {
            hours += pause;
            let now = at(hours * HOUR);
            let me = if is_ana { ana } else { ben };
            let action = action(n, last, now);
            let Ok(next) = pair.after(me, action, now) else { continue };
            let is_idempotent = matches!(
                action,
                RelationshipAction::Unfriend
                    | RelationshipAction::Block
                    | RelationshipAction::Unblock
                    | RelationshipAction::DeleteAccount
            );
            if next == pair {
                prop_assert!(is_idempotent);
                continue;
            }
            prop_assert_eq!(next.version, pair.version + 1);
            if is_idempotent {
                prop_assert_eq!(&next.after(me, action, now).unwrap(), &next);
            }
            let block_of_other = |pair: &Pair| pair.blocked_by(pair.other(me));
            prop_assert_eq!(block_of_other(&next), block_of_other(&pair), "an action changes no block of the other user");
            let is_ended = matches!(next.state, State::Strangers | State::Rejected { .. });
            prop_assert!(is_ended || !next.is_blocked(), "{next:?}");
            for user in [ana, ben] {
                for quota in Pair::QUOTAS {
                    let change = next.contribution(quota, user) - pair.contribution(quota, user);
                    prop_assert!(change < 1 || quota == Quota::Friends || user == me);
                }
            }
            match (&pair.state, &next.state) {
                (State::Pending(request), State::Friends { .. } | State::Rejected { .. }) => {
                    prop_assert_eq!(request.receiver_id, me);
                }
                (State::Pending(request), State::Strangers) => prop_assert_eq!(request.sender_id, me),
                (State::Strangers | State::Rejected { .. }, State::Pending(request)) => {
                    prop_assert_eq!(request.sender_id, me);
                    prop_assert!(rejected.is_none_or(|(sender, since)| sender != me || hours - since >= 24));
                    last = request.request_id;
                }
                (State::Friends { .. }, State::Strangers) => {}
                (before, after) if before == after => prop_assert_ne!(pair.blocked_by(me), next.blocked_by(me)),
                other => prop_assert!(false, "invalid transition: {:?}", other),
            }
            match &next.state {
                State::Rejected { sender_id, .. } if next.state != pair.state => {
                    rejected = Some((*sender_id, hours));
                }
                State::Pending(_) => rejected = None,
                _ => {}
            }
            pair = next;
        }
    }
}
