//! The command: builds the functions, runs the stack, and stops it in order; or asks a running one for a token.

mod command;

use std::io::IsTerminal;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Duration;

use anyhow::{Context, Result, bail};
use clap::{Args, Parser, Subcommand};
use local::{LogLines, Options, Stack, binaries_beside_this_program, log_filter, no_colour, project_root};
use serde_json::json;
use tokio::process::Command;
use tokio::signal::unix::{Signal, SignalKind, signal};
use tracing_subscriber::EnvFilter;

use command::api;
use command::demo::{self, Demo};

/// Where the HTTP API listens if nothing else is said.
const HTTP: &str = "127.0.0.1:3000";
/// The longest that a start waits for its demo data.
const DEMO_PATIENCE: Duration = Duration::from_secs(30);

/// Runs the whole system of `template.yaml` on this machine.
#[derive(Debug, Parser)]
#[command(name = "local", args_conflicts_with_subcommands = true)]
struct Arguments {
    #[command(subcommand)]
    command: Option<Subcommands>,
    #[command(flatten)]
    serve: Serve,
}

#[derive(Debug, Subcommand)]
enum Subcommands {
    /// Print a token from the running stack, for `Authorization: Bearer …`.
    Token {
        /// The username; whoever is new is made.
        name: String,
        /// Where the stack's HTTP API listens.
        #[arg(long, value_name = "ADDR", default_value = HTTP)]
        http: SocketAddr,
    },
}

#[derive(Debug, Args)]
#[expect(clippy::struct_excessive_bools, reason = "each is a switch of the command line")]
struct Serve {
    /// Where the HTTP API listens (port 0: any).
    #[arg(long, value_name = "ADDR", default_value = HTTP)]
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
    /// Start without demo people, who otherwise come with an empty data folder.
    #[arg(long)]
    no_demo: bool,
    /// Build and run the functions with the release profile.
    #[arg(long)]
    release: bool,
    /// Run the binaries as they are, without building first.
    #[arg(long)]
    no_build: bool,
    /// A variable for every function, over what the template says; may be given more than once.
    #[arg(long, value_name = "NAME=VALUE", value_parser = variable)]
    env: Vec<(String, String)>,
    /// Write the addresses and the process id to this file, as JSON, when requests will be served.
    #[arg(long, value_name = "FILE")]
    ready_file: Option<PathBuf>,
}

#[tokio::main]
async fn main() -> ExitCode {
    let Arguments { command, serve } = Arguments::parse();
    let outcome = match command {
        Some(Subcommands::Token { name, http }) => print_token(&name, http).await,
        None => run(serve, &Log::init()).await,
    };
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn variable(text: &str) -> Result<(String, String), String> {
    match text.split_once('=') {
        Some((name, value)) if !name.is_empty() => Ok((name.to_owned(), value.to_owned())),
        _ => Err("a variable is NAME=VALUE".to_owned()),
    }
}

async fn print_token(name: &str, http: SocketAddr) -> Result<()> {
    println!("{}", api::token_at(http, name).await?);
    Ok(())
}

async fn run(arguments: Serve, log: &Log) -> Result<()> {
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
    let demo = Demo::plan(data.as_deref(), !arguments.no_demo)?;
    let options = Options {
        http: arguments.http,
        ws: arguments.ws,
        dynamodb: arguments.dynamodb,
        data: data.clone(),
        binaries: binaries(arguments.release),
        env: arguments.env.into_iter().collect(),
        ..Options::default()
    };
    let stack = Stack::start(options).await?;
    for notice in stack.notices() {
        tracing::warn!("{notice}");
    }
    let demo = tokio::select! {
        demo = fill(demo, &stack, log) => demo,
        () = stop.wait() => {
            stack.stop().await;
            return Ok(());
        }
    };
    greet(&stack, data.as_deref(), &demo);
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

/// Makes the demo data, if it is to be made. Without it the stack is as good.
async fn fill(demo: Demo, stack: &Stack, log: &Log) -> Demo {
    if !matches!(demo, Demo::Wanted(_)) {
        return demo;
    }
    log.calm(true);
    let made = tokio::time::timeout(DEMO_PATIENCE, demo.make(stack.http_url())).await;
    log.calm(false);
    made.map_err(anyhow::Error::from).flatten().unwrap_or_else(|error| {
        tracing::warn!("the demo data is not finished, the next start goes on with it: {error:#}");
        Demo::None
    })
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

fn greet(stack: &Stack, data: Option<&Path>, demo: &Demo) {
    let (http, ws) = (stack.http_url(), stack.ws_url());
    let address = http.trim_start_matches("http://");
    let kept = data.map_or("memory only".to_owned(), |path| path.display().to_string());
    let people = match demo {
        Demo::There => demo::usernames().collect::<Vec<_>>().join(", "),
        Demo::None | Demo::Wanted(_) => "none".to_owned(),
    };
    println!(
        "
  HTTP API       {http}
  WebSocket API  {ws}
  DynamoDB       {dynamodb}  (table {table})
  Data           {kept}
  Demo people    {people}

Try:
  TOKEN=$(cargo run -qp local -- token ana --http {address})
  curl -s {http}/api/v1/users/me -H \"Authorization: Bearer $TOKEN\"
  npx -y wscat -c \"{ws}?token=$TOKEN\"        # then type: {{\"type\": \"hello\"}}

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

/// What is logged if nothing else is asked for. Where a condition fails, as conditions do, the engine warns of it.
const USUAL: &str = "info,dynoxide=error";
/// What is logged of calls that nobody follows.
const CALM: &str = "warn,dynoxide=error";

/// What is logged.
struct Log {
    /// What the user asked for.
    asked: Option<String>,
    set: Box<dyn Fn(&str) + Send + Sync>,
}

impl Log {
    /// Begins to log on the standard error.
    fn init() -> Self {
        let asked = log_filter().filter(|filter| EnvFilter::try_new(filter).is_ok());
        let colour = std::io::stderr().is_terminal() && !no_colour();
        let log = tracing_subscriber::fmt()
            .event_format(LogLines::new(colour))
            .with_writer(std::io::stderr)
            .with_env_filter(EnvFilter::new(asked.as_deref().unwrap_or(USUAL)))
            .with_filter_reloading();
        let handle = log.reload_handle();
        log.init();
        Self { asked, set: Box::new(move |filter| drop(handle.reload(EnvFilter::new(filter)))) }
    }

    /// Leaves out what is neither a warning nor an error, or not any more; unless the user has asked for a filter.
    fn calm(&self, calm: bool) {
        if self.asked.is_none() {
            (self.set)(if calm { CALM } else { USUAL });
        }
    }
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
