//! The command: builds the functions, runs the stack, and stops it in order.

use std::io::IsTerminal;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::{Context, Result, bail};
use clap::Parser;
use local::{Options, Stack, binaries_beside_this_program, log_filter, project_root};
use serde_json::json;
use tokio::process::Command;
use tokio::signal::unix::{Signal, SignalKind, signal};
use tracing_subscriber::EnvFilter;

/// Runs the whole system of `template.yaml` on this machine.
#[derive(Debug, Parser)]
#[command(name = "local")]
struct Arguments {
    /// Where the HTTP API listens (port 0: any).
    #[arg(long, value_name = "ADDR", default_value = "127.0.0.1:3000")]
    http: SocketAddr,
    /// Where the WebSocket API listens (port 0: any).
    #[arg(long, value_name = "ADDR", default_value = "127.0.0.1:3001")]
    ws: SocketAddr,
    /// Where the embedded database listens (port 0: any).
    #[arg(long, value_name = "ADDR", default_value = "127.0.0.1:8000")]
    dynamodb: SocketAddr,
    /// The folder that everything is kept in [default: .local in the project].
    #[arg(long, value_name = "DIR", conflicts_with = "memory")]
    data: Option<PathBuf>,
    /// Keep everything in memory only.
    #[arg(long)]
    memory: bool,
    /// Build and run the functions with the release profile.
    #[arg(long)]
    release: bool,
    /// Run the binaries as they are, without building first.
    #[arg(long)]
    no_build: bool,
    /// Write the addresses and the process id to this file, as JSON, when requests will be served.
    #[arg(long, value_name = "FILE")]
    ready_file: Option<PathBuf>,
}

#[tokio::main]
async fn main() -> ExitCode {
    let filter = log_filter().unwrap_or_else(|| "info".to_owned());
    let filter = EnvFilter::try_new(filter).unwrap_or_else(|_| EnvFilter::new("info"));
    tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(std::io::stderr)
        .with_ansi(std::io::stderr().is_terminal())
        .init();
    match run(Arguments::parse()).await {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::FAILURE
        }
    }
}

async fn run(arguments: Arguments) -> Result<()> {
    let mut stop = Stop::new()?;
    if let Some(file) = &arguments.ready_file {
        // One that a killed stack left behind would say that this one is ready.
        std::fs::remove_file(file).ok();
    }
    if !arguments.no_build {
        tokio::select! {
            built = build(arguments.release) => built?,
            () = stop.wait() => return Ok(()),
        }
    }
    let data = match (arguments.memory, arguments.data) {
        (true, _) => None,
        (false, chosen) => Some(chosen.unwrap_or_else(|| project_root().join(".local"))),
    };
    let options = Options {
        http: arguments.http,
        ws: arguments.ws,
        dynamodb: arguments.dynamodb,
        data: data.clone(),
        binaries: binaries(arguments.release),
        ..Options::default()
    };
    let stack = Stack::start(options).await?;
    for notice in stack.notices() {
        tracing::warn!("{notice}");
    }
    greet(&stack, data.as_deref());
    if let Some(file) = &arguments.ready_file {
        write_ready_file(file, &stack)?;
    }
    stop.wait().await;
    eprintln!("Stopping.");
    if let Some(file) = &arguments.ready_file {
        std::fs::remove_file(file).ok();
    }
    tokio::select! {
        () = stack.stop() => Ok(()),
        () = stop.wait() => bail!("stopped at once, as asked by the second signal"),
    }
}

/// Builds the function binaries; all of them with the same flags, so that nothing is built twice.
async fn build(release: bool) -> Result<()> {
    let mut cargo = Command::new("cargo");
    cargo.args(["build", "--workspace", "--bins"]).current_dir(project_root());
    if release {
        cargo.arg("--release");
    }
    let status = cargo.kill_on_drop(true).status().await.context("cargo cannot be run")?;
    if !status.success() {
        bail!("the functions could not be built");
    }
    Ok(())
}

/// Where cargo puts binaries of the asked-for profile: this program's folder or its sibling.
fn binaries(release: bool) -> PathBuf {
    let own = binaries_beside_this_program();
    own.with_file_name(if release { "release" } else { "debug" })
}

fn greet(stack: &Stack, data: Option<&Path>) {
    let (http, ws) = (stack.http_url(), stack.ws_url());
    let kept = data.map_or("memory only".to_owned(), |path| path.display().to_string());
    println!(
        "
  HTTP API       {http}
  WebSocket API  {ws}
  DynamoDB       {dynamodb}  (table {table})
  Data           {kept}

Try:
  TOKEN=$(curl -s {http}/local/token -d '{{\"username\": \"ana\"}}' | jq -r .access_token)
  curl -s {http}/api/v1/users/me -H \"Authorization: Bearer $TOKEN\"
  npx wscat -c \"{ws}?token=$TOKEN\"        # then type: {{\"type\": \"hello\"}}

Ctrl-C stops everything.
",
        dynamodb = stack.dynamodb_url(),
        table = stack.table_name(),
    );
}

/// Written aside and renamed, so that nobody reads half of it.
fn write_ready_file(file: &Path, stack: &Stack) -> Result<()> {
    let ready = json!({
        "http": stack.http_url(),
        "ws": stack.ws_url(),
        "dynamodb": stack.dynamodb_url(),
        "pid": std::process::id(),
    });
    let mut aside = file.as_os_str().to_owned();
    aside.push(".new");
    std::fs::write(&aside, ready.to_string())
        .and_then(|()| std::fs::rename(&aside, file))
        .with_context(|| format!("the ready file {} cannot be written", file.display()))
}

/// The signals that ask to stop.
struct Stop {
    interrupt: Signal,
    terminate: Signal,
}

impl Stop {
    fn new() -> Result<Self> {
        Ok(Self { interrupt: signal(SignalKind::interrupt())?, terminate: signal(SignalKind::terminate())? })
    }

    async fn wait(&mut self) {
        tokio::select! {
            _ = self.interrupt.recv() => {}
            _ = self.terminate.recv() => {}
        }
    }
}
