//! Runs many seeded, deterministic schedules of users on devices under injected faults. Checks that no
//! message is lost, duplicated or reordered, and that every client converges to what a fresh load returns.
//!
//! `-- --seed 42` replays one schedule and prints its trace. `-- --first 5000 --schedules 100000` runs others
//! and more of them, after those in `failed_seeds.txt`. With `--trace-clients FILE`, it writes what the clients
//! took in and showed, one line of JSON for each client.

#![expect(clippy::unwrap_used, clippy::expect_used, reason = "a test panics when it cannot continue")]

mod account_deletion;
mod action_checks;
mod actions;
mod arguments;
mod aws;
mod blocks;
mod catch_up;
mod chat_steps;
mod checks;
mod client_checks;
mod client_trace;
mod connections;
mod device;
#[path = "../../../tests/dynamodb/mod.rs"]
mod dynamodb;
#[path = "../in_process/endpoints.rs"]
mod endpoints;
#[path = "../in_process/values.rs"]
mod extreme_values;
mod faults;
mod friends;
mod gateway;
#[path = "../in_process/network.rs"]
mod network;
mod observations;
mod old_images;
mod outbox;
mod plan;
mod rate_limits;
#[path = "../../../tests/replica.rs"]
mod replica;
mod response_checks;
mod roles;
mod rooms;
mod schedule;
mod simulation;
mod social_steps;
mod stored_rooms;
mod table;
mod tokens;
mod trace;
mod usernames;
mod values;

use std::{
    collections::BTreeMap,
    fs::File,
    io::{BufWriter, Write},
    ops::Range,
    process::ExitCode,
    sync::atomic::{AtomicBool, AtomicUsize, Ordering},
    thread,
};

use arguments::Command;
use schedule::{ScheduleResult, run};
use trace::Tracing;

/// The number of seeds that run twice, to check that they replay exactly.
const REPLAYED: usize = 3;

/// Seeds that have failed. They run before all others.
const FAILED_SEEDS: &str = include_str!("failed_seeds.txt");

fn main() -> ExitCode {
    let command = match Command::parse(std::env::args().skip(1)) {
        Ok(command) => command,
        Err(error) => {
            eprintln!("{error}");
            return ExitCode::from(2);
        }
    };
    match command {
        Command::Skip => ExitCode::SUCCESS,
        Command::List => {
            println!("simulation: test");
            ExitCode::SUCCESS
        }
        Command::Seed(seed) => {
            let result = run(seed, Tracing::Log);
            report(seed, &result);
            if result.violations.is_empty() { ExitCode::SUCCESS } else { ExitCode::FAILURE }
        }
        Command::TraceClients { seeds, file } => trace_clients(seeds, &file),
        Command::Schedules(seeds) => {
            println!("seeds {seeds:?}, and those in failed_seeds.txt");
            run_schedules(&failed_seeds().chain(seeds).collect::<Vec<_>>())
        }
    }
}

fn failed_seeds() -> impl Iterator<Item = u64> {
    let lines = FAILED_SEEDS.lines().map(|line| line.split('#').next().unwrap_or_default().trim());
    lines.filter(|line| !line.is_empty()).map(|seed| seed.parse().expect("a seed"))
}

/// Writes the traces of all clients of the schedules.
fn trace_clients(seeds: Range<u64>, file: &str) -> ExitCode {
    let mut output = BufWriter::new(File::create(file).expect("a file that can be written"));
    for seed in seeds {
        let result = run(seed, Tracing::Clients);
        if !result.violations.is_empty() {
            report(seed, &result);
            return ExitCode::FAILURE;
        }
        for client in result.clients {
            writeln!(output, "{client}").expect("space for the traces");
        }
    }
    output.flush().expect("space for the traces");
    ExitCode::SUCCESS
}

fn run_schedules(seeds: &[u64]) -> ExitCode {
    for seed in seeds.iter().copied().take(REPLAYED) {
        let result = run(seed, Tracing::Log);
        if !result.violations.is_empty() {
            report(seed, &result);
            return ExitCode::FAILURE;
        }
        if run(seed, Tracing::Log).trace != result.trace {
            println!("seed {seed} does not replay exactly");
            return ExitCode::FAILURE;
        }
    }
    let (next, failed) = (AtomicUsize::new(0), AtomicBool::new(false));
    let run_until_failure = || {
        let (mut summary, mut failures) = (Summary::default(), Vec::new());
        loop {
            let index = next.fetch_add(1, Ordering::Relaxed);
            let Some(seed) = seeds.get(index).copied().filter(|_| !failed.load(Ordering::Relaxed)) else {
                return (summary, failures);
            };
            let result = run(seed, Tracing::None);
            summary.add(&result);
            if index > 0 && index.is_multiple_of(1000) {
                println!("{index} schedules");
            }
            if !result.violations.is_empty() {
                failed.store(true, Ordering::Relaxed);
                failures.push(seed);
            }
        }
    };
    let threads = thread::available_parallelism().map_or(1, usize::from);
    let (mut summary, mut failures) = (Summary::default(), Vec::new());
    thread::scope(|scope| {
        let threads: Vec<_> = (0..threads).map(|_| scope.spawn(run_until_failure)).collect();
        for thread in threads {
            let (part, failed) = thread.join().unwrap();
            summary.merge(part);
            failures.extend(failed);
        }
    });
    summary.print();
    match failures.iter().min() {
        None => ExitCode::SUCCESS,
        Some(seed) => {
            let result = run(*seed, Tracing::Log);
            report(*seed, &result);
            if result.violations.is_empty() {
                println!("seed {seed} does not replay exactly");
            }
            ExitCode::FAILURE
        }
    }
}

/// Prints the trace and the violations of one schedule.
fn report(seed: u64, result: &ScheduleResult) {
    println!("{}", result.trace);
    if result.violations.is_empty() {
        println!("seed {seed}: all properties hold");
        return;
    }
    for (property, detail) in &result.violations {
        println!("seed {seed} breaks \"{property}\": {detail}");
    }
    println!("replay: cargo test --workspace --test simulation -- --seed {seed}");
    println!("Add the seed to shared/tests/simulation/failed_seeds.txt.");
}

/// The totals of all schedules.
#[derive(Default)]
struct Summary {
    schedules: u64,
    steps: u64,
    sends: u64,
    attempts: u64,
    calls: u64,
    faults: BTreeMap<&'static str, u64>,
}

impl Summary {
    fn add(&mut self, result: &ScheduleResult) {
        let ScheduleResult { steps, sends, attempts, calls, faults, .. } = result;
        let (steps, sends, attempts, calls) = (*steps, *sends, *attempts, *calls);
        self.merge(Self { schedules: 1, steps, sends, attempts, calls, faults: faults.clone() });
    }

    fn merge(&mut self, other: Self) {
        self.schedules += other.schedules;
        self.steps += other.steps;
        self.sends += other.sends;
        self.attempts += other.attempts;
        self.calls += other.calls;
        for (name, count) in other.faults {
            *self.faults.entry(name).or_default() += count;
        }
    }

    fn print(&self) {
        let Self { schedules, steps, sends, attempts, calls, faults } = self;
        let faults: Vec<String> = faults.iter().map(|(name, count)| format!("{count} {name}")).collect();
        #[expect(clippy::cast_precision_loss, reason = "it is printed with two decimals")]
        let retries = (attempts - sends) as f64 / (*sends).max(1) as f64;
        println!(
            "{schedules} schedules, {steps} steps, {sends} messages ({retries:.2} retries each), {calls} calls to the table"
        );
        println!("faults: {}", faults.join(", "));
    }
}
