//! Changes of messages and rooms. Each is one transaction of the changed item, the room's next revision, and
//! a record of what that revision changed.

use aws_sdk_dynamodb::types::AttributeValue;
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
            item::{Condition, number, read_each},
            keys,
            transaction::{Attempt, Transaction, retrying},
        },
        messages::views::split_messages,
    },
};

/// How long records of changes are kept. A client that was offline longer reloads the room.
pub(in crate::store) const CHANGE_RETENTION: Duration = Duration::days(30);

/// Why a change of a room gives up.
pub(in crate::store) const ROOM_IS_BUSY: &str = "the room keeps changing";

/// What one revision of a room changed.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(in crate::store) struct Change {
    /// The revision.
    pub rev: u64,
    /// The position of the changed message; without one, the room or its members changed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub seq: Option<u64>,
    /// When the record becomes invalid, in seconds since 1970. DynamoDB deletes it some time later.
    pub expires_at: i64,
}

/// The reactions of one user to a message, as stored.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(in crate::store) struct Reaction {
    /// The user.
    pub user_id: UserId,
    /// The emoji, in the order of first use.
    pub emojis: Vec<Emoji>,
    /// When the reactions last changed.
    pub at: Timestamp,
    /// The room's revision at that change.
    pub rev: u64,
}

/// The result of an action on a message.
#[derive(Clone, Debug)]
pub struct Changed {
    /// The message in its current state.
    pub message: Message,
    /// The room and its members in their current state.
    pub room: RoomWithMembers,
    /// What this call changed, if anything.
    pub part: Option<Part>,
}

/// What a revision changed. Clients receive one frame per revision.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Part {
    /// A message. The deletion of a pinned message also unpins it.
    Message,
    /// The room.
    Room,
}

/// A message to change, as it was read.
struct ReadTarget {
    room: RoomWithMembers,
    target: Target,
    /// The revision of the actor's reactions to the message, if there are any.
    reactions_rev: Option<u64>,
}

impl Store {
    /// Applies an action to a message that the actor sees, if the rules allow it. Idempotent: nothing is
    /// written where nothing changes. Three sequential round trips, and as many for each intervening change.
    pub async fn change_message(
        &self,
        room_id: RoomId,
        message_id: MessageId,
        actor: UserId,
        action: &MessageAction,
        now: Timestamp,
    ) -> Result<Changed> {
        retrying(ROOM_IS_BUSY, || async {
            let ReadTarget { mut room, target, reactions_rev } =
                self.target(room_id, message_id, actor).await?;
            let mut after = action.apply(target.clone(), now)?;
            if after == target {
                return Ok(Attempt::Done(Changed { message: after.message, room, part: None }));
            }
            let part = if after.message == target.message { Part::Room } else { Part::Message };
            after.room.rev += 1;
            let mut tx = self.transaction();
            tx.change_message(part, &target, &mut after, reactions_rev, now);
            let committed = tx.commit().await?;
            Ok(committed.map(|()| {
                room.room = after.room;
                Changed { message: after.message, room, part: Some(part) }
            }))
        })
        .await
    }

    async fn target(&self, room: RoomId, id: MessageId, actor: UserId) -> Result<ReadTarget> {
        let seq = id.seq();
        let keys = [keys::message(room, seq), keys::reaction(room, seq, actor)];
        let room = self.room_of_member(room, actor).await?;
        let found = self.table.batch_get(keys, true).await?;
        let member = room.member(actor)?.clone();
        let (messages, reactions) = split_messages(found);
        let message = messages.into_iter().next();
        let message = message.filter(|message| message.id == id && seq >= member.from_seq);
        let message = message.ok_or(Error::NotFound)?;
        // An unreadable one counts as absent. It is not replaced: a new reaction requires that none exists.
        let reaction = read_each::<Reaction>(reactions).into_iter().next();
        let (mine, reactions_rev) = reaction.map_or((Vec::new(), None), |mine| (mine.emojis, Some(mine.rev)));
        let target = Target { room: room.room.clone(), actor: member, message, mine };
        Ok(ReadTarget { room, target, reactions_rev })
    }
}

impl<R> Transaction<'_, R> {
    fn change_message(
        &mut self,
        part: Part,
        before: &Target,
        after: &mut Target,
        reactions_rev: Option<u64>,
        now: Timestamp,
    ) {
        let (room, seq, rev) = (before.room.id, before.message.seq, after.room.rev);
        let changed = (part == Part::Message).then_some(seq);
        self.revision(&before.room, &after.room, changed, now);
        match part {
            Part::Message => {
                after.message.rev = rev;
                self.replace_message(&before.message, &after.message);
            }
            Part::Room => {
                self.check(keys::message(room, seq), Condition::at_revision(before.message.rev));
            }
        }
        if after.mine != before.mine {
            let user_id = before.actor.shown.user_id;
            let key = keys::reaction(room, seq, user_id);
            let mine = Reaction { user_id, emojis: after.mine.clone(), at: now, rev };
            match reactions_rev {
                None => self.put_new(key, mine),
                Some(at) if mine.emojis.is_empty() => self.delete_if(key, Condition::at_revision(at)),
                Some(at) => self.replace(key, mine, at),
            };
        }
    }

    /// Replaces a message that is as it was read. An account deletion changes its names without a revision.
    fn replace_message(&mut self, before: &Message, after: &Message) {
        let as_read = Condition::of("rev = :rev AND sender_username = :name AND content = :content")
            .attribute(":rev", number(before.rev))
            .attribute(":name", AttributeValue::S(before.sender_username.clone()))
            .attribute(":content", AttributeValue::S(before.content.clone()));
        self.replace_if(keys::message(after.room_id, after.seq), after, as_read);
    }

    /// The two writes of every change: the room at its next revision, and the record of the change.
    pub(in crate::store) fn revision(
        &mut self,
        before: &Room,
        after: &Room,
        seq: Option<u64>,
        now: Timestamp,
    ) -> &mut Self {
        let change = Change { rev: after.rev, seq, expires_at: now.plus(CHANGE_RETENTION).seconds() };
        self.replace(keys::meta(before.id), after, before.rev);
        self.put_new(keys::change(before.id, after.rev), change)
    }
}
