//! Items, and the queries, updates and conditions on them.

use std::collections::HashMap;

use aws_sdk_dynamodb::types::AttributeValue;
use serde::{Serialize, de::DeserializeOwned};

use crate::{
    error::{Error, Result},
    store::db::keys::{Key, Range},
};

/// An item: attributes by name.
pub type Item = HashMap<String, AttributeValue>;

/// A query of one range.
#[derive(Clone, Debug)]
pub struct Query {
    pub(in crate::store) range: Range,
    pub(in crate::store) after: Option<Key>,
    pub(in crate::store) limit: Option<usize>,
    pub(in crate::store) newest_first: bool,
    pub(in crate::store) consistent: bool,
}

impl Query {
    /// The whole range, in ascending order.
    pub fn of(range: Range) -> Self {
        Self { range, after: None, limit: None, newest_first: false, consistent: false }
    }

    /// Continues after the item with this sort key.
    #[must_use]
    pub fn after(self, sk: Option<String>) -> Self {
        let pk = &self.range.pk;
        Self { after: sk.map(|sk| Key { pk: pk.clone(), sk }), ..self }
    }

    /// The maximum number of items, at least one.
    #[must_use]
    pub fn limit(self, limit: usize) -> Self {
        Self { limit: Some(limit.max(1)), ..self }
    }

    /// In descending order.
    #[must_use]
    pub fn newest_first(self) -> Self {
        Self { newest_first: true, ..self }
    }

    /// A strongly consistent read.
    #[must_use]
    pub fn consistent(self) -> Self {
        Self { consistent: true, ..self }
    }
}

/// A condition on one item, in DynamoDB's expression language.
#[derive(Clone, Debug)]
pub struct Condition {
    expression: String,
    names: HashMap<String, String>,
    values: HashMap<String, AttributeValue>,
}

/// The parts of a condition, as requests take them.
type ConditionParts =
    (Option<String>, Option<HashMap<String, String>>, Option<HashMap<String, AttributeValue>>);

impl Condition {
    /// A condition without placeholders, or whose placeholders follow.
    pub fn of(expression: impl Into<String>) -> Self {
        Self { expression: expression.into(), names: HashMap::new(), values: HashMap::new() }
    }

    /// The item exists.
    pub fn exists() -> Self {
        Self::of("attribute_exists(pk)")
    }

    /// The item does not exist.
    pub fn not_exists() -> Self {
        Self::of("attribute_not_exists(pk)")
    }

    /// The item is at the revision that was read.
    pub fn at_revision(rev: u64) -> Self {
        Self::of("rev = :rev").attribute(":rev", number(rev))
    }

    /// The item is at the revision of this item, which may be unreadable.
    pub fn at_revision_of(item: &Item) -> Self {
        Self::unchanged("rev", item)
    }

    /// The item exists, and has the attribute as in this item, which may be unreadable.
    pub fn unchanged(attribute: &str, item: &Item) -> Self {
        match item.get(attribute) {
            Some(value) => Self::of(format!("{attribute} = :read")).attribute(":read", value.clone()),
            None => Self::of(format!("attribute_exists(pk) AND attribute_not_exists({attribute})")),
        }
    }

    /// The attribute name behind a `#placeholder`.
    #[must_use]
    pub fn name(mut self, placeholder: &str, name: &str) -> Self {
        self.names.insert(placeholder.to_owned(), name.to_owned());
        self
    }

    /// The value behind a `:placeholder`.
    #[must_use]
    pub fn attribute(mut self, placeholder: &str, value: AttributeValue) -> Self {
        self.values.insert(placeholder.to_owned(), value);
        self
    }

    pub(super) fn parts(condition: Option<Self>) -> ConditionParts {
        condition.map_or((None, None, None), |Self { expression, names, values }| {
            (Some(expression), non_empty(names), non_empty(values))
        })
    }
}

/// A number as an attribute.
pub fn number(number: u64) -> AttributeValue {
    AttributeValue::N(number.to_string())
}

/// DynamoDB refuses an empty map of names or values.
pub(super) fn non_empty<T>(map: HashMap<String, T>) -> Option<HashMap<String, T>> {
    (!map.is_empty()).then_some(map)
}

/// An update of one item, which may have a condition.
#[derive(Clone, Debug)]
pub struct Update {
    pub(in crate::store) key: Key,
    pub(in crate::store) expression: String,
    pub(in crate::store) condition: Option<String>,
    pub(in crate::store) names: HashMap<String, String>,
    pub(in crate::store) values: HashMap<String, AttributeValue>,
}

