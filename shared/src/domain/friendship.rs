//! What two people are to each other, and how that may change: `state × action → state | refusal`.

use chrono::Duration;
use serde::{Deserialize, Serialize};

use crate::{
    clock::Timestamp,
    error::{Error, Refusal, Result},
    id::{RequestId, UserId},
};

/// Two people, in the order of their ids, and what they are to each other.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Pair {
    /// The lesser id.
    pub low: UserId,
    /// The greater id.
    pub high: UserId,
    /// What they are to each other.
    pub state: State,
    /// Since when the lesser id blocks the other one.
    pub blocked_by_low: Option<Timestamp>,
    /// Since when the greater id blocks the other one.
    pub blocked_by_high: Option<Timestamp>,
    /// Counts the transitions; 0 while nothing was ever stored.
    pub version: u64,
}

/// What two people are to each other.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "state", rename_all = "snake_case")]
pub enum State {
    /// Nothing.
    Strangers,
    /// One has asked, the other has not answered.
    Pending(Request),
    /// They are friends.
    Friends {
        /// Since the request was accepted.
        since: Timestamp,
    },
    /// The last request was rejected.
    Rejected {
        /// Who had asked.
        sender_id: UserId,
        /// When the answer was given.
        rejected_at: Timestamp,
    },
}

/// A request to be friends that waits for its answer.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Request {
    /// Names this one request.
    pub request_id: RequestId,
    /// Who asks.
    pub sender_id: UserId,
    /// Who is asked.
    pub receiver_id: UserId,
    /// When.
    pub created_at: Timestamp,
}

/// The receiver's answer to a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Answer {
    /// Yes.
    Accepted,
    /// No.
    Rejected,
}

impl Answer {
    /// The word that the API uses for it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Accepted => "accepted",
            Self::Rejected => "rejected",
        }
    }
}

/// How one side sees the other, for lists of people.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Standing {
    /// Nothing between them that shows.
    None,
    /// Friends.
    Friends,
    /// I asked and wait.
    RequestSent,
    /// I was asked and have not answered.
    RequestReceived,
}

/// How long a rejected sender waits before the same request may be made again.
const RETRY_AFTER: Duration = Duration::hours(24);

const YOURSELF: Refusal =
    Refusal { status: 400, code: "cannot_befriend_yourself", detail: "You cannot be friends with yourself." };
const ALREADY_FRIENDS: Refusal =
    Refusal { status: 400, code: "already_friends", detail: "You are friends already." };
const ALREADY_SENT: Refusal = Refusal {
    status: 400,
    code: "request_already_sent",
    detail: "You have asked this person already; they have not answered yet.",
};
const WAITING: Refusal = Refusal {
    status: 400,
    code: "request_waiting",
    detail: "This person has asked you already: accept their request.",
};
const TOO_SOON: Refusal = Refusal {
    status: 400,
    code: "request_too_soon",
    detail: "This person has declined lately: you can ask again a day after their answer.",
};

impl Pair {
    /// Two people of whom nothing is stored.
    pub fn strangers(a: UserId, b: UserId) -> Self {
        let (low, high) = if a < b { (a, b) } else { (b, a) };
        Self { low, high, state: State::Strangers, blocked_by_low: None, blocked_by_high: None, version: 0 }
    }

    /// Whether either has blocked the other: then neither exists for the other.
    pub fn is_blocked(&self) -> bool {
        self.blocked_by_low.is_some() || self.blocked_by_high.is_some()
    }

    /// Whether they are friends.
    pub fn are_friends(&self) -> bool {
        matches!(self.state, State::Friends { .. })
    }

    /// The other one.
    pub fn other(&self, me: UserId) -> UserId {
        if self.low == me { self.high } else { self.low }
    }

    /// How `me` sees the other one.
    pub fn standing(&self, me: UserId) -> Standing {
        match &self.state {
            State::Friends { .. } => Standing::Friends,
            State::Pending(request) if request.sender_id == me => Standing::RequestSent,
            State::Pending(_) => Standing::RequestReceived,
            State::Strangers | State::Rejected { .. } => Standing::None,
        }
    }

    fn becomes(&self, state: State) -> Self {
        Self { state, version: self.version + 1, ..self.clone() }
    }
}

/// `sender_id` asks the other one of the pair to be friends.
pub fn request(
    pair: &Pair,
    sender_id: UserId,
    request_id: RequestId,
    now: Timestamp,
) -> Result<(Pair, Request)> {
    if pair.low == pair.high {
        return Err(YOURSELF.into());
    }
    match &pair.state {
        State::Friends { .. } => Err(ALREADY_FRIENDS.into()),
        State::Pending(waiting) if waiting.sender_id == sender_id => Err(ALREADY_SENT.into()),
        State::Pending(_) => Err(WAITING.into()),
        State::Rejected { sender_id: rejected, rejected_at }
            if *rejected == sender_id && now.since(*rejected_at) < RETRY_AFTER =>
        {
            Err(TOO_SOON.into())
        }
        State::Strangers | State::Rejected { .. } => {
            let receiver_id = pair.other(sender_id);
            let request = Request { request_id, sender_id, receiver_id, created_at: now };
            Ok((pair.becomes(State::Pending(request.clone())), request))
        }
    }
}

