//! Rooms, their members, and each user's list of rooms.

mod creation;
mod deletion;
pub mod group;
mod settings;
pub mod sync;

use crate::{
    clock::Timestamp,
    domain::{
        messages::{Message, view::View},
        page::{Page, PageRequest},
        receipts::{MessageStatus, ReceiptPosition},
        rooms::{
            Member, Room, RoomWithMembers, SHOWN_MEMBERS, list,
            settings::RoomSettings,
            summary::{RoomSummary, preview},
        },
        sync::SyncPosition,
    },
    error::{Error, Result},
    id::{RoomId, UserId},
    store::{
        Store,
        db::{
            item::{self, Item, Query, Update, read, readable},
            keys::{self, Key},
        },
        messages::read_message,
    },
};
use std::collections::{BTreeMap, HashMap};

use futures::{StreamExt, TryStreamExt, stream};
use serde::{Deserialize, Serialize};
use uuid::Uuid;

/// The number of a room's items that are read before it is certain that the caller is a member: its own, and
/// members. Larger groups take one or two more round trips.
const ITEMS_BEFORE_CHECK: usize = 32;

/// The number of a room's items that a list reads with one query: its own, all members of a group that shows all
/// of them, and the head hint.
const LISTED_ITEMS: usize = SHOWN_MEMBERS + 3;

/// Rooms read concurrently for a list.
const CONCURRENT_ROOMS: usize = 16;

/// The head hint: a lower bound of a room's newest position. It only advances, and is always checked against
/// the log.
#[derive(Serialize, Deserialize)]
struct Head {
    seq: u64,
}

/// An entry of a member's list of rooms.
#[derive(Serialize, Deserialize)]
pub(in crate::store) struct MyRoom {
    pub room_id: RoomId,
    pub joined_at: Timestamp,
    #[serde(flatten)]
    pub settings: RoomSettings,
}

impl MyRoom {
    /// The entry of a new membership.
    pub fn new(room_id: RoomId, joined_at: Timestamp) -> Self {
        Self { room_id, joined_at, settings: RoomSettings::default() }
    }
}

/// A group that a user has left.
#[derive(Serialize, Deserialize)]
pub(in crate::store) struct FormerRoom {
    pub room_id: RoomId,
}

impl Store {
    /// A room that is open, with its members, for a user who is one of them. To any other user it does not
    /// exist, and finding that out costs no more than for a room that nobody has.
    pub async fn room_of_member(&self, room: RoomId, user: UserId) -> Result<RoomWithMembers> {
        Ok(self.room_and_head(room, user).await?.0)
    }

    /// As [`Self::room_of_member`], with the head hint: a lower bound of the newest position.
    pub(in crate::store) async fn room_and_head(
        &self,
        room: RoomId,
        user: UserId,
    ) -> Result<(RoomWithMembers, u64)> {
        let (query, me) = (members_query(room), keys::member(room, user));
        let mut items = self.table.query(query.clone().limit(ITEMS_BEFORE_CHECK)).await?;
        if let Some(last) = items.last().filter(|_| items.len() == ITEMS_BEFORE_CHECK) {
            let last = item::sk(last).to_owned();
            if !items.iter().any(|item| item::sk(item) == me.sk) {
                self.table.get::<Member>(me, true).await?.ok_or(Error::NotFound)?;
            }
            items.extend(self.table.query(query.after(Some(last))).await?);
        }
        let (found, head) = read_room(items)?;
        let found = found.filter(|found| !found.room.is_closed).ok_or(Error::NotFound)?;
        found.member(user)?;
        Ok((found, head))
    }

    /// A room that is open, with its members, for work that is not done for one of them.
    pub async fn room_with_members(&self, room: RoomId) -> Result<RoomWithMembers> {
        let found = self.open_or_closed_room(room).await?;
        found.filter(|found| !found.room.is_closed).ok_or(Error::NotFound)
    }

    /// A room with its members, open or closed; `None` if it does not exist.
    pub(in crate::store) async fn open_or_closed_room(
        &self,
        room: RoomId,
    ) -> Result<Option<RoomWithMembers>> {
        Ok(read_room(self.table.query(members_query(room)).await?)?.0)
    }

