//! Deletions that are not finished: each is noted by the transaction that begins it, and crossed out by the one that ends it. So
//! what a call that died has left can be found, and nothing but that.

use aws_sdk_dynamodb::types::TransactWriteItem;
use serde::{Deserialize, Serialize};

use super::{
    Store,
    item::{Query, read},
    keys,
};
use crate::{
    clock::Timestamp,
    error::Result,
    id::{RoomId, UserId},
};

/// What is to be deleted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Doomed {
    /// All that is left of somebody who has deleted their account.
    Account(UserId),
    /// All that is left of a room that is closed for good.
    Room(RoomId),
}

/// A deletion that has begun.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Deletion {
    /// Of what.
    pub of: Doomed,
    /// Since when.
    pub since: Timestamp,
}

impl Store {
    /// The deletions that are not finished and began before a time.
    pub async fn unfinished_deletions(&self, before: Timestamp) -> Result<Vec<Deletion>> {
        let items = self.table.query(Query::of(keys::deletions()).consistent()).await?;
        let deletions = items.into_iter().map(read::<Deletion>).collect::<Result<Vec<_>>>()?;
        Ok(deletions.into_iter().filter(|deletion| deletion.since < before).collect())
    }

    /// A write of a transaction: a deletion has begun.
    pub(super) fn begin_deletion(&self, of: Doomed, since: Timestamp) -> Result<TransactWriteItem> {
        self.put(keys::deletion(of), Deletion { of, since })
    }

    /// A write of a transaction: a deletion is finished.
    pub(super) fn end_deletion(&self, of: Doomed) -> Result<TransactWriteItem> {
        self.delete(keys::deletion(of))
    }
}
