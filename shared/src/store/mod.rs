//! The DynamoDB table. One `impl Store` per domain; every key is defined in [`db::keys`].

pub mod accounts;
pub mod db;
pub mod messages;
pub mod relationships;
pub mod reports;
pub mod rooms;
pub mod users;

use crate::{
    domain::page::{Page, PageRequest},
    error::{Error, Result},
};
use aws_sdk_dynamodb::{
    Client,
    types::{AttributeValue, ConditionCheck, Delete, Put, TransactWriteItem},
};
use db::{
    item::{self, Query, Update, read},
    keys::{self, Range},
    table::{Table, non_empty},
};
use serde::{Serialize, de::DeserializeOwned};

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

    /// A write of a transaction: an item in the place of what it was at its revision `rev`, and of nothing else.
    fn replace(&self, key: keys::Key, body: impl Serialize, rev: u64) -> Result<TransactWriteItem> {
        let put = Put::builder().table_name(self.table.name()).set_item(Some(item::item(key, body)?));
        let put = put.condition_expression(AT_REVISION).expression_attribute_values(":rev", number(rev));
        Ok(TransactWriteItem::builder().put(put.build().map_err(Error::internal)?).build())
    }

    /// A condition of a transaction upon an item that it does not write.
    fn check(&self, key: keys::Key, condition: &str) -> Result<TransactWriteItem> {
        let check = ConditionCheck::builder().table_name(self.table.name());
        let check = check.set_key(Some(item::attributes(key))).condition_expression(condition);
        Ok(TransactWriteItem::builder().condition_check(check.build().map_err(Error::internal)?).build())
    }

    /// A condition of a transaction: an item is still at its revision `rev`.
    fn check_at(&self, key: keys::Key, rev: u64) -> Result<TransactWriteItem> {
        let check =
            ConditionCheck::builder().table_name(self.table.name()).set_key(Some(item::attributes(key)));
        let check = check.condition_expression(AT_REVISION).expression_attribute_values(":rev", number(rev));
        Ok(TransactWriteItem::builder().condition_check(check.build().map_err(Error::internal)?).build())
    }

    /// A write of a transaction: no such item any more, if it is at its revision `rev`.
    fn delete_at(&self, key: keys::Key, rev: u64) -> Result<TransactWriteItem> {
        let delete = Delete::builder().table_name(self.table.name()).set_key(Some(item::attributes(key)));
        let delete =
            delete.condition_expression(AT_REVISION).expression_attribute_values(":rev", number(rev));
        Ok(TransactWriteItem::builder().delete(delete.build().map_err(Error::internal)?).build())
    }

    /// A write of a transaction: a conditional change of one item.
    fn update(&self, update: Update) -> Result<TransactWriteItem> {
        let change = aws_sdk_dynamodb::types::Update::builder().table_name(self.table.name());
        let change = change.set_key(Some(item::attributes(update.key))).update_expression(update.expression);
        let change = change.set_condition_expression(update.condition);
        let change = change.set_expression_attribute_names(non_empty(update.names));
        let change = change.set_expression_attribute_values(non_empty(update.values));
        Ok(TransactWriteItem::builder().update(change.build().map_err(Error::internal)?).build())
    }

    /// A write of a transaction: no such item any more.
    fn delete(&self, key: keys::Key) -> Result<TransactWriteItem> {
        let delete = Delete::builder().table_name(self.table.name()).set_key(Some(item::attributes(key)));
        Ok(TransactWriteItem::builder().delete(delete.build().map_err(Error::internal)?).build())
    }

    /// A write of a transaction: no such item any more, and there must be one.
    fn delete_existing(&self, key: keys::Key) -> Result<TransactWriteItem> {
        let delete = Delete::builder().table_name(self.table.name()).set_key(Some(item::attributes(key)));
        let delete = delete.condition_expression("attribute_exists(pk)").build().map_err(Error::internal)?;
        Ok(TransactWriteItem::builder().delete(delete).build())
    }

    /// One page of a list whose items stand in one range. The cursor is the last item's sort key without the
    /// range's prefix.
    async fn page<T: DeserializeOwned>(
        &self,
        query: Query,
        range: &Range,
        page: PageRequest,
    ) -> Result<Page<T>> {
        let query = query.consistent().after(page.cursor.map(|cursor| format!("{}{cursor}", range.first)));
        // One more than asked for tells whether there is more.
        let query = match page.limit {
            Some(limit) => query.limit(limit + 1),
            None => query,
        };
        let mut items = self.table.query(query).await?;
        let more = page.limit.is_some_and(|limit| items.len() > limit);
        items.truncate(page.limit.unwrap_or(usize::MAX));
        let next = items.last().filter(|_| more).map(|last| item::sk(last)[range.first.len()..].to_owned());
        Ok(Page { items: items.into_iter().map(read).collect::<Result<_>>()?, next })
    }
}

/// The condition that an item is what it was when it was read.
const AT_REVISION: &str = "rev = :rev";

fn number(number: u64) -> AttributeValue {
    AttributeValue::N(number.to_string())
}
