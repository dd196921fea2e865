//! Changes of what is in a room already: each is one transaction of the thing itself, the room's next revision, and a
//! record of what that revision changed.

use aws_sdk_dynamodb::types::{AttributeValue, Put, TransactWriteItem};
use chrono::Duration;
use serde::{Deserialize, Serialize};

use crate::{
    clock::Timestamp,
    domain::{
        messages::{
            Message,
            action::{MessageAction, Target},
            reaction::Emoji,
        },
        rooms::{Room, RoomWithMembers},
    },
    error::{Error, Result},
    id::{MessageId, RoomId, UserId},
    store::{
        Store,
        db::{
            item::{item, read},
            keys,
            table::wait_before_retry,
        },
        messages::views::split_messages,
        number,
    },
};

/// Records of changes are kept so long. Who was away longer loads the room anew.
pub(in crate::store) const KEPT: Duration = Duration::days(30);

/// How often a room that others keep changing is read again.
pub(in crate::store) const MAX_TRIES: u32 = 16;

/// Why a change gave up.
pub(in crate::store) fn changed_all_the_time() -> Error {
    Error::Busy("the room is changed all the time".into())
}

/// What one revision of a room changed.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(in crate::store) struct Change {
    /// The revision.
    pub rev: u64,
    /// The message that it changed; without one, the room or its members.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub seq: Option<u64>,
    /// Until when it may be used, in seconds since 1970: the table collects it some time after that.
    pub expires_at: i64,
}

/// What one person has put to a message, in the order of first use.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(in crate::store) struct Reaction {
    /// Who.
    pub user_id: UserId,
    /// Which emoji.
    pub emojis: Vec<Emoji>,
    /// When it last changed.
    pub at: Timestamp,
    /// The room's revision then.
    pub rev: u64,
}

/// How an action upon a message ended.
#[derive(Clone, Debug)]
pub struct Changed {
    /// The message as it stands now.
    pub message: Message,
    /// The room and its people as they stand now.
    pub room: RoomWithMembers,
    /// What this call changed, if anything.
    pub part: Option<Part>,
}

/// What a revision is about: clients hear of it by one frame, which says all of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Part {
    /// A message. If it was pinned and is deleted, that it is pinned no more goes without saying.
    Message,
    /// The room.
    Room,
}

impl Store {
    /// Does something to a message that the actor sees, if they may. Nothing is written where nothing changes, so that
    /// it may be repeated. Two sequential round trips, and as many more for each change of somebody else in between.
    pub async fn change_message(
        &self,
        room_id: RoomId,
        message_id: MessageId,
        actor: UserId,
        action: &MessageAction,
        now: Timestamp,
    ) -> Result<Changed> {
        for attempt in 1..=MAX_TRIES {
            let (mut room, target, reacted) = self.target(room_id, message_id, actor).await?;
            let mut after = action.apply(target.clone(), now)?;
            if after == target {
                return Ok(Changed { message: after.message, room, part: None });
            }
            let part = if after.message == target.message { Part::Room } else { Part::Message };
            after.room.rev += 1;
            let writes = self.change_writes(part, &target, &mut after, reacted, now)?;
            if self.table.transact_as_read(writes).await? {
                room.room = after.room;
                return Ok(Changed { message: after.message, room, part: Some(part) });
            }
            wait_before_retry(attempt).await;
        }
        Err(changed_all_the_time())
    }

    /// A message as its changer finds it, and the revision of their reactions to it, if there are any.
    async fn target(
        &self,
        room: RoomId,
        id: MessageId,
        actor: UserId,
    ) -> Result<(RoomWithMembers, Target, Option<u64>)> {
        let seq = id.seq();
        let keys = [keys::message(room, seq), keys::reaction(room, seq, actor)];
        let (room, found) =
            futures::try_join!(self.room_with_members(room), self.table.batch_get(keys, true))?;
        let member = room.member(actor)?.clone();
        let (messages, reactions) = split_messages(found)?;
        let message = messages.into_iter().next();
        let message = message.filter(|message| message.id == id && seq >= member.from_seq);
        let message = message.ok_or(Error::NotFound)?;
        let reaction: Option<Reaction> = reactions.into_iter().next().map(read).transpose()?;
        let (mine, rev) = reaction.map_or((Vec::new(), None), |mine| (mine.emojis, Some(mine.rev)));
        let target = Target { room: room.room.clone(), actor: member, message, mine };
        Ok((room, target, rev))
    }

    fn change_writes(
        &self,
        part: Part,
        before: &Target,
        after: &mut Target,
        reacted: Option<u64>,
        now: Timestamp,
    ) -> Result<Vec<TransactWriteItem>> {
        let (room, seq, rev) = (before.room.id, before.message.seq, after.room.rev);
        let changed = (part == Part::Message).then_some(seq);
        let mut writes = self.revision(&before.room, &after.room, changed, now)?;
        match part {
            Part::Message => {
                after.message.rev = rev;
                writes.push(self.replace_message(&before.message, &after.message)?);
            }
            Part::Room => writes.push(self.check_at(keys::message(room, seq), before.message.rev)?),
        }
        if after.mine != before.mine {
            let user_id = before.actor.shown.user_id;
            let key = keys::reaction(room, seq, user_id);
            let mine = Reaction { user_id, emojis: after.mine.clone(), at: now, rev };
            writes.push(match reacted {
                None => self.put_new(key, mine)?,
                Some(at) if mine.emojis.is_empty() => self.delete_at(key, at)?,
                Some(at) => self.replace(key, mine, at)?,
            });
        }
        Ok(writes)
    }

    /// A write of a transaction: a message in the place of the very one that was read. The names in it may go without a
    /// revision.
    fn replace_message(&self, before: &Message, after: &Message) -> Result<TransactWriteItem> {
        let put = Put::builder().table_name(self.table.name());
        let put = put.set_item(Some(item(keys::message(after.room_id, after.seq), after)?));
        let put = put
            .condition_expression("rev = :rev AND sender_username = :name AND content = :content")
            .expression_attribute_values(":rev", number(before.rev))
            .expression_attribute_values(":name", AttributeValue::S(before.sender_username.clone()))
            .expression_attribute_values(":content", AttributeValue::S(before.content.clone()));
        Ok(TransactWriteItem::builder().put(put.build().map_err(Error::internal)?).build())
    }

    /// The two writes that go with every change: the room at its next revision, and what that changed.
    pub(in crate::store) fn revision(
        &self,
        before: &Room,
        after: &Room,
        seq: Option<u64>,
        now: Timestamp,
    ) -> Result<Vec<TransactWriteItem>> {
        let change = Change { rev: after.rev, seq, expires_at: now.plus(KEPT).seconds() };
        Ok(vec![
            self.replace(keys::meta(before.id), after, before.rev)?,
            self.put_new(keys::change(before.id, after.rev), change)?,
        ])
    }
}
