//! The rules for what came of people's deeds, and for what clients hold in the end.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;

use crate::{
    checks::Fresh,
    deeds::{Deed, What, possible},
    ledger::{number, text},
    truth::{Truth, field},
    world::World,
};

impl World {
    /// An acknowledged deed has come true, unless another one may have changed it since.
    pub fn check_deeds(&self, truths: &BTreeMap<String, Truth>, fresh: &[Fresh]) {
        let mut found = Vec::new();
        let ledger = self.ledger.borrow();
        for (room, truth) in truths {
            let deeds: Vec<&Deed> = ledger.deeds.iter().filter(|deed| deed.room == *room).collect();
            let name = self.room_name(room);
            for person in 0..self.people.len() {
                let moves = deeds.iter().filter_map(|deed| match deed.what {
                    What::Add(who) if who == person => Some((*deed, true)),
                    What::Remove(who) if who == person => Some((*deed, false)),
                    // Nobody comes as an owner: to be made one, they were there.
                    What::Role(who, role) if who == person && (role != "owner" || deed.is_acknowledged) => {
                        Some((*deed, true))
                    }
                    _ => None,
                });
                let was_there = truth.stays.get(&person).is_some_and(|stays| stays[0].from == 1);
                let possible = possible(&moves.collect::<Vec<_>>(), was_there);
                if !possible.contains(&truth.present(person).is_some()) {
                    found.push((
                        "deeds",
                        format!("{} in the {name}: not {possible:?}", self.people[person].name),
                    ));
                }
            }
            for deed in &deeds {
                if let Some(code) =
                    deed.refused.as_deref().filter(|code| !self.may_refuse(truth, &deeds, deed, code))
                {
                    found.push(("answers", format!("{code} for {deed:?}")));
                }
            }
            for (seq, item) in &truth.log {
                let deeds: Vec<&Deed> = deeds.iter().copied().filter(|deed| deed.seq == *seq).collect();
                let place = format!("{name} {seq}");
                found.extend(words(&place, item, &deeds));
                let reader = fresh.iter().find(|fresh| {
                    fresh.messages.get(room).is_some_and(|messages| messages.contains_key(seq))
                });
                if let Some(reader) = reader {
                    let shown = &reader.messages[room][seq];
                    let pins = reader.rooms[room]["pinned_message_ids"].as_array().unwrap();
                    found.extend(pinned(&place, pins.contains(&shown["id"]), &deeds));
                    let listed = reader.reactions.get(&(room.clone(), *seq)).map_or(&[][..], Vec::as_slice);
                    found.extend(self.reactions(&place, shown, listed, &deeds));
                }
                found.extend(self.mine(&place, room, *seq, fresh));
            }
        }
        drop(ledger);
        self.all_broken(found);
    }

    /// Whether something may be refused for this reason.
    fn may_refuse(&self, truth: &Truth, deeds: &[&Deed], deed: &Deed, code: &str) -> bool {
        let is_group = deed.room == self.rooms[0];
        let is_always_there = |person: usize| truth.present(person).is_some_and(|stay| stay.from == 1);
        match code {
            "not_found" if !is_group => self.ledger.borrow().may_be_shut(deed.began, deed.answered),
            "not_found" => match deed.what {
                What::Remove(other) => !is_always_there(deed.person) || !is_always_there(other),
                // Who is blocked cannot be brought in by the other.
                What::Add(other) | What::Role(other, _) if deed.person + other == 1 => {
                    !is_always_there(deed.person)
                        || self.ledger.borrow().may_be_shut(deed.began, deed.answered)
                }
                _ => !is_always_there(deed.person),
            },
            "not_allowed" | "not_in_room" | "owner_needed" => is_group && truth.may_refuse(deed, code),
            "message_deleted" => {
                deeds.iter().any(|other| other.seq == deed.seq && other.what == What::Delete)
            }
            "forwarded" => truth.log.get(&deed.seq).is_some_and(|item| item["is_forwarded"]["BOOL"] == true),
            "too_late" => self.plan.has_long_waits,
            _ => false,
        }
    }

