//! The deletion of accounts: what is taken out of the table, step by step, each of which may be repeated.

pub mod pending;

use aws_sdk_dynamodb::types::{Put, TransactWriteItem};
use futures::{TryStreamExt, stream};
use serde::{Deserialize, Serialize};

use crate::{
    clock::Timestamp,
    domain::{
        accounts::{Account, AccountDeletion, DeletionTarget, anonymized},
        messages::Message,
        relationships::{
            Request,
            lists::{Block, Friend},
        },
        rooms::{Member, Role, RoomKind, RoomWithMembers, ShownMember},
        users::{profile::Profile, quota::Quota, username},
    },
    error::{Error, Result},
    id::{DeviceId, RoomId, UserId},
    store::{
        Store,
        db::{
            item::{self, Item, Query, Update, read},
            keys,
            table::{Transacted, wait_before_retry},
        },
        messages::changes::{MAX_TRIES, changed_all_the_time},
        rooms::MyRoom,
        users::{
            profiles::search_keys,
            quotas::{Given, Writes},
        },
    },
};

/// The condition that somebody is gone.
const IS_DELETED: &str = "attribute_exists(deleted_at)";

/// A room of somebody who is gone, from which their name is being taken.
#[derive(Deserialize)]
struct Anonymization {
    /// It is gone from the messages up to here.
    #[serde(default)]
    anonymized_to: u64,
}

/// The condition that somebody is no member of a room.
const HAS_LEFT: &str = "attribute_not_exists(pk) OR attribute_exists(is_deleted)";

/// Why the deletion of an account stops.
pub(in crate::store) fn is_back() -> Error {
    Error::Busy("whoever was gone is here again".into())
}

/// What is left of an item of somebody who is gone.
#[derive(Serialize)]
pub(in crate::store) struct DeletedMarker {
    pub is_deleted: bool,
}

/// So many messages are looked at before it is noted how far that has come.
const MESSAGES: usize = 500;

/// So many messages are written at once.
const CONCURRENT_MESSAGES: usize = 16;

/// DynamoDB's limit of writes in one transaction, less the condition that goes with them.
const DELETES: usize = 99;

impl Store {
    /// Puts a marker in the place of somebody's profile and gives their names free, in one transaction. From then on
    /// nobody finds them, and nothing new comes to them.
    pub async fn begin_account_deletion(&self, user: UserId, now: Timestamp) -> Result<AccountDeletion> {
        for attempt in 1..=MAX_TRIES {
            let profile = match self.account(user).await? {
                Some(Account::Active(profile)) => profile,
                Some(Account::Deleted(departure)) => return Ok(departure),
                None => return Err(Error::NotFound),
            };
            let departure = AccountDeletion { id: user, deleted_at: now, is_pending: true };
            let mut writes = vec![
                self.replace(keys::profile(user), &departure, profile.rev)?,
                self.delete(keys::username_claim(&username::fold(&profile.username)))?,
                self.close_quotas(user)?,
                self.close_presence(user)?,
                self.begin_deletion(DeletionTarget::Account(user), now)?,
            ];
            if let Some(email) = &profile.email_claim {
                writes.push(self.delete(keys::email_claim(email))?);
            }
            for key in search_keys(&profile) {
                writes.push(self.delete(key)?);
            }
            if self.table.transact_as_read(writes).await? {
                return Ok(departure);
            }
            wait_before_retry(attempt).await;
        }
        Err(Error::Busy("the profile is changed all the time".into()))
    }

    /// Everyone with whom somebody has something in their lists: friends, requests either way, and whom they block.
    pub async fn related_users(&self, user: UserId) -> Result<Vec<UserId>> {
        let all = |range| self.table.query(Query::of(range).consistent());
        let (friends, received, sent, blocks) = futures::try_join!(
            all(keys::friends(user)),
            all(keys::requests_in(user)),
            all(keys::requests_out(user)),
            all(keys::blocks(user)),
        )?;
        let friends = friends.into_iter().map(|item| read(item).map(|friend: Friend| friend.user_id));
        let received = received.into_iter().map(|item| read(item).map(|ask: Request| ask.sender_id));
        let sent = sent.into_iter().map(|item| read(item).map(|ask: Request| ask.receiver_id));
        let blocks = blocks.into_iter().map(|item| read(item).map(|block: Block| block.user_id));
        friends.chain(received).chain(sent).chain(blocks).collect()
    }

    /// The devices of a person.
    pub async fn device_ids(&self, user: UserId) -> Result<Vec<DeviceId>> {
        let items = self.table.query(Query::of(keys::devices(user)).consistent()).await?;
        Ok(items.iter().filter_map(|item| keys::device_of(item::sk(item))).collect())
    }

