//! What may become of a message after it was sent, and by whom: edits, deletions, reactions and pins.

use chrono::Duration;

use crate::{
    clock::Timestamp,
    domain::{
        messages::{
            Kind, Message, content_violation,
            reaction::{self, Emoji, MAX_KINDS_AT_A_MESSAGE, MAX_KINDS_OF_A_PERSON},
        },
        rooms::{Member, NOT_ALLOWED, Role, Room, RoomKind},
    },
    error::{Error, Refusal, Result},
};

/// A sender may change their words for so long.
const EDIT_WINDOW: Duration = Duration::hours(24);

/// So many messages of a room may be pinned.
const MAX_PINS: usize = 50;

const NOT_THE_SENDER: Refusal =
    Refusal { status: 403, code: "not_the_sender", detail: "Only its sender can edit a message." };
const TOO_LATE: Refusal =
    Refusal { status: 403, code: "too_late", detail: "A message can be edited for 24 hours." };
const FORWARDED: Refusal =
    Refusal { status: 403, code: "forwarded", detail: "A forwarded message cannot be edited." };
const DELETED: Refusal =
    Refusal { status: 409, code: "message_deleted", detail: "This message has been deleted." };
const TOO_MANY_REACTIONS: Refusal = Refusal {
    status: 409,
    code: "too_many_reactions",
    detail: "A message takes 20 kinds of reactions, and 5 of each person.",
};
const TOO_MANY_PINS: Refusal =
    Refusal { status: 409, code: "too_many_pins", detail: "At most 50 messages of a room can be pinned." };

/// What somebody wants to become of a message.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum MessageAction {
    /// Other words.
    Edit(String),
    /// Empty it.
    Delete,
    /// Put an emoji to it.
    React(Emoji),
    /// Take one's emoji back.
    Unreact(Emoji),
    /// Keep it in view of everyone.
    Pin,
    /// No longer.
    Unpin,
}

/// A message that somebody wants to change, and all that decides whether they may.
#[derive(Clone, Debug, PartialEq)]
pub struct Target {
    /// The room.
    pub room: Room,
    /// Who acts.
    pub actor: Member,
    /// The message.
    pub message: Message,
    /// What the actor has put to it, in the order of first use.
    pub mine: Vec<Emoji>,
}

impl Target {
    /// Whether the actor helps to run the room. In a direct room nobody stands above the other.
    fn manages_room(&self) -> bool {
        self.room.kind == RoomKind::Group && matches!(self.actor.role, Role::Owner | Role::Admin)
    }

    fn is_own(&self) -> bool {
        self.message.sender_id == self.actor.shown.user_id && self.message.kind != Kind::System
    }

    fn not_deleted(&self) -> Result<()> {
        if self.message.is_deleted() { Err(DELETED.into()) } else { Ok(()) }
    }

    fn may_pin(&self) -> Result<()> {
        if self.manages_room() || self.room.kind == RoomKind::Direct {
            Ok(())
        } else {
            Err(NOT_ALLOWED.into())
        }
    }
}

impl MessageAction {
    /// What becomes of the target: the same if there is nothing to do, so that an action may be repeated.
    pub fn apply(&self, mut target: Target, now: Timestamp) -> Result<Target> {
        match self {
            Self::Edit(content) => edit(&mut target, content, now)?,
            Self::Delete => delete(&mut target, now)?,
            Self::React(emoji) => react(&mut target, emoji)?,
            Self::Unreact(emoji) => {
                if target.mine.contains(emoji) && !target.message.is_deleted() {
                    target.mine.retain(|mine| mine != emoji);
                    reaction::remove(&mut target.message.reactions, emoji);
                }
            }
            Self::Pin => pin(&mut target)?,
            Self::Unpin => {
                target.may_pin()?;
                unpin(&mut target);
            }
        }
        Ok(target)
    }
}

fn edit(target: &mut Target, content: &str, now: Timestamp) -> Result<()> {
    if !target.is_own() {
        return Err(NOT_THE_SENDER.into());
    }
    target.not_deleted()?;
    let message = &mut target.message;
    if message.is_forwarded {
        return Err(FORWARDED.into());
    }
    if message.content == content {
        return Ok(());
    }
    if now.since(message.created_at) >= EDIT_WINDOW {
        return Err(TOO_LATE.into());
    }
    let stands_alone = message.media_url.is_none() && message.payload.is_none();
    if let Some(fault) = content_violation(content, stands_alone) {
        return Err(Error::invalid("content", fault));
    }
    content.clone_into(&mut message.content);
    message.edited_at = Some(now);
    Ok(())
}

fn delete(target: &mut Target, now: Timestamp) -> Result<()> {
    if !(target.is_own() || target.manages_room() && target.message.kind != Kind::System) {
        return Err(NOT_ALLOWED.into());
    }
    if target.message.is_deleted() {
        return Ok(());
    }
    unpin(target);
    let message = &mut target.message;
    message.content.clear();
    message.reactions.clear();
    (message.media_url, message.reply_to_id, message.payload, message.edited_at) = (None, None, None, None);
    message.deleted_at = Some(now);
    Ok(())
}

fn react(target: &mut Target, emoji: &Emoji) -> Result<()> {
    target.not_deleted()?;
    if target.mine.contains(emoji) {
        return Ok(());
    }
    let tallies = &mut target.message.reactions;
    let is_new = tallies.iter().all(|tally| tally.emoji != *emoji);
    if target.mine.len() >= MAX_KINDS_OF_A_PERSON || is_new && tallies.len() >= MAX_KINDS_AT_A_MESSAGE {
        return Err(TOO_MANY_REACTIONS.into());
    }
    reaction::add(tallies, emoji);
    target.mine.push(emoji.clone());
    Ok(())
}

fn pin(target: &mut Target) -> Result<()> {
    target.may_pin()?;
    target.not_deleted()?;
    let (pinned, id) = (&mut target.room.pinned, target.message.id);
    if pinned.contains(&id) {
        return Ok(());
    }
    if pinned.len() >= MAX_PINS {
        return Err(TOO_MANY_PINS.into());
    }
    pinned.insert(0, id);
    Ok(())
}

fn unpin(target: &mut Target) {
    let id = target.message.id;
    target.room.pinned.retain(|pinned| *pinned != id);
}

#[cfg(test)]
mod tests;
