//! `--watch`: builds the functions when their sources change. The stack runs the new programs from the next call on.

use std::path::PathBuf;

use anyhow::{Context, Result};
use notify::{Event, RecursiveMode, Watcher};
use tokio::sync::mpsc::channel;

/// Calls `rebuild` after each change of a file in the folders, until the task is dropped. Changes during a build
/// lead to one more build.
pub async fn on_change(folders: &[PathBuf], mut rebuild: impl AsyncFnMut()) -> Result<()> {
    let (sender, mut changes) = channel(1);
    let on_event = move |event: notify::Result<Event>| {
        if event.is_ok_and(|event| is_change(&event)) {
            // If the channel is full, a build follows anyway.
            sender.try_send(()).ok();
        }
    };
    let mut watcher = notify::recommended_watcher(on_event)?;
    for folder in folders {
        let result = watcher.watch(folder, RecursiveMode::Recursive);
        result.with_context(|| format!("cannot watch {}", folder.display()))?;
    }
    while changes.recv().await.is_some() {
        rebuild().await;
    }
    Ok(())
}

/// Builds read the sources, which is an event too.
fn is_change(event: &Event) -> bool {
    event.kind.is_create() || event.kind.is_modify() || event.kind.is_remove()
}

#[cfg(test)]
mod tests {
    use std::fs;

    use notify::event::{AccessKind, AccessMode, CreateKind, EventKind, ModifyKind, RemoveKind};

    use super::*;

    #[tokio::test]
    async fn a_change_leads_to_a_build() {
        let folder = tempfile::tempdir().unwrap();
        let folders = [folder.path().to_owned()];
        let (sender, mut builds) = channel(1);
        let watching = on_change(&folders, async || sender.send(()).await.unwrap());
        // The watcher may start after a write.
        let editing = async {
            loop {
                fs::write(folder.path().join("main.rs"), "fn main() {}").unwrap();
                tokio::task::yield_now().await;
            }
        };
        tokio::select! {
            ended = watching => ended.unwrap(),
            () = editing => {}
            built = builds.recv() => built.unwrap(),
        }
    }

    #[test]
    fn reading_is_no_change() {
        let is = |kind| is_change(&Event::new(kind));
        assert!(!is(EventKind::Access(AccessKind::Open(AccessMode::Read))));
        assert!(!is(EventKind::Access(AccessKind::Close(AccessMode::Write))));
        assert!(is(EventKind::Create(CreateKind::File)));
        assert!(is(EventKind::Modify(ModifyKind::Any)));
        assert!(is(EventKind::Remove(RemoveKind::File)));
    }
}