impl Update {
    /// An update in DynamoDB's expression language.
    pub fn of(key: Key, expression: impl Into<String>) -> Self {
        let (names, values) = (HashMap::new(), HashMap::new());
        Self { key, expression: expression.into(), condition: None, names, values }
    }

    /// Adds a condition.
    #[must_use]
    pub fn only_if(mut self, condition: impl Into<String>) -> Self {
        self.condition = Some(condition.into());
        self
    }

    /// Adds another condition, which must also hold.
    #[must_use]
    pub fn also_if(self, condition: &str) -> Self {
        let condition = match &self.condition {
            Some(first) => format!("{first} AND {condition}"),
            None => condition.to_owned(),
        };
        self.only_if(condition)
    }

    /// The attribute name behind a `#placeholder`.
    #[must_use]
    pub fn name(mut self, placeholder: impl Into<String>, name: impl Into<String>) -> Self {
        self.names.insert(placeholder.into(), name.into());
        self
    }

    /// The value behind a `:placeholder`, serialized.
    pub fn value(self, placeholder: &str, content: impl Serialize) -> Result<Self> {
        Ok(self.attribute(placeholder, value(content)?))
    }

    /// The value behind a `:placeholder`, as an attribute.
    #[must_use]
    pub fn attribute(mut self, placeholder: &str, value: AttributeValue) -> Self {
        self.values.insert(placeholder.to_owned(), value);
        self
    }
}

/// A value as an attribute.
pub fn value(content: impl Serialize) -> Result<AttributeValue> {
    serde_dynamo::to_attribute_value(content).map_err(Error::internal)
}

/// The two attributes of a key.
pub fn attributes(key: Key) -> Item {
    HashMap::from([("pk".into(), AttributeValue::S(key.pk)), ("sk".into(), AttributeValue::S(key.sk))])
}

/// An item of a key and a body.
pub fn item(key: Key, body: impl Serialize) -> Result<Item> {
    let mut item: Item = serde_dynamo::to_item(body).map_err(Error::internal)?;
    item.extend(attributes(key));
    Ok(item)
}

/// The body of an item, without its key and unknown attributes. The error names the key and has no content.
pub fn read<T: DeserializeOwned>(item: Item) -> Result<T> {
    let key = key(&item);
    serde_dynamo::from_item(item).map_err(|_| {
        let key = key.map_or_else(|| "an item without a key".to_owned(), |key| key.to_string());
        Error::Unreadable(format!("{key} as {}", std::any::type_name::<T>()))
    })
}

/// The bodies of those items that can be read. An unreadable item is logged and does not fail the list.
pub fn read_each<T: DeserializeOwned>(items: impl IntoIterator<Item = Item>) -> Vec<T> {
    items.into_iter().filter_map(|item| readable(read(item))).collect()
}

/// What was read. An error is logged.
pub fn readable<T>(found: Result<T>) -> Option<T> {
    found.inspect_err(|error| tracing::error!(%error, "an item is skipped")).ok()
}

/// The body of an item. The error of an unreadable one, which is logged, is what can be read of it, attribute
/// by attribute, and `fallback` for the rest.
pub fn read_or_recover<T>(item: Item, fallback: impl FnOnce() -> T) -> Result<T, T>
where
    T: Serialize + DeserializeOwned,
{
    let error = match read(item.clone()) {
        Ok(body) => return Ok(body),
        Err(error) => error,
    };
    tracing::error!(%error, "an item is partly read");
    let fallback = fallback();
    let mut recovered: Item = serde_dynamo::to_item(&fallback).unwrap_or_default();
    for (name, value) in item {
        let before = recovered.insert(name.clone(), value);
        if serde_dynamo::from_item::<_, T>(recovered.clone()).is_err() {
            match before {
                Some(before) => recovered.insert(name, before),
                None => recovered.remove(&name),
            };
        }
    }
    Err(serde_dynamo::from_item(recovered).unwrap_or(fallback))
}

/// One attribute of an item, if it can be read.
pub fn attribute<T: DeserializeOwned>(item: &Item, name: &str) -> Option<T> {
    serde_dynamo::from_attribute_value(item.get(name)?.clone()).ok()
}

/// An item's sort key; empty if it has none.
pub fn sk(item: &Item) -> &str {
    item.get("sk").and_then(|sk| sk.as_s().ok()).map_or("", String::as_str)
}

/// An item's key.
pub fn key(item: &Item) -> Option<Key> {
    let text = |name: &str| item.get(name)?.as_s().ok().cloned();
    Some(Key { pk: text("pk")?, sk: text("sk")? })
}
