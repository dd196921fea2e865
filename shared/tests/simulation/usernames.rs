//! Checks of usernames: each belongs to one user, and every room shows each member's current username.

use std::collections::BTreeMap;

use serde_json::Value;

use crate::{
    actions::{ActionKind, UserAction, possible_outcomes},
    checks::FreshLoad,
    friends::SocialView,
    observations::{Observations, text},
    simulation::{Simulation, USERNAMES},
};

/// The usernames that users choose from. Some conflict with each other, with the same or a different case.
pub const USERNAME_POOL: [&str; 8] = ["ana", "ben", "cleo", "dev", "Ana", "BEN", "eve", "Fay"];

fn new_username(action: &UserAction) -> Option<&str> {
    match &action.kind {
        ActionKind::Rename(name) => Some(name),
        _ => None,
    }
}

fn is_same_username(one: &str, other: &str) -> bool {
    one.eq_ignore_ascii_case(other)
}

impl Observations {
    /// Whether a user may have had a username at some time until `until`.
    pub fn may_have_username(&self, user: usize, name: &str, until: u64) -> bool {
        let mut own = self.actions.iter().filter(|action| action.user == user && action.started_at <= until);
        USERNAMES[user] == name || own.any(|action| new_username(action) == Some(name))
    }

    /// Whether another user may have had a username while it was requested.
    fn may_be_taken_by_other(&self, rename: &UserAction, name: &str, users: usize) -> bool {
        let others = (0..users).filter(|user| *user != rename.user);
        let mut taken = others.map(|user| USERNAMES[user]).chain(
            self.actions
                .iter()
                .filter(|action| action.user != rename.user && action.started_at <= rename.answered_at)
                .filter_map(new_username),
        );
        taken.any(|other| is_same_username(other, name))
    }
}

impl Simulation {
    /// A user in a response or frame has a username that they requested.
    pub fn check_username(&self, id: &Value, name: &Value) {
        let (user, name) = (self.user_index(text(id)), text(name));
        if !self.observed.borrow().may_have_username(user, name, self.aws.now()) {
            self.report_violation("usernames", format!("{} is shown as {name}", self.users[user].name));
        }
    }

    /// Each user has the username of their last rename, exclusively. Profiles, rooms and search show it.
    pub fn check_usernames(&self, views: &[SocialView], fresh: &[FreshLoad]) {
        let mut violations = Vec::new();
        let observed = self.observed.borrow();
        let names: BTreeMap<&str, &str> =
            views.iter().map(|view| (text(&view.me["id"]), text(&view.me["username"]))).collect();
        for (user, view) in views.iter().enumerate() {
            let (id, name) = (&*self.users[user].id, text(&view.me["username"]));
            let own = observed.actions.iter().filter(|action| action.user == user);
            let renames: Vec<_> = own.filter_map(|action| Some((action, new_username(action)?))).collect();
            let possible = possible_outcomes(&renames, USERNAMES[user]);
            if !possible.contains(name) {
                violations.push(("usernames", format!("{id} has {name}, not {possible:?}")));
            }
            for (action, name) in renames {
                let code = action.error.as_deref();
                if code.is_some_and(|code| {
                    code != "username_taken" || !observed.may_be_taken_by_other(action, name, views.len())
                }) {
                    violations.push(("no unexpected errors", format!("{code:?} for {action:?}")));
                }
            }
            let is_match = |entry: &Value| entry["id"] == *id && entry["username"] == *name;
            if view.found.as_ref().is_some_and(|found| !found.iter().any(is_match)) {
                violations.push(("usernames", format!("a search for {name} returns {:?}", view.found)));
            }
        }
        for name in USERNAME_POOL {
            let claims = self.aws.partition(&format!("NAME#{}", name.to_lowercase()));
            let claimed: Vec<&str> =
                claims.iter().map(|claim| claim["user_id"]["S"].as_str().unwrap()).collect();
            let owners = names.iter().filter(|(_, own)| is_same_username(own, name)).map(|(id, _)| *id);
            let owners: Vec<&str> = owners.collect();
            if claimed != owners || owners.len() > 1 {
                violations
                    .push(("usernames", format!("{name} is claimed by {claimed:?}, owned by {owners:?}")));
            }
        }
        for fresh in fresh {
            for room in fresh.rooms.values().chain(&fresh.room_details) {
                for participant in room["participants"].as_array().unwrap() {
                    let name = names[text(&participant["user_id"])];
                    if participant["username"] == *name {
                        continue;
                    }
                    let room = self.room_name(text(&room["id"]));
                    violations
                        .push(("usernames", format!("the {room} shows {participant} instead of {name}")));
                }
            }
        }
        drop(observed);
        self.report_violations(violations);
    }
}