    /// Advances the head hint.
    pub async fn advance_head(&self, room: RoomId, seq: u64) -> Result<()> {
        let update = Update::of(keys::head(room), "SET seq = :seq")
            .only_if("attribute_not_exists(seq) OR seq < :seq")
            .value(":seq", seq)?;
        self.table.update(update).await.map(drop)
    }

    /// Advances a member's read position. `false` if it does not advance, or the user is not a member.
    pub async fn advance_read(&self, room: RoomId, user: UserId, seq: u64, now: Timestamp) -> Result<bool> {
        let update = Update::of(keys::member(room, user), "SET read_seq = :seq, read_at = :now")
            .only_if("read_seq < :seq")
            .value(":seq", seq)?
            .value(":now", now)?;
        Ok(self.table.update(update).await?.is_some())
    }

    /// Advances a member's delivered position. `false` if it does not advance, or the user is not a member.
    /// Reading implies delivery.
    pub async fn advance_delivered(&self, room: RoomId, user: UserId, seq: u64) -> Result<bool> {
        let update = Update::of(keys::member(room, user), "SET delivered_seq = :seq")
            .only_if("delivered_seq < :seq AND read_seq < :seq")
            .value(":seq", seq)?;
        Ok(self.table.update(update).await?.is_some())
    }

    /// A user's rooms, newest activity first: at most six sequential round trips, however many rooms. The
    /// last three are for rooms whose head hint lags, for large groups whose last message is the reader's,
    /// and for replies and reactions.
    pub async fn my_rooms(&self, me: UserId, page: PageRequest) -> Result<Page<RoomSummary>> {
        let after = page.cursor.as_deref().map(str::parse).transpose()?;
        let (ids, settings) = self.listed_rooms(me).await?;
        let summaries = self.summaries(me, &ids, settings, &BTreeMap::new()).await?.rooms;
        Ok(list::page(summaries, after, page.limit))
    }

    /// One of a user's rooms, as a list shows it; `None` if the user is not a member.
    pub async fn my_room(&self, me: UserId, room: RoomId) -> Result<Option<RoomSummary>> {
        let Summaries { mut rooms, unreadable } =
            self.summaries(me, &[room], HashMap::new(), &BTreeMap::new()).await?;
        unreadable.into_values().next().map_or_else(|| Ok(rooms.pop()), Err)
    }

    /// The ids of a user's rooms, in order.
    pub async fn room_ids(&self, me: UserId) -> Result<Vec<RoomId>> {
        Ok(self.listed_rooms(me).await?.0)
    }

    /// The ids of a user's rooms, in order, and the settings of each.
    pub(in crate::store) async fn listed_rooms(
        &self,
        me: UserId,
    ) -> Result<(Vec<RoomId>, HashMap<RoomId, RoomSettings>)> {
        let listed = self.table.query(Query::of(keys::my_rooms(me)).consistent()).await?;
        // The ids are those of the keys: a client deletes a room that is not listed.
        let listed = listed.into_iter().filter_map(|item| Some((keys::my_room_of(item::sk(&item))?, item)));
        let settings: BTreeMap<RoomId, RoomSettings> =
            listed.map(|(id, item)| (id, read_my_room(id, item).settings)).collect();
        Ok((settings.keys().copied().collect(), settings.into_iter().collect()))
    }

    /// One of a user's rooms, with all members.
    pub async fn room_with_all_members(&self, me: UserId, room: RoomId) -> Result<RoomSummary> {
        let (found, settings) =
            futures::try_join!(self.room_of_member(room, me), self.room_settings(me, room))?;
        let newest = self.newest_message(room).await?;
        let tail = newest.as_ref().map_or(0, |message| message.seq);
        let member = found.member(me)?.clone();
        let seen = newest.into_iter().filter(|message| message.seq >= member.from_seq).collect();
        let last_message = self.views_among(&found, me, seen).await?.pop();
        let RoomWithMembers { room, mut members } = found;
        members.retain(|member| member.shown.user_id != me);
        Ok(RoomSummary { room, me: member, others: members, last_message, tail, settings, list_cursor: None })
    }

