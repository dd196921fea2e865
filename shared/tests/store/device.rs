//! A device that catches up as a client does: it takes in what it is told, and loads anew what it is not told whole.

use std::collections::BTreeMap;

use shared::{
    Error, Result,
    domain::{
        messages::{Message, log::Window, reaction::Emoji},
        sync::{SyncPage, SyncPosition, SyncScope},
    },
    id::{RoomId, UserId},
};

use crate::cloud::Cloud;

/// Messages by position, with the reader's own reactions.
pub type Seen = BTreeMap<u64, (Message, Vec<Emoji>)>;

/// A device that takes in what it is told.
#[derive(Default)]
pub struct Device {
    /// How far it has each room.
    pub held: BTreeMap<RoomId, SyncPosition>,
    /// What it has of each room.
    pub messages: BTreeMap<RoomId, Seen>,
}

impl Device {
    /// Takes an answer in. Where a room is incomplete, it loads the history anew.
    pub async fn take(&mut self, cloud: &Cloud, me: UserId, news: SyncPage) {
        for room in news.rooms {
            let id = room.summary.room.id;
            let from_seq = room.summary.me.from_seq;
            let known = self.messages.entry(id).or_default();
            match room.messages {
                Some(missed) => {
                    for view in missed.new.into_iter().chain(missed.changed) {
                        assert!((from_seq..=room.held.seq).contains(&view.message.seq));
                        known.insert(view.message.seq, (view.message, view.mine));
                    }
                }
                None => match whole(cloud, id, me).await {
                    Ok(all) => *known = all,
                    Err(Error::NotFound) => known.clear(),
                    Err(other) => panic!("{other}"),
                },
            }
            self.held.insert(id, room.held);
        }
        for room in news.left {
            self.held.remove(&room);
            self.messages.remove(&room);
        }
    }

    /// Catches up in all rooms, however many answers that takes; how many.
    pub async fn sync(&mut self, cloud: &Cloud, me: UserId) -> usize {
        let (held, mut after) = (self.held.clone(), None);
        for answers in 1.. {
            let news = sync(cloud, me, &held, after).await;
            after = news.next;
            self.take(cloud, me, news).await;
            if after.is_none() {
                return answers;
            }
        }
        unreachable!()
    }
}

/// One answer.
pub async fn sync(
    cloud: &Cloud,
    me: UserId,
    held: &BTreeMap<RoomId, SyncPosition>,
    after: Option<RoomId>,
) -> SyncPage {
    cloud.app.store.sync(me, held, SyncScope::All, after, cloud.app.now()).await.unwrap()
}

/// All that somebody sees of a room, by position.
pub async fn whole(cloud: &Cloud, room: RoomId, me: UserId) -> Result<Seen> {
    let mut whole = BTreeMap::new();
    loop {
        let window = Window::Newest { offset: whole.len() as u64 };
        let page = cloud.app.store.history(room, me, window, 100).await?;
        if page.is_empty() {
            return Ok(whole);
        }
        whole.extend(page.into_iter().map(|view| (view.message.seq, (view.message, view.mine))));
    }
}