    /// Shows somebody who is gone as such in a direct room, which is a change of that room; they are no member of it any
    /// more. `None` where that has been done. The room may be closed.
    pub async fn mark_member_deleted(
        &self,
        room: RoomId,
        user: UserId,
        now: Timestamp,
    ) -> Result<Option<RoomWithMembers>> {
        for attempt in 1..=MAX_TRIES {
            let found = self.open_or_closed_room(room).await?;
            let Some(mut room) = found.filter(|found| found.room.kind == RoomKind::Direct) else {
                return Ok(None);
            };
            let mut members = room.members.iter_mut();
            let Some(member) = members.find(|member| member.shown.user_id == user && !member.is_deleted)
            else {
                return Ok(None);
            };
            member.shown = ShownMember::deleted(user, member.shown.joined_at);
            member.is_deleted = true;
            let after = room.room.with_members_changed();
            let mut writes = self.revision(&room.room, &after, None, now)?;
            let nameless = "SET is_deleted = :gone, username = :name REMOVE avatar_url";
            let update = Update::of(keys::member(after.id, user), nameless).only_if("attribute_exists(pk)");
            let update = update.value(":gone", true)?.value(":name", &member.shown.username)?;
            writes.push(self.update(update)?);
            writes.push(self.check_deleted(user)?);
            if self.table.transact_as_read(writes).await? {
                room.room = after;
                return Ok(Some(room));
            }
            wait_before_retry(attempt).await;
        }
        Err(changed_all_the_time())
    }

    /// Brings those back into a direct room who had deleted their account and are here again: they see it from now on.
    /// `None` where nobody was gone.
    pub async fn rejoin_direct_room(
        &self,
        room: RoomId,
        actor: UserId,
        people: &[UserId],
        now: Timestamp,
    ) -> Result<Option<(RoomWithMembers, Vec<UserId>)>> {
        for attempt in 1..=MAX_TRIES {
            let (mut room, newest, profiles) = futures::try_join!(
                self.room_with_members(room),
                self.newest_message(room),
                self.profiles(people)
            )?;
            let after = room.room.with_members_changed();
            let mut writes = Writes::default();
            writes.extend(self.revision(&room.room, &after, None, now)?);
            let from_seq = newest.map_or(0, |message| message.seq) + 1;
            let mut back = Vec::new();
            for member in room.members.iter_mut().filter(|member| member.is_deleted) {
                let user = member.shown.user_id;
                let Some(profile) = profiles.get(&user) else { continue };
                let Member { read_seq, read_at, delivered_seq, .. } = *member;
                let shown = ShownMember::new(profile, now);
                let fresh = Member::new(shown, Role::Member, from_seq);
                *member = Member { joined_rev: after.rev, read_seq, read_at, delivered_seq, ..fresh };
                writes.push(self.put(keys::member(after.id, user), &*member)?);
                let listed = MyRoom::new(after.id, now);
                writes.push(self.put(keys::my_room(user, after.id), listed)?);
                self.count(&mut writes, user, &[(Quota::Rooms, 1)], Given::Place(profile.rev))?;
                back.push(user);
            }
            if back.is_empty() {
                return Ok(None);
            }
            match self.table.transact_once(&writes.all).await? {
                Transacted::Written => {
                    room.room = after;
                    return Ok(Some((room, back)));
                }
                Transacted::Refused(at) => self.check_gifts(&writes, &at, actor).await?,
            }
            wait_before_retry(attempt).await;
        }
        Err(changed_all_the_time())
    }

    /// Takes the name of somebody who is gone out of a room's messages, and then the room out of their list. How far it
    /// has come is noted there, so that the same call again goes on from there; and in the end for [`Self::anonymize_late_messages`].
    pub async fn anonymize(&self, room: RoomId, user: UserId, now: Timestamp) -> Result<()> {
        let listed = keys::my_room(user, room);
        let place: Option<Anonymization> = self.table.get(listed.clone(), true).await?;
        let Some(mut place) = place else { return Ok(()) };
        loop {
            let messages = self.messages_after(room, place.anonymized_to).await?;
            self.anonymize_all(&messages, user).await?;
            place.anonymized_to = messages.last().map_or(place.anonymized_to, |message| message.seq);
            if messages.len() < MESSAGES {
                let rest = DeletionTarget::SenderName { user, room, after_seq: place.anonymized_to };
                let end = [
                    self.delete(listed)?,
                    self.begin_deletion(rest, now)?,
                    self.check_deleted(user)?,
                    // They may have come back meanwhile, and be gone anew: then this room is yet to be left.
                    self.check(keys::member(room, user), HAS_LEFT)?,
                ];
                return self.table.transact(&end).await.map(drop);
            }
            let update = Update::of(listed.clone(), "SET anonymized_to = :to");
            let update = update.only_if("attribute_exists(pk)").value(":to", place.anonymized_to)?;
            let noted = self.table.transact(&[self.update(update)?, self.check_deleted(user)?]).await?;
            if let Transacted::Refused(_) = noted {
                // Another call has finished it.
                return Ok(());
            }
        }
    }

