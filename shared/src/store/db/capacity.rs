//! The consumed capacity of a call, and the budget that its reads are charged to.

use std::{
    cell::{Cell, RefCell},
    future::Future,
    sync::Arc,
};

use aws_sdk_dynamodb::types::ConsumedCapacity;
use futures::future::BoxFuture;

use crate::error::{BestEffort, Error, Result};

/// Capacity units as DynamoDB reports them. It charges failed conditions but does not report them.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Capacity {
    /// Read units.
    pub read: f64,
    /// Write units.
    pub write: f64,
}

/// What a call has consumed, and the budget of its user.
#[derive(Default)]
struct Meter {
    consumed: Cell<Capacity>,
    budget: RefCell<Option<ReadBudget>>,
}

/// The budget that the reads of a call are charged to.
struct ReadBudget {
    /// Read units that are not worth a charge.
    free: f64,
    charged: u32,
    charge: Charge,
}

/// What the running call has to pay, in read units.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Due {
    /// To be charged now.
    pub units: u32,
    /// Already charged. A retry of the call has to pay these again.
    pub charged: u32,
}

/// Charges read units, or fails if the budget does not have them.
type Charge = Arc<dyn Fn(Due) -> BoxFuture<'static, Result<()>> + Send + Sync>;

tokio::task_local! {
    static METER: Meter;
}

/// Runs some work, and returns what it consumed, including everything that it awaits in the same task.
pub async fn with_capacity<T>(work: impl Future<Output = T>) -> (T, Capacity) {
    let counting = async {
        let outcome = work.await;
        settle_reads().await;
        (outcome, METER.with(|meter| meter.consumed.get()))
    };
    METER.scope(Meter::default(), counting).await
}

/// Charges the reads of the running call to a budget: whenever more than `free` units are due, before the
/// read that exceeds them.
pub fn charge_reads(
    free: u32,
    charge: impl Fn(Due) -> BoxFuture<'static, Result<()>> + Send + Sync + 'static,
) {
    let budget = ReadBudget { free: free.into(), charged: 0, charge: Arc::new(charge) };
    let _ = METER.try_with(|meter| meter.budget.replace(Some(budget)));
}

/// Checks before a read that the budget has the units which are due, with at least `expected` for this read.
pub(in crate::store) async fn admit_read(expected: f64) -> Result<()> {
    match METER.try_with(|meter| meter.take_due(expected)) {
        Ok(Some((due, charge))) => charge(due).await,
        Ok(None) | Err(_) => Ok(()),
    }
}

/// Charges what the last reads consumed beyond the expectation. The call has its result, so an exhausted
/// budget affects only the next one.
async fn settle_reads() {
    match admit_read(0.0).await {
        Err(Error::RateLimited { .. }) => {}
        settled => settled.can_fail("charging the reads of a call"),
    }
}

impl Meter {
    /// The units to charge now. They count as charged at once, so that concurrent reads charge them once.
    fn take_due(&self, expected: f64) -> Option<(Due, Charge)> {
        let mut budget = self.budget.borrow_mut();
        let budget = budget.as_mut()?;
        let due = self.consumed.get().read + expected - f64::from(budget.charged);
        if due <= budget.free {
            return None;
        }
        #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "positive and bounded")]
        let due = Due { units: due.ceil() as u32, charged: budget.charged };
        budget.charged += due.units;
        Some((due, Arc::clone(&budget.charge)))
    }
}

/// Adds what a read consumed.
pub(in crate::store) fn record_read<'a>(consumed: impl IntoIterator<Item = &'a ConsumedCapacity>) {
    let units = units(consumed);
    add(|so_far| Capacity { read: so_far.read + units, ..so_far });
}

/// Adds what a write consumed.
pub(in crate::store) fn record_write<'a>(consumed: impl IntoIterator<Item = &'a ConsumedCapacity>) {
    let units = units(consumed);
    add(|so_far| Capacity { write: so_far.write + units, ..so_far });
}

fn units<'a>(consumed: impl IntoIterator<Item = &'a ConsumedCapacity>) -> f64 {
    consumed.into_iter().filter_map(ConsumedCapacity::capacity_units).sum()
}

/// Outside of `with_capacity` nothing is counted.
fn add(more: impl Fn(Capacity) -> Capacity) {
    let _ = METER.try_with(|meter| meter.consumed.set(more(meter.consumed.get())));
}
