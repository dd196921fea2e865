//! Rooms: creation, members, roles, details, settings and deletion.

use crate::{
    App, BestEffort, Error, Result,
    app::messages::room_event,
    domain::rooms::{
        Member, Role, RoomKind, RoomWithMembers,
        group::{self, GroupAction},
        new_room::NewRoom,
        patch::GroupPatch,
        settings::RoomSettingsChange,
    },
    domain::users::rate_limit::RateLimitedAction,
    id::{RoomId, UserId},
    store::rooms::group::GroupChange,
    wire::{
        rooms::{ChatRoom, Participant, RoomSettingsView},
        socket::Event,
    },
};

impl App {
    /// Creates a group, or opens the direct room of two users, and notifies the members. Returns the room as
    /// the creator sees it, in a direct room with the other member's presence. A repeated call with the client
    /// id of a group returns that group.
    pub async fn create_room(&self, new: NewRoom) -> Result<ChatRoom> {
        let me = new.creator;
        let mut room = self.open_or_create_room(new).await?;
        self.show_presence(me, Some(&mut room).filter(|room| room.is_direct())).await?;
        Ok(room)
    }

    async fn open_or_create_room(&self, mut new: NewRoom) -> Result<ChatRoom> {
        let me = new.creator;
        let begun = self.store.begun_group(&new).await?;
        new.id = begun.unwrap_or(new.id);
        let existing = match new.kind {
            RoomKind::Group if begun.is_none() => None,
            RoomKind::Direct | RoomKind::Group => self.store.my_room(me, new.id).await?,
        };
        if let Some(room) = existing.clone().filter(|room| room.others.iter().all(|other| !other.is_deleted))
        {
            return Ok(room.into());
        }
        // An existing room may be opened without limit.
        self.check_weighted_rate_limit(me, RateLimitedAction::Rooms, new.weight()).await?;
        let users: Vec<_> = new.members.iter().copied().collect();
        let now = self.now();
        if begun.is_none() {
            new.id = self.store.begin_group(&new, now).await?;
        }
        let check = || async {
            match new.kind {
                RoomKind::Direct => self.check_may_message(me, &users).await,
                RoomKind::Group => self.check_may_add(me, &users).await,
            }
        };
        let created = match (self.store.create_room(&new, now, check).await, existing) {
            (Err(Error::NotFound), Some(existing)) => return Ok(existing.into()),
            (created, _) => created?,
        };
        let Some(room) = created else {
            // Another call has created it concurrently, it is a group that the caller has left, or the other
            // user has blocked the caller or recreated a deleted account.
            if new.kind == RoomKind::Direct {
                self.rejoin_direct_room(new.id, me, &users).await?;
            }
            return Ok(self.store.my_room(me, new.id).await?.ok_or(Error::NotFound)?.into());
        };
        let event = |user| Event::RoomCreated(Box::new(ChatRoom::fresh(room.clone(), user)));
        self.push.notify_each(&users, event, now).await.can_fail("new room push");
        Ok(ChatRoom::fresh(room, me))
    }

    /// Makes recreated accounts members of a direct room again, and notifies both members.
    async fn rejoin_direct_room(&self, room_id: RoomId, actor: UserId, users: &[UserId]) -> Result<()> {
        let rejoined = self.store.rejoin_direct_room(room_id, actor, users, self.now()).await?;
        let Some((room, rejoined)) = rejoined else { return Ok(()) };
        let event = |reader: &Member| {
            let has_rejoined = rejoined.contains(&reader.shown.user_id);
            (!has_rejoined).then(|| Event::participants_updated(&room, &rejoined, reader))
        };
        self.notify_room(&room, event).await.can_fail("notifying a room of a recreated account");
        for user in rejoined {
            self.notify_new_member(room_id, user).await.can_fail("notifying a recreated account of its room");
        }
        Ok(())
    }

    /// Ensures that a user is a member of a group, with that role if one is given, and notifies the group.
    /// Returns the room as the actor sees it.
    pub async fn put_participant(
        &self,
        room_id: RoomId,
        actor: UserId,
        user: UserId,
        role: Option<Role>,
    ) -> Result<ChatRoom> {
        let room = self.store.room_of_member(room_id, actor).await?;
        // Before anything of the user is read: an actor who may not add members learns nothing of the user.
        group::check_add(&room.room, room.member(actor)?)?;
        match (room.member(user), role) {
            (Ok(_), Some(role)) => self.set_role(room_id, actor, user, role).await?,
            // The attempt that added the member may have failed before its push.
            (Ok(_), None) => self.notify_joined(&room, user).await,
            (Err(_), _) => self.add_participant(room_id, actor, user, role).await?,
        }
        Ok(self.store.room_with_all_members(actor, room_id).await?.into())
    }

    async fn add_participant(
        &self,
        room_id: RoomId,
        actor: UserId,
        user: UserId,
        role: Option<Role>,
    ) -> Result<()> {
        let check =
            || async { self.check_may_add(actor, &[user]).await?.remove(&user).ok_or(Error::NotFound) };
        match self.store.join(room_id, actor, role, self.now(), check).await? {
            Some(joined) if joined.role_changes.is_empty() => {
                // The member first, so that a reader of the system message knows the member.
                self.notify_joined(&joined.message.room, user).await;
                self.deliver(&joined.message, None).await;
            }
            // A concurrent call has added the user, and this one has changed the role.
            Some(changed) => self.notify_roles(&changed).await,
            None => {}
        }
        Ok(())
    }

