//! The rules for usernames: each is one person's, and all rooms show everyone by the one in their profile.

use std::collections::BTreeMap;

use serde_json::Value;

use crate::{
    checks::Fresh,
    deeds::{Deed, What, possible},
    friends::Social,
    ledger::{Ledger, text},
    world::{NAMES, World},
};

/// Names that people choose from: they get into each other's way, with regard to case and without.
pub const POOL: [&str; 8] = ["ana", "ben", "cleo", "dev", "Ana", "BEN", "eve", "Fay"];

fn renaming(deed: &Deed) -> Option<&str> {
    match &deed.what {
        What::Rename(name) => Some(name),
        _ => None,
    }
}

fn is_same(one: &str, other: &str) -> bool {
    one.eq_ignore_ascii_case(other)
}

impl Ledger {
    /// Whether somebody may have been called this until a moment.
    pub fn may_be_called(&self, person: usize, name: &str, until: u64) -> bool {
        let mut own = self.deeds.iter().filter(|deed| deed.person == person && deed.began <= until);
        NAMES[person] == name || own.any(|deed| renaming(deed) == Some(name))
    }

    /// Whether somebody else may have had a name while it was asked for.
    fn may_be_taken(&self, wish: &Deed, name: &str, people: usize) -> bool {
        let others = (0..people).filter(|person| *person != wish.person);
        let mut had = others.map(|person| NAMES[person]).chain(
            self.deeds
                .iter()
                .filter(|deed| deed.person != wish.person && deed.began <= wish.answered)
                .filter_map(renaming),
        );
        had.any(|other| is_same(other, name))
    }
}

impl World {
    /// A person of an answer or a frame has a name that they asked for.
    pub fn check_name(&self, id: &Value, name: &Value) {
        let (person, name) = (self.person(text(id)), text(name));
        if !self.ledger.borrow().may_be_called(person, name, self.cloud.now()) {
            self.broken("names", format!("{} is shown as {name}", self.people[person].name));
        }
    }

    /// Everyone has the name that they asked for last, alone, and is shown by it everywhere.
    pub fn check_names(&self, socials: &[Social], fresh: &[Fresh]) {
        let mut found = Vec::new();
        let ledger = self.ledger.borrow();
        let names: BTreeMap<&str, &str> =
            socials.iter().map(|social| (text(&social.me["id"]), text(&social.me["username"]))).collect();
        for (person, social) in socials.iter().enumerate() {
            let (id, name) = (&*self.people[person].id, text(&social.me["username"]));
            let own = ledger.deeds.iter().filter(|deed| deed.person == person);
            let wishes: Vec<_> = own.filter_map(|deed| Some((deed, renaming(deed)?))).collect();
            let possible = possible(&wishes, NAMES[person]);
            if !possible.contains(name) {
                found.push(("names", format!("{id} is called {name}, not {possible:?}")));
            }
            for (wish, name) in wishes {
                let code = wish.refused.as_deref();
                if code.is_some_and(|code| {
                    code != "username_taken" || !ledger.may_be_taken(wish, name, socials.len())
                }) {
                    found.push(("answers", format!("{code:?} for {wish:?}")));
                }
            }
            let is_found = |entry: &Value| entry["id"] == *id && entry["username"] == *name;
            if social.found.as_ref().is_some_and(|found| !found.iter().any(is_found)) {
                found.push(("names", format!("a search for {name} finds {:?}", social.found)));
            }
        }
        for name in POOL {
            let claims = self.cloud.partition(&format!("NAME#{}", name.to_lowercase()));
            let claimed: Vec<&str> =
                claims.iter().map(|claim| claim["user_id"]["S"].as_str().unwrap()).collect();
            let owners = names.iter().filter(|(_, own)| is_same(own, name)).map(|(id, _)| *id);
            let owners: Vec<&str> = owners.collect();
            if claimed != owners || owners.len() > 1 {
                found.push(("names", format!("{name} is kept for {claimed:?}, and is that of {owners:?}")));
            }
        }
        for fresh in fresh {
            for room in fresh.rooms.values().chain(&fresh.whole) {
                for participant in room["participants"].as_array().unwrap() {
                    let name = names[text(&participant["user_id"])];
                    if participant["username"] == *name {
                        continue;
                    }
                    let room = self.room_name(text(&room["id"]));
                    found.push(("names", format!("the {room} shows {participant}, who is called {name}")));
                }
            }
        }
        drop(ledger);
        self.all_broken(found);
    }
}
