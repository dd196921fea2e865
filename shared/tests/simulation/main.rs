//! Many seeded schedules of people who chat while everything fails, and a check that the log loses, doubles and reorders
//! nothing, and that every client ends where a fresh load would.
//!
//! `-- --seed 42` replays one schedule and tells all of it; `-- --schedules 100000` runs more of them.

#![expect(clippy::unwrap_used, clippy::expect_used, reason = "a test that cannot go on says so at once")]

mod acts;
mod arguments;
mod blocks;
mod catch_up;
mod checks;
mod clients;
mod cloud;
mod deeds;
mod device;
#[path = "../in_process/endpoints.rs"]
mod endpoints;
mod engine;
mod faults;
mod friends;
mod gateway;
mod ledger;
mod names;
#[path = "../in_process/network.rs"]
mod network;
mod outcomes;
mod plan;
#[path = "../../../tests/replica.rs"]
mod replica;
mod roles;
mod schedule;
mod seen;
mod sends;
mod social;
mod sockets;
mod stale;
mod trace;
mod truth;
mod world;

use std::{
    collections::BTreeMap,
    process::ExitCode,
    sync::atomic::{AtomicBool, AtomicU64, Ordering},
    thread,
};

use arguments::{USUAL, Wish};
use schedule::{Outcome, run};

/// So many seeds run twice, to see that they replay exactly.
const REPLAYED: u64 = 3;

fn main() -> ExitCode {
    let wish = match Wish::read(std::env::args().skip(1)) {
        Ok(wish) => wish,
        Err(error) => {
            eprintln!("{error}");
            return ExitCode::from(2);
        }
    };
    match wish {
        Wish::Nothing => ExitCode::SUCCESS,
        Wish::List => {
            println!("simulation: test");
            ExitCode::SUCCESS
        }
        Wish::Seed(seed) => {
            let outcome = run(seed, true);
            report(seed, &outcome);
            if outcome.broken.is_empty() { ExitCode::SUCCESS } else { ExitCode::FAILURE }
        }
        Wish::Schedules(schedules) => many(schedules),
    }
}

fn many(schedules: u64) -> ExitCode {
    for seed in 1..=REPLAYED.min(schedules) {
        let outcome = run(seed, true);
        if !outcome.broken.is_empty() {
            report(seed, &outcome);
            return ExitCode::FAILURE;
        }
        if run(seed, true).trace != outcome.trace {
            println!("seed {seed} does not replay exactly");
            return ExitCode::FAILURE;
        }
    }
    let (next, failed) = (AtomicU64::new(1), AtomicBool::new(false));
    let work = || {
        let (mut sum, mut failures) = (Sum::default(), Vec::new());
        loop {
            let seed = next.fetch_add(1, Ordering::Relaxed);
            if seed > schedules || failed.load(Ordering::Relaxed) {
                return (sum, failures);
            }
            let outcome = run(seed, false);
            sum.add(&outcome);
            if seed % USUAL == 0 && schedules > USUAL {
                println!("{seed} schedules");
            }
            if !outcome.broken.is_empty() {
                failed.store(true, Ordering::Relaxed);
                failures.push(seed);
            }
        }
    };
    let threads = thread::available_parallelism().map_or(1, usize::from);
    let (mut sum, mut failures) = (Sum::default(), Vec::new());
    thread::scope(|scope| {
        let threads: Vec<_> = (0..threads).map(|_| scope.spawn(work)).collect();
        for thread in threads {
            let (part, failed) = thread.join().unwrap();
            sum.merge(part);
            failures.extend(failed);
        }
    });
    sum.print();
    match failures.iter().min() {
        None => ExitCode::SUCCESS,
        Some(seed) => {
            let outcome = run(*seed, true);
            report(*seed, &outcome);
            if outcome.broken.is_empty() {
                println!("seed {seed} does not replay exactly");
            }
            ExitCode::FAILURE
        }
    }
}

/// Tells all of one schedule.
fn report(seed: u64, outcome: &Outcome) {
    println!("{}", outcome.trace);
    if outcome.broken.is_empty() {
        println!("seed {seed}: everything holds");
        return;
    }
    for (property, detail) in &outcome.broken {
        println!("seed {seed} breaks \"{property}\": {detail}");
    }
    println!("replay: cargo test --workspace --test simulation -- --seed {seed}");
}

/// What all schedules came to.
#[derive(Default)]
struct Sum {
    schedules: u64,
    steps: u64,
    sends: u64,
    tries: u64,
    calls: u64,
    faults: BTreeMap<&'static str, u64>,
}

impl Sum {
    fn add(&mut self, outcome: &Outcome) {
        let Outcome { steps, sends, tries, calls, faults, .. } = outcome;
        let (steps, sends, tries, calls) = (*steps, *sends, *tries, *calls);
        self.merge(Self { schedules: 1, steps, sends, tries, calls, faults: faults.clone() });
    }

    fn merge(&mut self, other: Self) {
        self.schedules += other.schedules;
        self.steps += other.steps;
        self.sends += other.sends;
        self.tries += other.tries;
        self.calls += other.calls;
        for (name, count) in other.faults {
            *self.faults.entry(name).or_default() += count;
        }
    }

    fn print(&self) {
        let Self { schedules, steps, sends, tries, calls, faults } = self;
        let faults: Vec<String> = faults.iter().map(|(name, count)| format!("{count} {name}")).collect();
        #[expect(clippy::cast_precision_loss, reason = "it is shown with two digits")]
        let extra = (tries - sends) as f64 / (*sends).max(1) as f64;
        println!(
            "{schedules} schedules, {steps} steps, {sends} messages ({extra:.2} extra tries each), {calls} calls of the table"
        );
        println!("faults: {}", faults.join(", "));
    }
}
