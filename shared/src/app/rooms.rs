//! What becomes of a group and the people in it, and who is told.

use crate::{
    App, BestEffort, Error, Result,
    app::messages::room_event,
    domain::rooms::{
        Member, Role, RoomWithMembers,
        group::{self, GroupAction},
        patch::GroupPatch,
        settings::RoomSettingsChange,
    },
    id::{RoomId, UserId},
    store::{messages::Committed, rooms::group::GroupChange},
    wire::{
        rooms::{ChatRoom, Participant, Settings},
        socket::Event,
    },
};

impl App {
    /// Sees to it that somebody is in a group, in that role if one is named, and tells everyone in it. The answer is the
    /// room as the actor sees it.
    pub async fn put_participant(
        &self,
        room_id: RoomId,
        actor: UserId,
        user: UserId,
        role: Option<Role>,
    ) -> Result<ChatRoom> {
        let room = self.store.room_with_members(room_id).await?;
        // Before anything of the person is looked at: who may not add people learns nothing of them.
        group::check_add(&room.room, room.member(actor)?)?;
        match (room.member(user), role) {
            (Ok(_), Some(role)) => self.set_role(room_id, actor, user, role).await?,
            // The try that added them may have died before it told anyone.
            (Ok(_), None) => self.notify_joined(&room, user).await,
            (Err(_), _) => self.add_participant(room_id, actor, user, role).await?,
        }
        Ok(self.store.whole_room(actor, room_id).await?.into())
    }

    async fn add_participant(
        &self,
        room_id: RoomId,
        actor: UserId,
        newcomer: UserId,
        role: Option<Role>,
    ) -> Result<()> {
        let profile =
            self.store.reachable(actor, &[newcomer]).await?.remove(&newcomer).ok_or(Error::NotFound)?;
        let joined = self.store.join(room_id, actor, &profile, role, self.now()).await?;
        match joined {
            Some(joined) if joined.role_changes.is_empty() => {
                self.notify_joined(&joined.said.room, newcomer).await;
                // After that, so that whoever reads of a newcomer knows them.
                self.deliver(&joined.said, None).await;
            }
            // Somebody else added them at the same moment.
            Some(promoted) => self.notify_roles(&promoted).await?,
            None => {}
        }
        Ok(())
    }

    async fn notify_joined(&self, room: &RoomWithMembers, newcomer: UserId) {
        let (others_told, newcomer_told) = futures::join!(
            self.notify_members_of_join(room, newcomer),
            self.notify_new_member(room.room.id, newcomer)
        );
        others_told.can_fail("telling of a newcomer");
        newcomer_told.can_fail("telling the newcomer");
    }

    async fn set_role(&self, room_id: RoomId, actor: UserId, user: UserId, role: Role) -> Result<()> {
        let deed = GroupAction::SetRole(user, role);
        match self.store.update_group(room_id, actor, &deed, self.now()).await? {
            Some(changed) => self.notify_roles(&changed).await,
            None => Ok(()),
        }
    }

    /// Takes somebody out of a group, and tells everyone in it and them.
    pub async fn remove_participant(&self, room_id: RoomId, actor: UserId, leaver: UserId) -> Result<()> {
        let left = match self.store.leave(room_id, actor, leaver, self.now()).await {
            // Who is not in a room has left it. Whether there is such a room is not said.
            Err(Error::NotFound) if actor == leaver => None,
            other => other?,
        };
        if let Some(left) = left {
            self.notify_left(left, leaver).await;
        }
        Ok(())
    }

