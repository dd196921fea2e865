//! Checks of friendships: both users see the same relationship, it matches their actions, and quotas match
//! the lists.

use std::rc::Rc;

use serde_json::Value;

use crate::{
    actions::{ActionKind, UserAction, possible_outcomes},
    checks::FreshLoad,
    gateway::HttpRequest,
    observations::{Observations, text},
    simulation::Simulation,
    stored_rooms::attribute,
};

/// What a user sees of themselves and other users at the end of a schedule.
pub struct SocialView {
    /// The own profile.
    pub me: Value,
    /// The friends.
    pub friends: Vec<Value>,
    /// The received friend requests.
    pub received: Vec<Value>,
    /// The sent friend requests.
    pub sent: Vec<Value>,
    /// The blocked users.
    pub blocks: Vec<Value>,
    /// The results when another user searches for this username; `None` if no user was ever renamed.
    pub found: Option<Vec<Value>>,
}

impl Simulation {
    /// Completes interrupted renames: a request for the own profile updates the rooms that still show the old
    /// username.
    pub async fn complete_renames(self: &Rc<Self>) {
        for user in 0..self.users.len() {
            if self
                .observed
                .borrow()
                .any_action(|action| action.user == user && matches!(action.kind, ActionKind::Rename(_)))
            {
                self.call(user, HttpRequest::new("GET /api/v1/users/me")).await;
            }
        }
    }

    /// Requests a list for a user. The list is empty if the request fails.
    pub async fn list(self: &Rc<Self>, user: usize, request: HttpRequest) -> Vec<Value> {
        let response = self.call(user, request).await;
        response.and_then(|response| response.body.as_array().cloned()).unwrap_or_default()
    }

    async fn list_if(self: &Rc<Self>, is_requested: bool, user: usize, request: HttpRequest) -> Vec<Value> {
        if is_requested { self.list(user, request).await } else { Vec::new() }
    }

    /// Loads a user's view. Lists that no action can have changed are not requested; the quotas show that
    /// they are empty.
    async fn load_social_view(self: &Rc<Self>, user: usize) -> SocialView {
        let (has_blocks, has_requests, has_renames) = {
            let observed = self.observed.borrow();
            (
                observed.any_action(|action| matches!(action.kind, ActionKind::Block(_))),
                observed.any_action(|action| matches!(action.kind, ActionKind::RequestFriend(_))),
                observed.any_action(|action| matches!(action.kind, ActionKind::Rename(_))),
            )
        };
        let me = self.call(user, HttpRequest::new("GET /api/v1/users/me")).await.unwrap().body;
        let requests =
            |direction| HttpRequest::new("GET /api/v1/friends/requests").query("direction", direction);
        let search = HttpRequest::new("GET /api/v1/friends/search").query("query", text(&me["username"]));
        let other = (user + 1) % self.users.len();
        SocialView {
            friends: self.list_if(has_requests, user, HttpRequest::new("GET /api/v1/friends/")).await,
            received: self.list_if(has_requests, user, requests("received")).await,
            sent: self.list_if(has_requests, user, requests("sent")).await,
            blocks: self.list_if(has_blocks, user, HttpRequest::new("GET /api/v1/friends/blocks")).await,
            found: if has_renames { Some(self.list(other, search).await) } else { None },
            me,
        }
    }

    /// Checks everything about users that must hold at the end.
    pub async fn check_users(self: &Rc<Self>, fresh: &[FreshLoad]) {
        let mut views = Vec::new();
        for user in 0..self.users.len() {
            views.push(self.load_social_view(user).await);
        }
        self.check_usernames(&views, fresh);
        self.check_friends(&views);
        self.check_quotas(&views, fresh);
        self.check_late_commits();
    }

    /// Both users see the same relationship, and their actions explain it.
    fn check_friends(&self, views: &[SocialView]) {
        let mut violations = Vec::new();
        let observed = self.observed.borrow();
        let entries_about = |list: &[Value], field: &str, other: usize| {
            list.iter().filter(|entry| entry[field] == *self.users[other].id).cloned().collect::<Vec<_>>()
        };
        for (one, own) in views.iter().enumerate() {
            for (other, theirs) in views.iter().enumerate().filter(|(other, _)| *other != one) {
                let names = format!("{} and {}", self.users[one].name, self.users[other].name);
                let friends = entries_about(&own.friends, "user_id", other);
                let sent = entries_about(&own.sent, "receiver_id", other);
                let are_friends = !friends.is_empty();
                if entries_about(&theirs.friends, "user_id", one).is_empty() == are_friends {
                    violations
                        .push(("friendships", format!("only one of {names} lists the other as a friend")));
                }
                if sent != entries_about(&theirs.received, "sender_id", one) {
                    violations.push((
                        "friendships",
                        format!("{names}: {sent:?} was sent, {:?} was received", theirs.received),
                    ));
                }
                if friends.len() + sent.len() + entries_about(&theirs.sent, "receiver_id", one).len() > 1 {
                    violations.push(("friendships", format!("{names} have more than one relationship")));
                }
                for (relationship, exists, changes) in [
                    ("friends", are_friends, observed.friendship_changes(one, other)),
                    ("request", !sent.is_empty(), observed.request_changes(one, other)),
                ] {
                    let possible = possible_outcomes(&changes, false);
                    if !possible.contains(&exists) {
                        violations.push((
                            "friendships",
                            format!("{names}, {relationship}: {exists}, not {possible:?}"),
                        ));
                    }
                }
                for action in observed.between(one, other).filter(|action| action.user == one) {
                    if action
                        .error
                        .as_deref()
                        .is_some_and(|code| !observed.may_reject_friend_action(action, other, code))
                    {
                        violations
                            .push(("no unexpected errors", format!("{:?} for {action:?}", action.error)));
                    }
                }
            }
        }
        drop(observed);
        self.report_violations(violations);
    }