    async fn set_role(&self, room_id: RoomId, actor: UserId, user: UserId, role: Role) -> Result<()> {
        let action = GroupAction::SetRole(user, role);
        if let Some(changed) = self.store.update_group(room_id, actor, &action, self.now()).await? {
            self.notify_roles(&changed).await;
        }
        Ok(())
    }

    /// Removes a member from a group, and notifies the group and the member. Idempotent for the member.
    pub async fn remove_participant(&self, room_id: RoomId, actor: UserId, user: UserId) -> Result<()> {
        let left = match self.store.leave(room_id, actor, user, self.now()).await {
            // A user who is not a member has left. Whether the room exists is not revealed.
            Err(Error::NotFound) if actor == user => None,
            left => left?,
        };
        if let Some(left) = left {
            self.notify_left(left, user).await;
        }
        Ok(())
    }

    /// Updates a group's name, avatar, description or history visibility, and notifies the group. Returns the
    /// room as the actor sees it.
    pub async fn update_room(&self, room_id: RoomId, actor: UserId, patch: GroupPatch) -> Result<ChatRoom> {
        let action = GroupAction::Update(patch);
        if let Some(changed) = self.store.update_group(room_id, actor, &action, self.now()).await? {
            let room = &changed.message.room;
            let notified = self.notify_room(room, |reader| Some(room_event(room, reader))).await;
            notified.can_fail("notifying a room of its change");
            self.deliver(&changed.message, None).await;
        }
        Ok(self.store.room_with_all_members(actor, room_id).await?.into())
    }

    /// Deletes a group and notifies its members. The user who deleted it may repeat the call until all is
    /// deleted.
    pub async fn delete_room(&self, room_id: RoomId, actor: UserId) -> Result<()> {
        let closed = self.store.close_group(room_id, actor, self.now()).await?;
        let event = Event::RoomDeleted { chat_room_id: room_id };
        let notified = self.push.notify(&closed.member_ids(), &event, self.now()).await;
        notified.can_fail("notifying members of a deleted room");
        if self.store.delete_room_items(&closed, self.now()).await? {
            Ok(())
        } else {
            Err(Error::Busy("a part of the room remains".into()))
        }
    }

    /// Changes a member's own settings of a room, and notifies the member's devices.
    pub async fn change_room_settings(
        &self,
        room_id: RoomId,
        me: UserId,
        change: &RoomSettingsChange,
    ) -> Result<RoomSettingsView> {
        let settings: RoomSettingsView = self.store.change_room_settings(me, room_id, change).await?.into();
        let event = Event::RoomSettingsUpdated { chat_room_id: room_id, settings: settings.clone() };
        self.push.notify(&[me], &event, self.now()).await.can_fail("notifying devices of room settings");
        Ok(settings)
    }

    /// Notifies the group of a member who has left, and that user.
    pub(super) async fn notify_left(&self, left: GroupChange, user: UserId) {
        let new_owner_id = left.new_owner_id();
        let GroupChange { message, .. } = left;
        let event = Event::ParticipantLeft {
            chat_room_id: message.room.room.id,
            rev: message.room.room.rev,
            user_id: user,
            participant_count: message.room.members.len(),
            new_owner_id,
        };
        let user = [user];
        let (members_notified, user_notified) = futures::join!(
            self.notify_room(&message.room, |_| Some(event.clone())),
            self.push.notify(&user, &event, self.now()),
        );
        members_notified.can_fail("notifying a group of a member who left");
        user_notified.can_fail("notifying a member who left");
        self.deliver(&message, None).await;
    }

    /// Notifies the group of changed roles: one frame for all that the revision changed.
    async fn notify_roles(&self, changed: &GroupChange) {
        let room = &changed.message.room;
        let users: Vec<UserId> = changed.role_changes.iter().map(|member| member.shown.user_id).collect();
        let event = |reader: &Member| Some(Event::participants_updated(room, &users, reader));
        self.notify_room(room, event).await.can_fail("notifying a group of changed roles");
        self.deliver(&changed.message, None).await;
    }

    async fn notify_joined(&self, room: &RoomWithMembers, user: UserId) {
        let (members_notified, user_notified) = futures::join!(
            self.notify_members_of_join(room, user),
            self.notify_new_member(room.room.id, user)
        );
        members_notified.can_fail("notifying a group of a new member");
        user_notified.can_fail("notifying a new member");
    }

    /// Notifies the other members of a new member, with the revision of the join.
    async fn notify_members_of_join(&self, room: &RoomWithMembers, user: UserId) -> Result<()> {
        let member = room.member(user)?;
        let event = |reader: &Member| Event::ParticipantJoined {
            chat_room_id: room.room.id,
            rev: member.joined_rev,
            participant: Participant::seen_by(reader, member.clone()),
            participant_count: room.members.len(),
        };
        let has_joined = member.joined_rev > 0;
        let for_others =
            |reader: &Member| (has_joined && reader.shown.user_id != user).then(|| event(reader));
        self.notify_room(room, for_others).await
    }

    /// Sends a new member the room as a list shows it, which fits one frame.
    async fn notify_new_member(&self, room_id: RoomId, user: UserId) -> Result<()> {
        let room = self.store.my_room(user, room_id).await?.ok_or(Error::NotFound)?;
        self.push.notify(&[user], &Event::RoomCreated(Box::new(room.into())), self.now()).await
    }
}
