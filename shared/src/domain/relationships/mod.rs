//! What two people are to each other, and how that may change: `state × action × actor → state | refusal`.

pub mod access;
pub mod lists;
mod quotas;
pub mod suggestions;

/// A change of a pair. `before` and `after` are equal if the action changed nothing.
#[derive(Clone, Debug)]
pub struct RelationshipChange {
    /// The pair before the action.
    pub before: Pair,
    /// The pair after the action.
    pub after: Pair,
}

#[cfg(test)]
mod tests;

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

/// What one of the two does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RelationshipAction {
    /// Asks to be friends, by a request of this id.
    Request(RequestId),
    /// Answers the other's request.
    Respond(RequestId, Answer),
    /// Takes back their own request.
    Cancel(RequestId),
    /// Ends the friendship.
    Unfriend,
    /// Shuts the other out.
    Block,
    /// Takes back their own block.
    Unblock,
    /// Goes away for good: ends all that is between the two but the other's block.
    DeleteAccount,
}

impl RelationshipAction {
    /// Whether it can change who blocks whom.
    pub fn concerns_blocks(self) -> bool {
        matches!(self, Self::Block | Self::Unblock | Self::DeleteAccount)
    }
}

/// How one side sees the other, for lists of people.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum RelationshipStatus {
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
const BLOCK_YOURSELF: Refusal =
    Refusal { status: 400, code: "cannot_block_yourself", detail: "You cannot block yourself." };
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
const YOU_BLOCKED_THEM: Refusal = Refusal {
    status: 400,
    code: "you_blocked_them",
    detail: "You have blocked this person: unblock them first.",
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

    /// Since when this one of the two blocks the other.
    pub fn blocked_by(&self, who: UserId) -> Option<Timestamp> {
        if self.low == who { self.blocked_by_low } else { self.blocked_by_high }
    }

    /// Whether they are friends.
    pub fn are_friends(&self) -> bool {
        matches!(self.state, State::Friends { .. })
    }

    /// The request that waits for its answer.
    pub fn request(&self) -> Option<&Request> {
        match &self.state {
            State::Pending(request) => Some(request),
            State::Strangers | State::Friends { .. } | State::Rejected { .. } => None,
        }
    }

    /// The other one.
    pub fn other(&self, me: UserId) -> UserId {
        if self.low == me { self.high } else { self.low }
    }

    /// How `me` sees the other one.
    pub fn relationship_status(&self, me: UserId) -> RelationshipStatus {
        match &self.state {
            State::Friends { .. } => RelationshipStatus::Friends,
            State::Pending(request) if request.sender_id == me => RelationshipStatus::RequestSent,
            State::Pending(_) => RelationshipStatus::RequestReceived,
            State::Strangers | State::Rejected { .. } => RelationshipStatus::None,
        }
    }

    /// The pair once `actor` has done something: at the next version, or unchanged where there was nothing to do.
    ///
    /// Who has blocked somebody is told so; who is blocked finds nobody. A refusal of one's own block comes first, so that
    /// it does not depend on the other's.
    pub fn after(&self, actor: UserId, action: RelationshipAction, now: Timestamp) -> Result<Self> {
        let (is_self, other) = (self.low == self.high, self.other(actor));
        let state = match (action, &self.state) {
            (RelationshipAction::Request(_), _) if is_self => return Err(YOURSELF.into()),
            (RelationshipAction::Request(_), _) if self.blocked_by(actor).is_some() => {
                return Err(YOU_BLOCKED_THEM.into());
            }
            // Before the other's block, which must not be told from a plain no.
            (RelationshipAction::Request(_), State::Rejected { sender_id, rejected_at })
                if *sender_id == actor && now.since(*rejected_at) < RETRY_AFTER =>
            {
                return Err(TOO_SOON.into());
            }
            (RelationshipAction::Request(_), _) if self.blocked_by(other).is_some() => {
                return Err(Error::NotFound);
            }
            (RelationshipAction::Request(_), State::Friends { .. }) => return Err(ALREADY_FRIENDS.into()),
            (RelationshipAction::Request(_), State::Pending(waiting)) if waiting.sender_id == actor => {
                return Err(ALREADY_SENT.into());
            }
            (RelationshipAction::Request(_), State::Pending(_)) => return Err(WAITING.into()),
            (RelationshipAction::Request(request_id), State::Strangers | State::Rejected { .. }) => {
                let (sender_id, receiver_id) = (actor, other);
                State::Pending(Request { request_id, sender_id, receiver_id, created_at: now })
            }

            (RelationshipAction::Respond(id, answer), State::Pending(request))
                if request.request_id == id && request.receiver_id == actor =>
            {
                match answer {
                    Answer::Accepted => State::Friends { since: now },
                    Answer::Rejected => State::Rejected { sender_id: request.sender_id, rejected_at: now },
                }
            }
            (RelationshipAction::Cancel(id), State::Pending(request))
                if request.request_id == id && request.sender_id == actor =>
            {
                State::Strangers
            }
            (RelationshipAction::Respond(..) | RelationshipAction::Cancel(_), _) => {
                return Err(Error::NotFound);
            }

            (RelationshipAction::Block, _) if is_self => return Err(BLOCK_YOURSELF.into()),
            (RelationshipAction::Unfriend, State::Friends { .. }) => State::Strangers,
            (RelationshipAction::Block | RelationshipAction::DeleteAccount, state) => {
                ended(state, actor, now)
            }
            (RelationshipAction::Unfriend | RelationshipAction::Unblock, state) => state.clone(),
        };
        let blocked_since = match action {
            RelationshipAction::Block => self.blocked_by(actor).or(Some(now)),
            RelationshipAction::Unblock | RelationshipAction::DeleteAccount => None,
            RelationshipAction::Request(_)
            | RelationshipAction::Respond(..)
            | RelationshipAction::Cancel(_)
            | RelationshipAction::Unfriend => self.blocked_by(actor),
        };
        let mut after = Self { state, ..self.clone() };
        *(if self.low == actor { &mut after.blocked_by_low } else { &mut after.blocked_by_high }) =
            blocked_since;
        if after != *self {
            after.version += 1;
        }
        Ok(after)
    }
}

/// What is left between two once one of them wants nothing of the other. Not to want somebody who asks is to say no;
/// and an earlier no holds as long as it would have.
fn ended(state: &State, actor: UserId, now: Timestamp) -> State {
    match state {
        State::Pending(request) if request.receiver_id == actor => {
            State::Rejected { sender_id: request.sender_id, rejected_at: now }
        }
        State::Strangers | State::Pending(_) | State::Friends { .. } => State::Strangers,
        State::Rejected { .. } => state.clone(),
    }
}
