//! Checks of the group's members and their roles. Replaying the system messages of its log yields the stored
//! and shown members; each change in the log was permitted, and was requested by its sender.

use std::collections::BTreeMap;

use serde_json::Value;

use crate::{
    actions::{ActionKind, UserAction},
    checks::FreshLoad,
    observations::text,
    rooms::Origin,
    simulation::Simulation,
    stored_rooms::{StoredRoom, attribute},
};

/// The members of a room at some time: by user, the role and the RFC 3339 time of joining (empty if initial).
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Members(BTreeMap<usize, (String, String)>);

/// The content of a system message about a member.
pub struct SystemMessage {
    /// The user who made the change.
    pub actor: usize,
    /// The kind of change, such as `participant_added`.
    pub action: String,
    /// The member who was added, removed or changed.
    pub target: usize,
    /// The new role, if the change sets one.
    pub role: Option<String>,
    /// The username of the target at that time.
    pub name: String,
    created_at: String,
}

impl Members {
    /// The initial members of a room. The creator owns a group; a direct room has no owner.
    pub fn initial(origin: &Origin) -> Self {
        let role = |user| if origin.is_group && user == origin.creator { "owner" } else { "member" };
        let members = origin.initial_members.iter().copied();
        Self(members.map(|user| (user, (role(user).to_owned(), String::new()))).collect())
    }

    /// The role of a user; `None` if they are not a member.
    pub fn role(&self, user: usize) -> Option<&str> {
        self.0.get(&user).map(|(role, _)| role.as_str())
    }

    fn roles(&self) -> BTreeMap<usize, &str> {
        self.0.iter().map(|(user, (role, _))| (*user, role.as_str())).collect()
    }

    /// The members after a change. If the change was not permitted: the unchanged members, and the reason.
    pub fn after(&self, change: &SystemMessage) -> (Self, Option<String>) {
        let mut after = self.clone();
        let (actor, target) = (self.role(change.actor), self.role(change.target));
        let is_self = change.actor == change.target;
        let is_permitted = match (change.action.as_str(), change.role.as_deref()) {
            ("participant_added", Some(role @ ("member" | "admin"))) => {
                after.0.insert(change.target, (role.to_owned(), change.created_at.clone()));
                target.is_none() && (actor == Some("owner") || actor == Some("admin") && role == "member")
            }
            ("participant_removed" | "participant_left", None) => {
                after.0.remove(&change.target);
                if target == Some("owner") {
                    after.promote_successor();
                }
                let may_remove = actor == Some("owner") || (actor, target) == (Some("admin"), Some("member"));
                target.is_some()
                    && if change.action == "participant_left" { is_self } else { !is_self && may_remove }
            }
            ("role_changed", Some(role)) => {
                if role == "owner" {
                    after.set_role(change.actor, "admin");
                }
                after.set_role(change.target, role);
                actor == Some("owner") && !is_self && target.is_some_and(|target| target != role)
            }
            _ => false,
        };
        let reason = || {
            format!(
                "{} of user {} by user {}, when the members were {:?}",
                change.action, change.target, change.actor, self.0
            )
        };
        if is_permitted { (after, None) } else { (self.clone(), Some(reason())) }
    }

    fn set_role(&mut self, user: usize, role: &str) {
        if let Some(member) = self.0.get_mut(&user) {
            role.clone_into(&mut member.0);
        }
    }

    /// Makes the longest-standing admin, or else the longest-standing member, the owner.
    fn promote_successor(&mut self) {
        let successor = self.0.iter().min_by_key(|(_, (role, since))| (role == "member", since.clone()));
        if let Some(successor) = successor.map(|(user, _)| *user) {
            self.set_role(successor, "owner");
        }
    }
}

impl StoredRoom {
    /// Each version of the members that was current at some time between `from` and `to`.
    fn members_between(&self, from: u64, to: u64) -> impl Iterator<Item = &Members> {
        let end = |n: usize| self.member_history.get(n + 1).map_or(u64::MAX, |(at, _)| *at);
        let versions = self.member_history.iter().enumerate();
        versions.filter(move |(n, (at, _))| *at <= to && from <= end(*n)).map(|(_, (_, members))| members)
    }

    /// Whether the members at some time during an action justify an error code.
    pub fn may_reject(&self, action: &UserAction, code: &str) -> bool {
        let was_ever = |holds: &dyn Fn(Option<&str>, &Members) -> bool| {
            self.members_between(action.started_at, action.answered_at)
                .any(|members| holds(members.role(action.user), members))
        };
        match (code, &action.kind) {
            ("not_allowed", ActionKind::Pin | ActionKind::Unpin | ActionKind::Add(_)) => {
                was_ever(&|own, _| own == Some("member"))
            }
            ("not_allowed", ActionKind::Remove(_) | ActionKind::SetRole(..)) => {
                was_ever(&|own, _| own.is_some_and(|own| own != "owner"))
            }
            ("not_in_room", ActionKind::SetRole(other, _)) => {
                was_ever(&|_, members| members.role(*other).is_none())
            }
            ("owner_needed", ActionKind::SetRole(other, role)) => {
                *other == action.user && *role != "owner" && was_ever(&|own, _| own == Some("owner"))
            }
            _ => false,
        }
    }
}

