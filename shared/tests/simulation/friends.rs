//! The rules for friendships: both sides list the same, as was asked for, and each side's counts are those of its lists.

use std::rc::Rc;

use serde_json::Value;

use crate::{
    checks::Fresh,
    deeds::{Deed, What, possible},
    gateway::Rest,
    ledger::{Ledger, text},
    truth::field,
    world::World,
};

/// What one person is shown of themselves and others at the end.
pub struct Social {
    /// Their profile.
    pub me: Value,
    /// Their friends.
    pub friends: Vec<Value>,
    /// The requests that they received and sent.
    pub received: Vec<Value>,
    pub sent: Vec<Value>,
    /// Whom they block.
    pub blocks: Vec<Value>,
    /// What somebody else finds who looks for their name, where anybody changed theirs.
    pub found: Option<Vec<Value>>,
}

impl World {
    /// Whoever has changed their name visits, which finishes what is left of that.
    pub async fn visit(self: &Rc<Self>) {
        for person in 0..self.people.len() {
            if self.ledger.borrow().has(|deed| deed.person == person && matches!(deed.what, What::Rename(_)))
            {
                self.call(person, Rest::new("GET /api/v1/users/me")).await;
            }
        }
    }

    /// A list that is shown to somebody.
    pub async fn list(self: &Rc<Self>, person: usize, rest: Rest) -> Vec<Value> {
        let reply = self.call(person, rest).await;
        reply.and_then(|reply| reply.body.as_array().cloned()).unwrap_or_default()
    }

    async fn list_if(self: &Rc<Self>, is_wanted: bool, person: usize, rest: Rest) -> Vec<Value> {
        if is_wanted { self.list(person, rest).await } else { Vec::new() }
    }

    /// Lists that nobody did anything about are not asked for: that they are empty is seen by their counts.
    async fn social(self: &Rc<Self>, person: usize) -> Social {
        let (was_blocked, was_asked, was_renamed) = {
            let ledger = self.ledger.borrow();
            (
                ledger.has(|deed| matches!(deed.what, What::Block(_))),
                ledger.has(|deed| matches!(deed.what, What::Ask(_))),
                ledger.has(|deed| matches!(deed.what, What::Rename(_))),
            )
        };
        let me = self.call(person, Rest::new("GET /api/v1/users/me")).await.unwrap().body;
        let requests = |direction| Rest::new("GET /api/v1/friends/requests").with("direction", direction);
        let search = Rest::new("GET /api/v1/friends/search").with("query", text(&me["username"]));
        let other = (person + 1) % self.people.len();
        Social {
            friends: self.list_if(was_asked, person, Rest::new("GET /api/v1/friends/")).await,
            received: self.list_if(was_asked, person, requests("received")).await,
            sent: self.list_if(was_asked, person, requests("sent")).await,
            blocks: self.list_if(was_blocked, person, Rest::new("GET /api/v1/friends/blocks")).await,
            found: if was_renamed { Some(self.list(other, search).await) } else { None },
            me,
        }
    }

    /// Everything that must hold at the end of people, rather than of rooms.
    pub async fn check_people(self: &Rc<Self>, fresh: &[Fresh]) {
        let mut socials = Vec::new();
        for person in 0..self.people.len() {
            socials.push(self.social(person).await);
        }
        self.check_names(&socials, fresh);
        self.check_friends(&socials);
        self.check_counts(&socials);
        self.check_late();
    }

    /// What two people are to each other, each of them is shown, and it is what was asked for.
    fn check_friends(&self, socials: &[Social]) {
        let mut found = Vec::new();
        let ledger = self.ledger.borrow();
        let lists = |list: &[Value], field: &str, other: usize| {
            list.iter().filter(|entry| entry[field] == *self.people[other].id).cloned().collect::<Vec<_>>()
        };
        for (one, mine) in socials.iter().enumerate() {
            for (other, theirs) in socials.iter().enumerate().filter(|(other, _)| *other != one) {
                let names = format!("{} and {}", self.people[one].name, self.people[other].name);
                let friends = lists(&mine.friends, "user_id", other);
                let asked = lists(&mine.sent, "receiver_id", other);
                let are_friends = !friends.is_empty();
                if lists(&theirs.friends, "user_id", one).is_empty() == are_friends {
                    found.push(("friends", format!("{names} are friends: {are_friends}, says one of them")));
                }
                if asked != lists(&theirs.received, "sender_id", one) {
                    found.push((
                        "friends",
                        format!("{names}: {asked:?} was sent, {:?} came", theirs.received),
                    ));
                }
                if friends.len() + asked.len() + lists(&theirs.sent, "receiver_id", one).len() > 1 {
                    found.push(("friends", format!("{names} are several things to each other")));
                }
                for (what, is_so, moves) in [
                    ("friends", are_friends, ledger.befriended(one, other)),
                    ("asked", !asked.is_empty(), ledger.asked(one, other)),
                ] {
                    let possible = possible(&moves, false);
                    if !possible.contains(&is_so) {
                        found.push(("friends", format!("{names}, {what}: {is_so}, not {possible:?}")));
                    }
                }
                for deed in ledger.between(one, other).filter(|deed| deed.person == one) {
                    if deed
                        .refused
                        .as_deref()
                        .is_some_and(|code| !ledger.may_refuse_friend(deed, other, code))
                    {
                        found.push(("answers", format!("{:?} for {deed:?}", deed.refused)));
                    }
                }
            }
        }
        drop(ledger);
        self.all_broken(found);
    }

