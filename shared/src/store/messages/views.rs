//! What readers see beside a message: the message it replies to, and the reactions.

use crate::{
    domain::{
        messages::{
            Message,
            reaction::{Emoji, UserReactions},
            view::{FullMessage, View},
        },
        page::{Page, PageRequest},
        relationships::Pair,
        rooms::Room,
        users::profile::{Profile, ShownProfile},
    },
    error::{Error, Result},
    id::{MessageId, RoomId, UserId},
    store::{
        Store,
        db::{
            item::{self, Item, Query, read, read_each, readable},
            keys::{self, Key},
        },
        messages::{changes::Reaction, read_message},
        rooms::read_member,
    },
};
use std::collections::{BTreeMap, HashMap};

impl Store {
    /// A message with all that any of its readers may see beside it. At most one round trip.
    pub async fn full_message(&self, message: Message) -> Result<FullMessage> {
        let (reply_to, reactions) = futures::try_join!(
            self.replied(message.room_id, message.reply_to_id),
            self.reactions_by_user(&message)
        )?;
        Ok(FullMessage { message, reply_to, reactions })
    }

    /// The message that a reply refers to.
    pub(in crate::store) async fn replied(
        &self,
        room: RoomId,
        id: Option<MessageId>,
    ) -> Result<Option<Message>> {
        let Some(id) = id else { return Ok(None) };
        let found = self.table.get_item(keys::message(room, id.seq()), true).await?;
        Ok(found.map(read_message).filter(|message| message.id == id))
    }

    async fn reactions_by_user(&self, message: &Message) -> Result<BTreeMap<UserId, Vec<Emoji>>> {
        if message.reactions.is_empty() {
            return Ok(BTreeMap::new());
        }
        let range = keys::reactions(message.room_id, message.seq);
        let items = self.table.query(Query::of(range).consistent()).await?;
        let reactions = read_each::<Reaction>(items).into_iter();
        Ok(reactions.map(|reaction| (reaction.user_id, reaction.emojis)).collect())
    }

    /// Completes views with what the reader sees beside the messages; each view comes with the first position
    /// that the reader sees in its room. At most one round trip.
    pub async fn complete_views(&self, reader: UserId, views: &mut [(&mut View, u64)]) -> Result<()> {
        let replied_to: BTreeMap<MessageId, Key> = views
            .iter()
            .filter_map(|(view, from_seq)| Some((view, view.visible_reply_to_id(*from_seq)?)))
            .map(|(view, id)| (id, keys::message(view.message.room_id, id.seq())))
            .collect();
        let messages = views.iter().map(|(view, _)| &view.message);
        let mut known: HashMap<MessageId, Message> = messages
            .clone()
            .filter(|message| replied_to.contains_key(&message.id))
            .map(|message| (message.id, message.clone()))
            .collect();
        let replied = replied_to.iter().filter(|(id, _)| !known.contains_key(id)).map(|(_, key)| key.clone());
        let reacted = messages
            .filter(|message| !message.reactions.is_empty())
            .map(|message| keys::reaction(message.room_id, message.seq, reader));
        let mut mine: HashMap<Key, Vec<Emoji>> = HashMap::new();
        let found = self.table.batch_get(replied.chain(reacted).collect::<Vec<_>>(), true).await?;
        let (messages, reactions) = split_messages(found);
        known.extend(messages.into_iter().map(|message| (message.id, message)));
        let keyed = reactions.into_iter().filter_map(|item| {
            let key = item::key(&item)?;
            Some((key, readable(read::<Reaction>(item))?.emojis))
        });
        mine.extend(keyed);
        for (view, from_seq) in views {
            view.message.reply_to_id = view.visible_reply_to_id(*from_seq);
            view.reply_to = view.message.reply_to_id.and_then(|id| known.get(&id).cloned());
            let key = keys::reaction(view.message.room_id, view.message.seq, reader);
            view.mine = mine.remove(&key).unwrap_or_default();
        }
        Ok(())
    }

    /// The reactions to a message that `reader` sees, by user, in the order of their ids.
    pub async fn reactions_to(
        &self,
        room: RoomId,
        id: MessageId,
        reader: UserId,
        page: PageRequest,
    ) -> Result<Page<UserReactions>> {
        if self.message_seen_by(reader, room, id).await?.ok_or(Error::NotFound)?.is_deleted() {
            return Ok(Page { items: Vec::new(), next: None });
        }
        let range = keys::reactions(room, id.seq());
        let reactions = self.page::<Reaction>(Query::of(range.clone()), &range, page).await?;
        let users: Vec<UserId> = reactions.items.iter().map(|reaction| reaction.user_id).collect();
        let mut shown = self.shown_in_room(room, reader, &users).await?;
        let found = reactions.items.into_iter().filter_map(|Reaction { user_id, emojis, at, .. }| {
            Some(UserReactions { user: shown.remove(&user_id)?, emojis, at })
        });
        Ok(Page { items: found.collect(), next: reactions.next })
    }

    /// Those of some users whom `reader` sees in a room. Without a block, the present profile. If one of the
    /// two blocks the other, only what the room shows of its member, and nothing of a former member.
    async fn shown_in_room(
        &self,
        room: RoomId,
        reader: UserId,
        users: &[UserId],
    ) -> Result<HashMap<UserId, ShownProfile>> {
        let (profiles, pairs) = futures::try_join!(self.profiles(users), self.pairs(reader, users))?;
        let is_blocked = |user: &UserId| pairs.get(user).is_some_and(Pair::is_blocked);
        let (blocked, visible): (Vec<Profile>, Vec<Profile>) =
            profiles.into_values().partition(|profile| is_blocked(&profile.id));
        let members = blocked.iter().map(|profile| keys::member(room, profile.id));
        let members = self.table.batch_get(members.collect::<Vec<_>>(), true).await?;
        let members = members.into_iter().map(read_member);
        let visible = visible.into_iter().map(ShownProfile::from);
        let shown = visible.chain(members.map(|member| ShownProfile::from(member.shown)));
        Ok(shown.map(|shown| (shown.id, shown)).collect())
    }

    /// The message with this id, if `reader` is a member of its room and sees it there.
    pub(in crate::store) async fn message_seen_by(
        &self,
        reader: UserId,
        room: RoomId,
        id: MessageId,
    ) -> Result<Option<Message>> {
        let (found, member): (Option<Room>, _) = futures::try_join!(
            self.table.get(keys::meta(room), true),
            self.table.get_item(keys::member(room, reader), true),
        )?;
        let (Some(found), Some(member)) = (found, member.map(read_member)) else { return Ok(None) };
        if found.is_closed || member.is_deleted {
            return Ok(None);
        }
        let message = self.table.get_item(keys::message(room, id.seq()), true).await?.map(read_message);
        Ok(message.filter(|message| message.id == id && message.seq >= member.from_seq))
    }
}

/// Splits items into messages and others.
pub(in crate::store) fn split_messages(items: Vec<Item>) -> (Vec<Message>, Vec<Item>) {
    let (messages, rest): (Vec<Item>, Vec<Item>) =
        items.into_iter().partition(|item| item::sk(item).starts_with(keys::MESSAGE));
    (messages.into_iter().map(read_message).collect(), rest)
}
