//! The read budget: a call is charged what it reads, before the read, and cheap calls are not charged.

use std::sync::{Arc, Mutex};

use aws_sdk_dynamodb::types::AttributeValue;
use chrono::Duration;
use futures::FutureExt;
use shared::{
    Error,
    domain::page::PageRequest,
    id::UserId,
    store::db::{
        capacity::{charge_reads, with_capacity},
        item::attributes,
        keys,
    },
};
use uuid::Uuid;

use crate::{backend::TestBackend, raw::put};

/// A user with entries of this many friends, who have no profiles.
async fn user_with_friends(backend: &TestBackend, count: usize) -> UserId {
    let user = backend.user("ana").await;
    for n in 0..count {
        let friend = UserId::from(Uuid::from_u128(n as u128));
        let mut item = attributes(keys::friend(user, friend));
        item.insert("user_id".into(), AttributeValue::S(friend.to_string()));
        item.insert("since".into(), AttributeValue::S("2026-01-31T09:20:00.000Z".into()));
        put(backend, item).await;
    }
    backend.calls();
    user
}

/// The charges of reading all friends, whether it succeeded, and the operations that it called.
async fn read_friends(
    backend: &TestBackend,
    user: UserId,
    free: u32,
    budget: u32,
) -> (Vec<u32>, bool, Vec<String>) {
    let charges: Arc<Mutex<Vec<u32>>> = Arc::default();
    let ledger = Arc::clone(&charges);
    let call = async {
        charge_reads(free, move |due| {
            let mut ledger = ledger.lock().unwrap();
            assert_eq!(due.charged, ledger.iter().sum::<u32>());
            ledger.push(due.units);
            let is_within = ledger.iter().sum::<u32>() <= budget;
            async move {
                let retry_after = Duration::seconds(1);
                if is_within { Ok(()) } else { Err(Error::RateLimited { retry_after }) }
            }
            .boxed()
        });
        backend.app.store.friends(user, PageRequest::default()).await
    };
    let (outcome, _) = with_capacity(call).await;
    let operations = backend.calls().into_iter().map(|call| call.operation).collect();
    let charges = charges.lock().unwrap().clone();
    (charges, outcome.is_ok(), operations)
}

#[tokio::test(start_paused = true)]
async fn a_call_is_charged_what_it_reads_before_it_reads() {
    let backend = TestBackend::new();
    let user = user_with_friends(&backend, 140).await;
    let operations = ["Query", "BatchGetItem", "BatchGetItem"].map(str::to_owned);
    // The list has 6 units, and 140 profiles have 70.
    assert_eq!(read_friends(&backend, user, 100, 0).await, (vec![], true, operations.to_vec()));
    assert_eq!(read_friends(&backend, user, 50, 76).await, (vec![76], true, operations.to_vec()));
    assert_eq!(read_friends(&backend, user, 50, 75).await, (vec![76], false, vec!["Query".to_owned()]));
    assert_eq!(read_friends(&backend, user, 0, 0).await, (vec![1], false, vec![]));
}

#[tokio::test(start_paused = true)]
async fn reads_beyond_the_expectation_are_charged_at_the_end() {
    let backend = TestBackend::new();
    let user = user_with_friends(&backend, 10).await;
    for n in 0..10 {
        let mut item = attributes(keys::profile(UserId::from(Uuid::from_u128(n))));
        item.insert("bio".into(), AttributeValue::S("x".repeat(16_000)));
        put(&backend, item).await;
    }
    backend.calls();
    let (charges, _, _) = read_friends(&backend, user, 5, u32::MAX).await;
    // Ten profiles of 16 KB are 20 units, of which 5 were expected beside the one of the list.
    assert_eq!(charges, [6, 15]);
}