/// `me` answers a request. Only its receiver can, and only while it is pending: else there is nothing to find.
pub fn respond(
    pair: &Pair,
    me: UserId,
    request_id: RequestId,
    answer: Answer,
    now: Timestamp,
) -> Result<Pair> {
    match (&pair.state, answer) {
        (State::Pending(request), _) if request.request_id != request_id || request.receiver_id != me => {
            Err(Error::NotFound)
        }
        (State::Pending(_), Answer::Accepted) => Ok(pair.becomes(State::Friends { since: now })),
        (State::Pending(request), Answer::Rejected) => {
            Ok(pair.becomes(State::Rejected { sender_id: request.sender_id, rejected_at: now }))
        }
        (State::Strangers | State::Friends { .. } | State::Rejected { .. }, _) => Err(Error::NotFound),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use uuid::Uuid;

    use super::*;

    const HOUR: i64 = 3600;

    fn people() -> (UserId, UserId) {
        (Uuid::from_u128(1).into(), Uuid::from_u128(2).into())
    }

    fn at(seconds: i64) -> Timestamp {
        Timestamp::from_seconds(1_770_000_000 + seconds)
    }

    fn asked(sender: UserId, pair: &Pair, seconds: i64) -> Result<(Pair, Request)> {
        request(pair, sender, RequestId::at(at(seconds)), at(seconds))
    }

    fn code<T: std::fmt::Debug>(result: Result<T>) -> &'static str {
        match result.unwrap_err() {
            Error::Refused(refusal) => refusal.code,
            Error::NotFound => "not_found",
            other => panic!("{other}"),
        }
    }

    #[test]
    fn nobody_befriends_themselves() {
        let (ana, _) = people();
        assert_eq!(code(asked(ana, &Pair::strangers(ana, ana), 0)), "cannot_befriend_yourself");
    }

    #[test]
    fn a_request_is_made_once_and_answered_once_by_its_receiver() {
        let (ana, ben) = people();
        let (pending, ask) = asked(ana, &Pair::strangers(ben, ana), 0).unwrap();
        assert_eq!(
            (pending.standing(ana), pending.standing(ben)),
            (Standing::RequestSent, Standing::RequestReceived)
        );
        assert_eq!(code(asked(ana, &pending, 1)), "request_already_sent");
        assert_eq!(code(asked(ben, &pending, 1)), "request_waiting");
        assert_eq!(code(respond(&pending, ana, ask.request_id, Answer::Accepted, at(2))), "not_found");
        let other = RequestId::at(at(9));
        assert_eq!(code(respond(&pending, ben, other, Answer::Accepted, at(2))), "not_found");

        let friends = respond(&pending, ben, ask.request_id, Answer::Accepted, at(2)).unwrap();
        assert_eq!(friends.state, State::Friends { since: at(2) });
        assert_eq!(code(respond(&friends, ben, ask.request_id, Answer::Accepted, at(3))), "not_found");
        assert_eq!(code(asked(ben, &friends, 3)), "already_friends");
    }

    #[test]
    fn a_rejected_sender_waits_a_day_and_the_other_side_does_not() {
        let (ana, ben) = people();
        let (pending, ask) = asked(ana, &Pair::strangers(ana, ben), 0).unwrap();
        let rejected = respond(&pending, ben, ask.request_id, Answer::Rejected, at(0)).unwrap();
        assert_eq!(rejected.standing(ana), Standing::None);
        assert_eq!(code(asked(ana, &rejected, 24 * HOUR - 1)), "request_too_soon");
        assert!(asked(ana, &rejected, 24 * HOUR).is_ok());
        assert!(asked(ben, &rejected, 1).is_ok());
    }

    proptest! {
        /// Whatever two people do, each step is a refusal that changes nothing or one transition, and friendship
        /// comes only from the receiver's "yes" to a pending request.
        #[test]
        fn any_interleaving_has_one_outcome(steps in prop::collection::vec((0..2u8, 0..3u8, 0..48i64), 1..40)) {
            let (ana, ben) = people();
            let mut pair = Pair::strangers(ana, ben);
            let mut last = RequestId::at(at(0));
            let mut hours = 0;
            for (who, action, later) in steps {
                hours += later;
                let me = if who == 0 { ana } else { ben };
                let before = pair.clone();
                let next = match action {
                    0 => asked(me, &pair, hours * HOUR).map(|(next, ask)| { last = ask.request_id; next }),
                    1 => respond(&pair, me, last, Answer::Accepted, at(hours * HOUR)),
                    _ => respond(&pair, me, last, Answer::Rejected, at(hours * HOUR)),
                };
                let Ok(next) = next else { continue };
                prop_assert_eq!(next.version, before.version + 1);
                match (&before.state, &next.state) {
                    (State::Pending(ask), State::Friends { .. } | State::Rejected { .. }) => prop_assert_eq!(ask.receiver_id, me),
                    (State::Strangers | State::Rejected { .. }, State::Pending(ask)) => prop_assert_eq!(ask.sender_id, me),
                    other => prop_assert!(false, "no such transition: {:?}", other),
                }
                pair = next;
            }
        }
    }
}
