//! What the simulation is asked to do. `cargo test` hands the arguments of its own test harness to every test program;
//! those are taken, and mean what they mean there.

/// What to run.
#[derive(Debug, PartialEq, Eq)]
pub enum Wish {
    /// So many schedules, from seed 1 on.
    Schedules(u64),
    /// One schedule, told in full.
    Seed(u64),
    /// The name of this test.
    List,
    /// Other tests are meant.
    Nothing,
}

/// So many schedules run unless something else is asked for.
pub const USUAL: u64 = 1000;

/// The name by which a filter finds this test.
const NAME: &str = "simulation";

/// Options of the usual harness that take a value.
const VALUED: [&str; 7] =
    ["--test-threads", "--logfile", "--format", "--color", "--shuffle-seed", "-Z", "--report-time"];

impl Wish {
    /// Reads the arguments, without the program's name.
    pub fn read(arguments: impl IntoIterator<Item = String>) -> Result<Self, String> {
        let mut arguments = arguments.into_iter();
        let (mut wish, mut filters, mut is_other) = (Self::Schedules(USUAL), Vec::new(), false);
        while let Some(argument) = arguments.next() {
            let (name, joined) = match argument.split_once('=') {
                Some((name, value)) => (name, Some(value.to_owned())),
                None => (argument.as_str(), None),
            };
            let mut value = || joined.clone().or_else(|| arguments.next()).unwrap_or_default();
            let number = |text: String| text.parse().map_err(|_| format!("{name} takes a number"));
            match name {
                "--seed" => wish = Self::Seed(number(value())?),
                "--schedules" => wish = Self::Schedules(number(value())?),
                "--list" => wish = Self::List,
                "--ignored" => is_other = true,
                "--skip" => is_other |= NAME.contains(&value()),
                name if VALUED.contains(&name) => drop(value()),
                name if name.starts_with('-') => {}
                _ => filters.push(argument),
            }
        }
        is_other |= !filters.is_empty() && !filters.iter().any(|filter| NAME.contains(filter.as_str()));
        Ok(if is_other { Self::Nothing } else { wish })
    }
}