    /// Some rooms as a list shows them to one of their members, in the given order, without closed rooms and
    /// rooms of which the user is not a member. Settings that are given are not read again, nor is the last
    /// message of a room that is at the known position.
    pub(in crate::store) async fn summaries(
        &self,
        me: UserId,
        rooms: &[RoomId],
        mut settings: HashMap<RoomId, RoomSettings>,
        known: &BTreeMap<RoomId, SyncPosition>,
    ) -> Result<Summaries> {
        let unknown = rooms.iter().filter(|room| !settings.contains_key(room));
        let unknown: Vec<Key> = unknown.map(|room| keys::my_room(me, *room)).collect();
        settings.extend(self.table.batch_get(unknown, true).await?.into_iter().filter_map(|item| {
            let room = keys::my_room_of(item::sk(&item))?;
            Some((room, read_my_room(room, item).settings))
        }));
        // Nothing is read of rooms that are not the user's.
        let rooms: Vec<RoomId> = rooms.iter().copied().filter(|room| settings.contains_key(room)).collect();
        let read = rooms.clone().into_iter().map(|room| self.summary(me, room, known.get(&room)));
        let read: Vec<_> = stream::iter(read).buffered(CONCURRENT_ROOMS).try_collect().await?;
        let (mut summaries, mut unreadable) = (Vec::with_capacity(rooms.len()), BTreeMap::new());
        for (id, found) in rooms.into_iter().zip(read) {
            match found {
                Some(Ok(summary)) => {
                    let settings = settings.remove(&id).unwrap_or_default();
                    summaries.push(RoomSummary { settings, ..summary });
                }
                Some(Err(error)) => {
                    tracing::error!(%error, "a room is skipped");
                    unreadable.insert(id, error);
                }
                // The room was left while the list was read.
                None => {}
            }
        }
        let last_messages = summaries.iter_mut().filter_map(|summary| {
            let from_seq = summary.me.from_seq;
            summary.last_message.as_mut().map(|view| (view, from_seq))
        });
        self.complete_views(me, &mut last_messages.collect::<Vec<_>>()).await?;
        Ok(Summaries { rooms: summaries, unreadable })
    }

    /// A room with default settings; `None` if it is closed or the user is not a member, an error in its place
    /// if its own item cannot be read. Two round trips, one or two more for a large group.
    ///
    /// As [`members_query`] reads the room before its members, nothing shown is older than the revision.
    async fn summary(
        &self,
        me: UserId,
        id: RoomId,
        known: Option<&SyncPosition>,
    ) -> Result<Option<Result<RoomSummary>>> {
        let items = self.table.query(members_query(id).limit(LISTED_ITEMS)).await?;
        let is_whole =
            items.len() < LISTED_ITEMS || items.last().is_some_and(|item| item::sk(item) == keys::HEAD);
        let mut found = by_key(items);
        let Some(room) = found.remove(&keys::meta(id)) else { return Ok(None) };
        let room: Room = match read(room) {
            Ok(room) => room,
            Err(error) => {
                let member = self.table.get_item(keys::member(id, me), true).await?;
                return Ok(member.map(|_| Err(error)));
            }
        };
        if !is_whole {
            let users = room.shown_others(me).chain([me]).map(|user| keys::member(id, user));
            found = by_key(self.table.batch_get(users.chain([keys::head(id)]), true).await?);
        }
        let member = found.remove(&keys::member(id, me)).map(read_member);
        let Some(member) = member.filter(|member| !member.is_deleted && !room.is_closed) else {
            return Ok(None);
        };
        let others = room.shown_others(me).filter_map(|user| found.remove(&keys::member(id, user)));
        let others = others.map(read_member).collect();
        let hint = found.remove(&keys::head(id)).and_then(|head| readable(read::<Head>(head)));
        let tail = hint.map_or(0, |head| head.seq);
        let (last_message, settings, list_cursor) = (None, RoomSettings::default(), None);
        let mut summary = RoomSummary { room, me: member, others, last_message, tail, settings, list_cursor };
        self.add_last_message(&mut summary, known).await?;
        Ok(Some(Ok(summary)))
    }

