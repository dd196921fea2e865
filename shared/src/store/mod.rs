//! Remembers: one table, one file per domain of `impl Store`.

pub mod capacity;
pub mod friendships;
pub mod item;
pub mod keys;
pub mod messages;
pub mod presence;
pub mod rooms;
pub mod table;
pub mod users;

use aws_sdk_dynamodb::{
    Client,
    types::{Delete, Put, TransactWriteItem},
};
use serde::Serialize;
use table::Table;

use crate::error::{Error, Result};

/// The memory of the system. Concrete on purpose: tests use it over an embedded engine, with real conditions and
/// real transactions.
#[derive(Clone)]
pub struct Store {
    table: Table,
}

impl Store {
    /// A store in the table of this name.
    pub fn new(client: Client, table: String) -> Self {
        Self { table: Table::new(client, table) }
    }

    /// A write of a transaction: a new item, where none may be yet.
    fn put_new(&self, key: keys::Key, body: impl Serialize) -> Result<TransactWriteItem> {
        let put = Put::builder().table_name(self.table.name()).set_item(Some(item::item(key, body)?));
        let put = put.condition_expression("attribute_not_exists(pk)").build().map_err(Error::internal)?;
        Ok(TransactWriteItem::builder().put(put).build())
    }

    /// A write of a transaction: an item, whatever is there.
    fn put(&self, key: keys::Key, body: impl Serialize) -> Result<TransactWriteItem> {
        let put = Put::builder().table_name(self.table.name()).set_item(Some(item::item(key, body)?));
        Ok(TransactWriteItem::builder().put(put.build().map_err(Error::internal)?).build())
    }

    /// A write of a transaction: no such item any more.
    fn delete(&self, key: keys::Key) -> Result<TransactWriteItem> {
        let delete = Delete::builder().table_name(self.table.name()).set_key(Some(item::attributes(key)));
        Ok(TransactWriteItem::builder().delete(delete.build().map_err(Error::internal)?).build())
    }
}

/// A part of a list that is read page after page.
#[derive(Clone, Debug)]
pub struct Page<T> {
    /// The items, in the list's order.
    pub items: Vec<T>,
    /// Where to go on, while there is more.
    pub next: Option<String>,
}

impl<T> Page<T> {
    /// The same page of something else.
    pub fn map<U>(self, f: impl FnMut(T) -> U) -> Page<U> {
        Page { items: self.items.into_iter().map(f).collect(), next: self.next }
    }
}

/// Which part of a list to read.
#[derive(Clone, Debug, Default)]
pub struct PageOf {
    /// At most so many; everything without.
    pub limit: Option<usize>,
    /// What the last page said in `next`.
    pub cursor: Option<String>,
}
