//! Items as the table has them, behind the store's back: to look at what it wrote, and to put in its way what others would.

use aws_sdk_dynamodb::types::{AttributeValue, Delete, Put, TransactWriteItem};
use serde_json::Value;
use shared::{
    id::{RoomId, UserId},
    store::db::{
        item::{Item, attributes},
        keys::{self, Key},
    },
};

use crate::cloud::Cloud;

/// The items of a room whose sort keys begin so, in order.
pub fn items(cloud: &Cloud, room: RoomId, prefix: &str) -> Vec<Value> {
    let mut items = cloud.partition(&format!("ROOM#{room}"));
    items.retain(|item| item["sk"]["S"].as_str().unwrap().starts_with(prefix));
    items
}

/// The room's own item.
pub fn meta(cloud: &Cloud, room: RoomId) -> Value {
    items(cloud, room, "META").remove(0)
}

/// The number in an attribute.
pub fn number(item: &Value, attribute: &str) -> u64 {
    item[attribute]["N"].as_str().unwrap_or_else(|| panic!("no {attribute} in {item}")).parse().unwrap()
}

/// The revisions of a room that have a record of what they changed.
pub fn recorded_revisions(cloud: &Cloud, room: RoomId) -> Vec<u64> {
    items(cloud, room, "CHANGE#").iter().map(|change| number(change, "rev")).collect()
}

/// The member item of somebody, if there is one.
pub fn member(cloud: &Cloud, room: RoomId, user: UserId) -> Option<Value> {
    items(cloud, room, &format!("MEMBER#{user}")).pop()
}

/// How large DynamoDB takes an item to be, in bytes: names and values, one more for each element of a list or map, and
/// three for each list or map.
pub fn size(item: &Value) -> usize {
    fn of(value: &Value) -> usize {
        let (kind, value) = value.as_object().unwrap().iter().next().unwrap();
        match (kind.as_str(), value) {
            ("S", Value::String(text)) => text.len(),
            ("N", Value::String(digits)) => digits.len().div_ceil(2) + 1,
            ("BOOL" | "NULL", _) => 1,
            ("L", Value::Array(values)) => 3 + values.iter().map(|value| 1 + of(value)).sum::<usize>(),
            ("M", Value::Object(fields)) => {
                3 + fields.iter().map(|(name, value)| 1 + name.len() + of(value)).sum::<usize>()
            }
            other => panic!("{other:?}"),
        }
    }
    item.as_object().unwrap().iter().map(|(name, value)| name.len() + of(value)).sum()
}

/// Writes items, whatever is there, a hundred at a time.
#[expect(clippy::disallowed_methods, reason = "what no call of the store would write")]
pub async fn put_all(cloud: &Cloud, items: Vec<Item>) {
    let write = |item: &Item| {
        let put = Put::builder().table_name("chat").set_item(Some(item.clone())).build().unwrap();
        TransactWriteItem::builder().put(put).build()
    };
    for items in items.chunks(100) {
        let writes = items.iter().map(write).collect();
        cloud.client.transact_write_items().set_transact_items(Some(writes)).send().await.unwrap();
    }
}

/// Writes an item, whatever is there.
#[expect(clippy::disallowed_methods, reason = "what no call of the store would write")]
pub async fn put(cloud: &Cloud, item: Item) {
    cloud.client.put_item().table_name("chat").set_item(Some(item)).send().await.unwrap();
}

/// Changes a number of an item.
#[expect(clippy::disallowed_methods, reason = "what no call of the store would write")]
pub async fn set(cloud: &Cloud, key: Key, attribute: &str, value: i64) {
    let update = cloud.client.update_item().table_name("chat").set_key(Some(attributes(key)));
    let update =
        update.update_expression("SET #name = :value").expression_attribute_names("#name", attribute);
    let value = AttributeValue::N(value.to_string());
    update.expression_attribute_values(":value", value).send().await.unwrap();
}

/// Lets somebody choose who does something, as a call of theirs will.
#[expect(clippy::disallowed_methods, reason = "sets what no call of the store sets")]
pub async fn choose(cloud: &Cloud, user: UserId, setting: &str, circle: &str) {
    let update = cloud.client.update_item().table_name("chat").set_key(Some(attributes(keys::profile(user))));
    let update = update.update_expression("SET settings.#setting = :circle");
    let update = update.expression_attribute_names("#setting", setting);
    let circle = AttributeValue::S(circle.to_owned());
    update.expression_attribute_values(":circle", circle).send().await.unwrap();
}

/// Sets a flag of an item.
#[expect(clippy::disallowed_methods, reason = "what no call of the store would write")]
pub async fn set_flag(cloud: &Cloud, key: Key, attribute: &str) {
    let update = cloud.client.update_item().table_name("chat").set_key(Some(attributes(key)));
    let update = update.update_expression("SET #name = :yes").expression_attribute_names("#name", attribute);
    update.expression_attribute_values(":yes", AttributeValue::Bool(true)).send().await.unwrap();
}

/// Deletes an item.
#[expect(clippy::disallowed_methods, reason = "the store deletes only in transactions")]
pub async fn remove(cloud: &Cloud, key: Key) {
    let delete = Delete::builder().table_name("chat").set_key(Some(attributes(key)));
    let write = TransactWriteItem::builder().delete(delete.build().unwrap()).build();
    cloud.client.transact_write_items().transact_items(write).send().await.unwrap();
}