    /// Checks the head hint against the log, and adds the preview of the newest message. For a client that knows
    /// it, only the check is needed.
    async fn add_last_message(&self, summary: &mut RoomSummary, known: Option<&SyncPosition>) -> Result<()> {
        let (id, hint) = (summary.room.id, summary.tail);
        let first = if known == Some(&summary.sync_position()) { hint + 1 } else { hint.max(1) };
        let range = keys::messages(id, first, hint + 1);
        let mut newest = self.table.query(Query::of(range).consistent()).await?;
        let newest = match newest.pop().map(read_message) {
            Some(message) if message.seq > hint => self.newest_message(id).await?,
            newest => newest,
        };
        summary.tail = newest.as_ref().map_or(hint, |message: &Message| message.seq);
        if let Some(message) = newest.filter(|message| message.seq >= summary.me.from_seq) {
            let me = summary.me.shown.user_id;
            let status = if message.sender_id == me {
                Some(MessageStatus::of(message.seq, self.position_of_others(summary).await?))
            } else {
                None
            };
            summary.last_message = Some(View::new(preview(message), status));
        }
        Ok(())
    }

    /// The receipts of all members but the reader. Only a large room needs a read.
    pub(in crate::store) async fn position_of_others(
        &self,
        summary: &RoomSummary,
    ) -> Result<ReceiptPosition> {
        if summary.room.member_count <= summary.others.len() + 1 {
            return Ok(ReceiptPosition::by_others(&summary.others, &summary.me));
        }
        let room = self.room_with_members(summary.room.id).await?;
        Ok(ReceiptPosition::by_others(&room.members, &summary.me))
    }
}

/// The room, its members and its head hint, in this order.
///
/// The room's own item is read first, because a query is not a snapshot: a member who joins or leaves during
/// the query advances the room's revision beyond what was read. So a change under the condition of that
/// revision knows all members.
fn members_query(room: RoomId) -> Query {
    Query::of(keys::room_with_members(room)).consistent().newest_first()
}

/// The room with its members, and the head hint; 0 without one.
fn read_room(items: Vec<Item>) -> Result<(Option<RoomWithMembers>, u64)> {
    let (mut room, mut members, mut head) = (None, Vec::new(), 0);
    for item in items {
        match item::sk(&item) {
            keys::META => room = Some(read::<Room>(item)?),
            keys::HEAD => head = readable(read::<Head>(item)).map_or(0, |head| head.seq),
            _ => members.push(read_member(item)),
        }
    }
    members.reverse();
    Ok((room.map(|room| RoomWithMembers { room, members }), head))
}

/// Rooms as a list shows them.
pub(in crate::store) struct Summaries {
    pub rooms: Vec<RoomSummary>,
    /// The rooms whose own item cannot be read, with the error. They are not shown, and exist all the same.
    pub unreadable: BTreeMap<RoomId, Error>,
}

/// A member. Of one that cannot be read, the unreadable attributes show nothing: the room keeps the member,
/// and its number of members, its owner and the member's place in it stay as they are.
pub(in crate::store) fn read_member(item: Item) -> Member {
    let user = keys::member_of(item::sk(&item)).unwrap_or(Uuid::nil().into());
    item::read_or_recover(item, || Member::unreadable(user)).unwrap_or_else(|recovered| recovered)
}

/// The entry of a room in a member's list; unreadable settings are the defaults.
pub(in crate::store) fn read_my_room(room: RoomId, item: Item) -> MyRoom {
    let unknown = || MyRoom::new(room, Timestamp::from_seconds(0));
    item::read_or_recover(item, unknown).unwrap_or_else(|recovered| recovered)
}

fn by_key(items: Vec<Item>) -> HashMap<Key, Item> {
    items.into_iter().filter_map(|item| Some((item::key(&item)?, item))).collect()
}
