//! The `local` command as a separate process.

use std::{
    path::{Path, PathBuf},
    process::Stdio,
    time::Duration,
};

use serde_json::Value;
use tokio::{
    io::{AsyncBufReadExt, AsyncWriteExt, BufReader, Lines},
    process::{Child, ChildStderr, ChildStdout, Command},
};

use super::{Actor, PATIENCE, kill};

/// The program of the `local` command.
pub fn program() -> PathBuf {
    let program = local::binaries_beside_this_program().join("local");
    assert!(program.is_file(), "`cargo test --workspace` builds {}", program.display());
    program
}

/// The `local` command with these arguments.
pub fn local(arguments: &[&str]) -> Command {
    let mut command = Command::new(program());
    command.args(arguments).env_remove("RUST_LOG").kill_on_drop(true);
    command
}

/// The command that runs a stack: with this HTTP address, any other ports, and its data in a folder.
pub fn serve(http: &str, folder: &Path) -> Command {
    let mut command =
        local(&["--no-build", "--http", http, "--ws", "127.0.0.1:0", "--dynamodb", "127.0.0.1:0"]);
    command.arg("--data").arg(folder.join("data"));
    command
}

/// A running stack.
pub struct Process {
    pub child: Child,
    pub ready: Value,
}

impl Process {
    /// Starts a stack without demo users.
    pub async fn start(folder: &Path) -> Self {
        let log = std::fs::File::create(folder.join("log")).unwrap();
        Self::start_with(folder, &["--no-demo"], log.into()).await
    }

    /// Starts a stack with further arguments and this destination of its log.
    pub async fn start_with(folder: &Path, arguments: &[&str], log: Stdio) -> Self {
        let ready_file = folder.join("ready.json");
        // A file left by a killed stack would be read before the new one is written.
        let _ = std::fs::remove_file(&ready_file);
        let mut command = serve("127.0.0.1:0", folder);
        command.args(arguments).arg("--ready-file").arg(&ready_file).stdout(Stdio::null()).stderr(log);
        Self::started(command, &ready_file).await
    }

    /// Starts a stack that writes this ready file.
    pub async fn started(mut command: Command, ready_file: &Path) -> Self {
        let child = command.spawn().unwrap();
        let mut process = Self { child, ready: Value::Null };
        process.ready = process.wait_until_ready(ready_file).await;
        process
    }

    async fn wait_until_ready(&mut self, file: &Path) -> Value {
        let written = async {
            let mut ticks = tokio::time::interval(Duration::from_millis(20));
            loop {
                ticks.tick().await;
                if let Ok(ready) = std::fs::read_to_string(file) {
                    return serde_json::from_str(&ready).unwrap();
                }
            }
        };
        tokio::select! {
            ready = tokio::time::timeout(PATIENCE, written) => ready.expect("ready in time"),
            ended = self.child.wait() => {
                let log = std::fs::read_to_string(file.with_file_name("log")).unwrap_or_default();
                panic!("ended before it was ready: {ended:?}\n{log}")
            }
        }
    }

    /// The host and port of the HTTP API.
    pub fn http(&self) -> &str {
        self.ready["http"].as_str().unwrap().trim_start_matches("http://")
    }

    pub async fn actor(&self, name: &str) -> Actor {
        Actor::sign_in_at(self.ready["http"].as_str().unwrap(), self.ready["ws"].as_str().unwrap(), name)
            .await
    }

    pub async fn end(self, signal: &str) -> Option<i32> {
        end(self.child, signal).await
    }
}

/// Ends a process with a signal and waits for its exit code.
pub async fn end(mut child: Child, signal: &str) -> Option<i32> {
    kill(signal, child.id().unwrap());
    tokio::time::timeout(PATIENCE, child.wait()).await.expect("ends in time").unwrap().code()
}

/// The lines of a process's standard error, which must be a pipe.
pub fn log_of(child: &mut Child) -> Lines<BufReader<ChildStderr>> {
    BufReader::new(child.stderr.take().unwrap()).lines()
}

/// The terminal client `local socket` of a user.
pub struct Terminal {
    client: Child,
    frames: Lines<BufReader<ChildStdout>>,
}

impl Terminal {
    /// Starts the client at a stack.
    pub fn open(stack: &Process, name: &str) -> Self {
        let ws = stack.ready["ws"].as_str().unwrap();
        let mut command = local(&["socket", name, "--http", stack.http(), "--ws", ws]);
        let mut client = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
        let frames = BufReader::new(client.stdout.take().unwrap()).lines();
        Self { client, frames }
    }

    /// Types a line.
    pub async fn enter(&mut self, line: &str) {
        self.client.stdin.as_mut().unwrap().write_all(format!("{line}\n").as_bytes()).await.unwrap();
    }

    /// The next printed frame. Asserts its type.
    pub async fn expect(&mut self, kind: &str) -> Value {
        let line = tokio::time::timeout(PATIENCE, self.frames.next_line()).await.expect("a frame in time");
        let frame: Value = serde_json::from_str(&line.unwrap().expect("the client runs")).unwrap();
        assert_eq!(frame["type"], kind, "{frame}");
        frame
    }

    /// Ends the input, and so the client.
    pub async fn leave(mut self) {
        drop(self.client.stdin.take());
        let status = tokio::time::timeout(PATIENCE, self.client.wait()).await.expect("ends in time");
        assert!(status.unwrap().success());
    }
}
