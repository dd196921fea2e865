//! The data folder: one stack at a time, the engine's file, the secret, and the variables for functions run alone.

use std::collections::BTreeMap;
use std::fs::{self, File, OpenOptions, TryLockError};
use std::io::Write;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context, Result, bail};
use uuid::Uuid;

/// How long a folder that is held is waited for: a process that a stack was just starting when it was killed holds it, too,
/// until it has become the function. Nothing tells when a lock is given up, so it is tried again and again.
const PATIENCE: Duration = Duration::from_secs(1);
const TRY_EVERY: Duration = Duration::from_millis(20);

/// A data folder that this stack holds, or none when everything is kept in memory.
#[derive(Debug)]
pub struct DataFolder {
    held: Option<(PathBuf, File)>,
}

impl DataFolder {
    /// Makes the folder if it is new and takes hold of it; `None` keeps everything in memory.
    ///
    /// # Errors
    /// If the folder cannot be made, or another stack holds it.
    pub async fn open(path: Option<&Path>) -> Result<Self> {
        let Some(path) = path else {
            return Ok(Self { held: None });
        };
        fs::create_dir_all(path)
            .with_context(|| format!("the data folder {} cannot be made", path.display()))?;
        let lock = File::create(path.join("lock"))
            .with_context(|| format!("the data folder {} cannot be written to", path.display()))?;
        let patience = tokio::time::sleep(PATIENCE);
        tokio::pin!(patience);
        loop {
            match lock.try_lock() {
                Ok(()) => return Ok(Self { held: Some((path.to_owned(), lock)) }),
                Err(TryLockError::WouldBlock) if patience.is_elapsed() => {
                    bail!("the data folder {} is in use by another stack", path.display())
                }
                Err(TryLockError::WouldBlock) => {
                    tokio::select! {
                        () = &mut patience => {}
                        () = tokio::time::sleep(TRY_EVERY) => {}
                    }
                }
                Err(TryLockError::Error(error)) => {
                    return Err(error)
                        .with_context(|| format!("the data folder {} cannot be locked", path.display()));
                }
            }
        }
    }

    /// The engine's file, if there is a folder.
    pub fn database(&self) -> Option<PathBuf> {
        self.held.as_ref().map(|(path, _)| path.join("dynamodb.sqlite"))
    }

    /// The folder's own secret: made once and readable by its owner only, or a new one in memory.
    ///
    /// # Errors
    /// If it cannot be read or written.
    pub fn secret(&self) -> Result<String> {
        let Some((folder, _)) = &self.held else {
            return Ok(new_secret());
        };
        let path = folder.join("jwt-secret");
        let kept = fs::read_to_string(&path).unwrap_or_default();
        if !kept.trim().is_empty() {
            return Ok(kept.trim().to_owned());
        }
        let secret = new_secret();
        write_for_owner(&path, &secret)?;
        Ok(secret)
    }

    /// Writes the variables that a function needs to run outside of the stack, as lines `NAME=value`; in memory, not.
    ///
    /// # Errors
    /// If they cannot be written.
    pub fn write_env(&self, variables: &BTreeMap<&str, &str>) -> Result<()> {
        let Some((folder, _)) = &self.held else {
            return Ok(());
        };
        let lines: Vec<_> = variables.iter().map(|(name, value)| format!("{name}={value}")).collect();
        write_for_owner(&folder.join("env"), &(lines.join("\n") + "\n"))
    }
}

/// Writes a file that only its owner can read; aside and renamed, so that a stack that is killed leaves no half of it.
fn write_for_owner(path: &Path, text: &str) -> Result<()> {
    let aside = path.with_extension("new");
    let written = OpenOptions::new().create(true).write(true).truncate(true).mode(0o600).open(&aside);
    written
        .and_then(|mut file| file.write_all(text.as_bytes()))
        .and_then(|()| fs::rename(&aside, path))
        .with_context(|| format!("{} cannot be written", path.display()))
}

/// 244 random bits.
fn new_secret() -> String {
    format!("{}{}", Uuid::new_v4().simple(), Uuid::new_v4().simple())
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    #[tokio::test]
    async fn a_folder_belongs_to_one_stack_and_keeps_its_secret() {
        let path = std::env::temp_dir().join(format!("local-folder-{}", Uuid::new_v4()));
        let folder = DataFolder::open(Some(&path)).await.unwrap();
        let error = DataFolder::open(Some(&path)).await.unwrap_err();
        assert!(error.to_string().contains("in use by another stack"), "{error}");
        let secret = folder.secret().unwrap();
        let mode = fs::metadata(path.join("jwt-secret")).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600);
        folder.write_env(&BTreeMap::from([("A", "1"), ("B", "2")])).unwrap();
        assert_eq!(fs::read_to_string(path.join("env")).unwrap(), "A=1\nB=2\n");
        assert_eq!(fs::metadata(path.join("env")).unwrap().permissions().mode() & 0o777, 0o600);
        drop(folder);
        let again = DataFolder::open(Some(&path)).await.unwrap();
        assert_eq!(again.secret().unwrap(), secret);
        assert_ne!(DataFolder::open(None).await.unwrap().secret().unwrap(), secret);
        fs::remove_dir_all(path).unwrap();
    }
}
