//! A device that syncs as a client does: it applies sync pages, and reloads the history of incomplete rooms.

use std::collections::BTreeMap;

use shared::{
    Error, Result,
    domain::{
        messages::{Message, log::Window, reaction::Emoji},
        sync::{SyncPage, SyncPosition, SyncScope},
    },
    id::{RoomId, UserId},
};

use crate::backend::TestBackend;

/// Messages by `seq`, with the reader's own reactions.
pub type SeenMessages = BTreeMap<u64, (Message, Vec<Emoji>)>;

/// The local state of a device.
#[derive(Default)]
pub struct Device {
    /// The position up to which the device has each room.
    pub positions: BTreeMap<RoomId, SyncPosition>,
    /// The messages of each room.
    pub messages: BTreeMap<RoomId, SeenMessages>,
}

impl Device {
    /// Applies a page. The history of an incomplete room is reloaded.
    pub async fn apply(&mut self, backend: &TestBackend, me: UserId, page: SyncPage) {
        for room in page.rooms {
            let id = room.summary.room.id;
            let from_seq = room.summary.me.from_seq;
            let known = self.messages.entry(id).or_default();
            match room.messages {
                Some(missed) => {
                    for view in missed.new.into_iter().chain(missed.changed) {
                        assert!((from_seq..=room.position.seq).contains(&view.message.seq));
                        known.insert(view.message.seq, (view.message, view.mine));
                    }
                }
                None => match visible_messages(backend, id, me).await {
                    Ok(all) => *known = all,
                    Err(Error::NotFound) => known.clear(),
                    Err(other) => panic!("{other}"),
                },
            }
            self.positions.insert(id, room.position);
        }
        for room in page.left {
            self.positions.remove(&room);
            self.messages.remove(&room);
        }
    }

    /// Syncs all rooms, page by page. Returns the number of pages.
    pub async fn sync(&mut self, backend: &TestBackend, me: UserId) -> usize {
        let (positions, mut after) = (self.positions.clone(), None);
        for pages in 1.. {
            let page = sync(backend, me, &positions, after).await;
            after = page.next;
            self.apply(backend, me, page).await;
            if after.is_none() {
                return pages;
            }
        }
        unreachable!()
    }
}

/// Requests one page of a sync.
pub async fn sync(
    backend: &TestBackend,
    me: UserId,
    positions: &BTreeMap<RoomId, SyncPosition>,
    after: Option<RoomId>,
) -> SyncPage {
    backend.app.store.sync(me, positions, SyncScope::All, after, backend.app.now()).await.unwrap()
}

/// All messages of a room that the user can see, by `seq`.
pub async fn visible_messages(backend: &TestBackend, room: RoomId, me: UserId) -> Result<SeenMessages> {
    let mut messages = BTreeMap::new();
    loop {
        let window = Window::Newest { offset: messages.len() as u64 };
        let page = backend.app.store.history(room, me, window, 100).await?;
        if page.is_empty() {
            return Ok(messages);
        }
        messages.extend(page.into_iter().map(|view| (view.message.seq, (view.message, view.mine))));
    }
}
