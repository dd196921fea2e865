//! The options of a stack, and everything that it reads from the environment of the command.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::net::{Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};

use crate::clock::Clock;

/// The options of a [`Stack`](crate::Stack).
#[derive(Clone, Debug)]
pub struct Options {
    /// The address of the HTTP API; port 0 selects any free port.
    pub http: SocketAddr,
    /// The address of the WebSocket API and its connection management; port 0 selects any free port.
    pub ws: SocketAddr,
    /// The address of the embedded `DynamoDB`; port 0 selects any free port.
    pub dynamodb: SocketAddr,
    /// The data folder; `None` keeps all data in memory.
    pub data: Option<PathBuf>,
    /// The template to run.
    pub template: PathBuf,
    /// The folder with the built function binaries.
    pub binaries: PathBuf,
    /// Values of the template's parameters, instead of their defaults.
    pub parameters: BTreeMap<String, String>,
    /// Environment variables for every function; they override the template.
    pub env: BTreeMap<String, String>,
    /// The users that the web client offers to sign in as.
    pub people: Vec<Person>,
    /// The clock of all timeouts and schedules.
    pub clock: Clock,
}

/// A development user.
#[derive(Clone, Debug)]
pub struct Person {
    /// The name to request a token with.
    pub username: String,
    /// The display name.
    pub name: String,
}

impl Default for Options {
    /// For tests: in memory, free ports, the project's template, the binaries next to the running program.
    fn default() -> Self {
        let any = SocketAddr::from((Ipv4Addr::LOCALHOST, 0));
        Self {
            http: any,
            ws: any,
            dynamodb: any,
            data: None,
            template: project_root().join("template.yaml"),
            binaries: binaries_beside_this_program(),
            parameters: BTreeMap::new(),
            env: BTreeMap::new(),
            people: Vec::new(),
            clock: Clock::default(),
        }
    }
}

impl Options {
    /// Whether only this machine can reach the stack.
    pub(crate) fn is_loopback_only(&self) -> bool {
        [self.http, self.ws, self.dynamodb].iter().all(|address| address.ip().is_loopback())
    }
}

/// The root folder of the Cargo workspace.
pub fn project_root() -> &'static Path {
    let package = Path::new(env!("CARGO_MANIFEST_DIR"));
    package.parent().unwrap_or(package)
}

/// The folder of the running program; for a test, the parent of its `deps` folder.
pub fn binaries_beside_this_program() -> PathBuf {
    let program = std::env::current_exe().unwrap_or_default();
    let folder = program.parent().unwrap_or(Path::new("."));
    match folder.file_name() {
        Some(name) if name == "deps" => folder.parent().unwrap_or(folder).to_owned(),
        _ => folder.to_owned(),
    }
}

/// `PATH`, the only environment variable of the command that the functions inherit.
#[expect(clippy::disallowed_methods, reason = "this module is where the stack reads its environment")]
pub fn search_path() -> Option<OsString> {
    std::env::var_os("PATH")
}

/// The log filter from `RUST_LOG`.
#[expect(clippy::disallowed_methods, reason = "this module is where the stack reads its environment")]
pub fn log_filter() -> Option<String> {
    std::env::var("RUST_LOG").ok()
}

/// Whether `NO_COLOR` disables colours (<https://no-color.org>).
#[expect(clippy::disallowed_methods, reason = "this module is where the stack reads its environment")]
pub fn no_colour() -> bool {
    std::env::var_os("NO_COLOR").is_some_and(|value| !value.is_empty())
}
