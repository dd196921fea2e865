//! The `local` command: builds the functions and runs the stack, or is a client of a running stack, or estimates
//! its cost.

mod command;

use std::io::IsTerminal;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Duration;

use anyhow::{Context, Result, bail};
use clap::{Args, Parser, Subcommand};
use local::{
    LogLines, Options, Stack, binaries_beside_this_program, log_filter, network_addresses, no_colour,
    project_root,
};
use serde_json::json;
use tokio::process::Command;
use tokio::signal::unix::{Signal, SignalKind, signal};
use tracing_subscriber::EnvFilter;

use command::api;
use command::cost::{self, Use};
use command::demo::{self, Demo};
use command::smoke::{self, Smoke};
use command::socket;
use command::watch;

/// The default address of the HTTP API.
const DEFAULT_HTTP_ADDRESS: &str = "127.0.0.1:3000";
/// The default address of the WebSocket API, with the stage of the template.
const DEFAULT_SOCKET_ADDRESS: &str = "127.0.0.1:3001/live";
/// The longest that a start waits until the demo data exists.
const DEMO_TIMEOUT: Duration = Duration::from_secs(30);

/// Run the complete system of `template.yaml` on this machine.
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
        /// The username; a new user is created.
        name: String,
        /// The address of the running stack's HTTP API.
        #[arg(long, value_name = "ADDR", default_value = DEFAULT_HTTP_ADDRESS, value_parser = http_url)]
        http: String,
    },
    /// Open a WebSocket: send each line that you type as a frame, print each received frame.
    Socket {
        /// The username on the running stack; a new user is created.
        #[arg(required_unless_present = "token")]
        name: Option<String>,
        /// The address of the running stack's HTTP API, which issues the token.
        #[arg(long, value_name = "ADDR", default_value = DEFAULT_HTTP_ADDRESS, value_parser = http_url)]
        http: String,
        /// The address of the WebSocket API, with the stage.
        #[arg(long, value_name = "ADDR", default_value = DEFAULT_SOCKET_ADDRESS, value_parser = socket_url)]
        ws: String,
        /// An access token, instead of one for NAME.
        #[arg(long, value_name = "JWT", conflicts_with = "name")]
        token: Option<String>,
    },
    /// Test a deployment with three users.
    Smoke(Smoke),
    /// Estimate what a number of users cost in a month.
    Cost(Use),
}

fn http_url(address: &str) -> Result<String, String> {
    api::base_url(address, "http")
}

fn socket_url(address: &str) -> Result<String, String> {
    api::base_url(address, "ws")
}

#[derive(Debug, Args)]
#[expect(clippy::struct_excessive_bools, reason = "each is a flag of the command line")]
struct Serve {
    /// The address of the HTTP API (port 0: any free port).
    #[arg(long, value_name = "ADDR", default_value = DEFAULT_HTTP_ADDRESS)]
    http: SocketAddr,
    /// The address of the WebSocket API (port 0: any free port).
    #[arg(long, value_name = "ADDR", default_value = "127.0.0.1:3001")]
    ws: SocketAddr,
    /// The address of the embedded DynamoDB (port 0: any free port).
    #[arg(long, value_name = "ADDR", default_value = "127.0.0.1:8000")]
    dynamodb: SocketAddr,
    /// The folder for all data [default: .local in the project].
    #[arg(long, value_name = "DIR", conflicts_with = "memory")]
    data: Option<PathBuf>,
    /// Keep all data in memory only.
    #[arg(long)]
    memory: bool,
    /// Do not create demo users; by default, an empty data folder gets them.
    #[arg(long)]
    no_demo: bool,
    /// Build and run the functions with the release profile.
    #[arg(long)]
    release: bool,
    /// Run the existing binaries without building them first.
    #[arg(long)]
    no_build: bool,
    /// Build the functions when their sources change; the next calls run the new programs.
    #[arg(long, conflicts_with = "no_build")]
    watch: bool,
    /// Set a parameter of the template (repeatable).
    #[arg(long = "param", value_name = "NAME=VALUE", value_parser = parse_variable)]
    parameters: Vec<(String, String)>,
    /// Set an environment variable for every function, overriding the template (repeatable).
    #[arg(long, value_name = "NAME=VALUE", value_parser = parse_variable)]
    env: Vec<(String, String)>,
    /// Write the addresses and the process id to this file, as JSON, once the stack accepts requests.
    #[arg(long, value_name = "FILE")]
    ready_file: Option<PathBuf>,
}

