//! The command line. `cargo test` passes the arguments of its own test harness to every test program, so
//! those are accepted and have their usual meaning.

/// What the command line requests.
#[derive(Debug, PartialEq, Eq)]
pub enum Command {
    /// Run this many schedules, from seed 1.
    Schedules(u64),
    /// Run the schedule of this seed, and print its trace.
    Seed(u64),
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
        let (mut command, mut filters, mut is_skipped) =
            (Self::Schedules(DEFAULT_SCHEDULES), Vec::new(), false);
        while let Some(argument) = arguments.next() {
            let (name, joined) = match argument.split_once('=') {
                Some((name, value)) => (name, Some(value.to_owned())),
                None => (argument.as_str(), None),
            };
            let mut value = || joined.clone().or_else(|| arguments.next()).unwrap_or_default();
            let number = |text: String| text.parse().map_err(|_| format!("{name} takes a number"));
            match name {
                "--seed" => command = Self::Seed(number(value())?),
                "--schedules" => command = Self::Schedules(number(value())?),
                "--list" => command = Self::List,
                "--ignored" => is_skipped = true,
                "--skip" => is_skipped |= TEST_NAME.contains(&value()),
                name if OPTIONS_WITH_VALUE.contains(&name) => drop(value()),
                name if name.starts_with('-') => {}
                _ => filters.push(argument),
            }
        }
        is_skipped |=
            !filters.is_empty() && !filters.iter().any(|filter| TEST_NAME.contains(filter.as_str()));
        Ok(if is_skipped { Self::Skip } else { command })
    }
}
