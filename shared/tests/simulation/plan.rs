//! What one schedule is made of: how many people and steps, and how often each fault happens.

use fastrand::Rng;

/// How often each fault happens, from 0 to 1.
#[derive(Clone, Debug, Default)]
pub struct Rates {
    /// A call breaks before it is sent.
    pub unsent: f64,
    /// A call takes effect, and its answer never comes.
    pub unanswered: f64,
    /// A call takes effect, and its connection breaks.
    pub broken: f64,
    /// A call is throttled.
    pub throttled: f64,
    /// A write meets a transaction.
    pub conflict: f64,
    /// A call takes so long that it may be given up, and takes effect later.
    pub slow: f64,
    /// A call takes long, but not so long that it is given up.
    pub sluggish: f64,
    /// A read that is not consistent does not see the newest writes.
    pub stale: f64,
    /// A query answers fewer items than it could.
    pub short_page: f64,
    /// A batch leaves keys unprocessed.
    pub unprocessed: f64,
    /// A batch reads its keys at different moments.
    pub split: f64,
    /// An invocation dies at one of its calls.
    pub crash: f64,
    /// An invocation runs twice at once.
    pub twice: f64,
    /// A push is answered that the connection is gone, although it is not.
    pub push_gone: f64,
    /// A push is throttled.
    pub push_throttled: f64,
    /// A push is never answered.
    pub push_hangs: f64,
    /// A push is taken, and never arrives.
    pub push_lost: f64,
    /// A client's request, or the answer to it, is lost on the way.
    pub lost: f64,
}

/// What kind of a day it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Weather {
    /// Nothing fails.
    Calm,
    /// Only what the table and the gateway may do at any time, without a failure.
    Fair,
    /// Faults now and then.
    Rough,
    /// Many faults of a few kinds.
    Storm,
}

/// One schedule.
#[derive(Clone, Debug)]
pub struct Plan {
    /// What kind of a day it is.
    pub weather: Weather,
    /// How often each fault happens.
    pub rates: Rates,
    /// How many devices each person has.
    pub devices: Vec<usize>,
    /// How many people, the first ones, are in the group from the start.
    pub founders: usize,
    /// How many things people do.
    pub steps: usize,
    /// The longest usual pause between two steps, in milliseconds: the shorter, the more runs at once.
    pub pause: u64,
    /// Whether people lie idle for days now and then.
    pub has_long_waits: bool,
}

impl Plan {
    /// The schedule of a seed, and the generator for its steps.
    pub fn of(seed: u64) -> (Self, Rng) {
        let mut rng = Rng::with_seed(seed);
        let weather = match rng.u32(..100) {
            0..12 => Weather::Calm,
            12..40 => Weather::Fair,
            40..75 => Weather::Rough,
            _ => Weather::Storm,
        };
        let people = rng.usize(2..=4);
        let devices = (0..people).map(|_| rng.usize(1..=2)).collect();
        let founders = if people > 2 && rng.u32(..4) > 0 { people - 1 } else { people };
        let pause = [3, 15, 40, 150, 1500][rng.usize(..5)];
        let has_long_waits = rng.u32(..4) == 0;
        let steps = rng.usize(22..=64);
        let rates = rates(weather, &mut rng);
        (Self { weather, rates, devices, founders, steps, pause, has_long_waits }, rng)
    }

    /// Whether a client can rely on pushes and on answers that are no failures of ours.
    pub fn is_reliable(&self) -> bool {
        matches!(self.weather, Weather::Calm | Weather::Fair)
    }
}

fn rates(weather: Weather, rng: &mut Rng) -> Rates {
    let mut rates = Rates::default();
    let legal = Rates {
        sluggish: 0.03,
        stale: 0.5,
        short_page: 0.3,
        unprocessed: 0.05,
        split: 0.3,
        ..Rates::default()
    };
    match weather {
        Weather::Calm => {}
        Weather::Fair => rates = Rates { sluggish: 0.1, conflict: 0.02, twice: 0.05, ..legal },
        Weather::Rough | Weather::Storm => {
            rates = Rates { unprocessed: 0.1, ..legal };
            let (one_in, most) = if weather == Weather::Rough { (2, 0.06) } else { (3, 0.35) };
            for rate in [
                &mut rates.unsent,
                &mut rates.unanswered,
                &mut rates.broken,
                &mut rates.throttled,
                &mut rates.conflict,
                &mut rates.slow,
                &mut rates.crash,
                &mut rates.twice,
                &mut rates.push_gone,
                &mut rates.push_throttled,
                &mut rates.push_hangs,
                &mut rates.push_lost,
                &mut rates.lost,
            ] {
                if rng.u32(..one_in) == 0 {
                    *rate = most * rng.f64();
                }
            }
        }
    }
    rates
}
