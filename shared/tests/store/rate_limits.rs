//! Rate limits: the table admits what the rule admits, also under concurrency.

use aws_sdk_dynamodb::types::AttributeValue;
use chrono::Duration;
use serde_json::{Value, json};
use shared::{
    Error, Result,
    clock::Timestamp,
    domain::users::rate_limit::{Decision, RateLimit, RateLimitedAction},
    id::UserId,
    store::{
        Store,
        db::{item::attributes, keys},
    },
};
use uuid::Uuid;

use crate::{backend::TestBackend, raw::put};

fn new_user() -> UserId {
    UserId::from(Uuid::new_v4())
}

/// `Ok` if the call was admitted, otherwise the time until a retry.
fn admitted(outcome: Result<()>) -> Result<(), Duration> {
    outcome.map_err(|error| match error {
        Error::RateLimited { retry_after } => retry_after,
        other => panic!("{other}"),
    })
}

fn rate_items(backend: &TestBackend, user: UserId) -> Vec<Value> {
    backend.partition(&keys::rate(user, "").pk)
}

#[tokio::test(start_paused = true)]
async fn sixteen_concurrent_calls_are_admitted_up_to_the_burst() {
    let backend = TestBackend::new();
    for burst in [1, 5, 16] {
        let (user, limit, now) = (new_user(), RateLimit::per(burst, 3600), backend.app.now());
        let processes: Vec<Store> = (0..4).map(|_| backend.another_store()).collect();
        for admitted_calls in [burst as usize, 0] {
            let calls = (0..16)
                .map(|n| processes[n % 4].check_rate_limit(user, RateLimitedAction::Messages, limit, now));
            let outcomes = futures::future::join_all(calls).await.into_iter().map(admitted);
            assert_eq!(outcomes.flatten().count(), admitted_calls, "of {burst}");
        }
        let later = now.plus(limit.advance() * 3);
        let calls = (0..16)
            .map(|n| processes[n % 4].check_rate_limit(user, RateLimitedAction::Messages, limit, later));
        let outcomes = futures::future::join_all(calls).await.into_iter().map(admitted);
        assert_eq!(outcomes.flatten().count(), burst.min(3) as usize, "later, of {burst}");
    }
}

#[tokio::test(start_paused = true)]
async fn the_table_admits_what_the_rule_admits() {
    let backend = TestBackend::new();
    let mut rng = fastrand::Rng::with_seed(7);
    for _ in 0..20 {
        let (user, limit) = (new_user(), RateLimit::per(rng.u32(1..6), rng.u32(1..30)));
        let (mut now, mut stored) = (backend.app.now(), None::<Timestamp>);
        for _ in 0..30 {
            let pause = [0, rng.i64(0..50), rng.i64(0..20_000)][rng.usize(..3)];
            now = now.plus(Duration::milliseconds(pause));
            let outcome = admitted(
                backend.app.store.check_rate_limit(user, RateLimitedAction::Changes, limit, now).await,
            );
            match limit.check(stored, now) {
                Decision::Allowed { next } => {
                    assert_eq!(outcome, Ok(()));
                    stored = Some(next);
                }
                Decision::Limited { retry_after } => assert_eq!(outcome, Err(retry_after)),
            }
            let item = rate_items(&backend, user).remove(0);
            assert_eq!(item["tat"]["N"], stored.unwrap().milliseconds().to_string());
            let expires_at: i64 = item["expires_at"]["N"].as_str().unwrap().parse().unwrap();
            assert!(expires_at > stored.unwrap().seconds(), "the item expires only after it has no effect");
        }
    }
}

#[tokio::test(start_paused = true)]
async fn users_and_actions_have_separate_limits() {
    let backend = TestBackend::new();
    let (ana, ben, limit, now) = (new_user(), new_user(), RateLimit::per(1, 60), backend.app.now());
    let check =
        async |user, action| admitted(backend.app.store.check_rate_limit(user, action, limit, now).await);
    assert_eq!(check(ana, RateLimitedAction::Messages).await, Ok(()));
    assert_eq!(check(ana, RateLimitedAction::Messages).await, Err(Duration::minutes(1)));
    let before = rate_items(&backend, ana);
    assert_eq!(check(ana, RateLimitedAction::Messages).await, Err(Duration::minutes(1)));
    assert_eq!(rate_items(&backend, ana), before, "a refused call changes nothing");
    assert_eq!(check(ben, RateLimitedAction::Messages).await, Ok(()));
    for action in RateLimitedAction::ALL.into_iter().filter(|action| *action != RateLimitedAction::Messages) {
        assert_eq!(check(ana, action).await, Ok(()), "{action:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_call_after_a_pause_costs_one_write_and_a_call_within_the_interval_two() {
    let backend = TestBackend::new();
    let (user, limit, now) = (new_user(), RateLimit::per(2, 60), backend.app.now());
    for (writes, outcome) in [(1, Ok(())), (2, Ok(())), (1, Err(Duration::seconds(30)))] {
        backend.calls();
        assert_eq!(
            admitted(backend.app.store.check_rate_limit(user, RateLimitedAction::Rooms, limit, now).await),
            outcome
        );
        assert_eq!(backend.calls().len(), writes);
    }
}

#[tokio::test(start_paused = true)]
async fn an_invalid_stored_time_is_replaced() {
    let backend = TestBackend::new();
    backend.expect_corrupted_items();
    let (limit, now) = (RateLimit::per(2, 60), backend.app.now());
    let far = now.plus(Duration::days(400)).milliseconds().to_string();
    let yesterday = now.plus(-Duration::days(1)).milliseconds().to_string();
    for tat in [
        AttributeValue::N(far),
        AttributeValue::N(yesterday),
        AttributeValue::N("-1.5".to_owned()),
        AttributeValue::S("soon".to_owned()),
        AttributeValue::Null(true),
    ] {
        let user = new_user();
        let mut item = attributes(keys::rate(user, RateLimitedAction::Searches.name()));
        item.insert("tat".to_owned(), tat);
        put(&backend, item).await;
        let check = || backend.app.store.check_rate_limit(user, RateLimitedAction::Searches, limit, now);
        for outcome in [Ok(()), Ok(()), Err(Duration::seconds(30))] {
            assert_eq!(admitted(check().await), outcome);
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_lagging_clock_does_not_move_the_stored_time_back() {
    let backend = TestBackend::new();
    let (user, limit, now) = (new_user(), RateLimit::per(3, 60), backend.app.now());
    let lagging = now.plus(-Duration::seconds(10));
    let tat = || -> u64 { rate_items(&backend, user)[0]["tat"]["N"].as_str().unwrap().parse().unwrap() };
    let mut before = 0;
    for (clock, outcome) in [
        (now, Ok(())),
        (lagging, Ok(())),
        (lagging, Err(Duration::seconds(10))),
        (now, Ok(())),
        (now, Err(Duration::seconds(20))),
    ] {
        assert_eq!(
            admitted(backend.app.store.check_rate_limit(user, RateLimitedAction::Frames, limit, clock).await),
            outcome
        );
        assert!(tat() >= before);
        before = tat();
    }
    assert_eq!(json!(before), json!(now.plus(Duration::minutes(1)).milliseconds()));
}
