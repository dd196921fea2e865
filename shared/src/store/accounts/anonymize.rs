//! Removes the name of a deleted account from messages. The messages stay.

use futures::{StreamExt, TryStreamExt, stream};

use crate::{
    clock::Timestamp,
    domain::{
        accounts::{DeletionTarget, anonymized},
        messages::{Kind, Message},
    },
    error::Result,
    id::{RoomId, UserId},
    store::{
        Store,
        db::{
            item::{self, Condition, Item, Query, Update, read},
            keys::{self, Key},
            transaction::{Attempt, retrying_with},
        },
        messages::{changes::ROOM_IS_BUSY, read_message},
        rooms::read_member,
    },
};

/// The attribute of the deleted account's entry of a room: all messages up to this position are anonymized.
const ANONYMIZED_TO: &str = "anonymized_to";

/// The user is not a member of the room.
const HAS_LEFT: &str = "attribute_not_exists(pk) OR attribute_exists(is_deleted)";

/// Messages between two writes of the progress.
const MESSAGES_PER_STEP: usize = 500;

/// Messages written concurrently.
const CONCURRENT_MESSAGES: usize = 16;

impl Store {
    /// Anonymizes the messages of a room, then removes the room from the account's list.
    pub async fn anonymize(&self, room: RoomId, user: UserId, now: Timestamp) -> Result<()> {
        self.anonymize_listed(keys::my_room(user, room), room, user, now).await
    }

    /// The groups that a user has left, whose messages still have the user's name.
    pub async fn former_room_ids(&self, user: UserId) -> Result<Vec<RoomId>> {
        let entries = self.table.query(Query::of(keys::former_rooms(user)).consistent()).await?;
        Ok(entries.iter().filter_map(|entry| keys::former_room_of(item::sk(entry))).collect())
    }

    /// As [`Self::anonymize`], for a group that the user left before the account was deleted. The group may
    /// be deleted.
    pub async fn anonymize_former_room(&self, room: RoomId, user: UserId, now: Timestamp) -> Result<()> {
        self.anonymize_listed(keys::former_room(user, room), room, user, now).await
    }

    /// Anonymizes the messages of a room, then deletes the account's entry of it. The progress is stored
    /// there, so a repeated call continues; the final position is stored for
    /// [`Self::anonymize_late_messages`].
    async fn anonymize_listed(&self, entry: Key, room: RoomId, user: UserId, now: Timestamp) -> Result<()> {
        let Some(progress) = self.table.get_item(entry.clone(), true).await? else { return Ok(()) };
        let mut anonymized_to: u64 = item::attribute(&progress, ANONYMIZED_TO).unwrap_or_default();
        loop {
            let messages = self.messages_after(room, anonymized_to).await?;
            anonymized_to = messages.last().map_or(anonymized_to, |(seq, _)| *seq);
            let is_last = messages.len() < MESSAGES_PER_STEP;
            self.anonymize_all(messages, user).await?;
            let mut tx = self.transaction();
            if is_last {
                let rest = DeletionTarget::SenderName { user, room, after_seq: anonymized_to };
                tx.delete(entry).begin_deletion(rest, now).check_deleted(user);
                // The account may have been recreated and deleted again: then the room is yet to be left.
                tx.check(keys::member(room, user), Condition::of(HAS_LEFT));
                return tx.commit_through_conflicts().await.map(drop);
            }
            let progress = Update::of(entry.clone(), "SET anonymized_to = :to");
            tx.update(progress.only_if("attribute_exists(pk)").value(":to", anonymized_to)?);
            tx.check_deleted(user);
            if let Attempt::Again(()) = tx.commit_through_conflicts().await? {
                // A concurrent call has finished.
                return Ok(());
            }
        }
    }

