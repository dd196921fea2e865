//! The embedded engine: its tables, its port and its thread.
//!
//! Tables are made without their stream. Nothing on this machine reads the stream yet, and the engine keeps every
//! record of one for ever and looks through all of them at each write.

use std::net::{SocketAddr, TcpListener};
use std::thread::JoinHandle;
use std::time::Duration;

use anyhow::{Context, Result, anyhow, bail};
use dynoxide::Database;
use dynoxide::errors::DynoxideError;
use serde_json::{Value, json};
use tokio_util::sync::CancellationToken;

use super::DataFolder;
use crate::template::TableSpec;

/// How often expired items are removed. The real service takes up to a few days; readers filter them either way.
const SWEEP_EVERY: Duration = Duration::from_mins(1);
/// How long stopping waits for requests that are under way.
const STOP_BOUND: Duration = Duration::from_secs(10);

/// A running engine.
#[derive(Debug)]
pub struct Engine {
    url: String,
    stop: CancellationToken,
    thread: Option<JoinHandle<()>>,
}

impl Engine {
    /// Opens the database, makes the tables that are missing, and serves it.
    ///
    /// # Errors
    /// If the port is taken, the database cannot be opened, or one of its tables has other keys than the template.
    pub fn start(folder: &DataFolder, address: SocketAddr, tables: &[TableSpec]) -> Result<Self> {
        let database = match folder.database() {
            Some(path) => {
                let text = path.to_str().with_context(|| format!("{} is not UTF-8", path.display()))?;
                Database::new(text).with_context(|| format!("the database {text} cannot be opened"))?
            }
            None => Database::memory()?,
        };
        for table in tables {
            prepare(&database, table).with_context(|| format!("table {}", table.name))?;
        }
        let listener = TcpListener::bind(address).with_context(|| {
            format!("the address {address} for DynamoDB (--dynamodb) cannot be listened on")
        })?;
        listener.set_nonblocking(true)?;
        let url = format!("http://{}", listener.local_addr()?);
        let stop = CancellationToken::new();
        // A runtime of its own: the engine works while it holds its thread, which nobody else should wait for.
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        let thread = std::thread::Builder::new().name("dynamodb".into()).spawn({
            let stop = stop.clone();
            move || runtime.block_on(serve(listener, database, stop))
        })?;
        Ok(Self { url, stop, thread: Some(thread) })
    }

    /// Where the engine is served.
    pub fn url(&self) -> &str {
        &self.url
    }

    /// Lets requests that are under way finish, and closes the database.
    pub async fn stop(mut self) {
        self.stop.cancel();
        if let Some(thread) = self.thread.take() {
            let joined = tokio::task::spawn_blocking(move || thread.join());
            if tokio::time::timeout(STOP_BOUND, joined).await.is_err() {
                tracing::warn!("the engine was still busy and is given up; what it acknowledged is kept");
            }
        }
    }
}

impl Drop for Engine {
    fn drop(&mut self) {
        self.stop.cancel();
    }
}

async fn serve(listener: TcpListener, database: Database, stop: CancellationToken) {
    let sweeping = tokio::spawn(sweep(database.clone(), stop.clone()));
    let listener = match tokio::net::TcpListener::from_std(listener) {
        Ok(listener) => listener,
        Err(error) => return tracing::error!("the engine cannot listen: {error}"),
    };
    if let Err(error) =
        dynoxide::server::serve_with_shutdown(listener, database, stop.cancelled_owned()).await
    {
        tracing::error!("the engine ended: {error}");
    }
    sweeping.await.ok();
}

async fn sweep(database: Database, stop: CancellationToken) {
    while stop.run_until_cancelled(tokio::time::sleep(SWEEP_EVERY)).await.is_some() {
        let database = database.clone();
        match tokio::task::spawn_blocking(move || database.sweep_ttl()).await {
            Ok(Ok(removed)) if removed > 0 => tracing::debug!("{removed} expired items removed"),
            Ok(Err(error)) => tracing::warn!("expired items could not be removed: {error}"),
            _ => {}
        }
    }
}

fn prepare(database: &Database, table: &TableSpec) -> Result<()> {
    let describe = serde_json::from_value(json!({ "TableName": table.name }))?;
    match database.describe_table(describe) {
        Ok(found) => {
            let found = serde_json::to_value(found)?;
            check_same(&found["Table"], &table.create)?;
        }
        Err(DynoxideError::ResourceNotFoundException(_)) => {
            let create = serde_json::from_value(table.create.clone())
                .map_err(|error| anyhow!("{}", error.to_string().trim_start_matches("VALIDATION:")))?;
            database.create_table(create)?;
        }
        Err(error) => return Err(error.into()),
    }
    let Some(attribute) = &table.ttl_attribute else {
        return Ok(());
    };
    let describe = serde_json::from_value(json!({ "TableName": table.name }))?;
    let present = serde_json::to_value(database.describe_time_to_live(describe)?)?;
    if present["TimeToLiveDescription"]["AttributeName"].as_str() != Some(attribute) {
        let update = json!({
            "TableName": table.name,
            "TimeToLiveSpecification": { "AttributeName": attribute, "Enabled": true },
        });
        database.update_time_to_live(serde_json::from_value(update)?)?;
    }
    Ok(())
}

/// The table of an existing data folder must have the keys and indexes that the template declares.
fn check_same(found: &Value, declared: &Value) -> Result<()> {
    let indexes = |table: &Value, kind: &str| -> Vec<(String, String)> {
        let list = table[kind].as_array().into_iter().flatten();
        let mut list: Vec<_> =
            list.map(|index| (index["IndexName"].to_string(), index["KeySchema"].to_string())).collect();
        list.sort();
        list
    };
    let same = found["KeySchema"] == declared["KeySchema"]
        && indexes(found, "GlobalSecondaryIndexes") == indexes(declared, "GlobalSecondaryIndexes")
        && indexes(found, "LocalSecondaryIndexes") == indexes(declared, "LocalSecondaryIndexes");
    if !same {
        bail!(
            "the data folder has it with other keys or indexes than the template declares; \
             use another folder (--data), or remove this one"
        );
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn table(range: &str) -> TableSpec {
        TableSpec {
            name: "Chat".into(),
            create: json!({
                "TableName": "Chat", "BillingMode": "PAY_PER_REQUEST",
                "AttributeDefinitions": [
                    {"AttributeName": "pk", "AttributeType": "S"},
                    {"AttributeName": range, "AttributeType": "S"},
                ],
                "KeySchema": [
                    {"AttributeName": "pk", "KeyType": "HASH"},
                    {"AttributeName": range, "KeyType": "RANGE"},
                ],
            }),
            ttl_attribute: Some("expires_at".into()),
        }
    }

    #[test]
    fn a_table_is_made_once_and_another_one_in_its_place_is_refused() {
        let database = Database::memory().unwrap();
        prepare(&database, &table("sk")).unwrap();
        prepare(&database, &table("sk")).unwrap();
        let error = prepare(&database, &table("other")).unwrap_err();
        assert!(error.to_string().contains("other keys"), "{error}");
    }
}
