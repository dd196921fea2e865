//! The relationship of two users as a state machine: `state × action × actor → state | refusal`.

pub mod access;
pub mod lists;
mod quotas;
pub mod suggestions;

use chrono::Duration;
use const_format::formatcp;
use serde::{Deserialize, Serialize};

use crate::{
    clock::Timestamp,
    error::{Error, Refusal, Result},
    id::{RequestId, UserId},
};

/// Two users, in the order of their ids, with their relationship and blocks.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Pair {
    /// The lesser id.
    pub low: UserId,
    /// The greater id.
    pub high: UserId,
    /// The relationship, without blocks.
    pub state: State,
    /// When `low` blocked `high`, if that block is in force.
    pub blocked_by_low: Option<Timestamp>,
    /// When `high` blocked `low`, if that block is in force.
    pub blocked_by_high: Option<Timestamp>,
    /// The number of transitions; 0 if the pair was never stored.
    pub version: u64,
}

/// A change of a pair. `before` and `after` are equal if the action changed nothing.
#[derive(Clone, Debug)]
pub struct RelationshipChange {
    /// The pair before the action.
    pub before: Pair,
    /// The pair after the action.
    pub after: Pair,
}

/// The relationship of two users, without blocks.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "state", rename_all = "snake_case")]
pub enum State {
    /// No relationship.
    Strangers,
    /// A friend request is pending.
    Pending(Request),
    /// The users are friends.
    Friends {
        /// When the request was accepted.
        since: Timestamp,
    },
    /// The last request was rejected, or ended by a block of its receiver.
    Rejected {
        /// The sender of that request.
        sender_id: UserId,
        /// When the request was rejected.
        rejected_at: Timestamp,
    },
}

/// A pending friend request.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Request {
    /// Unique: a later request of the same sender has another id.
    pub request_id: RequestId,
    /// The sender.
    pub sender_id: UserId,
    /// The receiver.
    pub receiver_id: UserId,
    /// When the request was sent.
    pub created_at: Timestamp,
}

/// The receiver's response to a friend request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Answer {
    /// The users become friends.
    Accepted,
    /// The sender cannot send another request for a day.
    Rejected,
}

impl Answer {
    /// The name in the API.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Accepted => "accepted",
            Self::Rejected => "rejected",
        }
    }
}

/// An action of one user of a pair.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RelationshipAction {
    /// Send a friend request with this id.
    Request(RequestId),
    /// Respond to a request of the other user.
    Respond(RequestId, Answer),
    /// Cancel a request that the actor sent.
    Cancel(RequestId),
    /// End the friendship. Idempotent.
    Unfriend,
    /// Block the other user, which ends a friendship or request. Idempotent.
    Block,
    /// Remove the actor's block. Idempotent.
    Unblock,
    /// Delete the actor's account, which ends everything except a block of the other user. Idempotent.
    DeleteAccount,
}

impl RelationshipAction {
    /// Whether the action can change a block.
    pub fn concerns_blocks(self) -> bool {
        matches!(self, Self::Block | Self::Unblock | Self::DeleteAccount)
    }
}

/// The relationship as one of the two users sees it. A rejected request is not visible.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum RelationshipStatus {
    /// No visible relationship.
    None,
    /// The users are friends.
    Friends,
    /// The viewer has sent a request that is pending.
    RequestSent,
    /// The viewer has received a request that is pending.
    RequestReceived,
}

/// The sender of a rejected request cannot send another one for this time.
const RETRY_AFTER: Duration = Duration::hours(RETRY_HOURS);
const RETRY_HOURS: i64 = 24;

const YOURSELF: Refusal = Refusal {
    status: 400,
    code: "cannot_request_yourself",
    detail: "You can't send a friend request to yourself.",
};
const BLOCK_YOURSELF: Refusal =
    Refusal { status: 400, code: "cannot_block_yourself", detail: "You can't block yourself." };
const ALREADY_FRIENDS: Refusal =
    Refusal { status: 400, code: "already_friends", detail: "You are already friends." };
