//! Checks of the effects of user actions in rooms.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;
use shared::domain::text::clean;

use crate::{
    actions::{ActionKind, UserAction, possible_outcomes},
    checks::FreshLoad,
    observations::{number, text},
    simulation::{Simulation, User},
    stored_rooms::{StoredRoom, attribute},
};

impl Simulation {
    /// Every acknowledged action has taken effect, unless a later or concurrent action may have replaced it.
    pub fn check_actions(&self, stored_rooms: &BTreeMap<String, StoredRoom>, fresh: &[FreshLoad]) {
        let mut violations = Vec::new();
        let observed = self.observed.borrow();
        for (room, stored) in stored_rooms {
            let actions: Vec<&UserAction> =
                observed.actions.iter().filter(|action| action.room == *room).collect();
            let name = self.room_name(room);
            for user in 0..self.users.len() {
                let changes = actions.iter().filter_map(|action| match action.kind {
                    ActionKind::Add(target) if target == user => Some((*action, true)),
                    ActionKind::Remove(target) if target == user => Some((*action, false)),
                    // Making a user the owner requires that they are already a member.
                    ActionKind::SetRole(target, role)
                        if target == user && (role != "owner" || action.is_acknowledged) =>
                    {
                        Some((*action, true))
                    }
                    _ => None,
                });
                let was_member =
                    stored.memberships.get(&user).is_some_and(|memberships| memberships[0].from == 1);
                let possible = possible_outcomes(&changes.collect::<Vec<_>>(), was_member);
                if !possible.contains(&stored.current_membership(user).is_some()) {
                    violations.push((
                        "acknowledged actions take effect",
                        format!("membership of {} in the {name}: not {possible:?}", self.users[user].name),
                    ));
                }
            }
            for action in &actions {
                if let Some(code) =
                    action.error.as_deref().filter(|code| !self.may_reject(stored, &actions, action, code))
                {
                    violations.push(("no unexpected errors", format!("{code} for {action:?}")));
                }
            }
            for (seq, item) in &stored.log {
                let actions: Vec<&UserAction> =
                    actions.iter().copied().filter(|action| action.seq == *seq).collect();
                let position = format!("{name} {seq}");
                violations.extend(check_content(&position, item, &actions));
                let reader = fresh.iter().find(|fresh| {
                    fresh.messages.get(room).is_some_and(|messages| messages.contains_key(seq))
                });
                if let Some(reader) = reader {
                    let shown = &reader.messages[room][seq];
                    let pins = reader.rooms[room]["pinned_message_ids"].as_array().unwrap();
                    violations.extend(check_pinned(&position, pins.contains(&shown["id"]), &actions));
                    let listed = reader.reactions.get(&(room.clone(), *seq)).map_or(&[][..], Vec::as_slice);
                    violations.extend(self.check_reactions(&position, shown, listed, &actions));
                }
                violations.extend(self.check_own_reactions(&position, room, *seq, fresh));
            }
        }
        drop(observed);
        self.report_violations(violations);
    }

    /// Whether an action may fail with an error code.
    fn may_reject(
        &self,
        stored: &StoredRoom,
        actions: &[&UserAction],
        action: &UserAction,
        code: &str,
    ) -> bool {
        let is_group = self.is_group(&action.room);
        let was_always_member =
            |user: usize| stored.current_membership(user).is_some_and(|membership| membership.from == 1);
        match code {
            "not_found" if !is_group => {
                self.observed.borrow().may_be_closed(action.started_at, action.answered_at)
            }
            "not_found" => match action.kind {
                ActionKind::Remove(other) => !was_always_member(action.user) || !was_always_member(other),
                // Neither of users 0 and 1 can add the other while one blocks the other.
                ActionKind::Add(other) | ActionKind::SetRole(other, _) if action.user + other == 1 => {
                    !was_always_member(action.user)
                        || self.observed.borrow().may_be_closed(action.started_at, action.answered_at)
                }
                _ => !was_always_member(action.user),
            },
            "not_allowed" | "not_in_room" | "owner_needed" => is_group && stored.may_reject(action, code),
            "message_deleted" => {
                actions.iter().any(|other| other.seq == action.seq && other.kind == ActionKind::Delete)
            }
            "forwarded" => {
                stored.log.get(&action.seq).is_some_and(|item| item["is_forwarded"]["BOOL"] == true)
            }
            // Setting the role of a user who is no member adds the user.
            "groups_not_allowed" => {
                let may_add = matches!(action.kind, ActionKind::Add(_) | ActionKind::SetRole(..));
                self.plan.limit.is_some() && may_add
            }
            "too_late" => self.plan.has_idle_periods,
            _ => false,
        }
    }