    /// A person's counts are those of their lists; at the end nobody blocks anybody.
    fn check_counts(&self, socials: &[Social]) {
        let mut found = Vec::new();
        for (person, social) in socials.iter().enumerate() {
            let items = self.cloud.partition(&format!("USER#{}", self.people[person].id));
            let counts = items.iter().find(|item| field(item, "sk") == "QUOTAS");
            let count = |name: &str| {
                let count = counts.and_then(|counts| counts[name]["N"].as_str());
                count.map_or(0, |count| count.parse::<i64>().unwrap())
            };
            let listed = [
                ("friends", social.friends.len()),
                ("requests_sent", social.sent.len()),
                ("blocks", social.blocks.len()),
            ];
            for (name, length) in listed {
                if count(name) != i64::try_from(length).unwrap() {
                    let (who, count) = (&self.people[person].name, count(name));
                    found.push(("counts", format!("{who} has {length} {name}, and is said to have {count}")));
                }
            }
            if !social.blocks.is_empty() {
                found.push(("blocks", format!("{:?} are left", social.blocks)));
            }
        }
        self.all_broken(found);
    }
}

impl Ledger {
    /// Whether anybody did such a thing, or tried to.
    pub fn has(&self, is_such: impl Fn(&Deed) -> bool) -> bool {
        self.deeds.iter().any(is_such)
    }

    /// What two people did to what is between them.
    fn between(&self, one: usize, other: usize) -> impl Iterator<Item = &Deed> {
        let concerns = move |deed: &&Deed| match deed.what {
            What::Ask(who)
            | What::Answer(who, _)
            | What::Cancel(who)
            | What::Unfriend(who)
            | What::Block(who) => (deed.person, who) == (one, other) || (deed.person, who) == (other, one),
            _ => false,
        };
        self.deeds.iter().filter(concerns)
    }

    /// What made two people friends, and what ended it.
    fn befriended(&self, one: usize, other: usize) -> Vec<(&Deed, bool)> {
        let moves = self.between(one, other).filter_map(|deed| match deed.what {
            What::Answer(_, true) => Some((deed, true)),
            What::Unfriend(_) | What::Block(_) => Some((deed, false)),
            _ => None,
        });
        moves.collect()
    }

    /// What made one person ask another, and what ended it.
    fn asked(&self, one: usize, other: usize) -> Vec<(&Deed, bool)> {
        let moves = self.between(one, other).filter_map(|deed| match deed.what {
            What::Ask(_) if deed.person == one => Some((deed, true)),
            What::Answer(..) if deed.person == other => Some((deed, false)),
            What::Cancel(_) if deed.person == one => Some((deed, false)),
            What::Block(_) => Some((deed, false)),
            _ => None,
        });
        moves.collect()
    }

    /// Whether something that somebody did to another may be refused for this reason. Where a try may have been heard, the
    /// next one may find that it is done.
    fn may_refuse_friend(&self, deed: &Deed, other: usize, code: &str) -> bool {
        let before = |what: &dyn Fn(&Deed) -> bool| {
            self.between(deed.person, other).any(|earlier| earlier.began <= deed.answered && what(earlier))
        };
        match (code, &deed.what) {
            ("not_found", What::Answer(..) | What::Cancel(_)) | ("request_already_sent", What::Ask(_)) => {
                true
            }
            ("not_found", What::Ask(_)) => {
                before(&|it| it.person == other && matches!(it.what, What::Block(_)))
            }
            ("you_blocked_them", What::Ask(_)) => {
                before(&|it| it.person == deed.person && matches!(it.what, What::Block(_)))
            }
            ("already_friends", What::Ask(_)) => before(&|it| matches!(it.what, What::Answer(_, true))),
            ("request_waiting", What::Ask(_)) => {
                before(&|it| it.person == other && matches!(it.what, What::Ask(_)))
            }
            ("request_too_soon", What::Ask(_)) => {
                before(&|it| it.person == other && matches!(it.what, What::Answer(_, false) | What::Block(_)))
            }
            _ => false,
        }
    }
}