    /// Anonymizes messages that were in flight when all messages up to `after_seq` were anonymized. If the
    /// user is a member again, messages since then keep the new name.
    pub async fn anonymize_late_messages(
        &self,
        room: RoomId,
        user: UserId,
        mut after_seq: u64,
        now: Timestamp,
    ) -> Result<()> {
        let member = self.table.get_item(keys::member(room, user), true).await?.map(read_member);
        let rejoined = member.filter(|member| !member.is_deleted);
        let until = rejoined.map_or(now, |member| member.shown.joined_at);
        loop {
            let mut messages = self.messages_after(room, after_seq).await?;
            let Some(last) = messages.last().map(|(seq, _)| *seq) else { return Ok(()) };
            after_seq = last;
            let created_at = |item: &Item| item::attribute::<Timestamp>(item, "created_at");
            messages.retain(|(_, item)| created_at(item).is_none_or(|created_at| created_at < until));
            self.anonymize_all(messages, user).await?;
        }
    }

    /// The items of messages above a position, with their positions.
    async fn messages_after(&self, room: RoomId, seq: u64) -> Result<Vec<(u64, Item)>> {
        let range = Query::of(keys::messages_from(room, seq + 1)).consistent().limit(MESSAGES_PER_STEP);
        let items = self.table.query(range).await?.into_iter();
        let seq = |item: &Item| Some(keys::message_of(&item::key(item)?)?.1);
        Ok(items.filter_map(|item| Some((seq(&item)?, item))).collect())
    }

    async fn anonymize_all(&self, messages: Vec<(u64, Item)>, user: UserId) -> Result<()> {
        let anonymize = async |(_, item): (u64, Item)| match read(item.clone()) {
            Ok(message) => self.anonymize_message(message, user).await,
            Err(_) => self.replace_unreadable(item, user).await,
        };
        let messages = stream::iter(messages).map(Ok);
        messages.try_for_each_concurrent(CONCURRENT_MESSAGES, anonymize).await
    }

    /// Replaces a message that cannot be read by a deleted one, unless another user sent it and it is no system
    /// message: whatever else is stored in it may contain the name.
    async fn replace_unreadable(&self, item: Item, user: UserId) -> Result<()> {
        let sender: Option<UserId> = item::attribute(&item, "sender_id");
        let kind: Option<Kind> = item::attribute(&item, "kind");
        if sender.is_some_and(|sender| sender != user) && kind.is_some_and(|kind| kind != Kind::System) {
            return Ok(());
        }
        let as_read = Condition::at_revision_of(&item);
        let mut message = read_message(item);
        if sender.is_none_or(|sender| sender == user) {
            message = message.without_sender_names();
        }
        let mut tx = self.transaction();
        tx.replace_if(keys::message(message.room_id, message.seq), &message, as_read);
        tx.commit_through_conflicts().await.map(drop)
    }

    /// Names change without a revision. A concurrent change of the message replaces it only as it was read,
    /// names included.
    async fn anonymize_message(&self, message: Message, user: UserId) -> Result<()> {
        let key = keys::message(message.room_id, message.seq);
        retrying_with(ROOM_IS_BUSY, Some(message), |message: Option<Message>| async {
            let message = match message {
                Some(message) => Some(message),
                None => self.table.get(key.clone(), true).await?,
            };
            // A message that was deleted with its room holds no name.
            let Some(message) = message else { return Ok(Attempt::Done(())) };
            let Some(after) = anonymized(&message, user) else { return Ok(Attempt::Done(())) };
            if self.table.update(anonymization(&message, &after)?).await?.is_some() {
                return Ok(Attempt::Done(()));
            }
            Ok(Attempt::Again(None))
        })
        .await
    }
}

/// Writes the names and texts of an anonymized message. The condition includes the content: a system message
/// may lose several names concurrently.
fn anonymization(before: &Message, after: &Message) -> Result<Update> {
    let key = keys::message(after.room_id, after.seq);
    let mut update = Update::of(key, "SET sender_username = :name, content = :content")
        .only_if("rev = :rev AND content = :before")
        .value(":rev", after.rev)?
        .value(":name", &after.sender_username)?
        .value(":content", &after.content)?
        .value(":before", &before.content)?;
    if after.payload != before.payload {
        update.expression.push_str(", payload = :payload");
        update = update.value(":payload", &after.payload)?;
    }
    if after.sender_display_name != before.sender_display_name {
        update.expression.push_str(" REMOVE sender_display_name");
    }
    Ok(update)
}