    /// Everyone in a room hears of somebody who has left it, and so do they.
    pub(crate) async fn notify_left(
        &self,
        (left, new_owner_id): (Committed, Option<UserId>),
        leaver: UserId,
    ) {
        let event = Event::ParticipantLeft {
            chat_room_id: left.room.room.id,
            rev: left.room.room.rev,
            user_id: leaver,
            participant_count: left.room.members.len(),
            new_owner_id,
        };
        let leaver = [leaver];
        let (others_told, leaver_told) = futures::join!(
            self.notify_room(&left.room, |_| Some(event.clone())),
            self.push.notify(&leaver, &event, self.now()),
        );
        others_told.can_fail("telling of a leaver");
        leaver_told.can_fail("telling the leaver");
        self.deliver(&left, None).await;
    }

    /// Changes what a group is called, looks like, is about or shows newcomers, and tells everyone in it. The answer is
    /// the room as the actor sees it.
    pub async fn update_room(&self, room_id: RoomId, actor: UserId, details: GroupPatch) -> Result<ChatRoom> {
        let deed = GroupAction::Update(details);
        if let Some(changed) = self.store.update_group(room_id, actor, &deed, self.now()).await? {
            let room = &changed.said.room;
            self.notify_room(room, |reader| Some(room_event(room, reader)))
                .await
                .can_fail("telling of a room");
            self.deliver(&changed.said, None).await;
        }
        Ok(self.store.whole_room(actor, room_id).await?.into())
    }

    /// Deletes a group, and tells everyone who was in it. Whoever deleted it may repeat it until all of it is removed.
    pub async fn delete_room(&self, room_id: RoomId, actor: UserId) -> Result<()> {
        let closed = self.store.close_group(room_id, actor, self.now()).await?;
        let event = Event::RoomDeleted { chat_room_id: room_id };
        self.push
            .notify(&closed.member_ids(), &event, self.now())
            .await
            .can_fail("telling of a deleted room");
        if self.store.clear_room(&closed, self.now()).await? {
            Ok(())
        } else {
            Err(Error::Busy("more of the room is left".into()))
        }
    }

    /// Sets how somebody keeps a room, and tells their devices.
    pub async fn change_room_settings(
        &self,
        room_id: RoomId,
        me: UserId,
        change: &RoomSettingsChange,
    ) -> Result<Settings> {
        let settings: Settings = self.store.change_room_settings(me, room_id, change).await?.into();
        let event = Event::RoomSettingsUpdated { chat_room_id: room_id, settings: settings.clone() };
        self.push.notify(&[me], &event, self.now()).await.can_fail("telling of settings");
        Ok(settings)
    }

    /// Everyone in the room hears of other roles, all that one revision changed in one frame.
    async fn notify_roles(&self, changed: &GroupChange) -> Result<()> {
        let room = &changed.said.room;
        let people: Vec<UserId> = changed.role_changes.iter().map(|member| member.shown.user_id).collect();
        let event = |reader: &Member| Some(Event::participants_updated(room, &people, reader));
        self.notify_room(room, event).await.can_fail("telling of a role");
        self.deliver(&changed.said, None).await;
        Ok(())
    }

    /// Everyone else in the room hears of a newcomer, at the revision that they joined with.
    async fn notify_members_of_join(&self, room: &RoomWithMembers, newcomer: UserId) -> Result<()> {
        let member = room.member(newcomer)?;
        let event = |reader: &Member| Event::ParticipantJoined {
            chat_room_id: room.room.id,
            rev: member.joined_rev,
            participant: Participant::seen_by(reader, member.clone()),
            participant_count: room.members.len(),
        };
        let is_told = member.joined_rev > 0;
        let for_others =
            |reader: &Member| (is_told && reader.shown.user_id != newcomer).then(|| event(reader));
        self.notify_room(room, for_others).await
    }

    /// A newcomer gets the room as their list shows it, which fits a frame.
    pub(crate) async fn notify_new_member(&self, room_id: RoomId, newcomer: UserId) -> Result<()> {
        let room = self.store.my_room(newcomer, room_id).await?.ok_or(Error::NotFound)?;
        self.push.notify(&[newcomer], &Event::RoomCreated(Box::new(room.into())), self.now()).await
    }
}
