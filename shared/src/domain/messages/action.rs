//! Actions on messages and the permissions that they require: edits, deletions, reactions and pins.

use chrono::Duration;
use const_format::formatcp;

use crate::{
    clock::Timestamp,
    domain::{
        messages::{
            Kind, Message, content_violation,
            reaction::{self, Emoji, MAX_REACTIONS_PER_MESSAGE, MAX_REACTIONS_PER_USER},
        },
        rooms::{Member, NOT_ALLOWED, Role, Room, RoomKind},
    },
    error::{Error, Refusal, Result},
};

/// A sender can edit a message for this time.
const EDIT_HOURS: i64 = 24;
const EDIT_WINDOW: Duration = Duration::hours(EDIT_HOURS);

/// The maximum number of pinned messages in a room.
const MAX_PINS: usize = 50;

const NOT_THE_SENDER: Refusal =
    Refusal { status: 403, code: "not_the_sender", detail: "Only the sender can edit a message." };
const TOO_LATE: Refusal = Refusal {
    status: 403,
    code: "too_late",
    detail: formatcp!("Messages can be edited for {EDIT_HOURS} hours."),
};
const FORWARDED: Refusal =
    Refusal { status: 403, code: "forwarded", detail: "Forwarded messages can't be edited." };
const DELETED: Refusal =
    Refusal { status: 409, code: "message_deleted", detail: "This message has been deleted." };
const TOO_MANY_REACTIONS: Refusal = Refusal {
    status: 409,
    code: "too_many_reactions",
    detail: formatcp!(
        "At most {MAX_REACTIONS_PER_MESSAGE} different reactions per message, {MAX_REACTIONS_PER_USER} per person."
    ),
};
const TOO_MANY_PINS: Refusal = Refusal {
    status: 409,
    code: "too_many_pins",
    detail: formatcp!("At most {MAX_PINS} messages can be pinned in a room."),
};

/// An action on a message. All actions are idempotent.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum MessageAction {
    /// Replace the content.
    Edit(String),
    /// Delete the message. Its position in the log stays.
    Delete,
    /// Add a reaction of the actor.
    React(Emoji),
    /// Remove a reaction of the actor.
    Unreact(Emoji),
    /// Pin the message for all members.
    Pin,
    /// Unpin the message.
    Unpin,
}

/// The message of an action, with the data that the permission check needs.
#[derive(Clone, Debug, PartialEq)]
pub struct Target {
    /// The room.
    pub room: Room,
    /// The actor.
    pub actor: Member,
    /// The message.
    pub message: Message,
    /// The actor's reactions, in the order of first use.
    pub mine: Vec<Emoji>,
}

impl Target {
    /// Whether the actor manages the room. A direct room has no managers.
    fn manages_room(&self) -> bool {
        self.room.kind == RoomKind::Group && matches!(self.actor.role, Role::Owner | Role::Admin)
    }

    fn is_own(&self) -> bool {
        self.message.sender_id == self.actor.shown.user_id && self.message.kind != Kind::System
    }

    fn check_not_deleted(&self) -> Result<()> {
        if self.message.is_deleted() { Err(DELETED.into()) } else { Ok(()) }
    }

    fn check_may_pin(&self) -> Result<()> {
        if self.manages_room() || self.room.kind == RoomKind::Direct {
            Ok(())
        } else {
            Err(NOT_ALLOWED.into())
        }
    }
}

impl MessageAction {
    /// The target after the action, unchanged if the action has no effect.
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
                target.check_may_pin()?;
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
    target.check_not_deleted()?;
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
    let is_content_required = message.media_url.is_none() && message.payload.is_none();
    if let Some(violation) = content_violation(content, is_content_required) {
        return Err(Error::invalid("content", violation));
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
    target.room.uncounted.insert(target.message.seq);
    target.message = target.message.clone().deleted(now);
    Ok(())
}

fn react(target: &mut Target, emoji: &Emoji) -> Result<()> {
    target.check_not_deleted()?;
    if target.mine.contains(emoji) {
        return Ok(());
    }
    let tallies = &mut target.message.reactions;
    let is_new = tallies.iter().all(|tally| tally.emoji != *emoji);
    if target.mine.len() >= MAX_REACTIONS_PER_USER || is_new && tallies.len() >= MAX_REACTIONS_PER_MESSAGE {
        return Err(TOO_MANY_REACTIONS.into());
    }
    reaction::add(tallies, emoji);
    target.mine.push(emoji.clone());
    Ok(())
}

fn pin(target: &mut Target) -> Result<()> {
    target.check_may_pin()?;
    target.check_not_deleted()?;
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
