//! The rules for who is in the group and what they may do there. Its log says all of it: told again from the start, by the
//! payloads of its system messages, it gives what is shown, and each step of it was allowed, and asked for.

use std::collections::BTreeMap;

use serde_json::Value;

use crate::{
    checks::Fresh,
    deeds::{Deed, What},
    ledger::text,
    truth::{Truth, field},
    world::World,
};

/// Who is in a room at some time, and what each may do and since when they are there.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Roster(BTreeMap<usize, (String, String)>);

/// What a system message says.
pub struct Said {
    /// Who did it.
    pub actor: usize,
    /// What.
    pub action: String,
    /// To whom.
    pub person: usize,
    /// What that one may do since, where that is said.
    pub role: Option<String>,
    /// What that one is called there.
    pub name: String,
    at: String,
}

impl Roster {
    /// The first people of a room; the first of them owns it if it is a group.
    pub fn of_founders(people: usize, is_group: bool) -> Self {
        let role = |person| if is_group && person == 0 { "owner" } else { "member" };
        Self((0..people).map(|person| (person, (role(person).to_owned(), String::new()))).collect())
    }

    /// What somebody may do, if they are there.
    pub fn role(&self, person: usize) -> Option<&str> {
        self.0.get(&person).map(|(role, _)| role.as_str())
    }

    fn roles(&self) -> BTreeMap<usize, &str> {
        self.0.iter().map(|(person, (role, _))| (*person, role.as_str())).collect()
    }

    /// The roster after something that the log says; as it was, and why, if that could not be.
    pub fn after(&self, said: &Said) -> (Self, Option<String>) {
        let mut after = self.clone();
        let (actor, target) = (self.role(said.actor), self.role(said.person));
        let is_self = said.actor == said.person;
        let may = match (said.action.as_str(), said.role.as_deref()) {
            ("participant_added", Some(role @ ("member" | "admin"))) => {
                after.0.insert(said.person, (role.to_owned(), said.at.clone()));
                target.is_none() && (actor == Some("owner") || actor == Some("admin") && role == "member")
            }
            ("participant_removed" | "participant_left", None) => {
                after.0.remove(&said.person);
                if target == Some("owner") {
                    after.follow_owner();
                }
                let may_remove = actor == Some("owner") || (actor, target) == (Some("admin"), Some("member"));
                target.is_some()
                    && if said.action == "participant_left" { is_self } else { !is_self && may_remove }
            }
            ("role_changed", Some(role)) => {
                if role == "owner" {
                    after.set(said.actor, "admin");
                }
                after.set(said.person, role);
                actor == Some("owner") && !is_self && target.is_some_and(|target| target != role)
            }
            _ => false,
        };
        let why =
            || format!("{} to {} by {}, where {:?} were there", said.action, said.person, said.actor, self.0);
        if may { (after, None) } else { (self.clone(), Some(why())) }
    }

    fn set(&mut self, person: usize, role: &str) {
        if let Some(held) = self.0.get_mut(&person) {
            role.clone_into(&mut held.0);
        }
    }

    /// The admin, else the member, who is there for the longest is the owner.
    fn follow_owner(&mut self) {
        let successor = self.0.iter().min_by_key(|(_, (role, since))| (role == "member", since.clone()));
        if let Some(successor) = successor.map(|(person, _)| *person) {
            self.set(successor, "owner");
        }
    }
}

impl Truth {
    /// The rosters that there were at some time between two moments.
    fn rosters(&self, from: u64, to: u64) -> impl Iterator<Item = &Roster> {
        let end = |n: usize| self.rosters.get(n + 1).map_or(u64::MAX, |(at, _)| *at);
        let rosters = self.rosters.iter().enumerate();
        rosters.filter(move |(n, (at, _))| *at <= to && from <= end(*n)).map(|(_, (_, roster))| roster)
    }

    /// Whether something that was done to the group may be refused because of what its people could do meanwhile.
    pub fn may_refuse(&self, deed: &Deed, code: &str) -> bool {
        let at_some_time = |holds: &dyn Fn(Option<&str>, &Roster) -> bool| {
            self.rosters(deed.began, deed.answered).any(|roster| holds(roster.role(deed.person), roster))
        };
        match (code, &deed.what) {
            ("not_allowed", What::Pin | What::Unpin | What::Add(_)) => {
                at_some_time(&|own, _| own == Some("member"))
            }
            ("not_allowed", What::Remove(_) | What::Role(..)) => {
                at_some_time(&|own, _| own.is_some_and(|own| own != "owner"))
            }
            ("not_in_room", What::Role(other, _)) => at_some_time(&|_, roster| roster.role(*other).is_none()),
            ("owner_needed", What::Role(other, role)) => {
                *other == deed.person && *role != "owner" && at_some_time(&|own, _| own == Some("owner"))
            }
            _ => false,
        }
    }
}