#[tokio::main]
async fn main() -> ExitCode {
    let Arguments { command, serve } = Arguments::parse();
    let result = match command {
        Some(Subcommands::Token { name, http }) => print_token(&name, &http).await,
        Some(Subcommands::Socket { name, http, ws, token }) => open_socket(name, &http, &ws, token).await,
        Some(Subcommands::Smoke(arguments)) => smoke::run(arguments).await,
        Some(Subcommands::Cost(daily)) => cost::run(&daily),
        None => run(serve, &Logging::init()).await,
    };
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn parse_variable(text: &str) -> Result<(String, String), String> {
    match text.split_once('=') {
        Some((name, value)) if !name.is_empty() => Ok((name.to_owned(), value.to_owned())),
        _ => Err("expected NAME=VALUE".to_owned()),
    }
}

async fn print_token(name: &str, http: &str) -> Result<()> {
    println!("{}", api::token_at(http, name).await?);
    Ok(())
}

async fn open_socket(name: Option<String>, http: &str, ws: &str, token: Option<String>) -> Result<()> {
    let token = match token {
        Some(token) => token,
        None => api::token_at(http, &name.unwrap_or_default()).await?,
    };
    socket::run(ws, &token).await
}

async fn run(arguments: Serve, logging: &Logging) -> Result<()> {
    let mut stop = StopSignals::new()?;
    if let Some(file) = &arguments.ready_file {
        // A file left by a killed stack would report this stack as ready.
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
        (false, folder) => Some(folder.unwrap_or_else(|| project_root().join(".local"))),
    };
    let demo = Demo::plan(data.as_deref(), !arguments.no_demo)?;
    let options = Options {
        http: arguments.http,
        ws: arguments.ws,
        dynamodb: arguments.dynamodb,
        data: data.clone(),
        binaries: binaries(arguments.release),
        parameters: arguments.parameters.into_iter().collect(),
        env: arguments.env.into_iter().collect(),
        people: if demo == Demo::None { Vec::new() } else { demo::people() },
        ..Options::default()
    };
    let stack = Stack::start(options).await?;
    for notice in stack.notices() {
        tracing::warn!("{notice}");
    }
    let demo = tokio::select! {
        demo = create_demo_data(demo, &stack, logging) => demo,
        () = stop.wait() => {
            stack.stop().await;
            return Ok(());
        }
    };
    print_summary(&stack, data.as_deref(), &demo);
    print_network_addresses([arguments.http, arguments.ws], &stack);
    if let Some(file) = &arguments.ready_file {
        write_ready_file(file, &stack)?;
    }
    tokio::select! {
        watched = watch(arguments.release), if arguments.watch => watched?,
        () = stop.wait() => {}
    }
    eprintln!("Stopping.");
    if let Some(file) = &arguments.ready_file {
        std::fs::remove_file(file).ok();
    }
    tokio::select! {
        () = stack.stop() => Ok(()),
        () = stop.wait() => bail!("stopped immediately by a second signal"),
    }
}

/// Creates pending demo data. A failure is logged and does not stop the stack.
async fn create_demo_data(demo: Demo, stack: &Stack, logging: &Logging) -> Demo {
    if !matches!(demo, Demo::Pending(_)) {
        return demo;
    }
    logging.set_quiet(true);
    let result = tokio::time::timeout(DEMO_TIMEOUT, demo.create(stack.http_url())).await;
    logging.set_quiet(false);
    result.map_err(anyhow::Error::from).flatten().unwrap_or_else(|error| {
        tracing::warn!("the demo data is incomplete; the next start resumes it: {error:#}");
        Demo::None
    })
}

/// Builds all binaries with one command, so that shared dependencies are compiled only once.
async fn build(release: bool) -> Result<()> {
    let mut cargo = Command::new("cargo");
    cargo.args(["build", "--workspace", "--bins"]).current_dir(project_root());
    if release {
        cargo.arg("--release");
    }
    let status = cargo.kill_on_drop(true).status().await.context("cannot run cargo")?;
    if !status.success() {
        bail!("building the functions failed");
    }
    Ok(())
}

/// Builds the functions after each change of their sources. The stack goes on with the last successful build.
async fn watch(release: bool) -> Result<()> {
    let folders = ["functions/src", "shared/src"].map(|folder| project_root().join(folder));
    let rebuild = async || match build(release).await {
        Ok(()) => tracing::info!("built; the next calls run the new programs"),
        Err(error) => tracing::warn!("{error}; the last programs go on"),
    };
    watch::on_change(&folders, rebuild).await
}

/// The folder of the binaries of a Cargo profile: this program's folder or its sibling.
fn binaries(release: bool) -> PathBuf {
    binaries_beside_this_program().with_file_name(if release { "release" } else { "debug" })
}

fn print_summary(stack: &Stack, data: Option<&Path>, demo: &Demo) {
    let (http, ws) = (stack.http_url(), stack.ws_url());
    let address = http.trim_start_matches("http://");
    let data = data.map_or("memory only".to_owned(), |path| path.display().to_string());
    let users = match demo {
        Demo::Complete => demo::usernames().collect::<Vec<_>>().join(", "),
        Demo::None | Demo::Pending(_) => "none".to_owned(),
    };
    println!(
        "
  HTTP API       {http}
  WebSocket API  {ws}
  DynamoDB       {dynamodb}  (table {table})
  Data           {data}
  Demo users     {users}

Try:
  TOKEN=$(cargo run -qp local -- token ana --http {address})
  curl -s {http}/api/v1/users/me -H \"Authorization: Bearer $TOKEN\"
  cargo run -qp local -- socket ana --http {address} --ws {ws}        # then type: {{\"type\": \"hello\"}}

Press Ctrl-C to stop. {open}
",
        open = match demo {
            Demo::Complete => format!("Ana and Ben chat side by side at:\n\n  {http}/?pair=ana,ben"),
            Demo::None | Demo::Pending(_) => format!("The chat:\n\n  {http}/"),
        },
        dynamodb = stack.dynamodb_url(),
        table = stack.table_name(),
    );
}

/// Prints the URLs for other devices, of each API that listens on all interfaces.
fn print_network_addresses(listening: [SocketAddr; 2], stack: &Stack) {
    for (address, url) in listening.into_iter().zip([stack.http_url(), stack.ws_url()]) {
        let Some((scheme, rest)) = url.split_once("://").filter(|_| address.ip().is_unspecified()) else {
            continue;
        };
        let port_and_path = rest.rsplit_once(':').map_or("", |(_, tail)| tail);
        for ip in network_addresses() {
            let host = if ip.is_ipv6() { format!("[{ip}]") } else { ip.to_string() };
            println!("  From other devices: {scheme}://{host}:{port_and_path}");
        }
    }
}

/// Writes a temporary file and renames it, so that a reader never sees a partial file.
fn write_ready_file(file: &Path, stack: &Stack) -> Result<()> {
    let ready = json!({
        "http": stack.http_url(),
        "ws": stack.ws_url(),
        "dynamodb": stack.dynamodb_url(),
        "pid": std::process::id(),
    });
    let mut temporary = file.as_os_str().to_owned();
    temporary.push(".new");
    std::fs::write(&temporary, ready.to_string())
        .and_then(|()| std::fs::rename(&temporary, file))
        .with_context(|| format!("cannot write the ready file {}", file.display()))
}

/// The default log filter. The engine logs each failed condition as a warning, although these are expected.
const DEFAULT_FILTER: &str = "info,dynoxide=error";
/// The log filter while the demo data is created.
const QUIET_FILTER: &str = "warn,dynoxide=error";

/// The log and its filter.
struct Logging {
    /// The filter from `RUST_LOG`, if it is valid.
    requested: Option<String>,
    set_filter: Box<dyn Fn(&str) + Send + Sync>,
}

impl Logging {
    /// Starts to log to standard error.
    fn init() -> Self {
        let requested = log_filter().filter(|filter| EnvFilter::try_new(filter).is_ok());
        let colour = std::io::stderr().is_terminal() && !no_colour();
        let log = tracing_subscriber::fmt()
            .event_format(LogLines::new(colour))
            .with_writer(std::io::stderr)
            .with_env_filter(EnvFilter::new(requested.as_deref().unwrap_or(DEFAULT_FILTER)))
            .with_filter_reloading();
        let handle = log.reload_handle();
        log.init();
        Self { requested, set_filter: Box::new(move |filter| drop(handle.reload(EnvFilter::new(filter)))) }
    }

    /// Limits the log to warnings and errors, or lifts that limit. A filter from `RUST_LOG` takes precedence.
    fn set_quiet(&self, quiet: bool) {
        if self.requested.is_none() {
            (self.set_filter)(if quiet { QUIET_FILTER } else { DEFAULT_FILTER });
        }
    }
}

/// The signals that stop the command: SIGINT and SIGTERM.
struct StopSignals {
    interrupt: Signal,
    terminate: Signal,
}

impl StopSignals {
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
