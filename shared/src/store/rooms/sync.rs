//! Catching up: what a client misses of the rooms that it holds, whole or not at all.

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
            item::{Query, read},
            keys,
        },
        messages::changes::Change,
    },
};
use std::collections::{BTreeMap, BTreeSet, HashMap};

use futures::{StreamExt, TryStreamExt, stream};

/// The most rooms in one answer.
const MAX_ROOMS: usize = 100;

/// The most that the messages of one answer may weigh, in bytes of JSON. The answer is escaped once more on its way to
/// the gateway, and its rooms and previews come on top: together they stay below the 6 MB that a function can answer.
const MAX_BYTES: usize = 1024 * 1024;

/// So many rooms are read at once.
const CONCURRENT_ROOMS: usize = 16;

/// A room that a client may be behind in.
struct Behind {
    summary: RoomSummary,
    /// How far the client has it, and how much it misses; nothing where it has to load the room anew.
    catches_up: Option<(SyncPosition, SyncPosition)>,
}

impl Behind {
    fn new(held: Option<SyncPosition>, summary: RoomSummary) -> Self {
        let (me, now) = (&summary.me, summary.sync_position());
        let missing = |held: SyncPosition| {
            Some((held, held.missing(me.from_seq.saturating_sub(1), me.joined_rev, now)?))
        };
        Self { catches_up: held.and_then(missing), summary }
    }

    /// How many messages and changes have to be read.
    fn missing(&self) -> u64 {
        self.catches_up.map_or(0, |(_, missing)| missing.seq + missing.rev)
    }
}

impl Store {
    /// What somebody's client that holds rooms up to `held` misses, of the rooms after `after`: of all that are theirs, or
    /// of those that it holds.
    ///
    /// Revisions and newest positions are read first, then what leads up to them: that is there for certain, and stands
    /// at its revision or a later one. What came since then comes with the next call.
    pub async fn sync(
        &self,
        me: UserId,
        held: &BTreeMap<RoomId, SyncPosition>,
        which: SyncScope,
        after: Option<RoomId>,
        now: Timestamp,
    ) -> Result<SyncPage> {
        let (mine, settings) = match which {
            SyncScope::All => self.listed_rooms(me).await?,
            SyncScope::Named => (held.keys().copied().collect(), HashMap::new()),
        };
        let ahead = mine.iter().copied().filter(|id| after.is_none_or(|after| *id > after));
        let mut ids: Vec<RoomId> = ahead.take(MAX_ROOMS + 1).collect();
        let mut is_last = ids.len() <= MAX_ROOMS;
        ids.truncate(MAX_ROOMS);
        let mut rooms: Vec<Behind> = self
            .summaries(me, &ids, settings)
            .await?
            .into_iter()
            .map(|summary| Behind::new(held.get(&summary.room.id).copied(), summary))
            .collect();
        let gone = |id: &RoomId| ids.contains(id) && rooms.iter().all(|room| room.summary.room.id != *id);
        let left = held.keys().copied().filter(|id| !mine.contains(id) || gone(id)).collect();

        is_last &= keep_while(&mut rooms, MAX_CATCH_UP, Behind::missing);
        let news = rooms.into_iter().map(|room| self.room_news(me, room, now));
        let mut rooms: Vec<RoomSync> = stream::iter(news).buffered(CONCURRENT_ROOMS).try_collect().await?;
        is_last &= keep_while(&mut rooms, MAX_BYTES, RoomSync::bytes);

        let views = rooms.iter_mut().flat_map(|room| {
            let from_seq = room.summary.me.from_seq;
            room.messages.iter_mut().flat_map(CatchUp::views_mut).map(move |view| (view, from_seq))
        });
        self.complete_views(me, &mut views.collect::<Vec<_>>()).await?;
        let next = rooms.last().map(|room| room.summary.room.id).or(ids.last().copied()).filter(|_| !is_last);
        Ok(SyncPage { rooms, left, next })
    }

    async fn room_news(&self, me: UserId, room: Behind, now: Timestamp) -> Result<RoomSync> {
        let Behind { summary, catches_up } = room;
        let others = self.position_of_others(&summary).await?;
        let messages = match catches_up {
            None => None,
            Some((held, missing)) => self.catch_up(&summary, held, missing, now).await?,
        };
        let seen = |messages: Vec<Message>| {
            messages.into_iter().map(|message| View::with_receipts(others, message, me)).collect::<Vec<_>>()
        };
        let messages = messages.map(|(new, again)| CatchUp { new: seen(new), changed: seen(again) });
        let mut news = RoomSync { held: summary.sync_position(), summary, others, messages };
        if news.bytes() > MAX_BYTES {
            news.messages = None;
        }
        Ok(news)
    }

    /// The missing messages and those that changed; `None` where a record of a change is gone.
    async fn catch_up(
        &self,
        summary: &RoomSummary,
        held: SyncPosition,
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
            items.into_iter().map(read).collect::<Result<Vec<Message>>>()
        };
        let (new, changes) = futures::try_join!(new, self.changes(room, held.rev, missing.rev))?;
        let are_whole = changes.iter().all(|change| change.expires_at > now.seconds())
            && changes.len() as u64 == missing.rev
            && new.len() as u64 == missing.seq;
        if !are_whole {
            return Ok(None);
        }
        let is_held = |seq: &u64| (summary.me.from_seq..=held.seq).contains(seq);
        let targets: BTreeSet<u64> =
            changes.into_iter().filter_map(|change| change.seq).filter(is_held).collect();
        let keys = targets.into_iter().map(|seq| keys::message(room, seq));
        let items = self.table.batch_get(keys, true).await?.into_iter();
        let mut again = items.map(read).collect::<Result<Vec<Message>>>()?;
        again.sort_by_key(|message| message.seq);
        Ok(Some((new, again)))
    }

    /// The records of so many changes above a revision.
    async fn changes(&self, room: RoomId, rev: u64, count: u64) -> Result<Vec<Change>> {
        if count == 0 {
            return Ok(Vec::new());
        }
        let range = keys::changes(room, rev + 1, rev + count);
        let items = self.table.query(Query::of(range).consistent()).await?;
        items.into_iter().map(read).collect()
    }
}

/// Drops what does not fit a bound, from the first that does not; whether everything did. Each fits alone.
fn keep_while<T, N: Copy + std::ops::SubAssign + PartialOrd>(
    items: &mut Vec<T>,
    mut left: N,
    weight: impl Fn(&T) -> N,
) -> bool {
    let fit = items.iter().take_while(|item| {
        let weight = weight(item);
        let fits = weight <= left;
        if fits {
            left -= weight;
        }
        fits
    });
    let fit = fit.count();
    let all = fit == items.len();
    items.truncate(fit);
    all
}
