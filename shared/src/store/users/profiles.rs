//! Changes of profiles, and the rooms that show them and follow.

use std::collections::BTreeSet;

use aws_sdk_dynamodb::types::TransactWriteItem;

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
            item::Update,
            keys::{self, Key},
            table::{Transacted, wait_before_retry},
        },
        messages::changes::{MAX_TRIES, changed_all_the_time},
        users::Claim,
    },
};

/// The place of the profile's own write in its change.
const PROFILE: usize = 0;

const USERNAME_TAKEN: Refusal =
    Refusal { status: 409, code: "username_taken", detail: "Somebody else has this username." };

impl Store {
    /// Changes somebody's profile, with what their counts say of it: a new username with its claim and its place in the search index, in one transaction.
    /// Nothing is written where nothing changes.
    pub async fn change_profile(&self, user: UserId, change: &ProfileChange) -> Result<Profile> {
        for attempt in 1..=MAX_TRIES {
            let before = self.profile(user).await?.ok_or(Error::NotFound)?;
            let after = before.changed(change);
            if after == before {
                return Ok(after);
            }
            let mut writes = vec![
                self.replace(keys::profile(user), &after, before.rev)?,
                self.note_profile(user, after.rev)?,
            ];
            writes.extend(self.rename(&before, &after)?);
            match self.table.transact(&writes).await? {
                Transacted::Written => return Ok(after),
                Transacted::Refused(at) if !at.contains(&PROFILE) => return Err(USERNAME_TAKEN.into()),
                Transacted::Refused(_) => wait_before_retry(attempt).await,
            }
        }
        Err(Error::Busy("the profile is changed all the time".into()))
    }

    /// What goes with another username. The only condition among it is that nobody else has it.
    fn rename(&self, before: &Profile, after: &Profile) -> Result<Vec<TransactWriteItem>> {
        let (old, new) = (username::fold(&before.username), username::fold(&after.username));
        if old == new {
            return Ok(Vec::new());
        }
        let claim = Claim { user_id: after.id };
        let mut writes =
            vec![self.put_new(keys::username_claim(&new), &claim)?, self.delete(keys::username_claim(&old))?];
        let (old, new) = (search_keys(before), search_keys(after));
        for key in new.difference(&old) {
            writes.push(self.put(key.clone(), &claim)?);
        }
        for key in old.difference(&new) {
            writes.push(self.delete(key.clone())?);
        }
        Ok(writes)
    }

    /// Shows somebody in one of their rooms as their profile says, which is a change of that room. `None` if it shows
    /// them so already, or they are not in it.
    pub async fn update_member_profile(
        &self,
        room: RoomId,
        user: UserId,
        now: Timestamp,
    ) -> Result<Option<RoomWithMembers>> {
        for attempt in 1..=MAX_TRIES {
            let found = futures::try_join!(self.open_or_closed_room(room), self.profile(user))?;
            let (Some(mut room), Some(profile)) = found else { return Ok(None) };
            let mut members = room.members.iter_mut();
            let Some(member) = members.find(|member| member.shown.user_id == user && !member.is_deleted)
            else {
                return Ok(None);
            };
            let shown = ShownMember::new(&profile, member.shown.joined_at);
            if shown == member.shown {
                return Ok(None);
            }
            member.shown = shown;
            let after = Room { rev: room.room.rev + 1, ..room.room.clone() };
            let mut writes = self.revision(&room.room, &after, None, now)?;
            writes.push(self.update(shown_update(after.id, &member.shown)?)?);
            // Of two changes that are followed at once, the later one counts.
            writes.push(self.check_at(keys::profile(user), profile.rev)?);
            if self.table.transact_as_read(writes).await? {
                room.room = after;
                return Ok(Some(room));
            }
            wait_before_retry(attempt).await;
        }
        Err(changed_all_the_time())
    }

    /// Notes that all rooms show somebody as their profile says, unless it has changed since.
    pub async fn mark_rooms_updated(&self, profile: &Profile) -> Result<()> {
        let update = Update::of(keys::profile(profile.id), "REMOVE rooms_outdated").only_if("rev = :rev");
        self.table.update(update.value(":rev", profile.rev)?).await.map(drop)
    }
}

/// Where somebody stands in the search index.
pub(in crate::store) fn search_keys(profile: &Profile) -> BTreeSet<Key> {
    let folded = username::fold(&profile.username);
    let suffixes = username::suffixes(&folded).into_iter();
    suffixes.map(|suffix| keys::search_suffix(&username::partition(suffix), suffix, profile.id)).collect()
}

/// The part of a membership that follows the profile. The rest, such as positions, may move at the same time.
pub(in crate::store) fn shown_update(room: RoomId, shown: &ShownMember) -> Result<Update> {
    let ShownMember { user_id, username, avatar_url, hides_reads, joined_at: _ } = shown;
    let key = keys::member(room, *user_id);
    let update = match avatar_url {
        Some(url) => Update::of(key, "SET username = :name, hides_reads = :hides, avatar_url = :url")
            .value(":url", url)?,
        None => Update::of(key, "SET username = :name, hides_reads = :hides REMOVE avatar_url"),
    };
    update.only_if("attribute_exists(pk)").value(":name", username)?.value(":hides", hides_reads)
}