impl World {
    /// What a system message says.
    pub fn said(&self, item: &Value) -> Said {
        let payload: Value = serde_json::from_str(field(item, "payload")).unwrap();
        Said {
            actor: self.person(field(item, "sender_id")),
            action: text(&payload["action"]).to_owned(),
            person: self.person(text(&payload["user_id"])),
            role: payload["role"].as_str().map(str::to_owned),
            name: text(&payload["username"]).to_owned(),
            at: field(item, "created_at").to_owned(),
        }
    }

    /// Whether somebody asked for what a system message says, before it was said, and its sentence says the same.
    pub fn is_asked(&self, room: &str, seq: u64, item: &Value) -> bool {
        let (said, at) = (self.said(item), self.committed_at(room, seq));
        let ledger = self.ledger.borrow();
        let (name, other) = (field(item, "sender_username"), &said.name);
        let role = said.role.as_deref().unwrap_or_default();
        let sentence = match (said.action.as_str(), role) {
            ("participant_added", "admin") => format!("{name} added {other} as an admin"),
            ("participant_added", _) => format!("{name} added {other}"),
            ("participant_removed", _) => format!("{name} removed {other}"),
            ("participant_left", _) => format!("{name} left"),
            (_, "owner") => format!("{name} made {other} the owner"),
            (_, "admin") => format!("{name} made {other} an admin"),
            (_, _) => format!("{name} made {other} a member"),
        };
        let is_this = |deed: &&Deed| match (&deed.what, said.action.as_str()) {
            (What::Add(who), "participant_added") => *who == said.person && role == "member",
            (What::Role(who, wish), "participant_added" | "role_changed") => {
                *who == said.person && *wish == role
            }
            (What::Remove(who), "participant_removed" | "participant_left") => *who == said.person,
            _ => false,
        };
        let mut deeds = ledger.deeds.iter().filter(is_this);
        deeds.any(|deed| {
            deed.person == said.actor && deed.room == room && (deed.began..=deed.ended).contains(&at)
        }) && field(item, "content") == sentence
            && ledger.may_be_called(said.actor, name, at)
            && ledger.may_be_called(said.person, other, at)
    }

    /// A group with people has one owner; its people and their roles are those that its log tells of, in the table and for
    /// everyone who is in it; and each acknowledged deed was true at some time while it was asked for.
    pub fn check_roles(&self, room: &str, truth: &Truth, fresh: &[Fresh]) {
        let mut found = Vec::new();
        let told = truth.rosters.last().unwrap().1.roles();
        let owners = told.values().filter(|role| **role == "owner").count();
        if room == self.rooms[0] && owners != usize::from(!told.is_empty()) {
            found.push(("roles", format!("{owners} owners are among {told:?}")));
        }
        let items = self.cloud.partition(&format!("ROOM#{room}"));
        let members = items.iter().filter(|item| field(item, "sk").starts_with("MEMBER#"));
        let kept: BTreeMap<usize, &str> =
            members.map(|item| (self.person(field(item, "user_id")), field(item, "role"))).collect();
        if kept != told {
            found.push(("roles", format!("the log tells of {told:?}, and the table holds {kept:?}")));
        }
        for (person, fresh) in fresh.iter().enumerate() {
            let whole = fresh.whole.iter().filter(|whole| whole["id"] == *room);
            for shown in fresh.rooms.get(room).into_iter().chain(whole) {
                let roles: BTreeMap<usize, &str> = shown["participants"]
                    .as_array()
                    .unwrap()
                    .iter()
                    .map(|it| (self.person(text(&it["user_id"])), text(&it["role"])))
                    .collect();
                if roles != told || shown["participant_count"] != told.len() {
                    let name = &self.people[person].name;
                    found
                        .push(("roles", format!("the log tells of {told:?}, and {name} is shown {roles:?}")));
                }
            }
        }
        let ledger = self.ledger.borrow();
        for deed in ledger.deeds.iter().filter(|deed| deed.room == room && deed.is_acknowledged) {
            let mut rosters = truth.rosters(deed.began, deed.answered);
            let was_true = match deed.what {
                What::Add(who) => rosters.any(|roster| roster.role(who).is_some()),
                What::Remove(who) => rosters.any(|roster| roster.role(who).is_none()),
                What::Role(who, role) => rosters.any(|roster| roster.role(who) == Some(role)),
                _ => true,
            };
            if !was_true {
                found.push(("roles", format!("{deed:?} was acknowledged, and never was so")));
            }
        }
        drop(ledger);
        self.all_broken(found);
    }
}
