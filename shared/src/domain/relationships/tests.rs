use proptest::prelude::*;
use uuid::Uuid;

use crate::domain::{relationships::*, users::quota::Quota};

const HOUR: i64 = 3600;

fn people() -> (UserId, UserId) {
    (Uuid::from_u128(1).into(), Uuid::from_u128(2).into())
}

fn strangers() -> Pair {
    let (ana, ben) = people();
    Pair::strangers(ben, ana)
}

fn at(seconds: i64) -> Timestamp {
    Timestamp::from_seconds(1_770_000_000 + seconds)
}

fn ask(seconds: i64) -> RelationshipAction {
    RelationshipAction::Request(RequestId::at(at(seconds)))
}

/// The pair with ana's request, and the request's id.
fn asked() -> (Pair, RequestId) {
    let (ana, _) = people();
    let pending = strangers().after(ana, ask(0), at(0)).unwrap();
    let id = pending.request().unwrap().request_id;
    (pending, id)
}

fn friends() -> Pair {
    let (pending, id) = asked();
    pending.after(people().1, RelationshipAction::Respond(id, Answer::Accepted), at(2)).unwrap()
}

fn code<T: std::fmt::Debug>(result: Result<T>) -> &'static str {
    match result.unwrap_err() {
        Error::Refused(refusal) => refusal.code,
        Error::NotFound => "not_found",
        other => panic!("{other}"),
    }
}

#[test]
fn nobody_befriends_or_blocks_themselves() {
    let (ana, _) = people();
    let alone = Pair::strangers(ana, ana);
    assert_eq!(code(alone.after(ana, ask(0), at(0))), "cannot_befriend_yourself");
    assert_eq!(code(alone.after(ana, RelationshipAction::Block, at(0))), "cannot_block_yourself");
    for action in [RelationshipAction::Unfriend, RelationshipAction::Unblock] {
        assert_eq!(alone.after(ana, action, at(0)).unwrap(), alone);
    }
}

#[test]
fn a_request_is_made_once_and_answered_once_by_its_receiver() {
    let (ana, ben) = people();
    let (pending, id) = asked();
    assert_eq!(
        (pending.relationship_status(ana), pending.relationship_status(ben)),
        (RelationshipStatus::RequestSent, RelationshipStatus::RequestReceived)
    );
    assert_eq!(code(pending.after(ana, ask(1), at(1))), "request_already_sent");
    assert_eq!(code(pending.after(ben, ask(1), at(1))), "request_waiting");
    let yes = RelationshipAction::Respond(id, Answer::Accepted);
    assert_eq!(code(pending.after(ana, yes, at(2))), "not_found");
    let other = RelationshipAction::Respond(RequestId::at(at(9)), Answer::Accepted);
    assert_eq!(code(pending.after(ben, other, at(2))), "not_found");

    let friends = pending.after(ben, yes, at(2)).unwrap();
    assert_eq!(friends.state, State::Friends { since: at(2) });
    assert_eq!(code(friends.after(ben, yes, at(3))), "not_found");
    assert_eq!(code(friends.after(ben, ask(3), at(3))), "already_friends");
}

#[test]
fn only_its_sender_cancels_a_request_and_only_while_it_waits() {
    let (ana, ben) = people();
    let (pending, id) = asked();
    assert_eq!(code(pending.after(ben, RelationshipAction::Cancel(id), at(1))), "not_found");
    assert_eq!(
        code(pending.after(ana, RelationshipAction::Cancel(RequestId::at(at(9))), at(1))),
        "not_found"
    );
    let cancelled = pending.after(ana, RelationshipAction::Cancel(id), at(1)).unwrap();
    assert_eq!(cancelled.state, State::Strangers);
    assert_eq!(code(cancelled.after(ana, RelationshipAction::Cancel(id), at(2))), "not_found");
    assert_eq!(code(friends().after(ana, RelationshipAction::Cancel(id), at(3))), "not_found");
    assert!(cancelled.after(ana, ask(2), at(2)).is_ok());
}