const ALREADY_SENT: Refusal = Refusal {
    status: 400,
    code: "request_already_sent",
    detail: "You have already sent this person a request.",
};
const WAITING: Refusal = Refusal {
    status: 400,
    code: "request_waiting",
    detail: "This person has already sent you a request. Accept it instead.",
};
const TOO_SOON: Refusal = Refusal {
    status: 400,
    code: "request_too_soon",
    detail: formatcp!(
        "This person recently declined your request. You can ask again {RETRY_HOURS} hours after that."
    ),
};
const YOU_BLOCKED_THEM: Refusal = Refusal {
    status: 400,
    code: "you_blocked_them",
    detail: "You have blocked this person. Unblock them first.",
};

impl Pair {
    /// A pair without a stored relationship.
    pub fn strangers(a: UserId, b: UserId) -> Self {
        let (low, high) = if a < b { (a, b) } else { (b, a) };
        Self { low, high, state: State::Strangers, blocked_by_low: None, blocked_by_high: None, version: 0 }
    }

    /// Whether one of the users blocks the other. Then neither can find or reach the other.
    pub fn is_blocked(&self) -> bool {
        self.blocked_by_low.is_some() || self.blocked_by_high.is_some()
    }

    /// When `user` blocked the other user, if that block is in force.
    pub fn blocked_by(&self, user: UserId) -> Option<Timestamp> {
        if self.low == user { self.blocked_by_low } else { self.blocked_by_high }
    }

    /// Whether the users are friends.
    pub fn are_friends(&self) -> bool {
        matches!(self.state, State::Friends { .. })
    }

    /// The pending request, if any.
    pub fn request(&self) -> Option<&Request> {
        match &self.state {
            State::Pending(request) => Some(request),
            State::Strangers | State::Friends { .. } | State::Rejected { .. } => None,
        }
    }

    /// The user of the pair who is not `me`.
    pub fn other(&self, me: UserId) -> UserId {
        if self.low == me { self.high } else { self.low }
    }

    /// The relationship as `me` sees it.
    pub fn relationship_status(&self, me: UserId) -> RelationshipStatus {
        match &self.state {
            State::Friends { .. } => RelationshipStatus::Friends,
            State::Pending(request) if request.sender_id == me => RelationshipStatus::RequestSent,
            State::Pending(_) => RelationshipStatus::RequestReceived,
            State::Strangers | State::Rejected { .. } => RelationshipStatus::None,
        }
    }

    /// The pair after an action of `actor`: at the next version, or unchanged if the action has no effect.
    ///
    /// To a blocked user, the other user does not exist. A user who blocks the other one gets a refusal that
    /// says so; it comes first, so that it does not reveal whether the other user blocks them too.
    pub fn after(&self, actor: UserId, action: RelationshipAction, now: Timestamp) -> Result<Self> {
        let (is_self, other) = (self.low == self.high, self.other(actor));
        let state = match (action, &self.state) {
            (RelationshipAction::Request(_), _) if is_self => return Err(YOURSELF.into()),
            (RelationshipAction::Request(_), _) if self.blocked_by(actor).is_some() => {
                return Err(YOU_BLOCKED_THEM.into());
            }
            // Before the block of the other user, which must look like a rejection.
            (RelationshipAction::Request(_), State::Rejected { sender_id, rejected_at })
                if *sender_id == actor && now.since(*rejected_at) < RETRY_AFTER =>
            {
                return Err(TOO_SOON.into());
            }
            (RelationshipAction::Request(_), _) if self.blocked_by(other).is_some() => {
                return Err(Error::NotFound);
            }
            (RelationshipAction::Request(_), State::Friends { .. }) => return Err(ALREADY_FRIENDS.into()),
            (RelationshipAction::Request(_), State::Pending(request)) if request.sender_id == actor => {
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
                state_after_ending(state, actor, now)
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

/// The state after `actor` ends the relationship by a block or account deletion. A request to `actor` counts
/// as rejected, and an earlier rejection stays in force: otherwise a block would shorten the sender's wait.
fn state_after_ending(state: &State, actor: UserId, now: Timestamp) -> State {
    match state {
        State::Pending(request) if request.receiver_id == actor => {
            State::Rejected { sender_id: request.sender_id, rejected_at: now }
        }
        State::Strangers | State::Pending(_) | State::Friends { .. } => State::Strangers,
        State::Rejected { .. } => state.clone(),
    }
}

#[cfg(test)]
mod tests;
