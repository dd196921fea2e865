//! The command line. `cargo test` passes the arguments of its own test harness to every test program, so
//! those are accepted and have their usual meaning.

use std::ops::Range;

/// What the command line requests.
#[derive(Debug, PartialEq, Eq)]
pub enum Command {
    /// Run the schedules of these seeds.
    Schedules(Range<u64>),
    /// Run the schedule of this seed, and print its trace.
    Seed(u64),
    /// Run the schedules of these seeds, and write the traces of their clients to a file.
    TraceClients { seeds: Range<u64>, file: String },
    /// Print the name of this test.
    List,
    /// Run nothing: the filters select other tests.
    Skip,
}

/// The number of schedules that run by default.
pub const DEFAULT_SCHEDULES: u64 = 1000;

/// The name that filters match.
const TEST_NAME: &str = "simulation";

/// Options of the standard test harness that take a value.
const OPTIONS_WITH_VALUE: [&str; 7] =
    ["--test-threads", "--logfile", "--format", "--color", "--shuffle-seed", "-Z", "--report-time"];

impl Command {
    /// Parses the arguments, without the program name.
    pub fn parse(arguments: impl IntoIterator<Item = String>) -> Result<Self, String> {
        let mut arguments = arguments.into_iter();
        let (mut first, mut schedules, mut command) = (1, DEFAULT_SCHEDULES, None);
        let mut trace_file = None;
        let (mut filters, mut is_skipped) = (Vec::new(), false);
        while let Some(argument) = arguments.next() {
            let (name, joined) = match argument.split_once('=') {
                Some((name, value)) => (name, Some(value.to_owned())),
                None => (argument.as_str(), None),
            };
            let mut value = || joined.clone().or_else(|| arguments.next()).unwrap_or_default();
            let number = |text: String| text.parse().map_err(|_| format!("{name} takes a number"));
            match name {
                "--seed" => command = Some(Self::Seed(number(value())?)),
                "--first" => first = number(value())?,
                "--schedules" => schedules = number(value())?,
                "--trace-clients" => trace_file = Some(value()),
                "--list" => command = Some(Self::List),
                "--ignored" => is_skipped = true,
                "--skip" => is_skipped |= TEST_NAME.contains(&value()),
                name if OPTIONS_WITH_VALUE.contains(&name) => drop(value()),
                name if name.starts_with('-') => {}
                _ => filters.push(argument),
            }
        }
        is_skipped |=
            !filters.is_empty() && !filters.iter().any(|filter| TEST_NAME.contains(filter.as_str()));
        let seeds = first..first.saturating_add(schedules);
        Ok(match (command, trace_file) {
            _ if is_skipped => Self::Skip,
            (Some(Self::Seed(seed)), Some(file)) => Self::TraceClients { seeds: seed..seed + 1, file },
            (None, Some(file)) => Self::TraceClients { seeds, file },
            (command, _) => command.unwrap_or(Self::Schedules(seeds)),
        })
    }
}
