//! Synchronization: what a client misses of each room, completely or not at all.

use crate::{
    clock::Timestamp,
    domain::{
        messages::{Message, view::View},
        rooms::summary::RoomSummary,
        sync::{CatchUp, MAX_CATCH_UP, RoomSync, SyncPage, SyncPosition, SyncScope},
    },
    error::Result,
    id::{RoomId, UserId},
    store::{
        Store,
        db::{
            item::{Query, read_each},
            keys,
        },
        messages::{changes::Change, read_message},
        rooms::Summaries,
    },
};
use std::collections::{BTreeMap, BTreeSet, HashMap};

use futures::{StreamExt, TryStreamExt, stream};

/// The maximum number of rooms per page.
const ROOMS_PER_PAGE: usize = 100;

/// The maximum size of the messages of one page, in bytes of JSON. The response is escaped once more on its
/// way to the gateway, and rooms come on top: together they stay below the 6 MB that a function can return.
const MAX_BYTES: usize = 1024 * 1024;

/// The maximum size of the rooms of one page without their messages, in bytes of JSON.
const MAX_ROOM_BYTES: usize = 2 * 1024 * 1024;

/// The maximum size of a room at which the client misses nothing, in bytes of JSON.
const UNCHANGED_BYTES: usize = 1024;

/// Rooms read concurrently.
const CONCURRENT_ROOMS: usize = 16;

/// A room that a client may have to catch up on.
struct RoomToSync {
    summary: RoomSummary,
    /// The client's position, and how much it misses; `None` if it has to reload the room.
    catches_up: Option<(SyncPosition, SyncPosition)>,
    is_unchanged: bool,
}

impl RoomToSync {
    fn new(position: Option<SyncPosition>, summary: RoomSummary) -> Self {
        let (me, now) = (&summary.me, summary.sync_position());
        let missing =
            |position: SyncPosition| Some((position, position.missing(me.hidden_seq(), me.joined_rev, now)?));
        let catches_up = position.and_then(missing);
        let is_unchanged = catches_up.is_some_and(|(position, _)| position == now);
        Self { summary, catches_up, is_unchanged }
    }

    /// The number of messages and changes to read.
    fn missing(&self) -> u64 {
        self.catches_up.map_or(0, |(_, missing)| missing.seq + missing.rev)
    }

    /// The size of the room without its messages.
    fn bytes(&self) -> usize {
        if self.is_unchanged { UNCHANGED_BYTES } else { self.summary.bytes() }
    }
}

impl Store {
    /// What a client at the given positions misses, of the rooms of `scope` after the room `after`.
    ///
    /// Revisions and newest positions are read first, then the messages and changes up to them: these exist,
    /// at that revision or a later one. Anything newer comes with the next call.
    pub async fn sync(
        &self,
        me: UserId,
        positions: &BTreeMap<RoomId, SyncPosition>,
        scope: SyncScope,
        after: Option<RoomId>,
        now: Timestamp,
    ) -> Result<SyncPage> {
        let (mine, settings) = match scope {
            SyncScope::All => self.listed_rooms(me).await?,
            SyncScope::Named => (positions.keys().copied().collect(), HashMap::new()),
        };
        let ahead = mine.iter().copied().filter(|id| after.is_none_or(|after| *id > after));
        let mut ids: Vec<RoomId> = ahead.take(ROOMS_PER_PAGE + 1).collect();
        let mut is_last = ids.len() <= ROOMS_PER_PAGE;
        ids.truncate(ROOMS_PER_PAGE);
        let Summaries { rooms, unreadable } = self.summaries(me, &ids, settings, positions).await?;
        let to_sync =
            |summary: RoomSummary| RoomToSync::new(positions.get(&summary.room.id).copied(), summary);
        let mut rooms: Vec<RoomToSync> = rooms.into_iter().map(to_sync).collect();
        let is_left = |id: &RoomId| {
            let is_read = rooms.iter().any(|room| room.summary.room.id == *id);
            ids.contains(id) && !is_read && !unreadable.contains_key(id)
        };
        let left = positions.keys().copied().filter(|id| !mine.contains(id) || is_left(id)).collect();

        is_last &= keep_while(&mut rooms, MAX_ROOM_BYTES, RoomToSync::bytes);
        is_last &= keep_while(&mut rooms, MAX_CATCH_UP, RoomToSync::missing);
        let synced = rooms.into_iter().map(|room| self.sync_room(me, room, now));
        let mut rooms: Vec<RoomSync> = stream::iter(synced).buffered(CONCURRENT_ROOMS).try_collect().await?;
        is_last &= keep_while(&mut rooms, MAX_BYTES, RoomSync::bytes);

        let views = rooms.iter_mut().flat_map(|room| {
            let from_seq = room.summary.me.from_seq;
            room.messages.iter_mut().flat_map(CatchUp::views_mut).map(move |view| (view, from_seq))
        });
        self.complete_views(me, &mut views.collect::<Vec<_>>()).await?;
        let next = rooms.last().map(|room| room.summary.room.id).or(ids.last().copied()).filter(|_| !is_last);
        Ok(SyncPage { rooms, left, next })
    }