    /// The listed reactions of a message match the actions, and the shown counts match the list.
    fn check_reactions(
        &self,
        position: &str,
        shown: &Value,
        listed: &[Value],
        actions: &[&UserAction],
    ) -> Vec<(&'static str, String)> {
        let mut violations = Vec::new();
        let mut counts: BTreeMap<&str, u64> = BTreeMap::new();
        for (user, User { id, name, .. }) in self.users.iter().enumerate() {
            let reacted = listed.iter().find(|entry| entry["user_id"] == *id);
            let emojis: BTreeSet<&str> =
                reacted.iter().flat_map(|entry| entry["emojis"].as_array().unwrap()).map(text).collect();
            for emoji in &emojis {
                *counts.entry(emoji).or_default() += 1;
            }
            for emoji in crate::chat_steps::EMOJI {
                let changes: Vec<_> = actions
                    .iter()
                    .filter_map(|action| match action.kind {
                        ActionKind::React(it) if it == emoji && action.user == user => Some((*action, true)),
                        ActionKind::Unreact(it) if it == emoji && action.user == user => {
                            Some((*action, false))
                        }
                        _ => None,
                    })
                    .collect();
                let possible = possible_outcomes(&changes, false);
                if shown["is_deleted"] != true && !possible.contains(&emojis.contains(emoji)) {
                    violations.push((
                        "acknowledged actions take effect",
                        format!("{emoji} of {name} at {position}: not {possible:?}"),
                    ));
                }
            }
        }
        let shown = shown["reactions"].as_array().unwrap();
        let shown_counts: BTreeMap<&str, u64> =
            shown.iter().map(|it| (text(&it["emoji"]), number(&it["count"]))).collect();
        if shown_counts != counts {
            violations.push((
                "reaction counts",
                format!("{position} shows {shown_counts:?}, but the list has {counts:?}"),
            ));
        }
        violations
    }

    /// Each user's own reactions are marked as theirs.
    fn check_own_reactions(
        &self,
        position: &str,
        room: &str,
        seq: u64,
        fresh: &[FreshLoad],
    ) -> Vec<(&'static str, String)> {
        let mut violations = Vec::new();
        for (user, fresh) in fresh.iter().enumerate() {
            let Some(shown) = fresh.messages.get(room).and_then(|messages| messages.get(&seq)) else {
                continue;
            };
            let listed = fresh.reactions.get(&(room.to_owned(), seq)).map_or(&[][..], Vec::as_slice);
            let me = &self.users[user];
            let own = listed.iter().find(|entry| entry["user_id"] == *me.id);
            let own: BTreeSet<&str> =
                own.iter().flat_map(|entry| entry["emojis"].as_array().unwrap()).map(text).collect();
            let shown = shown["reactions"].as_array().unwrap().iter();
            let marked: BTreeSet<&str> =
                shown.filter(|it| it["mine"] == true).map(|it| text(&it["emoji"])).collect();
            if own != marked {
                violations.push((
                    "reaction counts",
                    format!("{position} marks {marked:?} as reactions of {}, not {own:?}", me.name),
                ));
            }
        }
        violations
    }
}

/// A message has the content of its last edit, or is deleted.
fn check_content(position: &str, item: &Value, actions: &[&UserAction]) -> Option<(&'static str, String)> {
    let deletes: Vec<&&UserAction> =
        actions.iter().filter(|action| action.kind == ActionKind::Delete).collect();
    let is_deleted = item["deleted_at"].is_object();
    if is_deleted && deletes.is_empty() || !is_deleted && deletes.iter().any(|action| action.is_acknowledged)
    {
        return Some(("acknowledged actions take effect", format!("{position} is deleted: {is_deleted}")));
    }
    if is_deleted {
        return None;
    }
    let edits: Vec<(&UserAction, Option<String>)> = actions
        .iter()
        .filter_map(|action| match &action.kind {
            ActionKind::Edit(content) => Some((*action, Some(clean(content)))),
            _ => None,
        })
        .collect();
    let content = item["edited_at"].is_object().then(|| attribute(item, "content").to_owned());
    let possible = possible_outcomes(&edits, None);
    (!possible.contains(&content)).then(|| {
        ("acknowledged actions take effect", format!("{position} contains {content:?}, not {possible:?}"))
    })
}

/// A message is pinned if the last action pinned it. A deleted message is not pinned.
fn check_pinned(position: &str, is_pinned: bool, actions: &[&UserAction]) -> Option<(&'static str, String)> {
    let changes: Vec<(&UserAction, bool)> = actions
        .iter()
        .filter_map(|action| match action.kind {
            ActionKind::Pin => Some((*action, true)),
            ActionKind::Unpin | ActionKind::Delete => Some((*action, false)),
            _ => None,
        })
        .collect();
    let possible = possible_outcomes(&changes, false);
    (!possible.contains(&is_pinned))
        .then(|| ("acknowledged actions take effect", format!("{position} is pinned: {is_pinned}")))
}
