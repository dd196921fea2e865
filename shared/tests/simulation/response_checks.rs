//! Checks of each response and frame: it includes everything acknowledged before the request, and does not
//! contradict earlier responses.

use serde_json::Value;
use shared::id::MessageId;

use crate::{
    catch_up::CHANGE_RETENTION,
    observations::{Acknowledged, identity, number, state, text},
    simulation::Simulation,
};

impl Simulation {
    /// A message is the same as every earlier view of its position, and has the same state as every earlier
    /// view of its revision.
    pub fn check_message(&self, user: usize, message: &Value, requested_at: u64) {
        let (room, seq) = (text(&message["chat_room_id"]).to_owned(), number(&message["seq"]));
        let (rev, state) = ((room.clone(), seq, number(&message["rev"])), state(message));
        let mut observed = self.observed.borrow_mut();
        let same = observed.states.entry(rev).or_insert_with(|| state.clone()).clone();
        drop(observed);
        self.check_identity(user, message, requested_at);
        if same != state {
            let subject = format!("{} sees {} {seq}", self.users[user].name, self.room_name(&room));
            self.report_violation(
                "same state at a revision",
                format!("{subject} as {state}, but it was {same} at the same revision"),
            );
        }
    }

    /// A message, or a preview of it, is the same as every earlier view of its position.
    fn check_identity(&self, user: usize, message: &Value, requested_at: u64) {
        let (room, seq) = (text(&message["chat_room_id"]).to_owned(), number(&message["seq"]));
        let identity = identity(message);
        let mut observed = self.observed.borrow_mut();
        let first =
            observed.identities.entry((room.clone(), seq)).or_insert_with(|| identity.clone()).clone();
        let reply_to = message["reply_to"]["id"].as_str().map(|id| id.parse::<MessageId>().unwrap().seq());
        for seq in [Some(seq), reply_to].into_iter().flatten() {
            // The latest request is the strictest: a user who may see a message then also could before.
            let shown = observed.shown.entry((user, room.clone(), seq)).or_default();
            *shown = (*shown).max(requested_at);
        }
        drop(observed);
        self.check_username(&message["sender_id"], &message["sender_username"]);
        if first != identity {
            let subject = format!("{} sees {} {seq}", self.users[user].name, self.room_name(&room));
            self.report_violation(
                "same order for all readers",
                format!("{subject} as {identity}, but it was {first} before"),
            );
        }
    }

    /// A message includes every change that was acknowledged before the request.
    pub fn check_message_rev(&self, user: usize, message: &Value, acknowledged: &Acknowledged) {
        let key = (text(&message["chat_room_id"]).to_owned(), number(&message["seq"]));
        let min_rev = acknowledged.revs.get(&key).copied().unwrap_or_default();
        if number(&message["rev"]) < min_rev {
            let name = &self.users[user].name;
            self.report_violation(
                "acknowledged writes are visible",
                format!("{name} sees {message} after revision {min_rev}"),
            );
        }
    }

    /// A room includes everything that was acknowledged before the request, and no receipt moved back.
    pub fn check_room(&self, user: usize, room: &Value, requested_at: u64, acknowledged: &Acknowledged) {
        let (id, seq) = (text(&room["id"]), number(&room["seq"]));
        let name = format!("{} in the {}", self.users[user].name, self.room_name(id));
        let tail = acknowledged.tails.get(id).copied().unwrap_or_default();
        if seq < tail {
            self.report_violation(
                "acknowledged writes are visible",
                format!("{name} sees {seq} as the newest position after {tail}"),
            );
        }
        let newest = &room["last_message"];
        if !newest.is_null() {
            self.check_identity(user, newest, requested_at);
            self.check_message_rev(user, newest, acknowledged);
            if number(&newest["seq"]) != seq {
                self.report_violation(
                    "acknowledged writes are visible",
                    format!("{name} sees {newest} as the last message at position {seq}"),
                );
            }
        }
        self.check_room_is_open(room, requested_at);
        for participant in room["participants"].as_array().unwrap() {
            self.check_username(&participant["user_id"], &participant["username"]);
            self.check_receipts(user, id, participant, acknowledged);
        }
    }

