//! Random user actions outside messages: usernames, roles, blocks and friendships.

use std::{rc::Rc, time::Duration};

use tokio::time::sleep;

use crate::{
    actions::{ActionKind, direct_room_request},
    gateway::HttpRequest,
    observations::text,
    simulation::Simulation,
    usernames::USERNAME_POOL,
};

/// The roles to draw from. Mostly admin, because transferring the ownership demotes the only owner.
const ROLES: [&str; 4] = ["admin", "admin", "member", "owner"];

impl Simulation {
    /// Performs one random action of a social kind.
    pub fn social_step(self: &Rc<Self>, d: usize) {
        let dice = self.rng.borrow_mut().u32(..20);
        match dice {
            0..5 => self.rename(d),
            5 => self.fetch(d, HttpRequest::new("GET /api/v1/users/me")),
            6..11 => self.set_role(d),
            11..15 => self.block_or_open_room(d),
            _ => self.update_relationship(d),
        }
    }

    /// Renames a user. Sometimes another device adds the user to the group at the same time.
    fn rename(self: &Rc<Self>, d: usize) {
        let (name, by) = {
            let mut rng = self.rng.borrow_mut();
            (rng.choice(USERNAME_POOL).unwrap().to_owned(), rng.usize(..3 * self.devices.len()))
        };
        self.perform_on_user(d, "", ActionKind::Rename(name));
        let (group, user) = (self.rooms[0].clone(), self.devices[d].borrow().user);
        let is_member =
            self.devices.get(by).is_some_and(|device| device.borrow().local_rooms().contains_key(&group));
        if is_member {
            self.perform(by, &group, 0, &self.users[user].id, ActionKind::Add(user));
        }
    }

    /// Sets a random user's role in a group, or adds the user in this role.
    fn set_role(self: &Rc<Self>, d: usize) {
        if let Some(group) = self.pick_group(d) {
            let (other, role) = {
                let mut rng = self.rng.borrow_mut();
                (rng.usize(..self.users.len()), rng.choice(ROLES).unwrap())
            };
            self.perform(d, &group, 0, &self.users[other].id, ActionKind::SetRole(other, role));
        }
    }

    /// Blocks or unblocks between users 0 and 1, or opens the direct room. Most blocks are short.
    fn block_or_open_room(self: &Rc<Self>, d: usize) {
        let user = self.devices[d].borrow().user;
        if user > 1 {
            self.update_relationship(d);
            return;
        }
        let other = 1 - user;
        let id = self.users[other].id.clone();
        if self.rng.borrow_mut().u32(..3) == 0 {
            self.fetch(d, self.direct_room_request(user));
            return;
        }
        if self.observed.borrow().last_requested_block(user) {
            self.perform_on_user(d, &id, ActionKind::Unblock(other));
            return;
        }
        self.perform_on_user(d, &id, ActionKind::Block(other));
        let (is_short, pause) = {
            let mut rng = self.rng.borrow_mut();
            (rng.u32(..4) > 0, Duration::from_millis(rng.u64(..=20 * self.plan.max_pause)))
        };
        if is_short {
            let simulation = self.clone();
            self.spawn(async move {
                sleep(pause).await;
                simulation.perform_on_user(d, &id, ActionKind::Unblock(other));
            });
        }
    }

    /// The request that opens the direct room for user 0 or 1.
    pub fn direct_room_request(&self, user: usize) -> HttpRequest {
        direct_room_request(&self.users[1 - user].id)
    }

    /// Sends, answers or cancels a friend request, or ends a friendship.
    fn update_relationship(self: &Rc<Self>, d: usize) {
        let (other, dice) = {
            let mut rng = self.rng.borrow_mut();
            (rng.usize(..self.users.len()), rng.u32(..10))
        };
        let user = self.devices[d].borrow().user;
        let id = self.users[other].id.clone();
        match dice {
            _ if other == user => {}
            0..4 => self.perform_on_user(d, &id, ActionKind::RequestFriend(other)),
            4 => self.perform_on_user(d, &id, ActionKind::Unfriend(other)),
            5 => self.settle_friend_request(d, "sent"),
            _ => self.settle_friend_request(d, "received"),
        }
    }

    /// Lists a user's friend requests, and answers or cancels one of them.
    fn settle_friend_request(self: &Rc<Self>, d: usize, direction: &'static str) {
        let (simulation, user) = (self.clone(), self.devices[d].borrow().user);
        self.spawn(async move {
            let request = HttpRequest::new("GET /api/v1/friends/requests").query("direction", direction);
            let Some(response) =
                simulation.call(user, request).await.filter(|response| response.status == 200)
            else {
                return;
            };
            let requests = response.body.as_array().unwrap();
            let (friend_request, accept) = {
                let mut rng = simulation.rng.borrow_mut();
                (rng.choice(requests), rng.u32(..5) > 0)
            };
            let Some(request) = friend_request else { return };
            let other = if direction == "sent" { &request["receiver_id"] } else { &request["sender_id"] };
            let other = simulation.user_index(text(other));
            let kind = if direction == "sent" {
                ActionKind::CancelRequest(other)
            } else {
                ActionKind::RespondToRequest(other, accept)
            };
            simulation.perform_on_user(d, text(&request["id"]), kind);
        });
    }

    fn fetch(self: &Rc<Self>, d: usize, request: HttpRequest) {
        let (simulation, user) = (self.clone(), self.devices[d].borrow().user);
        self.spawn(async move { drop(simulation.call(user, request).await) });
    }

    /// The index of the user with this id.
    pub fn user_index(&self, id: &str) -> usize {
        let user = self.users.iter().position(|user| user.id == id);
        user.unwrap_or_else(|| panic!("no user has the id {id}"))
    }
}
