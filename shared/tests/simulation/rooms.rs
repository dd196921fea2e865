//! Rooms that users create: groups, and direct rooms that both users may open at the same time. Every stored
//! room was requested, and every acknowledged one is stored.

use std::{collections::BTreeMap, rc::Rc};

use serde_json::{Value, json};
use shared::{
    domain::{rooms::MAX_NAME_CHARS, text::clean_line},
    id::RoomId,
};

use crate::{
    actions::{ActionKind, UserAction},
    gateway::HttpRequest,
    simulation::Simulation,
    stored_rooms::attribute,
    values::unusual_text,
};

/// How a room came into being.
#[derive(Clone, Debug)]
pub struct Origin {
    pub is_group: bool,
    /// The creator, who owns a group at first.
    pub creator: usize,
    pub initial_members: Vec<usize>,
    /// The index of the action that requested it; `None` for the rooms that exist from the start.
    action: Option<usize>,
}

impl Origin {
    /// A room of the first users that exists from the start.
    pub fn initial(is_group: bool, members: usize) -> Self {
        Self { is_group, creator: 0, initial_members: (0..members).collect(), action: None }
    }
}

impl Simulation {
    /// Creates a group, or opens a direct room. Another user often does the same at the same time.
    pub fn create_room(self: &Rc<Self>, d: usize) {
        let (is_direct, is_concurrent, other) = {
            let mut rng = self.rng.borrow_mut();
            (rng.u32(..3) == 0, rng.bool(), rng.usize(..self.devices.len()))
        };
        if is_direct {
            self.open_direct_room(d, other);
            if is_concurrent {
                self.open_direct_room(other, d);
            }
        } else {
            self.create_group(d);
            if is_concurrent {
                self.create_group(other);
            }
        }
    }

    fn open_direct_room(self: &Rc<Self>, d: usize, other: usize) {
        let (user, other) = (self.devices[d].borrow().user, self.devices[other].borrow().user);
        // The room of users 0 and 1 has steps of its own, with blocks.
        if user != other && user.max(other) > 1 {
            self.perform_on_user(d, &self.users[other].id, ActionKind::OpenDirectRoom(other));
        }
    }

    fn create_group(self: &Rc<Self>, d: usize) {
        let user = self.devices[d].borrow().user;
        let label = format!("group {}", self.observed.borrow().actions.len());
        let (others, name) = {
            let mut rng = self.rng.borrow_mut();
            let mut others: Vec<usize> = (0..self.users.len()).filter(|other| *other != user).collect();
            rng.shuffle(&mut others);
            others.truncate(rng.usize(1..=others.len()));
            let name = clean_line(&unusual_text(&mut rng, &label), MAX_NAME_CHARS - 2).unwrap();
            (others, format!(" {name} "))
        };
        let client_id = Some(label).filter(|_| others.len().is_multiple_of(2));
        self.perform_on_user(d, "", ActionKind::CreateGroup { others, name, client_id });
    }

    /// The request that creates a group.
    pub fn group_request(&self, others: &[usize], name: &str, client_id: Option<&str>) -> HttpRequest {
        let ids: Vec<&str> = others.iter().map(|other| &*self.users[*other].id).collect();
        let body =
            json!({"participant_ids": ids, "is_group": true, "name": name, "client_room_id": client_id});
        HttpRequest::new("POST /api/v1/chat/rooms").json(body)
    }

    /// A random group in a device's local copy.
    pub fn pick_group(&self, d: usize) -> Option<String> {
        let rooms = self.devices[d].borrow().local_rooms();
        let groups: Vec<String> =
            rooms.into_iter().map(|(room, _)| room).filter(|room| self.is_group(room)).collect();
        self.rng.borrow_mut().choice(groups)
    }

    pub fn is_group(&self, room: &str) -> bool {
        self.origin(room).is_some_and(|origin| origin.is_group)
    }

    /// How a room came into being; `None` if no user requested it.
    pub fn origin(&self, room: &str) -> Option<Origin> {
        if let Some(origin) = self.origins.borrow().get(room) {
            return Some(origin.clone());
        }
        let key = json!({"pk": {"S": format!("ROOM#{room}")}, "sk": {"S": "META"}});
        let origin = self.requested_origin(room, &self.aws.item(&key)?)?;
        self.origins.borrow_mut().insert(room.to_owned(), origin.clone());
        Some(origin)
    }