#[test]
fn a_rejected_sender_waits_a_day_and_the_other_side_does_not() {
    let (ana, ben) = people();
    let (pending, id) = asked();
    let rejected = pending.after(ben, RelationshipAction::Respond(id, Answer::Rejected), at(0)).unwrap();
    assert_eq!(rejected.relationship_status(ana), RelationshipStatus::None);
    assert_eq!(code(rejected.after(ana, ask(0), at(24 * HOUR - 1))), "request_too_soon");
    assert!(rejected.after(ana, ask(0), at(24 * HOUR)).is_ok());
    assert!(rejected.after(ben, ask(1), at(1)).is_ok());
}

#[test]
fn no_block_shortens_the_wait_of_a_rejected_sender() {
    let (ana, ben) = people();
    let (pending, id) = asked();
    let answered = pending.after(ben, RelationshipAction::Respond(id, Answer::Rejected), at(0)).unwrap();
    let shut_out = pending
        .after(ben, RelationshipAction::Block, at(0))
        .unwrap()
        .after(ben, RelationshipAction::Unblock, at(1))
        .unwrap();
    for rejected in [answered, shut_out] {
        for who in [ana, ben] {
            let blocked = rejected.after(who, RelationshipAction::Block, at(1)).unwrap();
            let unblocked = blocked.after(who, RelationshipAction::Unblock, at(2)).unwrap();
            assert_eq!(code(unblocked.after(ana, ask(3), at(3))), "request_too_soon");
        }
        let parted = rejected.after(ana, RelationshipAction::DeleteAccount, at(1)).unwrap();
        assert_eq!(code(parted.after(ana, ask(3), at(3))), "request_too_soon");
    }
}

#[test]
fn a_block_while_one_waits_is_no_other_than_a_no() {
    let (ana, ben) = people();
    let (pending, _) = asked();
    let blocked = pending.after(ben, RelationshipAction::Block, at(0)).unwrap();
    assert_eq!(code(blocked.after(ana, ask(1), at(1))), "request_too_soon");
}

#[test]
fn a_friendship_ends_for_both_and_ending_it_again_changes_nothing() {
    let (ana, ben) = people();
    let ended = friends().after(ana, RelationshipAction::Unfriend, at(3)).unwrap();
    assert_eq!(ended.state, State::Strangers);
    assert_eq!(ended.after(ben, RelationshipAction::Unfriend, at(4)).unwrap(), ended);
    let (pending, _) = asked();
    assert_eq!(pending.after(ben, RelationshipAction::Unfriend, at(1)).unwrap(), pending);
}

#[test]
fn a_block_ends_friendship_and_requests_and_gives_nothing_back() {
    let (ana, ben) = people();
    for before in [strangers(), asked().0, friends()] {
        let blocked = before.after(ana, RelationshipAction::Block, at(5)).unwrap();
        assert_eq!((blocked.state.clone(), blocked.is_blocked()), (State::Strangers, true));
        assert_eq!(blocked.after(ana, RelationshipAction::Block, at(6)).unwrap(), blocked);
        assert_eq!(blocked.after(ben, RelationshipAction::Unblock, at(6)).unwrap(), blocked);
        let unblocked = blocked.after(ana, RelationshipAction::Unblock, at(7)).unwrap();
        assert_eq!((unblocked.state.clone(), unblocked.is_blocked()), (State::Strangers, false));
        assert_eq!(unblocked.after(ana, RelationshipAction::Unblock, at(8)).unwrap(), unblocked);
        assert!(unblocked.after(ben, ask(8), at(8)).is_ok());
    }
}

#[test]
fn who_is_blocked_finds_nobody_and_who_blocks_is_told_so_whatever_the_other_does() {
    let (ana, ben) = people();
    let blocked = strangers().after(ana, RelationshipAction::Block, at(0)).unwrap();
    assert_eq!(code(blocked.after(ben, ask(1), at(1))), "not_found");
    assert_eq!(code(blocked.after(ana, ask(1), at(1))), "you_blocked_them");
    let both = blocked.after(ben, RelationshipAction::Block, at(2)).unwrap();
    assert_eq!((both.blocked_by(ana), both.blocked_by(ben)), (Some(at(0)), Some(at(2))));
    assert_eq!(code(both.after(ana, ask(3), at(3))), "you_blocked_them");
    assert_eq!(code(both.after(ben, ask(3), at(3))), "you_blocked_them");
    let one = both.after(ana, RelationshipAction::Unblock, at(4)).unwrap();
    assert!(one.is_blocked());
    assert_eq!(code(one.after(ana, ask(5), at(5))), "not_found");
}

