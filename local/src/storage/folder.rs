//! The data folder: lock, database file, signing secret, and the variables for standalone functions.

use std::collections::BTreeMap;
use std::fs::{self, File, OpenOptions, TryLockError};
use std::io::Write;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context, Result, bail};
use uuid::Uuid;

/// How long to wait for a locked folder. A process that a killed stack was just starting inherits the lock
/// until it executes the function binary. There is no notification of an unlock, so the lock is polled.
const LOCK_TIMEOUT: Duration = Duration::from_secs(1);
const LOCK_POLL_INTERVAL: Duration = Duration::from_millis(20);

/// A data folder that this stack has locked, or none if all data is in memory.
#[derive(Debug)]
pub struct DataFolder {
    locked: Option<(PathBuf, File)>,
}

impl DataFolder {
    /// Creates the folder if it does not exist and locks it; `None` keeps all data in memory.
    ///
    /// # Errors
    /// If the folder cannot be created, or another stack has locked it.
    pub async fn open(path: Option<&Path>) -> Result<Self> {
        let Some(path) = path else {
            return Ok(Self { locked: None });
        };
        fs::create_dir_all(path)
            .with_context(|| format!("cannot create the data folder {}", path.display()))?;
        let lock = File::create(path.join("lock"))
            .with_context(|| format!("cannot write to the data folder {}", path.display()))?;
        let timeout = tokio::time::sleep(LOCK_TIMEOUT);
        tokio::pin!(timeout);
        loop {
            match lock.try_lock() {
                Ok(()) => return Ok(Self { locked: Some((path.to_owned(), lock)) }),
                Err(TryLockError::WouldBlock) if timeout.is_elapsed() => {
                    bail!("the data folder {} is in use by another stack", path.display())
                }
                Err(TryLockError::WouldBlock) => {
                    tokio::select! {
                        () = &mut timeout => {}
                        () = tokio::time::sleep(LOCK_POLL_INTERVAL) => {}
                    }
                }
                Err(TryLockError::Error(error)) => {
                    return Err(error)
                        .with_context(|| format!("cannot lock the data folder {}", path.display()));
                }
            }
        }
    }

    /// The path of the database file; `None` in memory.
    pub fn database(&self) -> Option<PathBuf> {
        self.locked.as_ref().map(|(path, _)| path.join("dynamodb.sqlite"))
    }

    /// The signing secret of the folder, created once and readable only by its owner; in memory, a new one.
    ///
    /// # Errors
    /// If it cannot be read or written.
    pub fn secret(&self) -> Result<String> {
        let Some((folder, _)) = &self.locked else {
            return Ok(new_secret());
        };
        let path = folder.join("jwt-secret");
        let existing = fs::read_to_string(&path).unwrap_or_default();
        if !existing.trim().is_empty() {
            return Ok(existing.trim().to_owned());
        }
        let secret = new_secret();
        write_private(&path, &secret)?;
        Ok(secret)
    }

    /// Writes the variables of functions outside of the stack as lines `NAME='value'`; does nothing in
    /// memory. Shells and `cargo lambda` can read them: the latter refuses a second `=` or a space outside of
    /// quotes.
    ///
    /// # Errors
    /// If they cannot be written.
    pub fn write_env(&self, variables: &BTreeMap<&str, &str>) -> Result<()> {
        let Some((folder, _)) = &self.locked else {
            return Ok(());
        };
        let lines: Vec<_> =
            variables.iter().map(|(name, value)| format!("{name}={}", quoted(value))).collect();
        write_private(&folder.join("env"), &(lines.join("\n") + "\n"))
    }
}

/// A value in single quotes, or in double quotes if it contains a single one.
fn quoted(value: &str) -> String {
    let quote = if value.contains('\'') { '"' } else { '\'' };
    format!("{quote}{value}{quote}")
}

/// Writes a file that only its owner can read. The file is written under a temporary name and renamed, so
/// that a killed stack leaves no partial file.
fn write_private(path: &Path, text: &str) -> Result<()> {
    let temporary = path.with_extension("new");
    let file = OpenOptions::new().create(true).write(true).truncate(true).mode(0o600).open(&temporary);
    file.and_then(|mut file| file.write_all(text.as_bytes()))
        .and_then(|()| fs::rename(&temporary, path))
        .with_context(|| format!("cannot write {}", path.display()))
}

/// A secret with 244 random bits.
fn new_secret() -> String {
    format!("{}{}", Uuid::new_v4().simple(), Uuid::new_v4().simple())
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    #[tokio::test]
    async fn a_folder_is_locked_by_one_stack_and_keeps_its_secret() {
        let path = std::env::temp_dir().join(format!("local-folder-{}", Uuid::new_v4()));
        let folder = DataFolder::open(Some(&path)).await.unwrap();
        let error = DataFolder::open(Some(&path)).await.unwrap_err();
        assert!(error.to_string().contains("in use by another stack"), "{error}");
        let secret = folder.secret().unwrap();
        let mode = fs::metadata(path.join("jwt-secret")).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600);
        folder.write_env(&BTreeMap::from([("A", "x=1, y=2"), ("B", "it's")])).unwrap();
        assert_eq!(fs::read_to_string(path.join("env")).unwrap(), "A='x=1, y=2'\nB=\"it's\"\n");
        assert_eq!(fs::metadata(path.join("env")).unwrap().permissions().mode() & 0o777, 0o600);
        drop(folder);
        let reopened = DataFolder::open(Some(&path)).await.unwrap();
        assert_eq!(reopened.secret().unwrap(), secret);
        assert_ne!(DataFolder::open(None).await.unwrap().secret().unwrap(), secret);
        fs::remove_dir_all(path).unwrap();
    }
}
