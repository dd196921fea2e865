//! Deletions that are not finished: each is noted by the transaction that begins it, and crossed out once nothing is left. So what
//! a call that died has left can be found, and what was still being said when its place was taken away.

use crate::{
    clock::Timestamp,
    domain::accounts::{DeletionTarget, PendingDeletion},
    error::{Error, Result},
    store::{
        Store,
        db::{
            item::{Query, attributes, read, value},
            keys,
        },
    },
};
use aws_sdk_dynamodb::types::{Delete, TransactWriteItem};

impl Store {
    /// The deletions that are not finished and began before a time, and errors for those that cannot be read.
    pub async fn pending_deletions(&self, before: Timestamp) -> Result<Vec<Result<PendingDeletion>>> {
        let items = self.table.query(Query::of(keys::deletions()).consistent()).await?;
        let deletions = items.into_iter().map(read::<PendingDeletion>);
        let is_due =
            |noted: &Result<PendingDeletion>| !matches!(noted, Ok(deletion) if deletion.since >= before);
        Ok(deletions.filter(is_due).collect())
    }

    /// A write of a transaction: a deletion has begun.
    pub(in crate::store) fn begin_deletion(
        &self,
        of: DeletionTarget,
        since: Timestamp,
    ) -> Result<TransactWriteItem> {
        self.put(keys::deletion(of), PendingDeletion { of, since })
    }

    /// A write of a transaction: a deletion is finished.
    pub(in crate::store) fn end_deletion(&self, of: DeletionTarget) -> Result<TransactWriteItem> {
        self.delete(keys::deletion(of))
    }

    /// Notes that a deletion is finished, unless the same has begun anew since.
    pub async fn complete_deletion(&self, deletion: PendingDeletion) -> Result<()> {
        let delete = Delete::builder().table_name(self.table.name());
        let delete = delete
            .set_key(Some(attributes(keys::deletion(deletion.of))))
            .condition_expression("since = :since");
        let delete = delete.expression_attribute_values(":since", value(deletion.since)?);
        let delete = delete.build().map_err(Error::internal)?;
        self.table.transact(&[TransactWriteItem::builder().delete(delete).build()]).await.map(drop)
    }
}