#[test]
fn who_goes_away_for_good_takes_all_along_but_the_others_block() {
    let (ana, ben) = people();
    for before in [strangers(), asked().0, friends()] {
        let parted = before.after(ana, RelationshipAction::DeleteAccount, at(5)).unwrap();
        assert_eq!(parted.state, State::Strangers);
        let both = before
            .after(ana, RelationshipAction::Block, at(5))
            .unwrap()
            .after(ben, RelationshipAction::Block, at(5))
            .unwrap();
        let parted = both.after(ana, RelationshipAction::DeleteAccount, at(6)).unwrap();
        assert_eq!((parted.blocked_by(ana), parted.blocked_by(ben)), (None, Some(at(5))));
        assert_eq!(parted.after(ana, RelationshipAction::DeleteAccount, at(7)).unwrap(), parted);
    }
}

/// What one of two people may do on one of their devices, by number. Answers and cancellations name the last request.
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
    /// Whatever two people do, each step is a refusal that changes nothing or one transition by somebody who may make
    /// it; friendship comes only from the receiver's "yes" to a pending request, and nothing is left beside a block.
    #[test]
    fn any_interleaving_has_one_outcome(steps in prop::collection::vec((any::<bool>(), 0..8_u8, 0..48_i64), 1..60)) {
        let (ana, ben) = people();
        let mut pair = strangers();
        let (mut last, mut hours) = (RequestId::at(at(0)), 0);
        let mut rejected: Option<(UserId, i64)> = None;
        for (is_ana, n, later) in steps {
            hours += later;
            let now = at(hours * HOUR);
            let me = if is_ana { ana } else { ben };
            let action = action(n, last, now);
            let Ok(next) = pair.after(me, action, now) else { continue };
            let is_repeatable = matches!(action, RelationshipAction::Unfriend | RelationshipAction::Block | RelationshipAction::Unblock | RelationshipAction::DeleteAccount);
            if next == pair {
                prop_assert!(is_repeatable);
                continue;
            }
            prop_assert_eq!(next.version, pair.version + 1);
            if is_repeatable {
                prop_assert_eq!(&next.after(me, action, now).unwrap(), &next);
            }
            prop_assert_eq!(next.blocked_by(next.other(me)), pair.blocked_by(pair.other(me)), "only one's own block");
            let is_nothing = matches!(next.state, State::Strangers | State::Rejected { .. });
            prop_assert!(is_nothing || !next.is_blocked(), "{next:?}");
            for who in [ana, ben] {
                for counted in Pair::COUNTED {
                    let change = next.adds(counted, who) - pair.adds(counted, who);
                    prop_assert!(change < 1 || counted == Quota::Friends || who == me);
                }
            }
            match (&pair.state, &next.state) {
                (State::Pending(ask), State::Friends { .. } | State::Rejected { .. }) => prop_assert_eq!(ask.receiver_id, me),
                (State::Pending(ask), State::Strangers) => prop_assert_eq!(ask.sender_id, me),
                (State::Strangers | State::Rejected { .. }, State::Pending(ask)) => {
                    prop_assert_eq!(ask.sender_id, me);
                    prop_assert!(rejected.is_none_or(|(who, since)| who != me || hours - since >= 24));
                    last = ask.request_id;
                }
                (State::Friends { .. }, State::Strangers) => {}
                (before, after) if before == after => prop_assert_ne!(pair.blocked_by(me), next.blocked_by(me)),
                other => prop_assert!(false, "no such transition: {:?}", other),
            }
            match &next.state {
                State::Rejected { sender_id, .. } if next.state != pair.state => rejected = Some((*sender_id, hours)),
                State::Pending(_) => rejected = None,
                _ => {}
            }
            pair = next;
        }
    }
}
