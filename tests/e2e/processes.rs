//! The command itself: ready file, orderly stop, sudden death.

use std::{path::Path, process::Stdio};

use serde_json::Value;
use tokio::process::{Child, Command};

use crate::world::{Actor, PATIENCE, kill};

/// The command, on any ports but the given one, with its data in a folder.
fn command(http: &str, folder: &Path) -> Command {
    let program = local::binaries_beside_this_program().join("local");
    assert!(program.is_file(), "`cargo test --workspace` builds {}", program.display());
    let mut command = Command::new(program);
    command.args(["--no-build", "--http", http, "--ws", "127.0.0.1:0", "--dynamodb", "127.0.0.1:0"]);
    command.arg("--data").arg(folder.join("data")).kill_on_drop(true);
    command
}

/// The command as a process, keeping its data in a folder.
struct Process {
    child: Child,
    ready: Value,
}

impl Process {
    async fn start(folder: &Path) -> Self {
        let ready_file = folder.join("ready.json");
        // One that a killed stack left would be read before the new one is written.
        let _ = std::fs::remove_file(&ready_file);
        let mut command = command("127.0.0.1:0", folder);
        command.arg("--ready-file").arg(&ready_file);
        let child = command.stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
        let mut process = Self { child, ready: Value::Null };
        process.ready = process.wait_until_ready(&ready_file).await;
        process
    }

    async fn wait_until_ready(&mut self, file: &Path) -> Value {
        let written = async {
            let mut ticks = tokio::time::interval(std::time::Duration::from_millis(20));
            loop {
                ticks.tick().await;
                if let Ok(ready) = std::fs::read_to_string(file) {
                    return serde_json::from_str(&ready).unwrap();
                }
            }
        };
        tokio::select! {
            ready = tokio::time::timeout(PATIENCE, written) => ready.expect("ready in time"),
            ended = self.child.wait() => panic!("ended before it was ready: {ended:?}"),
        }
    }

    async fn actor(&self, name: &str) -> Actor {
        Actor::sign_in_at(self.ready["http"].as_str().unwrap(), self.ready["ws"].as_str().unwrap(), name)
            .await
    }

    async fn end(mut self, signal: &str) -> Option<i32> {
        kill(signal, self.child.id().unwrap());
        tokio::time::timeout(PATIENCE, self.child.wait()).await.expect("ends in time").unwrap().code()
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_acknowledged_survives_an_orderly_stop_and_a_sudden_death() {
    let folder = tempfile::tempdir().unwrap();
    let mut said = Vec::new();
    for (signal, code) in [("TERM", Some(0)), ("KILL", None), ("INT", Some(0))] {
        let stack = Process::start(folder.path()).await;
        assert_eq!(stack.ready["pid"], stack.child.id().unwrap());
        let (ana, ben) = (stack.actor("ana").await, stack.actor("ben").await);
        let room = ana.room_with(&ben).await;
        assert_eq!(ben.history(&room).await.len(), said.len(), "before the {signal}");
        let mut at_ben = ben.socket().await;
        for n in 0..10 {
            said.push(ana.say(&room, &format!("{signal} {n}")).await["id"].clone());
            at_ben.expect("new_message").await;
        }
        let ids: Vec<Value> = ben.history(&room).await.iter().map(|message| message["id"].clone()).collect();
        assert_eq!(ids, said);
        assert_eq!(stack.end(signal).await, code, "{signal}");
    }
    let stack = Process::start(folder.path()).await;
    let (ana, ben) = (stack.actor("ana").await, stack.actor("ben").await);
    let room = ana.room_with(&ben).await;
    let ids: Vec<Value> = ben.history(&room).await.iter().map(|message| message["id"].clone()).collect();
    assert_eq!(ids, said);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_stands_in_the_way_of_a_start_is_said_in_one_sentence() {
    let (folder, other) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let stack = Process::start(folder.path()).await;
    let taken = stack.ready["http"].as_str().unwrap().trim_start_matches("http://");
    for (http, data, complaint) in [(taken, other.path(), taken), ("127.0.0.1:0", folder.path(), "in use")] {
        let refused = command(http, data).output().await.unwrap();
        let said = String::from_utf8(refused.stderr).unwrap();
        assert_eq!(refused.status.code(), Some(1), "{said}");
        assert!(
            said.starts_with("error: ") && said.contains(complaint) && said.lines().count() == 1,
            "{said}"
        );
    }
    assert_eq!(stack.end("TERM").await, Some(0));
}

#[tokio::test(flavor = "multi_thread")]
async fn sends_in_flight_at_a_sudden_death_are_there_if_they_were_acknowledged() {
    let folder = tempfile::tempdir().unwrap();
    let stack = Process::start(folder.path()).await;
    let (ana, ben) = (stack.actor("ana").await, stack.actor("ben").await);
    let room = ana.room_with(&ben).await;
    let (acknowledged, mut count) = tokio::sync::mpsc::unbounded_channel();
    let sender = tokio::spawn({
        let (ana, room) = (ana.clone(), room.clone());
        async move {
            for n in 0.. {
                let message = serde_json::json!({"chat_room_id": room, "content": n.to_string()}).to_string();
                match ana.try_call(reqwest::Method::POST, "/chat/messages", Some(message)).await {
                    Ok(answer) if answer.status == 200 => drop(acknowledged.send(answer.ok()["id"].clone())),
                    _ => return,
                }
            }
        }
    });
    let mut ids = Vec::new();
    while ids.len() < 20 {
        ids.push(count.recv().await.unwrap());
    }
    stack.end("KILL").await;
    sender.await.unwrap();
    while let Some(id) = count.recv().await {
        ids.push(id);
    }
    let stack = Process::start(folder.path()).await;
    let ben = stack.actor("ben").await;
    let kept: Vec<Value> = ben.history(&room).await.iter().map(|message| message["id"].clone()).collect();
    assert_eq!(kept[..ids.len()], ids);
    assert!(kept.len() <= ids.len() + 1, "at most the one that was not acknowledged");
}
