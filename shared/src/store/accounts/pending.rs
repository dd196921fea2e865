//! Pending deletions: the transaction that begins a deletion stores one, and it is removed once the deletion
//! is complete. The scheduled function finds there what a failed call left undone.

use crate::{
    clock::Timestamp,
    domain::accounts::{DeletionTarget, PendingDeletion},
    error::Result,
    store::{
        Store,
        db::{
            item::{self, Condition, Item, Query, read, readable},
            keys::{self, Key},
            transaction::Transaction,
        },
    },
};

/// A pending deletion to complete.
#[derive(Clone, Debug)]
pub struct OverdueDeletion {
    /// The key of its item.
    pub key: Key,
    /// The target. If the item cannot be read, the one that its key contains, if any.
    pub of: Option<DeletionTarget>,
    as_read: Condition,
}

impl OverdueDeletion {
    /// The deletion of an item, unless it began at `before` or later. One that cannot be read is overdue.
    fn of(item: Item, before: Timestamp) -> Option<Self> {
        let key = item::key(&item)?;
        let as_read = Condition::unchanged("since", &item);
        let of = match readable(read::<PendingDeletion>(item)) {
            Some(deletion) if deletion.since >= before => return None,
            Some(deletion) => Some(deletion.of),
            None => keys::deletion_target_of(&key.sk),
        };
        Some(Self { key, of, as_read })
    }
}

impl Store {
    /// The pending deletions that began before a time.
    pub async fn overdue_deletions(&self, before: Timestamp) -> Result<Vec<OverdueDeletion>> {
        let items = self.table.query(Query::of(keys::deletions()).consistent()).await?;
        Ok(items.into_iter().filter_map(|item| OverdueDeletion::of(item, before)).collect())
    }

    /// Removes a pending deletion, unless a new one of the same target has begun since.
    pub async fn complete_deletion(&self, deletion: OverdueDeletion) -> Result<()> {
        let mut tx = self.transaction();
        tx.delete_if(deletion.key, deletion.as_read);
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
