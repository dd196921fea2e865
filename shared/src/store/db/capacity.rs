//! The consumed capacity of a call.

use std::{cell::Cell, future::Future};

use aws_sdk_dynamodb::types::ConsumedCapacity;

/// Capacity units as DynamoDB reports them. It charges failed conditions but does not report them.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Capacity {
    /// Read units.
    pub read: f64,
    /// Write units.
    pub write: f64,
}

tokio::task_local! {
    static CONSUMED: Cell<Capacity>;
}

/// Runs some work, and returns what it consumed, including everything that it awaits in the same task.
pub async fn with_capacity<T>(work: impl Future<Output = T>) -> (T, Capacity) {
    let counting = async {
        let outcome = work.await;
        (outcome, CONSUMED.get().get())
    };
    CONSUMED.scope(Cell::default(), counting).await
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
    let _ = CONSUMED.try_with(|consumed| consumed.set(more(consumed.get())));
}
