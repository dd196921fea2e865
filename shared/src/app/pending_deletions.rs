//! What deletions leave to the schedule: the rest of one whose call has died, groups that nobody is in any more, and what was
//! still being said.

use chrono::Duration;
use futures::{StreamExt, stream};

use crate::{
    App, Result,
    domain::accounts::{Account, DeletionTarget, PendingDeletion},
    id::{RoomId, UserId},
};

/// A deletion that began so long ago is not finished by the call that began it, nor is anything on its way that was begun before
/// its end: no two calls may take that long one after the other.
const OVERDUE_AFTER: Duration = Duration::minutes(10);

/// So many are finished at once: one that takes long holds up no other.
const CONCURRENT_DELETIONS: usize = 4;

impl App {
    /// Finishes all deletions that are overdue. Each is tried, whatever becomes of the others, and logged if it fails; the error
    /// is that of the first one that did. May stop anywhere, and goes on from there.
    pub async fn complete_deletions(&self) -> Result<()> {
        let overdue = self.store.pending_deletions(self.now().plus(-OVERDUE_AFTER)).await?;
        let finished = stream::iter(overdue).map(async |noted| {
            let deletion = noted.inspect_err(|error| tracing::error!(%error, "a deletion cannot be read"))?;
            let finished = self.complete_pending_deletion(deletion).await;
            finished.inspect_err(|error| tracing::error!(%error, ?deletion, "a deletion cannot be finished"))
        });
        let finished: Vec<Result<()>> = finished.buffer_unordered(CONCURRENT_DELETIONS).collect().await;
        finished.into_iter().collect()
    }

    async fn complete_pending_deletion(&self, deletion: PendingDeletion) -> Result<()> {
        match deletion.of {
            DeletionTarget::Account(user) => self.complete_account(user).await?,
            DeletionTarget::Room(room) => self.complete_room(room).await?,
            DeletionTarget::SenderName { user, room, after_seq } => {
                self.store.anonymize_late_messages(room, user, after_seq, self.now()).await?;
            }
        }
        self.store.complete_deletion(deletion).await
    }

    async fn complete_account(&self, user: UserId) -> Result<()> {
        match self.store.account(user).await? {
            Some(Account::Deleted(departure)) => self.complete_account_deletion(&departure).await,
            // Somebody else was first.
            Some(Account::Active(_)) | None => Ok(()),
        }
    }

    async fn complete_room(&self, room: RoomId) -> Result<()> {
        while let Some(closed) = self.store.deleted_group(room).await? {
            if self.store.clear_room(&closed, self.now()).await? {
                break;
            }
        }
        Ok(())
    }
}
