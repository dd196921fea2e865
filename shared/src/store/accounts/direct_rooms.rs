//! Deleted accounts in direct rooms: the room still shows the account, which is no member of it.

use crate::{
    clock::Timestamp,
    domain::rooms::{Member, Role, RoomKind, RoomWithMembers, ShownMember, new_room::Invitee},
    error::Result,
    id::{RoomId, UserId},
    store::{
        Store,
        db::{
            item::Update,
            keys,
            transaction::{Attempt, retrying},
        },
        messages::changes::ROOM_IS_BUSY,
        rooms::MyRoom,
        users::quotas::QuotaChange,
    },
};

impl Store {
    /// Marks a deleted account in a direct room, open or closed. `None` if it is marked, or the room is not
    /// direct.
    pub async fn mark_member_deleted(
        &self,
        room: RoomId,
        user: UserId,
        now: Timestamp,
    ) -> Result<Option<RoomWithMembers>> {
        retrying(ROOM_IS_BUSY, || async {
            let found = self.open_or_closed_room(room).await?;
            let Some(mut room) = found.filter(|found| found.room.kind == RoomKind::Direct) else {
                return Ok(Attempt::Done(None));
            };
            let mut members = room.members.iter_mut();
            let Some(member) = members.find(|member| member.shown.user_id == user && !member.is_deleted)
            else {
                return Ok(Attempt::Done(None));
            };
            member.shown = ShownMember::deleted(user, member.shown.joined_at);
            member.is_deleted = true;
            let after = room.room.with_members_changed();
            let mark = "SET is_deleted = :deleted, username = :name REMOVE display_name, avatar_url";
            let mark = Update::of(keys::member(after.id, user), mark).only_if("attribute_exists(pk)");
            let mark = mark.value(":deleted", true)?.value(":name", &member.shown.username)?;
            let mut tx = self.transaction();
            tx.revision(&room.room, &after, None, now).update(mark).check_deleted(user);
            Ok(tx.commit().await?.map(|()| {
                room.room = after;
                Some(room)
            }))
        })
        .await
    }

    /// Makes recreated accounts members of a direct room again; they see messages from now on. `None` if no
    /// account was deleted.
    pub async fn rejoin_direct_room(
        &self,
        room: RoomId,
        actor: UserId,
        users: &[UserId],
        now: Timestamp,
    ) -> Result<Option<(RoomWithMembers, Vec<UserId>)>> {
        retrying(ROOM_IS_BUSY, || async {
            let (mut room, tail, profiles) = futures::try_join!(
                self.room_with_members(room),
                self.newest_position(room),
                self.profiles(users)
            )?;
            let after = room.room.with_members_changed();
            let mut tx = self.transaction();
            tx.revision(&room.room, &after, None, now);
            let from_seq = tail + 1;
            let mut rejoined = Vec::new();
            for member in room.members.iter_mut().filter(|member| member.is_deleted) {
                let user = member.shown.user_id;
                let Some(profile) = profiles.get(&user) else { continue };
                let Member { read_seq, read_at, delivered_seq, .. } = *member;
                let fresh = Member::new(ShownMember::new(profile, now), Role::Member, from_seq);
                *member = Member { joined_rev: after.rev, read_seq, read_at, delivered_seq, ..fresh };
                tx.put(keys::member(after.id, user), &*member);
                tx.put(keys::my_room(user, after.id), MyRoom::new(after.id, now));
                tx.quota(QuotaChange::of(user, actor).add_member(&Invitee::uncounted(profile.clone())))?;
                rejoined.push(user);
            }
            if rejoined.is_empty() {
                return Ok(Attempt::Done(None));
            }
            Ok(tx.commit().await?.map(|()| {
                room.room = after;
                Some((room, rejoined))
            }))
        })
        .await
    }
}
