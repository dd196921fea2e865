//! `AWS::DynamoDB::Table` resources.

use anyhow::{Context, Result, bail};
use serde_json::{Map, Value};

use super::Source;

/// A table of the template.
#[derive(Clone, Debug)]
pub struct TableSpec {
    /// The physical name: `TableName`, or the logical id.
    pub name: String,
    /// A `CreateTable` request with the table's keys and indexes.
    pub create: Value,
    /// The time-to-live attribute, if enabled.
    pub ttl_attribute: Option<String>,
}

pub(super) fn read(source: &Source) -> Result<Vec<TableSpec>> {
    for unsupported in ["AWS::Serverless::SimpleTable", "AWS::DynamoDB::GlobalTable"] {
        if let Some(resource) = source.resources(unsupported)?.first() {
            bail!("{}: the local stack supports AWS::DynamoDB::Table, not {unsupported}", resource.id);
        }
    }
    let tables = source.resources("AWS::DynamoDB::Table")?;
    tables
        .iter()
        .map(|table| read_table(source, table).with_context(|| format!("table {}", table.id)))
        .collect()
}

fn read_table(source: &Source, table: &super::Resource) -> Result<TableSpec> {
    let properties = table.properties;
    let name = source.text(properties, "TableName")?.unwrap_or_else(|| table.id.to_owned());
    let mut create = Map::new();
    create.insert("TableName".into(), name.clone().into());
    create.insert("BillingMode".into(), "PAY_PER_REQUEST".into());
    for part in ["KeySchema", "AttributeDefinitions", "GlobalSecondaryIndexes", "LocalSecondaryIndexes"] {
        let value = source.value(properties, part)?;
        if !value.is_null() {
            create.insert(part.into(), without_throughput(value));
        }
    }
    if !create.contains_key("KeySchema") {
        bail!("property KeySchema is missing");
    }
    let ttl = source.value(properties, "TimeToLiveSpecification")?;
    let enabled = ttl["Enabled"].as_bool().unwrap_or(ttl["Enabled"] == "true");
    let ttl_attribute = ttl["AttributeName"].as_str().filter(|_| enabled).map(str::to_owned);
    Ok(TableSpec { name, create: create.into(), ttl_attribute })
}

/// Removes capacity settings, which on-demand tables reject.
fn without_throughput(mut indexes: Value) -> Value {
    for index in indexes.as_array_mut().into_iter().flatten() {
        if let Some(index) = index.as_object_mut() {
            index.remove("ProvisionedThroughput");
            index.remove("OnDemandThroughput");
            index.remove("ContributorInsightsSpecification");
        }
    }
    indexes
}
