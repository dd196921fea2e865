//! The end of deletions whose calls have died.

use chrono::Duration;
use futures::{StreamExt, stream};

use crate::{
    App, Result,
    domain::departure::Account,
    id::{RoomId, UserId},
    store::unfinished::{Deletion, Doomed},
};

/// A deletion that began so long ago is not finished by the call that began it: none may take that long.
const OVERDUE_AFTER: Duration = Duration::minutes(10);

/// So many are finished at once: one that takes long holds up no other.
const CONCURRENT_DELETIONS: usize = 4;

impl App {
    /// Finishes all deletions that are overdue. Each is tried, whatever becomes of the others, and logged if it fails; the error
    /// is that of the first one that did. May stop anywhere, and goes on from there.
    pub async fn finish_deletions(&self) -> Result<()> {
        let overdue = self.store.unfinished_deletions(self.now().plus(-OVERDUE_AFTER)).await?;
        let finished = stream::iter(overdue).map(async |deletion| {
            let finished = self.finish_deletion(deletion).await;
            finished.inspect_err(|error| tracing::error!(%error, ?deletion, "a deletion cannot be finished"))
        });
        let finished: Vec<Result<()>> = finished.buffer_unordered(CONCURRENT_DELETIONS).collect().await;
        finished.into_iter().collect()
    }

    async fn finish_deletion(&self, deletion: Deletion) -> Result<()> {
        match deletion.of {
            Doomed::Account(user) => self.finish_account(user).await?,
            Doomed::Room(room) => self.finish_room(room).await?,
            Doomed::Name { user, room, after_seq } => self.finish_name(user, room, after_seq).await?,
        }
        self.store.cross_out(deletion).await
    }

    async fn finish_account(&self, user: UserId) -> Result<()> {
        match self.store.account(user).await? {
            Some(Account::Gone(departure)) => self.finish_departure(&departure).await,
            // Somebody else was first.
            Some(Account::Here(_)) | None => Ok(()),
        }
    }

    async fn finish_name(&self, user: UserId, room: RoomId, after_seq: u64) -> Result<()> {
        let now = self.now();
        let until = match self.store.account(user).await? {
            Some(Account::Here(profile)) => profile.created_at,
            Some(Account::Gone(_)) | None => now,
        };
        self.store.unsign_rest(room, user, after_seq, until).await
    }

    async fn finish_room(&self, room: RoomId) -> Result<()> {
        while let Some(closed) = self.store.deleted_group(room).await? {
            if self.store.clear_room(&closed, self.now()).await? {
                break;
            }
        }
        Ok(())
    }
}