    /// Each user's quotas equal the lengths of their lists. No blocks are left.
    fn check_quotas(&self, views: &[SocialView], fresh: &[FreshLoad]) {
        let mut violations = Vec::new();
        for (user, view) in views.iter().enumerate() {
            let items = self.aws.partition(&format!("USER#{}", self.users[user].id));
            let quotas = items.iter().find(|item| attribute(item, "sk") == "QUOTAS");
            let quota = |name: &str| {
                let used = quotas.and_then(|quotas| quotas[name]["N"].as_str());
                used.map_or(0, |used| used.parse::<i64>().unwrap())
            };
            let listed = [
                ("friends", view.friends.len()),
                ("requests_sent", view.sent.len()),
                ("blocks", view.blocks.len()),
                ("rooms", fresh[user].rooms.len()),
            ];
            for (name, length) in listed {
                if quota(name) != i64::try_from(length).unwrap() {
                    let (username, used) = (&self.users[user].name, quota(name));
                    violations.push((
                        "quotas",
                        format!("{username} has {length} {name}, but the quota says {used}"),
                    ));
                }
            }
            if !view.blocks.is_empty() {
                violations.push(("blocks", format!("{:?} are left", view.blocks)));
            }
        }
        self.report_violations(violations);
    }
}

impl Observations {
    /// Whether any user action, successful or not, satisfies the condition.
    pub fn any_action(&self, condition: impl Fn(&UserAction) -> bool) -> bool {
        self.actions.iter().any(condition)
    }

    /// The actions of two users on their relationship, except unblocks.
    fn between(&self, one: usize, other: usize) -> impl Iterator<Item = &UserAction> {
        let concerns = move |action: &&UserAction| match action.kind {
            ActionKind::RequestFriend(target)
            | ActionKind::RespondToRequest(target, _)
            | ActionKind::CancelRequest(target)
            | ActionKind::Unfriend(target)
            | ActionKind::Block(target) => {
                (action.user, target) == (one, other) || (action.user, target) == (other, one)
            }
            _ => false,
        };
        self.actions.iter().filter(concerns)
    }

    /// The actions that start (`true`) or end (`false`) a friendship.
    fn friendship_changes(&self, one: usize, other: usize) -> Vec<(&UserAction, bool)> {
        let changes = self.between(one, other).filter_map(|action| match action.kind {
            ActionKind::RespondToRequest(_, true) => Some((action, true)),
            ActionKind::Unfriend(_) | ActionKind::Block(_) => Some((action, false)),
            _ => None,
        });
        changes.collect()
    }

    /// The actions that create (`true`) or end (`false`) a friend request from `one` to `other`.
    fn request_changes(&self, one: usize, other: usize) -> Vec<(&UserAction, bool)> {
        let changes = self.between(one, other).filter_map(|action| match action.kind {
            ActionKind::RequestFriend(_) if action.user == one => Some((action, true)),
            ActionKind::RespondToRequest(..) if action.user == other => Some((action, false)),
            ActionKind::CancelRequest(_) if action.user == one => Some((action, false)),
            ActionKind::Block(_) => Some((action, false)),
            _ => None,
        });
        changes.collect()
    }

    /// Whether an action on a relationship may fail with an error code. An earlier attempt of the same action
    /// may have succeeded without a response.
    fn may_reject_friend_action(&self, action: &UserAction, other: usize, code: &str) -> bool {
        let earlier = |condition: &dyn Fn(&UserAction) -> bool| {
            self.between(action.user, other)
                .any(|earlier| earlier.started_at <= action.answered_at && condition(earlier))
        };
        match (code, &action.kind) {
            ("not_found", ActionKind::RespondToRequest(..) | ActionKind::CancelRequest(_))
            | ("request_already_sent", ActionKind::RequestFriend(_)) => true,
            ("not_found", ActionKind::RequestFriend(_)) => {
                earlier(&|it| it.user == other && matches!(it.kind, ActionKind::Block(_)))
            }
            ("you_blocked_them", ActionKind::RequestFriend(_)) => {
                earlier(&|it| it.user == action.user && matches!(it.kind, ActionKind::Block(_)))
            }
            ("already_friends", ActionKind::RequestFriend(_)) => {
                earlier(&|it| matches!(it.kind, ActionKind::RespondToRequest(_, true)))
            }
            ("request_waiting", ActionKind::RequestFriend(_)) => {
                earlier(&|it| it.user == other && matches!(it.kind, ActionKind::RequestFriend(_)))
            }
            ("request_too_soon", ActionKind::RequestFriend(_)) => earlier(&|it| {
                it.user == other
                    && matches!(it.kind, ActionKind::RespondToRequest(_, false) | ActionKind::Block(_))
            }),
            _ => false,
        }
    }
}
