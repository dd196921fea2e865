//! The pace of people: what the table lets through is what the rule says, however many ask it at once.

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

use crate::{cloud::Cloud, raw::put};

fn somebody() -> UserId {
    UserId::from(Uuid::new_v4())
}

/// Whether a call was let through; how long to wait if it was not.
fn admitted(outcome: Result<()>) -> Result<(), Duration> {
    outcome.map_err(|error| match error {
        Error::RateLimited { retry_after } => retry_after,
        other => panic!("{other}"),
    })
}

fn rate(cloud: &Cloud, user: UserId) -> Vec<Value> {
    cloud.partition(&keys::rate(user, "").pk)
}

#[tokio::test(start_paused = true)]
async fn of_sixteen_at_once_just_the_burst_is_admitted() {
    let cloud = Cloud::new();
    for burst in [1, 5, 16] {
        let (user, limit, now) = (somebody(), RateLimit::per(burst, 3600), cloud.app.now());
        let processes: Vec<Store> = (0..4).map(|_| cloud.another_store()).collect();
        for round in [burst as usize, 0] {
            let calls = (0..16)
                .map(|n| processes[n % 4].check_rate_limit(user, RateLimitedAction::Messages, limit, now));
            let outcomes = futures::future::join_all(calls).await.into_iter().map(admitted);
            assert_eq!(outcomes.flatten().count(), round, "of {burst}");
        }
        let later = now.plus(limit.interval() * 3);
        let calls = (0..16)
            .map(|n| processes[n % 4].check_rate_limit(user, RateLimitedAction::Messages, limit, later));
        let outcomes = futures::future::join_all(calls).await.into_iter().map(admitted);
        assert_eq!(outcomes.flatten().count(), burst.min(3) as usize, "later, of {burst}");
    }
}

#[tokio::test(start_paused = true)]
async fn the_table_decides_as_the_rule_does() {
    let cloud = Cloud::new();
    let mut rng = fastrand::Rng::with_seed(7);
    for _ in 0..20 {
        let (user, limit) = (somebody(), RateLimit::per(rng.u32(1..6), rng.u32(1..30)));
        let (mut now, mut held) = (cloud.app.now(), None::<Timestamp>);
        for _ in 0..30 {
            let pause = [0, rng.i64(0..50), rng.i64(0..20_000)][rng.usize(..3)];
            now = now.plus(Duration::milliseconds(pause));
            let outcome = admitted(
                cloud.app.store.check_rate_limit(user, RateLimitedAction::Changes, limit, now).await,
            );
            match limit.check(held, now) {
                Decision::Allowed { next } => {
                    assert_eq!(outcome, Ok(()));
                    held = Some(next);
                }
                Decision::Limited { retry_after } => assert_eq!(outcome, Err(retry_after)),
            }
            let item = rate(&cloud, user).remove(0);
            assert_eq!(item["tat"]["N"], held.unwrap().milliseconds().to_string());
            let expires_at: i64 = item["expires_at"]["N"].as_str().unwrap().parse().unwrap();
            assert!(expires_at > held.unwrap().seconds(), "not before it means nothing");
        }
    }
}

#[tokio::test(start_paused = true)]
async fn people_and_kinds_of_deeds_are_paced_apart() {
    let cloud = Cloud::new();
    let (ana, ben, limit, now) = (somebody(), somebody(), RateLimit::per(1, 60), cloud.app.now());
    let pace = async |user, what| admitted(cloud.app.store.check_rate_limit(user, what, limit, now).await);
    assert_eq!(pace(ana, RateLimitedAction::Messages).await, Ok(()));
    assert_eq!(pace(ana, RateLimitedAction::Messages).await, Err(Duration::minutes(1)));
    let before = rate(&cloud, ana);
    assert_eq!(pace(ana, RateLimitedAction::Messages).await, Err(Duration::minutes(1)));
    assert_eq!(rate(&cloud, ana), before, "a refused call changes nothing");
    assert_eq!(pace(ben, RateLimitedAction::Messages).await, Ok(()));
    for what in RateLimitedAction::ALL.into_iter().filter(|what| *what != RateLimitedAction::Messages) {
        assert_eq!(pace(ana, what).await, Ok(()), "{what:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn an_idle_person_costs_one_write_and_a_hasty_one_two() {
    let cloud = Cloud::new();
    let (user, limit, now) = (somebody(), RateLimit::per(2, 60), cloud.app.now());
    for (writes, outcome) in [(1, Ok(())), (2, Ok(())), (1, Err(Duration::seconds(30)))] {
        cloud.calls();
        assert_eq!(
            admitted(cloud.app.store.check_rate_limit(user, RateLimitedAction::Rooms, limit, now).await),
            outcome
        );
        assert_eq!(cloud.calls().len(), writes);
    }
}

#[tokio::test(start_paused = true)]
async fn a_time_that_cannot_be_is_replaced_by_one_that_can() {
    let cloud = Cloud::new();
    let (limit, now) = (RateLimit::per(2, 60), cloud.app.now());
    let far = now.plus(Duration::days(400)).milliseconds().to_string();
    let yesterday = now.plus(-Duration::days(1)).milliseconds().to_string();
    for tat in [
        AttributeValue::N(far),
        AttributeValue::N(yesterday),
        AttributeValue::N("-1.5".to_owned()),
        AttributeValue::S("soon".to_owned()),
        AttributeValue::Null(true),
    ] {
        let user = somebody();
        let mut item = attributes(keys::rate(user, RateLimitedAction::Searches.name()));
        item.insert("tat".to_owned(), tat);
        put(&cloud, item).await;
        let pace = || cloud.app.store.check_rate_limit(user, RateLimitedAction::Searches, limit, now);
        for outcome in [Ok(()), Ok(()), Err(Duration::seconds(30))] {
            assert_eq!(admitted(pace().await), outcome);
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_clock_that_lags_moves_nothing_backwards() {
    let cloud = Cloud::new();
    let (user, limit, now) = (somebody(), RateLimit::per(3, 60), cloud.app.now());
    let lagging = now.plus(-Duration::seconds(10));
    let tat = || -> u64 { rate(&cloud, user)[0]["tat"]["N"].as_str().unwrap().parse().unwrap() };
    let mut before = 0;
    for (clock, outcome) in [
        (now, Ok(())),
        (lagging, Ok(())),
        (lagging, Err(Duration::seconds(10))),
        (now, Ok(())),
        (now, Err(Duration::seconds(20))),
    ] {
        assert_eq!(
            admitted(cloud.app.store.check_rate_limit(user, RateLimitedAction::Frames, limit, clock).await),
            outcome
        );
        assert!(tat() >= before);
        before = tat();
    }
    assert_eq!(json!(before), json!(now.plus(Duration::minutes(1)).milliseconds()));
}