impl Simulation {
    /// Parses the content of a system message.
    pub fn system_message(&self, item: &Value) -> SystemMessage {
        let payload: Value = serde_json::from_str(attribute(item, "payload")).unwrap();
        SystemMessage {
            actor: self.user_index(attribute(item, "sender_id")),
            action: text(&payload["action"]).to_owned(),
            target: self.user_index(text(&payload["user_id"])),
            role: payload["role"].as_str().map(str::to_owned),
            name: text(&payload["username"]).to_owned(),
            created_at: attribute(item, "created_at").to_owned(),
        }
    }

    /// Whether the sender of a system message requested its change before the commit, and its text states it.
    pub fn is_requested(&self, room: &str, seq: u64, item: &Value) -> bool {
        let (message, at) = (self.system_message(item), self.committed_at(room, seq));
        let observed = self.observed.borrow();
        let (name, other) = (attribute(item, "sender_username"), &message.name);
        let role = message.role.as_deref().unwrap_or_default();
        let sentence = match (message.action.as_str(), role) {
            ("participant_added", "admin") => format!("{name} added {other} as an admin"),
            ("participant_added", _) => format!("{name} added {other}"),
            ("participant_removed", _) => format!("{name} removed {other}"),
            ("participant_left", _) => format!("{name} left"),
            (_, "owner") => format!("{name} made {other} the owner"),
            (_, "admin") => format!("{name} made {other} an admin"),
            (_, _) => format!("{name} made {other} a member"),
        };
        let is_this = |action: &&UserAction| match (&action.kind, message.action.as_str()) {
            (ActionKind::Add(target), "participant_added") => *target == message.target && role == "member",
            (ActionKind::SetRole(target, requested_role), "participant_added" | "role_changed") => {
                *target == message.target && *requested_role == role
            }
            (ActionKind::Remove(target), "participant_removed" | "participant_left") => {
                *target == message.target
            }
            _ => false,
        };
        let mut actions = observed.actions.iter().filter(is_this);
        actions.any(|action| {
            action.user == message.actor
                && action.room == room
                && (action.started_at..=action.effective_until).contains(&at)
        }) && attribute(item, "content") == sentence
            && observed.may_have_username(message.actor, name, at)
            && observed.may_have_username(message.target, other, at)
    }

    /// A non-empty group has one owner. The stored and the shown roles equal those that the log yields.
    /// Each acknowledged membership action was true at some time between its request and its response.
    pub fn check_roles(&self, room: &str, stored: &StoredRoom, fresh: &[FreshLoad]) {
        let mut violations = Vec::new();
        let expected = stored.member_history.last().unwrap().1.roles();
        let owners = expected.values().filter(|role| **role == "owner").count();
        if self.is_group(room) && owners != usize::from(!expected.is_empty()) {
            violations.push(("member roles", format!("{owners} owners among {expected:?}")));
        }
        let items = self.aws.partition(&format!("ROOM#{room}"));
        let members = items.iter().filter(|item| attribute(item, "sk").starts_with("MEMBER#"));
        let stored_roles: BTreeMap<usize, &str> = members
            .map(|item| (self.user_index(attribute(item, "user_id")), attribute(item, "role")))
            .collect();
        if stored_roles != expected {
            violations.push((
                "member roles",
                format!("the log yields {expected:?}, but the table contains {stored_roles:?}"),
            ));
        }
        for (user, fresh) in fresh.iter().enumerate() {
            let details = fresh.room_details.iter().filter(|details| details["id"] == *room);
            for shown in fresh.rooms.get(room).into_iter().chain(details) {
                let roles: BTreeMap<usize, &str> = shown["participants"]
                    .as_array()
                    .unwrap()
                    .iter()
                    .map(|it| (self.user_index(text(&it["user_id"])), text(&it["role"])))
                    .collect();
                if roles != expected || shown["participant_count"] != expected.len() {
                    let name = &self.users[user].name;
                    violations.push((
                        "member roles",
                        format!("the log yields {expected:?}, but {name} sees {roles:?}"),
                    ));
                }
            }
        }
        let observed = self.observed.borrow();
        for action in observed.actions.iter().filter(|action| action.room == room && action.is_acknowledged) {
            let mut versions = stored.members_between(action.started_at, action.answered_at);
            let was_true = match action.kind {
                ActionKind::Add(target) => versions.any(|members| members.role(target).is_some()),
                ActionKind::Remove(target) => versions.any(|members| members.role(target).is_none()),
                ActionKind::SetRole(target, role) => {
                    versions.any(|members| members.role(target) == Some(role))
                }
                _ => true,
            };
            if !was_true {
                violations
                    .push(("member roles", format!("{action:?} was acknowledged but never took effect")));
            }
        }
        drop(observed);
        self.report_violations(violations);
    }
}
