//! Pending deletions: the transaction that begins a deletion stores one, and it is removed once the deletion
//! is complete. The scheduled function finds there what a failed call left undone.

use crate::{
    clock::Timestamp,
    domain::accounts::{DeletionTarget, PendingDeletion},
    error::Result,
    store::{
        Store,
        db::{
            item::{Condition, Query, read, value},
            keys,
            transaction::Transaction,
        },
    },
};

impl Store {
    /// The pending deletions that began before a time, and an error for each that cannot be read.
    pub async fn pending_deletions(&self, before: Timestamp) -> Result<Vec<Result<PendingDeletion>>> {
        let items = self.table.query(Query::of(keys::deletions()).consistent()).await?;
        let deletions = items.into_iter().map(read::<PendingDeletion>);
        let is_due =
            |found: &Result<PendingDeletion>| !matches!(found, Ok(deletion) if deletion.since >= before);
        Ok(deletions.filter(is_due).collect())
    }

    /// Removes a pending deletion, unless a new one of the same target has begun since.
    pub async fn complete_deletion(&self, deletion: PendingDeletion) -> Result<()> {
        let is_same = Condition::of("since = :since").attribute(":since", value(deletion.since)?);
        let mut tx = self.transaction();
        tx.delete_if(keys::deletion(deletion.of), is_same);
        tx.commit_through_conflicts().await.map(drop)
    }
}

impl<R> Transaction<'_, R> {
    /// Stores the pending deletion.
    pub(in crate::store) fn begin_deletion(&mut self, of: DeletionTarget, since: Timestamp) -> &mut Self {
        self.put(keys::deletion(of), PendingDeletion { of, since })
    }

    /// Removes the pending deletion.
    pub(in crate::store) fn end_deletion(&mut self, of: DeletionTarget) -> &mut Self {
        self.delete(keys::deletion(of))
    }
}
