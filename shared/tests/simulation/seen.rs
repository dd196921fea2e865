//! The rules for every single answer and frame: nothing that was acknowledged before is missing, and nothing is told in
//! two ways.

use serde_json::Value;
use shared::id::MessageId;

use crate::{
    catch_up::CHANGES_KEPT,
    ledger::{Floor, identity, number, state, text},
    world::World,
};

impl World {
    /// A message is shown to somebody who asked at some time: the same one at its position as to everyone before, and at
    /// its revision in the same state.
    pub fn see(&self, person: usize, message: &Value, asked_at: u64) {
        let (room, seq) = (text(&message["chat_room_id"]).to_owned(), number(&message["seq"]));
        let (identity, state) = (identity(message), state(message));
        let mut ledger = self.ledger.borrow_mut();
        let rev = (room.clone(), seq, number(&message["rev"]));
        let first = ledger.identities.entry((room.clone(), seq)).or_insert_with(|| identity.clone()).clone();
        let same = ledger.states.entry(rev).or_insert_with(|| state.clone()).clone();
        let answered = message["reply_to"]["id"].as_str().map(|id| id.parse::<MessageId>().unwrap().seq());
        for seq in [Some(seq), answered].into_iter().flatten() {
            // The latest question counts: what may be shown then may be shown before.
            let shown = ledger.shown.entry((person, room.clone(), seq)).or_default();
            *shown = (*shown).max(asked_at);
        }
        drop(ledger);
        self.check_name(&message["sender_id"], &message["sender_username"]);
        let place = format!("{} is shown {} {seq}", self.people[person].name, self.room_name(&room));
        if first != identity {
            self.broken("one order", format!("{place} as {identity}, where {first} was shown before"));
        } else if same != state {
            self.broken(
                "one state",
                format!("{place} as {state}, where {same} was shown at the same revision"),
            );
        }
    }

    /// A message shows each change that was acknowledged before it was asked for.
    pub fn check_age(&self, person: usize, message: &Value, floor: &Floor) {
        let key = (text(&message["chat_room_id"]).to_owned(), number(&message["seq"]));
        let least = floor.changes.get(&key).copied().unwrap_or_default();
        if number(&message["rev"]) < least {
            let name = &self.people[person].name;
            self.broken("fresh reads", format!("{name} is shown {message}, which was changed at {least}"));
        }
    }

    /// A room is shown to somebody: nothing that was acknowledged before is missing, no position has moved back.
    pub fn see_room(&self, person: usize, room: &Value, asked_at: u64, floor: &Floor) {
        let (id, seq) = (text(&room["id"]), number(&room["seq"]));
        let name = format!("{} in the {}", self.people[person].name, self.room_name(id));
        let tail = floor.tails.get(id).copied().unwrap_or_default();
        if seq < tail {
            self.broken("fresh reads", format!("{name} is shown {seq} as the newest after {tail}"));
        }
        let newest = &room["last_message"];
        if !newest.is_null() {
            self.see(person, newest, asked_at);
            self.check_age(person, newest, floor);
            if number(&newest["seq"]) != seq {
                self.broken("fresh reads", format!("{name} is shown {newest} as the newest of {seq}"));
            }
        }
        self.check_listed(room, asked_at);
        for participant in room["participants"].as_array().unwrap() {
            self.check_name(&participant["user_id"], &participant["username"]);
            let user = text(&participant["user_id"]);
            let (read, reached) = (number(&participant["read_seq"]), number(&participant["delivered_seq"]));
            let key = (id.to_owned(), user.to_owned());
            let least = floor.positions.get(&key).copied().unwrap_or_default();
            if read < least.0 || reached < least.1 {
                let now = (read, reached);
                let detail = format!("{name} is shown {now:?} of {user}, after {least:?}");
                self.broken("positions move forward", detail);
            }
            self.ledger.borrow_mut().positions(id, user, read, reached);
        }
    }