    /// Checks a sync response for one room. `position` is what the client sent, if it has the room.
    pub fn check_room_sync(
        &self,
        user: usize,
        room_sync: &Value,
        position: Option<&Value>,
        requested_at: u64,
        acknowledged: &Acknowledged,
    ) {
        let (room, seq, rev) = (&room_sync["room"], number(&room_sync["seq"]), number(&room_sync["rev"]));
        self.check_room(user, room, requested_at, acknowledged);
        let id = text(&room["id"]);
        let name = format!("{} in the {}", self.users[user].name, self.room_name(id));
        let others = receipts_of_others(room_sync);
        // If a member leaves during the read, the receipts of the others are computed again without them.
        let shown = room["participants"].as_array().unwrap().len();
        let shows_all = number(&room["participant_count"]) == shown as u64;
        let is_consistent = (seq, rev) == (number(&room["seq"]), number(&room["rev"]));
        if !is_consistent || shows_all && others != lowest_receipts_of_others(room) {
            self.report_violation("sync", format!("the sync of {name} contradicts itself: {room_sync}"));
        }
        let part = |name: &str| room_sync[name].as_array().unwrap();
        for message in part("messages").iter().chain(part("changed")) {
            self.check_message(user, message, requested_at);
            self.check_message_rev(user, message, acknowledged);
        }
        if room_sync["complete"] != true {
            self.check_full_reload(user, room_sync, position, requested_at);
            return;
        }
        let Some(position) = position else {
            self.report_violation("sync", format!("{name} gets a delta without a position: {room_sync}"));
            return;
        };
        let (known_seq, known_rev) = (number(&position["seq"]), number(&position["rev"]));
        let seqs = |name: &str| part(name).iter().map(|message| number(&message["seq"])).collect::<Vec<_>>();
        let (new, changed) = (seqs("messages"), seqs("changed"));
        let first = new.first().copied().unwrap_or(seq + 1);
        let is_continuous = new.iter().copied().eq(first..=seq) && (first == known_seq + 1 || known_seq == 0);
        let is_known = changed.is_sorted() && changed.iter().all(|seq| *seq <= known_seq);
        let is_newer = part("changed").iter().all(|message| number(&message["rev"]) > known_rev);
        if !is_continuous || !is_known || !is_newer {
            self.report_violation(
                "sync",
                format!("{name} at {position} gets new {new:?} and changed {changed:?} up to {seq}"),
            );
        }
        if let Some(expired) = self.expired_change(id, known_rev, rev, requested_at) {
            self.report_violation(
                "no expired change records",
                format!("{name} syncs with change {expired} after its expiry"),
            );
        }
    }

    /// Checks a room at which a sync found nothing new: the position that the client sent covers everything
    /// acknowledged before the request, and no receipt moved back.
    pub fn check_unchanged_room(
        &self,
        user: usize,
        room: &Value,
        position: Option<&Value>,
        requested_at: u64,
        acknowledged: &Acknowledged,
    ) {
        let id = text(&room["id"]);
        let name = format!("{} in the {}", self.users[user].name, self.room_name(id));
        let Some(position) = position else {
            self.report_violation("sync", format!("{name} is unchanged without a position: {room}"));
            return;
        };
        let (seq, rev) = (number(&position["seq"]), number(&position["rev"]));
        let tail = acknowledged.tails.get(id).copied().unwrap_or_default();
        let revs = acknowledged.revs.iter().filter(|((room, seq), _)| room == id && *seq <= tail);
        let changed = revs.map(|(_, rev)| *rev).max().unwrap_or_default();
        if seq < tail || rev < changed {
            let detail = format!("{name} at {position} misses nothing up to {tail} and revision {changed}");
            self.report_violation("acknowledged writes are visible", detail);
        }
        self.check_room_is_open(room, requested_at);
        let mut me = room.clone();
        me["user_id"] = self.users[user].id.as_str().into();
        for receipt in room["receipts"].as_array().unwrap().iter().chain([&me]) {
            self.check_receipts(user, id, receipt, acknowledged);
        }
    }

    /// No receipt of a member moved back.
    fn check_receipts(&self, user: usize, room: &str, member: &Value, acknowledged: &Acknowledged) {
        let user_id = text(&member["user_id"]);
        let (read, delivered) = (number(&member["read_seq"]), number(&member["delivered_seq"]));
        let key = (room.to_owned(), user, user_id.to_owned());
        let min = acknowledged.receipts.get(&key).copied().unwrap_or_default();
        if read < min.0 || delivered < min.1 {
            let (name, now) = (&self.users[user].name, (read, delivered));
            let detail =
                format!("{name} sees {now:?} of {user_id} in the {} after {min:?}", self.room_name(room));
            self.report_violation("receipts never move back", detail);
        }
        self.observed.borrow_mut().record_receipts(room, user, user_id, read, delivered);
    }