    fn requested_origin(&self, room: &str, meta: &Value) -> Option<Origin> {
        let creator = self.user_index(attribute(meta, "created_by"));
        let is_group = attribute(meta, "kind") == "group";
        let is_this = |action: &UserAction| match &action.kind {
            ActionKind::CreateGroup { name, .. } => is_group && attribute(meta, "name") == name.trim(),
            ActionKind::OpenDirectRoom(other) => !is_group && self.direct_room_id(creator, *other) == room,
            _ => false,
        };
        let observed = self.observed.borrow();
        let mut actions = observed.actions.iter().enumerate();
        let (index, action) = actions.find(|(_, action)| action.user == creator && is_this(action))?;
        let initial_members = match &action.kind {
            ActionKind::CreateGroup { others, .. } => others.iter().copied().chain([creator]).collect(),
            ActionKind::OpenDirectRoom(other) => vec![creator, *other],
            _ => Vec::new(),
        };
        Some(Origin { is_group, creator, initial_members, action: Some(index) })
    }

    fn direct_room_id(&self, one: usize, other: usize) -> String {
        let id = |user: usize| self.users[user].id.parse().unwrap();
        RoomId::direct(id(one), id(other)).to_string()
    }

    /// The ids of all stored rooms, those that exist from the start first.
    pub fn all_rooms(&self) -> Vec<String> {
        let items = self.aws.all_items().into_iter().filter(|item| attribute(item, "sk") == "META");
        let mut rooms: Vec<String> =
            items.filter_map(|item| Some(attribute(&item, "pk").strip_prefix("ROOM#")?.to_owned())).collect();
        rooms.sort_unstable();
        rooms.sort_by_key(|room| !self.rooms.contains(room));
        rooms
    }

    /// Each room was requested, at most once for each call of the function, or at most once with a client id; each
    /// acknowledged one exists.
    pub fn check_created_rooms(&self, rooms: &[String]) {
        let (mut violations, mut created) = (Vec::new(), BTreeMap::<usize, u32>::new());
        for room in rooms.iter().filter(|room| !self.rooms.contains(room)) {
            match self.origin(room) {
                None => violations.push(("created rooms", format!("{room} was never requested"))),
                Some(origin) => *created.entry(origin.action.unwrap_or_default()).or_default() += 1,
            }
        }
        let observed = self.observed.borrow();
        for (index, action) in observed.actions.iter().enumerate() {
            let created = created.get(&index).copied().unwrap_or_default();
            let is_expected = match &action.kind {
                ActionKind::CreateGroup { client_id, .. } => {
                    let most = if client_id.is_some() { action.runs.min(1) } else { action.runs };
                    created <= most && (created > 0 || !action.is_acknowledged)
                }
                ActionKind::OpenDirectRoom(other) => {
                    let id = self.direct_room_id(action.user, *other);
                    created <= 1 && (!action.is_acknowledged || action.room_id.as_ref() == Some(&id))
                }
                _ => continue,
            };
            let is_stored =
                action.room_id.as_ref().is_none_or(|id| !action.is_acknowledged || rooms.contains(id));
            if !is_expected || !is_stored {
                violations.push(("created rooms", format!("{created} rooms for {action:?}")));
            }
            let code = action.error.as_deref();
            // The creator may have left the group before the call was repeated.
            let may_be_left = created > 0 && code == Some("not_found");
            if code.is_some_and(|code| !may_be_left && !self.may_reject_group(action, code)) {
                violations.push(("no unexpected errors", format!("{code:?} for {action:?}")));
            }
        }
        drop(observed);
        self.report_violations(violations);
    }

    /// Whether the creator of a group may not name one of its members: because of a block, or because others have
    /// added the member too often.
    fn may_reject_group(&self, action: &UserAction, code: &str) -> bool {
        let ActionKind::CreateGroup { others, .. } = &action.kind else { return false };
        let may_be_blocked = || {
            action.user < 2
                && others.contains(&(1 - action.user))
                && self.observed.borrow().may_be_closed(action.started_at, action.answered_at)
        };
        match code {
            "not_found" => may_be_blocked(),
            "groups_not_allowed" => self.plan.limit.is_some(),
            _ => false,
        }
    }
}