    /// Takes the name of somebody who is gone out of what they were still saying in a room when all up to a position had
    /// lost it. If they are in it again, what they have said since then keeps the name that they have now.
    pub async fn anonymize_late_messages(
        &self,
        room: RoomId,
        user: UserId,
        mut after_seq: u64,
        now: Timestamp,
    ) -> Result<()> {
        let is_them = |member: &Member| member.shown.user_id == user && !member.is_deleted;
        let found = self.open_or_closed_room(room).await?;
        let back = found.and_then(|found| found.members.into_iter().find(is_them));
        let until = back.map_or(now, |member| member.shown.joined_at);
        loop {
            let mut messages = self.messages_after(room, after_seq).await?;
            let Some(last) = messages.last().map(|message| message.seq) else { return Ok(()) };
            after_seq = last;
            messages.retain(|message| message.created_at < until);
            self.anonymize_all(&messages, user).await?;
        }
    }

    async fn messages_after(&self, room: RoomId, seq: u64) -> Result<Vec<Message>> {
        let range = Query::of(keys::messages_from(room, seq + 1)).consistent().limit(MESSAGES);
        self.table.query(range).await?.into_iter().map(read).collect()
    }

    async fn anonymize_all(&self, messages: &[Message], user: UserId) -> Result<()> {
        let writes = stream::iter(messages.iter().cloned().map(Ok));
        let write = |message| self.anonymize_message(message, user);
        writes.try_for_each_concurrent(CONCURRENT_MESSAGES, write).await
    }

    /// Names are no part of what a revision says of a message. A change of it that is under way puts it back whole, but
    /// only in the place of the very message that it read.
    async fn anonymize_message(&self, mut message: Message, user: UserId) -> Result<()> {
        for attempt in 1..=MAX_TRIES {
            let Some(after) = anonymized(&message, user) else { return Ok(()) };
            let key = keys::message(after.room_id, after.seq);
            let update = Update::of(key.clone(), "SET sender_username = :name, content = :content");
            // The content, too: a sentence of the log's may lose several names at once.
            let update = update.only_if("rev = :rev AND content = :before").value(":rev", after.rev)?;
            let update = update.value(":name", &after.sender_username)?.value(":content", &after.content)?;
            let mut update = update.value(":before", &message.content)?;
            if after.payload != message.payload {
                update.expression.push_str(", payload = :payload");
                update = update
                    .value(":payload", serde_json::to_string(&after.payload).map_err(Error::internal)?)?;
            }
            if self.table.update(update).await?.is_some() {
                return Ok(());
            }
            wait_before_retry(attempt).await;
            // One that is removed meanwhile, with its whole room, names nobody.
            let Some(now) = self.table.get(key, true).await? else { return Ok(()) };
            message = now;
        }
        Err(changed_all_the_time())
    }

    /// Removes what only concerns somebody who is gone. `false`, and nothing is removed, if there is something left that
    /// is not theirs alone.
    pub async fn clear(&self, user: UserId) -> Result<bool> {
        let items = self.table.query(Query::of(keys::person(user)).consistent()).await?;
        let shared = |item: &Item| keys::SHARED.iter().any(|prefix| item::sk(item).starts_with(prefix));
        if items.iter().any(shared) {
            return Ok(false);
        }
        let is_private = |key: &keys::Key| !keys::STAYING.iter().any(|prefix| key.sk.starts_with(prefix));
        let private = items.iter().filter_map(item::key).filter(is_private);
        self.delete_all(user, private.collect()).await?;
        Ok(true)
    }

    /// Notes that nothing is left to do of a deletion.
    pub async fn finish_account_deletion(&self, departure: &AccountDeletion) -> Result<()> {
        let update = Update::of(keys::profile(departure.id), "REMOVE is_pending");
        let update = update.only_if("deleted_at = :then").value(":then", departure.deleted_at)?;
        let end = vec![
            self.update(update)?,
            // What was counted is no more.
            self.put(keys::quotas(departure.id), DeletedMarker { is_deleted: true })?,
            self.end_deletion(DeletionTarget::Account(departure.id))?,
        ];
        // Refused where another call was first, and they are back since.
        self.table.transact(&end).await.map(drop)
    }

    /// A write of a transaction: the profile of somebody who is here again, in the place of what was left.
    pub(in crate::store) fn put_recreated_profile(&self, profile: &Profile) -> Result<TransactWriteItem> {
        let put = Put::builder().table_name(self.table.name());
        let put = put.set_item(Some(item::item(keys::profile(profile.id), profile)?));
        let put =
            put.condition_expression("attribute_exists(deleted_at) AND attribute_not_exists(is_pending)");
        Ok(TransactWriteItem::builder().put(put.build().map_err(Error::internal)?).build())
    }

    async fn delete_all(&self, user: UserId, keys: Vec<keys::Key>) -> Result<()> {
        for keys in keys.chunks(DELETES) {
            let deletes = keys.iter().cloned().map(|key| self.delete(key));
            let mut writes = deletes.collect::<Result<Vec<_>>>()?;
            writes.push(self.check_deleted(user)?);
            self.table.transact(&writes).await?;
        }
        Ok(())
    }

    /// A condition of a transaction: somebody is gone. Whoever is here again must not lose what they have begun.
    pub(in crate::store) fn check_deleted(&self, user: UserId) -> Result<TransactWriteItem> {
        self.check(keys::profile(user), IS_DELETED)
    }
}
