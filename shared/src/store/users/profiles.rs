//! Changes of profiles, and the rooms that show them.

use std::collections::BTreeSet;

use crate::{
    clock::Timestamp,
    domain::{
        rooms::{Room, RoomWithMembers, ShownMember},
        users::{
            profile::{Profile, ProfileChange},
            username,
        },
    },
    error::{Error, Refusal, Result},
    id::{RoomId, UserId},
    store::{
        Store,
        db::{
            item::{Condition, Update},
            keys::{self, Key},
            transaction::{Attempt, Transaction, retrying},
        },
        messages::changes::ROOM_IS_BUSY,
        users::Claim,
    },
};

const USERNAME_TAKEN: Refusal =
    Refusal { status: 409, code: "username_taken", detail: "This username is taken." };

impl Store {
    /// Changes a profile: a new username with its claim and search index, in one transaction. Nothing is
    /// written where nothing changes.
    pub async fn change_profile(&self, user: UserId, change: &ProfileChange) -> Result<Profile> {
        retrying("the profile keeps changing", || async {
            let before = self.profile(user).await?.ok_or(Error::NotFound)?;
            let after = before.changed(change);
            if after == before {
                return Ok(Attempt::Done(after));
            }
            let mut tx = self.transaction();
            tx.replace(keys::profile(user), &after, before.rev).set_profile_rev(user, after.rev)?;
            tx.rename(&before, &after);
            Ok(tx.commit().await?.map(|()| after))
        })
        .await
    }

    /// Updates how a room shows one of its members, which is a change of the room. `None` if the room is up
    /// to date, or the user is not a member.
    pub async fn update_member_profile(
        &self,
        room: RoomId,
        user: UserId,
        now: Timestamp,
    ) -> Result<Option<RoomWithMembers>> {
        retrying(ROOM_IS_BUSY, || async {
            let found = futures::try_join!(self.open_or_closed_room(room), self.profile(user))?;
            let (Some(mut room), Some(profile)) = found else { return Ok(Attempt::Done(None)) };
            let mut members = room.members.iter_mut();
            let Some(member) = members.find(|member| member.shown.user_id == user && !member.is_deleted)
            else {
                return Ok(Attempt::Done(None));
            };
            let shown = ShownMember::new(&profile, member.shown.joined_at);
            if shown == member.shown {
                return Ok(Attempt::Done(None));
            }
            member.shown = shown;
            let after = Room { rev: room.room.rev + 1, ..room.room.clone() };
            let mut tx = self.transaction();
            tx.revision(&room.room, &after, None, now).update(shown_update(after.id, &member.shown)?);
            // Of two concurrent changes of the profile, the later one stays.
            tx.check(keys::profile(user), Condition::at_revision(profile.rev));
            Ok(tx.commit().await?.map(|()| {
                room.room = after;
                Some(room)
            }))
        })
        .await
    }

    /// Stores that all rooms show the profile as it is, unless it has changed since.
    pub async fn mark_rooms_updated(&self, profile: &Profile) -> Result<()> {
        let update = Update::of(keys::profile(profile.id), "REMOVE rooms_outdated").only_if("rev = :rev");
        self.table.update(update.value(":rev", profile.rev)?).await.map(drop)
    }
}

impl<R: From<Refusal>> Transaction<'_, R> {
    /// Moves the claim and the search index to a new username.
    fn rename(&mut self, before: &Profile, after: &Profile) {
        let (old, new) = (username::fold(&before.username), username::fold(&after.username));
        if old == new {
            return;
        }
        let claim = Claim { user_id: after.id };
        self.put_new(keys::username_claim(&new), &claim).or_refuse(USERNAME_TAKEN);
        self.delete(keys::username_claim(&old));
        let (old, new) = (search_keys(before), search_keys(after));
        for key in new.difference(&old) {
            self.put(key.clone(), &claim);
        }
        for key in old.difference(&new) {
            self.delete(key.clone());
        }
    }
}

/// The keys of a profile in the search index.
pub(in crate::store) fn search_keys(profile: &Profile) -> BTreeSet<Key> {
    let searchable = username::searchable(&profile.username);
    let suffixes = username::suffixes(&searchable).into_iter();
    suffixes.map(|suffix| keys::search_suffix(&username::partition(suffix), suffix, profile.id)).collect()
}

/// Updates the part of a membership that shows the profile. Receipts may advance concurrently.
fn shown_update(room: RoomId, shown: &ShownMember) -> Result<Update> {
    let ShownMember { user_id, username, display_name, avatar_url, hides_reads, joined_at: _ } = shown;
    let (mut set, mut removed) = (vec!["username = :name", "hides_reads = :hides"], Vec::new());
    let mut values = Vec::new();
    for (attribute, assignment, placeholder, text) in [
        ("display_name", "display_name = :display_name", ":display_name", display_name),
        ("avatar_url", "avatar_url = :url", ":url", avatar_url),
    ] {
        match text {
            Some(text) => {
                set.push(assignment);
                values.push((placeholder, text));
            }
            None => removed.push(attribute),
        }
    }
    let mut expression = format!("SET {}", set.join(", "));
    if !removed.is_empty() {
        expression = format!("{expression} REMOVE {}", removed.join(", "));
    }
    let update = Update::of(keys::member(room, *user_id), expression).only_if("attribute_exists(pk)");
    let update = update.value(":name", username)?.value(":hides", hides_reads)?;
    values.into_iter().try_fold(update, |update, (placeholder, text)| update.value(placeholder, text))
}