    async fn sync_room(&self, me: UserId, room: RoomToSync, now: Timestamp) -> Result<RoomSync> {
        let RoomToSync { summary, catches_up, is_unchanged } = room;
        let others = self.position_of_others(&summary).await?;
        let messages = match catches_up {
            None => None,
            Some((position, missing)) => self.catch_up(&summary, position, missing, now).await?,
        };
        let seen = |messages: Vec<Message>| {
            messages.into_iter().map(|message| View::with_receipts(others, message, me)).collect::<Vec<_>>()
        };
        let messages = messages.map(|(new, changed)| CatchUp { new: seen(new), changed: seen(changed) });
        let position = summary.sync_position();
        let mut synced = RoomSync { summary, others, position, is_unchanged, messages };
        if synced.bytes() > MAX_BYTES {
            synced.messages = None;
        }
        Ok(synced)
    }

    /// The missing messages and the changed ones; `None` if a record of a change is missing.
    async fn catch_up(
        &self,
        summary: &RoomSummary,
        position: SyncPosition,
        missing: SyncPosition,
        now: Timestamp,
    ) -> Result<Option<(Vec<Message>, Vec<Message>)>> {
        let (room, tail) = (summary.room.id, summary.tail);
        let new = async {
            if missing.seq == 0 {
                return Ok(Vec::new());
            }
            let range = keys::messages(room, tail - missing.seq + 1, tail);
            let items = self.table.query(Query::of(range).consistent()).await?;
            Ok(items.into_iter().map(read_message).collect::<Vec<Message>>())
        };
        let (new, records) = futures::try_join!(new, self.changes(room, position.rev, missing.rev))?;
        let is_complete = records.iter().all(|record| record.expires_at > now.seconds())
            && records.len() as u64 == missing.rev
            && new.len() as u64 == missing.seq;
        if !is_complete {
            return Ok(None);
        }
        let is_held = |seq: &u64| (summary.me.from_seq..=position.seq).contains(seq);
        let targets: BTreeSet<u64> =
            records.into_iter().filter_map(|record| record.seq).filter(is_held).collect();
        let keys = targets.into_iter().map(|seq| keys::message(room, seq));
        let items = self.table.batch_get(keys, true).await?;
        let mut changed: Vec<Message> = items.into_iter().map(read_message).collect();
        changed.sort_by_key(|message| message.seq);
        Ok(Some((new, changed)))
    }

    /// The records of `count` changes above a revision, without unreadable ones.
    async fn changes(&self, room: RoomId, rev: u64, count: u64) -> Result<Vec<Change>> {
        if count == 0 {
            return Ok(Vec::new());
        }
        let range = keys::changes(room, rev + 1, rev + count);
        let items = self.table.query(Query::of(range).consistent()).await?;
        Ok(read_each(items))
    }
}

/// Truncates items at the first that exceeds a bound on the total weight. Returns whether all fit.
fn keep_while<T, N: Copy + std::ops::SubAssign + PartialOrd>(
    items: &mut Vec<T>,
    mut remaining: N,
    weight: impl Fn(&T) -> N,
) -> bool {
    let fit = items.iter().take_while(|item| {
        let weight = weight(item);
        let fits = weight <= remaining;
        if fits {
            remaining -= weight;
        }
        fits
    });
    let fit = fit.count();
    let all = fit == items.len();
    items.truncate(fit);
    all
}
