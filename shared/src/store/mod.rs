//! The DynamoDB table. One `impl Store` per domain; every key is defined in [`db::keys`].
//!
//! The store reads and writes. Who may see or do what is decided in `domain` and `app`.

pub mod accounts;
pub mod db;
pub mod messages;
pub mod relationships;
pub mod reports;
pub mod rooms;
pub mod users;

use aws_sdk_dynamodb::Client;
use serde::de::DeserializeOwned;

use crate::{
    domain::page::{Page, PageRequest},
    error::Result,
    store::db::{
        item::{self, Query, read_each},
        keys::Range,
        table::Table,
    },
};

/// The table. A concrete type on purpose: tests run it over an embedded engine with real conditions and
/// transactions.
#[derive(Clone)]
pub struct Store {
    table: Table,
}

impl Store {
    /// The store in the table of this name.
    pub fn new(client: Client, table: String) -> Self {
        Self { table: Table::new(client, table) }
    }

    /// The same store, with eventually consistent reads at half the cost, for what lists show beside their
    /// entries. Nothing may be decided by it, except whether the presence of others is shown.
    #[must_use]
    pub fn eventual(&self) -> Self {
        Self { table: self.table.eventual() }
    }

    /// One page of a list whose items are in one range. The cursor is the sort key of the last item without
    /// the range's prefix.
    async fn page<T: DeserializeOwned>(
        &self,
        query: Query,
        range: &Range,
        page: PageRequest,
    ) -> Result<Page<T>> {
        let query = query.consistent().after(page.cursor.map(|cursor| format!("{}{cursor}", range.first)));
        // One item more than requested shows whether another page follows.
        let query = match page.limit {
            Some(limit) => query.limit(limit + 1),
            None => query,
        };
        let mut items = self.table.query(query).await?;
        let has_more = page.limit.is_some_and(|limit| items.len() > limit);
        items.truncate(page.limit.unwrap_or(usize::MAX));
        let next =
            items.last().filter(|_| has_more).map(|last| item::sk(last)[range.first.len()..].to_owned());
        Ok(Page { items: read_each(items), next })
    }
}
