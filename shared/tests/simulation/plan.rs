//! The parameters of one schedule: its users, devices, steps and fault rates.

use fastrand::Rng;
use shared::domain::rooms::SHOWN_MEMBERS;

use crate::{rate_limits::Limit, simulation::USERNAMES};

/// The probability of each fault, from 0 to 1.
#[derive(Clone, Debug, Default)]
pub struct FaultRates {
    /// A call fails before it is sent.
    pub unsent: f64,
    /// A call takes effect, but no response arrives.
    pub unanswered: f64,
    /// A call takes effect, then its connection breaks.
    pub connection_broken: f64,
    /// A call is throttled.
    pub throttled: f64,
    /// A write fails because it conflicts with a transaction.
    pub conflict: f64,
    /// A call takes up to 6 s, which may exceed the attempt timeout of 3 s, and then takes effect.
    pub slow: f64,
    /// A call takes up to 1.5 s, which is less than the attempt timeout.
    pub delayed: f64,
    /// An eventually consistent read misses the newest writes.
    pub stale: f64,
    /// A query returns fewer items than its limit.
    pub short_page: f64,
    /// A batch read returns unprocessed keys.
    pub unprocessed_keys: f64,
    /// A batch reads its keys at two different times.
    pub split_batch: f64,
    /// An invocation crashes at one of its calls.
    pub crash: f64,
    /// An event is delivered twice, concurrently.
    pub duplicated: f64,
    /// A push fails with 410 although the connection is open; the connection is then lost.
    pub push_gone: f64,
    /// A push is throttled.
    pub push_throttled: f64,
    /// A push gets no response.
    pub push_unanswered: f64,
    /// A push succeeds but never arrives.
    pub push_lost: f64,
    /// A client's request or frame, or its response, is lost.
    pub lost_in_transit: f64,
}

/// The maximum share of calls that fail. If more fail, a sync that makes many calls hardly ever completes.
const MAX_FAILING_CALLS: f64 = 0.6;

impl FaultRates {
    fn limit_failing_calls(&mut self) {
        let rates = [
            &mut self.unsent,
            &mut self.unanswered,
            &mut self.connection_broken,
            &mut self.throttled,
            &mut self.conflict,
            &mut self.slow,
        ];
        let total: f64 = rates.iter().map(|rate| **rate).sum();
        if total > MAX_FAILING_CALLS {
            for rate in rates {
                *rate *= MAX_FAILING_CALLS / total;
            }
        }
    }
}

/// How many faults a schedule injects.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FaultLevel {
    /// No faults.
    None,
    /// Only behavior that AWS permits without a failure, such as stale reads and duplicate delivery.
    Benign,
    /// About half of all faults, each at a rate of up to 6%.
    Moderate,
    /// About a third of all faults, each at a rate of up to 35%.
    Severe,
}

/// The parameters of one schedule.
#[expect(clippy::struct_excessive_bools, reason = "they are independent parameters")]
#[derive(Clone, Debug)]
pub struct Plan {
    pub fault_level: FaultLevel,
    pub fault_rates: FaultRates,
    /// The number of devices of each user.
    pub devices: Vec<usize>,
    /// The number of initial members of the group: the first users.
    pub initial_members: usize,
    /// The number of user actions.
    pub steps: usize,
    /// The usual maximum pause between two steps, in milliseconds. Short pauses lead to more concurrency.
    pub max_pause: u64,
    /// Whether all devices disconnect for days now and then.
    pub has_idle_periods: bool,
    /// Whether tokens expire during the schedule.
    pub has_short_tokens: bool,
    /// Whether a device misses more than fits into one page of a sync.
    pub has_large_backlog: bool,
    /// Whether a user deletes the account at the end, and returns.
    pub has_account_deletion: bool,
    /// The rate limit that users reach, if any.
    pub limit: Option<Limit>,
}

impl Plan {
    /// Draws the parameters from a seed. Returns the generator for the steps.
    pub fn from_seed(seed: u64) -> (Self, Rng) {
        let mut rng = Rng::with_seed(seed);
        let fault_level = match rng.u32(..100) {
            0..12 => FaultLevel::None,
            12..40 => FaultLevel::Benign,
            40..75 => FaultLevel::Moderate,
            _ => FaultLevel::Severe,
        };
        // A list of rooms shows nine members.
        let users = if rng.u32(..30) == 0 { rng.usize(11..=USERNAMES.len()) } else { rng.usize(2..=4) };
        let devices = (0..users).map(|_| if users > 4 { 1 } else { rng.usize(1..=2) }).collect();
        let initial_members = if users > 2 && rng.u32(..4) > 0 { users - 1 } else { users };
        let max_pause = [3, 15, 40, 150, 1500][rng.usize(..5)];
        let has_idle_periods = rng.u32(..4) == 0;
        let steps = rng.usize(20..=56);
        let fault_rates = fault_rates(fault_level, &mut rng);
        let has_short_tokens = rng.u32(..12) == 0;
        let has_account_deletion = rng.u32(..9) == 0;
        let has_large_backlog = rng.u32(..80) == 0;
        let limit = (rng.u32(..6) == 0).then(|| {
            let seconds = [5, 20, 60][rng.usize(..3)];
            Limit { count: rng.u32(2..=6), seconds }
        });
        let plan = Self {
            fault_level,
            fault_rates,
            devices,
            initial_members,
            steps,
            max_pause,
            has_idle_periods,
            has_short_tokens,
            has_large_backlog,
            has_account_deletion,
            limit,
        };
        (plan, rng)
    }

    /// Whether lists of rooms show only some members of the group.
    pub fn has_large_group(&self) -> bool {
        self.initial_members > SHOWN_MEMBERS + 1
    }

    /// Whether clients can rely on every push, and on the absence of server errors.
    pub fn is_reliable(&self) -> bool {
        matches!(self.fault_level, FaultLevel::None | FaultLevel::Benign)
    }
}

fn fault_rates(fault_level: FaultLevel, rng: &mut Rng) -> FaultRates {
    let mut fault_rates = FaultRates::default();
    let permitted = FaultRates {
        delayed: 0.03,
        stale: 0.5,
        short_page: 0.3,
        unprocessed_keys: 0.05,
        split_batch: 0.3,
        ..FaultRates::default()
    };
    match fault_level {
        FaultLevel::None => {}
        FaultLevel::Benign => {
            fault_rates = FaultRates { delayed: 0.1, conflict: 0.02, duplicated: 0.05, ..permitted }
        }
        FaultLevel::Moderate | FaultLevel::Severe => {
            fault_rates = FaultRates { unprocessed_keys: 0.1, ..permitted };
            let (one_in, max_rate) = if fault_level == FaultLevel::Moderate { (2, 0.06) } else { (3, 0.35) };
            for rate in [
                &mut fault_rates.unsent,
                &mut fault_rates.unanswered,
                &mut fault_rates.connection_broken,
                &mut fault_rates.throttled,
                &mut fault_rates.conflict,
                &mut fault_rates.slow,
                &mut fault_rates.crash,
                &mut fault_rates.duplicated,
                &mut fault_rates.push_gone,
                &mut fault_rates.push_throttled,
                &mut fault_rates.push_unanswered,
                &mut fault_rates.push_lost,
                &mut fault_rates.lost_in_transit,
            ] {
                if rng.u32(..one_in) == 0 {
                    *rate = max_rate * rng.f64();
                }
            }
            fault_rates.limit_failing_calls();
        }
    }
    fault_rates
}
