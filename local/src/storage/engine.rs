//! The embedded DynamoDB-compatible engine, with its tables, port and thread.
//!
//! Tables are created without streams: the stack has no stream consumers, and the engine never deletes stream
//! records and scans all of them on each write.

use std::net::{SocketAddr, TcpListener};
use std::thread::JoinHandle;
use std::time::Duration;

use anyhow::{Context, Result, anyhow, bail};
use dynoxide::Database;
use dynoxide::errors::DynoxideError;
use serde_json::{Value, json};
use tokio_util::sync::CancellationToken;

use super::{DataFolder, server};
use crate::guard;
use crate::template::TableSpec;

/// The interval of TTL deletions. `DynamoDB` may take days, so readers filter expired items anyway.
const TTL_SWEEP_INTERVAL: Duration = Duration::from_mins(1);
/// How long [`Engine::stop`] waits for running requests.
const STOP_TIMEOUT: Duration = Duration::from_secs(10);

/// A running engine.
#[derive(Debug)]
pub struct Engine {
    url: String,
    stop: CancellationToken,
    thread: Option<JoinHandle<()>>,
}

impl Engine {
    /// Opens the database, creates missing tables and starts to serve requests.
    ///
    /// # Errors
    /// If the port is in use, the database cannot be opened, or a table differs from the template.
    pub fn start(folder: &DataFolder, address: SocketAddr, tables: &[TableSpec]) -> Result<Self> {
        let database = match folder.database() {
            Some(path) => {
                let text = path.to_str().with_context(|| format!("{} is not UTF-8", path.display()))?;
                Database::new(text).with_context(|| format!("cannot open the database {text}"))?
            }
            None => Database::memory()?,
        };
        for table in tables {
            ensure_table(&database, table).with_context(|| format!("table {}", table.name))?;
        }
        let listener = TcpListener::bind(address)
            .with_context(|| format!("cannot listen on the address {address} for DynamoDB (--dynamodb)"))?;
        listener.set_nonblocking(true)?;
        let url = format!("http://{}", guard::reachable(listener.local_addr()?));
        let stop = CancellationToken::new();
        // The engine has its own runtime, because it blocks its thread during each request.
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        let thread = std::thread::Builder::new().name("dynamodb".into()).spawn({
            let stop = stop.clone();
            move || runtime.block_on(serve(listener, database, stop))
        })?;
        Ok(Self { url, stop, thread: Some(thread) })
    }

    /// The URL of the engine.
    pub fn url(&self) -> &str {
        &self.url
    }

    /// Waits for running requests, up to a timeout, and closes the database.
    pub async fn stop(mut self) {
        self.stop.cancel();
        if let Some(thread) = self.thread.take() {
            let joined = tokio::task::spawn_blocking(move || thread.join());
            if tokio::time::timeout(STOP_TIMEOUT, joined).await.is_err() {
                tracing::warn!("the engine did not stop in time; acknowledged writes are durable");
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
    let sweep_task = tokio::spawn(sweep_expired(database.clone(), stop.clone()));
    let listener = match tokio::net::TcpListener::from_std(listener) {
        Ok(listener) => listener,
        Err(error) => return tracing::error!("the engine cannot listen on its port: {error}"),
    };
    let service = guard::service(server::router(database), &[]);
    let serving = axum::serve(guard::Port(listener), service);
    if let Err(error) = serving.with_graceful_shutdown(stop.cancelled_owned()).await {
        tracing::error!("the engine failed: {error}");
    }
    sweep_task.await.ok();
}

async fn sweep_expired(database: Database, stop: CancellationToken) {
    while stop.run_until_cancelled(tokio::time::sleep(TTL_SWEEP_INTERVAL)).await.is_some() {
        let database = database.clone();
        match tokio::task::spawn_blocking(move || database.sweep_ttl()).await {
            Ok(Ok(removed)) if removed > 0 => tracing::debug!("deleted {removed} expired items"),
            Ok(Err(error)) => tracing::warn!("cannot delete expired items: {error}"),
            _ => {}
        }
    }
}

fn ensure_table(database: &Database, table: &TableSpec) -> Result<()> {
    let describe = serde_json::from_value(json!({ "TableName": table.name }))?;
    match database.describe_table(describe) {
        Ok(existing) => {
            let existing = serde_json::to_value(existing)?;
            check_schema(&existing["Table"], &table.create)?;
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
    let existing = serde_json::to_value(database.describe_time_to_live(describe)?)?;
    if existing["TimeToLiveDescription"]["AttributeName"].as_str() != Some(attribute) {
        let update = json!({
            "TableName": table.name,
            "TimeToLiveSpecification": { "AttributeName": attribute, "Enabled": true },
        });
        database.update_time_to_live(serde_json::from_value(update)?)?;
    }
    Ok(())
}

/// Checks that an existing table has the keys and indexes that the template declares.
fn check_schema(existing: &Value, declared: &Value) -> Result<()> {
    let indexes = |table: &Value, kind: &str| -> Vec<(String, String)> {
        let list = table[kind].as_array().into_iter().flatten();
        let mut list: Vec<_> =
            list.map(|index| (index["IndexName"].to_string(), index["KeySchema"].to_string())).collect();
        list.sort();
        list
    };
    let same = existing["KeySchema"] == declared["KeySchema"]
        && indexes(existing, "GlobalSecondaryIndexes") == indexes(declared, "GlobalSecondaryIndexes")
        && indexes(existing, "LocalSecondaryIndexes") == indexes(declared, "LocalSecondaryIndexes");
    if !same {
        bail!(
            "its keys or indexes in the data folder differ from the template; \
             use another folder (--data), or delete this one"
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
    fn a_table_is_created_once_and_a_different_schema_is_rejected() {
        let database = Database::memory().unwrap();
        ensure_table(&database, &table("sk")).unwrap();
        ensure_table(&database, &table("sk")).unwrap();
        let error = ensure_table(&database, &table("other")).unwrap_err();
        assert!(error.to_string().contains("differ from the template"), "{error}");
    }
}
