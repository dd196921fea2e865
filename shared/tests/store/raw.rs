//! Direct access to table items: inspects what the store wrote, and writes what concurrent calls would write.

use aws_sdk_dynamodb::types::{AttributeValue, Delete, Put, TransactWriteItem};
use serde_json::Value;
use shared::{
    id::{RoomId, UserId},
    store::db::{
        item::{Item, attributes},
        keys::{self, Key},
    },
};

use crate::backend::TestBackend;

/// The items of a room whose sort keys start with the prefix, in order.
pub fn items(backend: &TestBackend, room: RoomId, prefix: &str) -> Vec<Value> {
    let mut items = backend.partition(&format!("ROOM#{room}"));
    items.retain(|item| item["sk"]["S"].as_str().unwrap().starts_with(prefix));
    items
}

/// The room's `META` item.
pub fn meta(backend: &TestBackend, room: RoomId) -> Value {
    items(backend, room, "META").remove(0)
}

/// The value of a number attribute.
pub fn number(item: &Value, attribute: &str) -> u64 {
    item[attribute]["N"].as_str().unwrap_or_else(|| panic!("no {attribute} in {item}")).parse().unwrap()
}

/// The revisions of a room that have a change record.
pub fn recorded_revisions(backend: &TestBackend, room: RoomId) -> Vec<u64> {
    items(backend, room, "CHANGE#").iter().map(|change| number(change, "rev")).collect()
}

/// The member item of a user, if they are a member.
pub fn member(backend: &TestBackend, room: RoomId, user: UserId) -> Option<Value> {
    items(backend, room, &format!("MEMBER#{user}")).pop()
}

/// The sort keys of the items in the partition of a user.
pub fn user_keys(backend: &TestBackend, user: UserId) -> Vec<String> {
    let items = backend.partition(&format!("USER#{user}"));
    items.iter().map(|item| item["sk"]["S"].as_str().unwrap().to_owned()).collect()
}

/// Writes items unconditionally, in transactions of 100.
#[expect(clippy::disallowed_methods, reason = "writes what the store would not write")]
pub async fn put_all(backend: &TestBackend, items: Vec<Item>) {
    let write = |item: &Item| {
        let put = Put::builder().table_name("chat").set_item(Some(item.clone())).build().unwrap();
        TransactWriteItem::builder().put(put).build()
    };
    for items in items.chunks(100) {
        let writes = items.iter().map(write).collect();
        backend.client.transact_write_items().set_transact_items(Some(writes)).send().await.unwrap();
    }
}

/// All items of the table.
#[expect(clippy::disallowed_methods, reason = "reads what no store call returns")]
pub async fn all_items(backend: &TestBackend) -> Vec<Item> {
    let mut items = Vec::new();
    let mut start = None;
    loop {
        let page =
            backend.client.scan().table_name("chat").set_exclusive_start_key(start).send().await.unwrap();
        items.extend(page.items.unwrap_or_default());
        start = page.last_evaluated_key;
        if start.is_none() {
            return items;
        }
    }
}

/// Writes an item unconditionally.
#[expect(clippy::disallowed_methods, reason = "writes what the store would not write")]
pub async fn put(backend: &TestBackend, item: Item) {
    backend.client.put_item().table_name("chat").set_item(Some(item)).send().await.unwrap();
}

/// Sets a number attribute of an item.
#[expect(clippy::disallowed_methods, reason = "writes what the store would not write")]
pub async fn set(backend: &TestBackend, key: Key, attribute: &str, value: i64) {
    let update = backend.client.update_item().table_name("chat").set_key(Some(attributes(key)));
    let update =
        update.update_expression("SET #name = :value").expression_attribute_names("#name", attribute);
    let value = AttributeValue::N(value.to_string());
    update.expression_attribute_values(":value", value).send().await.unwrap();
}

/// Sets the audience of a privacy setting of the user.
#[expect(clippy::disallowed_methods, reason = "sets one setting without a profile change")]
pub async fn set_audience(backend: &TestBackend, user: UserId, setting: &str, audience: &str) {
    let update =
        backend.client.update_item().table_name("chat").set_key(Some(attributes(keys::profile(user))));
    let update = update.update_expression("SET settings.#setting = :audience");
    let update = update.expression_attribute_names("#setting", setting);
    let audience = AttributeValue::S(audience.to_owned());
    update.expression_attribute_values(":audience", audience).send().await.unwrap();
}

/// Sets a boolean attribute of an item to true.
#[expect(clippy::disallowed_methods, reason = "writes what the store would not write")]
pub async fn set_flag(backend: &TestBackend, key: Key, attribute: &str) {
    let update = backend.client.update_item().table_name("chat").set_key(Some(attributes(key)));
    let update = update.update_expression("SET #name = :yes").expression_attribute_names("#name", attribute);
    update.expression_attribute_values(":yes", AttributeValue::Bool(true)).send().await.unwrap();
}

/// Deletes an item.
#[expect(clippy::disallowed_methods, reason = "the store deletes only in transactions")]
pub async fn remove(backend: &TestBackend, key: Key) {
    let delete = Delete::builder().table_name("chat").set_key(Some(attributes(key)));
    let write = TransactWriteItem::builder().delete(delete.build().unwrap()).build();
    backend.client.transact_write_items().transact_items(write).send().await.unwrap();
}