    /// The receipts of all other members in a sync are not above those of any member in a later response.
    pub fn check_receipts_of_others(&self, user: usize, page: &Value, room: &Value) {
        // A later revision may have other members.
        let is_this = |synced: &&Value| synced["room"]["id"] == room["id"] && synced["rev"] == room["rev"];
        let is_unchanged = |unchanged: &&Value| unchanged["id"] == room["id"];
        let part = |name: &str| page[name].as_array().unwrap().iter();
        let synced = part("rooms").find(is_this).or_else(|| part("unchanged").find(is_unchanged));
        let Some(synced) = synced else { return };
        let (others, lowest) = (receipts_of_others(synced), lowest_receipts_of_others(room));
        if others.0 > lowest.0 || others.1 > lowest.1 {
            let name = &self.users[user].name;
            let detail = format!("{name} gets the receipts {others:?} of others, not {lowest:?}: {room}");
            self.report_violation("sync", detail);
        }
    }

    /// A client with a position must reload a room only if change records expired, or if the user rejoined.
    fn check_full_reload(&self, user: usize, room_sync: &Value, position: Option<&Value>, requested_at: u64) {
        /// A record's expiry counts from before its write, which may be delayed. In milliseconds.
        const EXPIRY_TOLERANCE: u64 = 60_000;
        let Some(position) = position else { return };
        let room = text(&room_sync["room"]["id"]);
        let (known_rev, rev) = (number(&position["rev"]), number(&room_sync["rev"]));
        let has_expired =
            self.expired_change(room, known_rev, rev, requested_at + EXPIRY_TOLERANCE).is_some();
        let has_rejoined =
            self.stored_room(room).memberships.get(&user).is_none_or(|memberships| memberships.len() > 1);
        if !has_expired && !has_rejoined {
            let name = format!("{} in the {}", self.users[user].name, self.room_name(room));
            self.report_violation("sync", format!("{name} at {position} must reload the room: {room_sync}"));
        }
    }

    /// The first revision after `known_rev`, up to `rev`, whose change record has expired.
    fn expired_change(&self, room: &str, known_rev: u64, rev: u64, requested_at: u64) -> Option<u64> {
        let state = self.aws.state();
        let is_expired = |rev: &u64| {
            let at = state.revision_times.get(&(room.to_owned(), *rev)).copied();
            at.is_some_and(|at| at + CHANGE_RETENTION < requested_at)
        };
        (known_rev + 1..=rev).find(is_expired)
    }

    /// A page of a history contains what its window requests, newest first and without gaps.
    pub fn check_history_page(
        &self,
        user: usize,
        room: &str,
        (window, from): (&str, u64),
        limit: u64,
        page: &[Value],
        acknowledged: &Acknowledged,
    ) {
        let seqs: Vec<u64> = page.iter().map(|message| number(&message["seq"])).collect();
        let is_dense = seqs.windows(2).all(|pair| pair[0] == pair[1] + 1);
        let tail = acknowledged.tails.get(room).copied().unwrap_or_default();
        let (first, last) = (seqs.last().copied(), seqs.first().copied());
        // A member does not see earlier messages. The final checks verify which messages each member sees.
        let matches_window = match window {
            "before_seq" => last.is_none_or(|last| last < from && (last + 1 == from || tail < from)),
            "after_seq" => first.is_none_or(|first| first > from) && (tail <= from || first.is_some()),
            "around_seq" => {
                let is_covered = seqs.contains(&from) || first.is_some_and(|first| first > from);
                let is_whole = seqs.len() as u64 == limit || last.is_some_and(|last| last >= tail);
                // No message has position 0.
                tail < from.max(1) || is_covered && is_whole
            }
            _ => last.is_none_or(|last| last + from >= tail),
        };
        if !is_dense || !matches_window || seqs.len() as u64 > limit {
            let (name, room) = (&self.users[user].name, self.room_name(room));
            let detail =
                format!("{name} sees {seqs:?} for {window} {from} of the {room}, up to at least {tail}");
            self.report_violation("acknowledged writes are visible", detail);
        }
    }
}

/// The receipts of all other members in a sync of a room.
fn receipts_of_others(room_sync: &Value) -> (u64, u64) {
    (number(&room_sync["others_read_seq"]), number(&room_sync["others_delivered_seq"]))
}

/// The lowest receipts of the other members, in a response that shows all members, with the caller last.
pub fn lowest_receipts_of_others(room: &Value) -> (u64, u64) {
    let participants = room["participants"].as_array().unwrap();
    let others = || participants.split_last().into_iter().flat_map(|(_, others)| others);
    let lowest = |field: &str| others().map(|other| number(&other[field])).min().unwrap_or_default();
    (lowest("read_seq"), lowest("delivered_seq"))
}
