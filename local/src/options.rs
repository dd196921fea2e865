//! What a stack is started with, and all that it takes from the environment of the command.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::net::{Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};

use crate::clock::Clock;

/// How to start a stack.
#[derive(Clone, Debug)]
pub struct Options {
    /// Where the HTTP API listens; port 0 is any.
    pub http: SocketAddr,
    /// Where the WebSocket API listens, connection management included; port 0 is any.
    pub ws: SocketAddr,
    /// Where the engine listens; port 0 is any.
    pub dynamodb: SocketAddr,
    /// The data folder; `None` keeps everything in memory.
    pub data: Option<PathBuf>,
    /// The template to run.
    pub template: PathBuf,
    /// The folder with the built function binaries.
    pub binaries: PathBuf,
    /// Variables set last, over those of every function.
    pub env: BTreeMap<String, String>,
    /// The clock of all limits.
    pub clock: Clock,
}

impl Default for Options {
    /// What tests want: in memory, any ports, the project's template, and the binaries beside the running program.
    fn default() -> Self {
        let any = SocketAddr::from((Ipv4Addr::LOCALHOST, 0));
        Self {
            http: any,
            ws: any,
            dynamodb: any,
            data: None,
            template: project_root().join("template.yaml"),
            binaries: binaries_beside_this_program(),
            env: BTreeMap::new(),
            clock: Clock::default(),
        }
    }
}

impl Options {
    /// Whether nobody but this machine can reach the stack.
    pub(crate) fn is_loopback_only(&self) -> bool {
        [self.http, self.ws, self.dynamodb].iter().all(|address| address.ip().is_loopback())
    }
}

/// The folder that holds the workspace.
pub fn project_root() -> &'static Path {
    let here = Path::new(env!("CARGO_MANIFEST_DIR"));
    here.parent().unwrap_or(here)
}

/// The folder in which cargo put this program; for a test, the one above its `deps`.
pub fn binaries_beside_this_program() -> PathBuf {
    let program = std::env::current_exe().unwrap_or_default();
    let folder = program.parent().unwrap_or(Path::new("."));
    match folder.file_name() {
        Some(name) if name == "deps" => folder.parent().unwrap_or(folder).to_owned(),
        _ => folder.to_owned(),
    }
}

/// The one variable of the command's own environment that functions inherit.
#[expect(clippy::disallowed_methods, reason = "this module is where the stack reads its environment")]
pub fn search_path() -> Option<OsString> {
    std::env::var_os("PATH")
}

/// The log filter that the user asked for, if any.
#[expect(clippy::disallowed_methods, reason = "this module is where the stack reads its environment")]
pub fn log_filter() -> Option<String> {
    std::env::var("RUST_LOG").ok()
}

/// Whether the user wants no colours (<https://no-color.org>).
#[expect(clippy::disallowed_methods, reason = "this module is where the stack reads its environment")]
pub fn no_colour() -> bool {
    std::env::var_os("NO_COLOR").is_some_and(|value| !value.is_empty())
}