    /// The reactions at a message are those that people put there, and are counted right.
    fn reactions(
        &self,
        place: &str,
        shown: &Value,
        listed: &[Value],
        deeds: &[&Deed],
    ) -> Vec<(&'static str, String)> {
        let mut found = Vec::new();
        let mut counts: BTreeMap<&str, u64> = BTreeMap::new();
        for (person, Person { id, name }) in self.named().enumerate() {
            let reacted = listed.iter().find(|entry| entry["user_id"] == *id);
            let emojis: BTreeSet<&str> =
                reacted.iter().flat_map(|entry| entry["emojis"].as_array().unwrap()).map(text).collect();
            for emoji in &emojis {
                *counts.entry(emoji).or_default() += 1;
            }
            for emoji in crate::acts::EMOJI {
                let moves: Vec<_> = deeds
                    .iter()
                    .filter_map(|deed| match deed.what {
                        What::React(it) if it == emoji && deed.person == person => Some((*deed, true)),
                        What::Unreact(it) if it == emoji && deed.person == person => Some((*deed, false)),
                        _ => None,
                    })
                    .collect();
                let possible = possible(&moves, false);
                if shown["is_deleted"] != true && !possible.contains(&emojis.contains(emoji)) {
                    found.push(("deeds", format!("{name}'s {emoji} at {place}: not {possible:?}")));
                }
            }
        }
        let shown = shown["reactions"].as_array().unwrap();
        let told: BTreeMap<&str, u64> =
            shown.iter().map(|it| (text(&it["emoji"]), number(&it["count"]))).collect();
        if told != counts {
            found.push(("reactions", format!("{place} is said to have {told:?}, and has {counts:?}")));
        }
        found
    }

    /// Everyone's own reactions are marked as theirs.
    fn mine(&self, place: &str, room: &str, seq: u64, fresh: &[Fresh]) -> Vec<(&'static str, String)> {
        let mut found = Vec::new();
        for (person, fresh) in fresh.iter().enumerate() {
            let Some(shown) = fresh.messages.get(room).and_then(|messages| messages.get(&seq)) else {
                continue;
            };
            let listed = fresh.reactions.get(&(room.to_owned(), seq)).map_or(&[][..], Vec::as_slice);
            let me = &self.people[person];
            let own = listed.iter().find(|entry| entry["user_id"] == *me.id);
            let own: BTreeSet<&str> =
                own.iter().flat_map(|entry| entry["emojis"].as_array().unwrap()).map(text).collect();
            let shown = shown["reactions"].as_array().unwrap().iter();
            let marked: BTreeSet<&str> =
                shown.filter(|it| it["mine"] == true).map(|it| text(&it["emoji"])).collect();
            if own != marked {
                found.push(("reactions", format!("{place} marks {marked:?} as {}'s, not {own:?}", me.name)));
            }
        }
        found
    }

    fn named(&self) -> impl Iterator<Item = Person<'_>> {
        self.people.iter().map(|person| Person { id: &person.id, name: &person.name })
    }
}

struct Person<'a> {
    id: &'a str,
    name: &'a str,
}

/// A message says what was last said of it.
fn words(place: &str, item: &Value, deeds: &[&Deed]) -> Option<(&'static str, String)> {
    let deletes: Vec<&&Deed> = deeds.iter().filter(|deed| deed.what == What::Delete).collect();
    let is_deleted = item["deleted_at"].is_object();
    if is_deleted && deletes.is_empty() || !is_deleted && deletes.iter().any(|deed| deed.is_acknowledged) {
        return Some(("deeds", format!("{place} is deleted: {is_deleted}")));
    }
    if is_deleted {
        return None;
    }
    let edits: Vec<(&Deed, Option<&str>)> = deeds
        .iter()
        .filter_map(|deed| match &deed.what {
            What::Edit(content) => Some((*deed, Some(content.as_str()))),
            _ => None,
        })
        .collect();
    let now = item["edited_at"].is_object().then(|| field(item, "content"));
    let possible = possible(&edits, None);
    (!possible.contains(&now)).then(|| ("deeds", format!("{place} says {now:?}, not {possible:?}")))
}

/// A message is pinned as was last asked for; a deleted one is not.
fn pinned(place: &str, is_pinned: bool, deeds: &[&Deed]) -> Option<(&'static str, String)> {
    let moves: Vec<(&Deed, bool)> = deeds
        .iter()
        .filter_map(|deed| match deed.what {
            What::Pin => Some((*deed, true)),
            What::Unpin | What::Delete => Some((*deed, false)),
            _ => None,
        })
        .collect();
    let possible = possible(&moves, false);
    (!possible.contains(&is_pinned)).then(|| ("deeds", format!("{place} is pinned: {is_pinned}")))
}