    /// What a sync says of a room, of which the client held `named`.
    pub fn see_news(&self, person: usize, news: &Value, named: Option<&Value>, asked_at: u64, floor: &Floor) {
        let (room, seq, rev) = (&news["room"], number(&news["seq"]), number(&news["rev"]));
        self.see_room(person, room, asked_at, floor);
        let id = text(&room["id"]);
        let name = format!("{} in the {}", self.people[person].name, self.room_name(id));
        let others = (number(&news["others_read_seq"]), number(&news["others_delivered_seq"]));
        // Where somebody left while the room was read, the others are counted anew.
        let people = room["participants"].as_array().unwrap().len();
        let shows_all = number(&room["participant_count"]) == people as u64;
        let is_one = (seq, rev) == (number(&room["seq"]), number(&room["rev"]));
        if !is_one || shows_all && others != least_of_others(room) {
            self.broken("sync", format!("{name} is told two things at once: {news}"));
        }
        let part = |name: &str| news[name].as_array().unwrap();
        for message in part("messages").iter().chain(part("changed")) {
            self.see(person, message, asked_at);
            self.check_age(person, message, floor);
        }
        if news["complete"] != true {
            self.check_reload(person, news, named, asked_at);
            return;
        }
        let Some(named) = named else {
            self.broken("sync", format!("{name} is told the rest of nothing: {news}"));
            return;
        };
        let (held_seq, held_rev) = (number(&named["seq"]), number(&named["rev"]));
        let seqs = |name: &str| part(name).iter().map(|message| number(&message["seq"])).collect::<Vec<_>>();
        let (new, changed) = (seqs("messages"), seqs("changed"));
        let first = new.first().copied().unwrap_or(seq + 1);
        let is_rest = new.iter().copied().eq(first..=seq) && (first == held_seq + 1 || held_seq == 0);
        let is_known = changed.is_sorted() && changed.iter().all(|seq| *seq <= held_seq);
        let is_change = part("changed").iter().all(|message| number(&message["rev"]) > held_rev);
        if !is_rest || !is_known || !is_change {
            self.broken("sync", format!("{name} had {named} and is told {new:?}, {changed:?} up to {seq}"));
        }
        if let Some(used) = self.expired(id, held_rev, rev, asked_at) {
            self.broken("expired records", format!("{name} is told of change {used} after it has expired"));
        }
    }

    /// A client that held `named` has to load a room anew only where records have expired, or its owner joined again.
    fn check_reload(&self, person: usize, news: &Value, named: Option<&Value>, asked_at: u64) {
        /// Records may expire a little sooner than they were written: their call may have waited.
        const EARLIER: u64 = 60_000;
        let Some(named) = named else { return };
        let room = text(&news["room"]["id"]);
        let (held_rev, rev) = (number(&named["rev"]), number(&news["rev"]));
        let is_old = self.expired(room, held_rev, rev, asked_at + EARLIER).is_some();
        let is_newcomer = self.truth(room).stays.get(&person).is_none_or(|stays| stays.len() > 1);
        if !is_old && !is_newcomer {
            let name = format!("{} in the {}", self.people[person].name, self.room_name(room));
            self.broken("sync", format!("{name} had {named} and has to load it anew: {news}"));
        }
    }

    /// A revision above one that was held, up to another, whose record has expired.
    fn expired(&self, room: &str, held_rev: u64, rev: u64, asked_at: u64) -> Option<u64> {
        let state = self.cloud.state();
        let is_expired = |rev: &u64| {
            let at = state.revisions.get(&(room.to_owned(), *rev)).copied();
            at.is_some_and(|at| at + CHANGES_KEPT < asked_at)
        };
        (held_rev + 1..=rev).find(is_expired)
    }

    /// A page of a history holds what its window says, newest first and without gaps.
    pub fn check_page(
        &self,
        person: usize,
        room: &str,
        (window, from): (&str, u64),
        limit: u64,
        page: &[Value],
        floor: &Floor,
    ) {
        let seqs: Vec<u64> = page.iter().map(|message| number(&message["seq"])).collect();
        let is_dense = seqs.windows(2).all(|pair| pair[0] == pair[1] + 1);
        let tail = floor.tails.get(room).copied().unwrap_or_default();
        let (first, last) = (seqs.last().copied(), seqs.first().copied());
        // Who joined late sees nothing of what was before; what they see of the rest is checked at the end.
        let fits = match window {
            "before_seq" => last.is_none_or(|last| last < from && (last + 1 == from || tail < from)),
            "after_seq" => first.is_none_or(|first| first > from) && (tail <= from || first.is_some()),
            _ => last.is_none_or(|last| last + from >= tail),
        };
        if !is_dense || !fits || seqs.len() as u64 > limit {
            let (name, room) = (&self.people[person].name, self.room_name(room));
            let detail = format!("{name} is shown {seqs:?} for {window} {from} of the {room}, newest {tail}");
            self.broken("fresh reads", detail);
        }
    }
}

/// How far the least of the others has come in a room that shows all of them, its reader last.
pub fn least_of_others(room: &Value) -> (u64, u64) {
    let participants = room["participants"].as_array().unwrap();
    let others = || participants.split_last().into_iter().flat_map(|(_, others)| others);
    let least = |field: &str| others().map(|other| number(&other[field])).min().unwrap_or_default();
    (least("read_seq"), least("delivered_seq"))
}
