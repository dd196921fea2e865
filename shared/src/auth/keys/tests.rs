use std::time::Duration as StdDuration;

use tokio::time::Instant;

use crate::auth::{
    key_pair::KeyPair,
    keys::*,
    test_issuer::{Reply, TestIssuer},
};

const NOW: i64 = 1_770_000_000;
const MINUTE: i64 = 60;
const HOUR: i64 = 60 * MINUTE;
const DAY: i64 = 24 * HOUR;

fn keys(server: &TestIssuer) -> Arc<Keys> {
    Keys::new("https://issuer.example/keys".to_owned(), server.http())
}

/// The result of a look-up of a key, `after` seconds after the first one.
async fn find(keys: &Arc<Keys>, id: &str, after: i64) -> &'static str {
    match keys.find(Some(id), Algorithm::ES256, Timestamp::from_seconds(NOW + after)).await {
        Ok(_) => "found",
        Err(Error::InvalidToken(_)) => "unknown",
        Err(Error::Busy(_)) => "busy",
        Err(other) => panic!("{other}"),
    }
}

/// Waits until background fetches have ended.
async fn background_fetches() {
    tokio::time::sleep(StdDuration::from_secs(5)).await;
}

#[tokio::test(start_paused = true)]
async fn keys_are_fetched_on_first_use_and_once_for_concurrent_calls() {
    let server = TestIssuer::with_keys(&[&KeyPair::es256("a")]);
    let keys = keys(&server);
    assert_eq!(server.requests(), 0);
    let all = futures::future::join_all((0..16).map(|_| find(&keys, "a", 0))).await;
    assert_eq!((all, server.requests()), (vec!["found"; 16], 1));
    assert_eq!((find(&keys, "a", HOUR - 1).await, server.requests()), ("found", 1));
}

#[tokio::test(start_paused = true)]
async fn a_new_key_is_found_and_unknown_key_ids_cause_one_fetch_per_minute() {
    let (old, new) = (KeyPair::es256("old"), KeyPair::es256("new"));
    let server = TestIssuer::with_keys(&[&old]);
    let keys = keys(&server);
    assert_eq!(find(&keys, "old", 0).await, "found");
    server.publish(&[&old, &new]);
    assert_eq!(find(&keys, "new", MINUTE - 1).await, "unknown");
    assert_eq!(server.requests(), 1);
    assert_eq!(find(&keys, "new", MINUTE).await, "found");
    for n in 0..100 {
        assert_eq!(find(&keys, &format!("made up {n}"), MINUTE + n % MINUTE).await, "unknown");
    }
    let all = (0..16).map(|_| find(&keys, "another made up", 2 * MINUTE));
    assert_eq!(futures::future::join_all(all).await, ["unknown"; 16]);
    assert_eq!(server.requests(), 3);
    server.publish(&[&new]);
    assert_eq!(find(&keys, "other", 3 * MINUTE).await, "unknown");
    assert_eq!(find(&keys, "old", 3 * MINUTE + 1).await, "unknown", "a withdrawn key is dropped");
}

#[tokio::test(start_paused = true)]
async fn keys_are_refreshed_after_an_hour_without_blocking_a_call() {
    let (old, new) = (KeyPair::es256("old"), KeyPair::es256("new"));
    let server = TestIssuer::with_keys(&[&old]);
    let keys = keys(&server);
    assert_eq!(find(&keys, "old", 0).await, "found");
    server.publish(&[&new]);
    let start = Instant::now();
    assert_eq!(find(&keys, "old", HOUR).await, "found");
    assert_eq!((start.elapsed(), server.requests()), (StdDuration::ZERO, 1));
    background_fetches().await;
    assert_eq!(server.requests(), 2);
    assert_eq!((find(&keys, "new", HOUR).await, find(&keys, "old", HOUR).await), ("found", "unknown"));
}

#[tokio::test(start_paused = true)]
async fn keys_of_an_unreachable_issuer_are_accepted_for_a_day_with_one_fetch_per_minute() {
    let server = TestIssuer::with_keys(&[&KeyPair::es256("a")]);
    let keys = keys(&server);
    assert_eq!(find(&keys, "a", 0).await, "found");
    server.reply(Reply::Never);
    for after in [HOUR, HOUR + 1, HOUR + MINUTE, DAY] {
        let start = Instant::now();
        assert_eq!(find(&keys, "a", after).await, "found");
        assert_eq!(start.elapsed(), StdDuration::ZERO, "no call waits");
        background_fetches().await;
    }
    assert_eq!(server.requests(), 4);
    // This may be a new key, so the token is not rejected as invalid.
    assert_eq!(find(&keys, "b", DAY).await, "busy");
    assert_eq!(find(&keys, "a", DAY + 1).await, "busy");
    server.publish(&[&KeyPair::es256("a")]);
    assert_eq!(find(&keys, "a", DAY + 6).await, "found");
}

#[tokio::test(start_paused = true)]
async fn without_keys_one_call_waits_at_most_two_seconds_and_later_ones_fail_at_once() {
    for failure in [
        Reply::Never,
        Reply::Refused,
        Reply::Status(302),
        Reply::Status(500),
        Reply::Status(404),
        Reply::Keys(Vec::new()),
        Reply::Bytes(64 * 1024 + 1),
    ] {
        let pair = KeyPair::es256("a");
        let server = TestIssuer::with_keys(&[&pair]);
        server.reply(failure.clone());
        let keys = keys(&server);
        let start = Instant::now();
        let all = futures::future::join_all((0..16).map(|_| find(&keys, "a", 0))).await;
        assert_eq!((all, server.requests()), (vec!["busy"; 16], 1), "{failure:?}");
        assert!(start.elapsed() <= StdDuration::from_millis(2001), "{failure:?}: {:?}", start.elapsed());
        let start = Instant::now();
        assert_eq!((find(&keys, "a", 4).await, start.elapsed()), ("busy", StdDuration::ZERO));
        assert_eq!(server.requests(), 1);
        server.publish(&[&pair]);
        assert_eq!((find(&keys, "a", 5).await, server.requests()), ("found", 2), "{failure:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_failed_fetch_keeps_the_cached_keys() {
    let server = TestIssuer::with_keys(&[&KeyPair::es256("a")]);
    let keys = keys(&server);
    assert_eq!(find(&keys, "a", 0).await, "found");
    server.reply(Reply::Keys(Vec::new()));
    assert_eq!(find(&keys, "b", HOUR).await, "busy");
    assert_eq!((find(&keys, "a", HOUR).await, server.requests()), ("found", 2));
}

#[tokio::test(start_paused = true)]
async fn the_next_call_fetches_after_a_call_was_cancelled() {
    let server = TestIssuer::with_keys(&[&KeyPair::es256("a")]);
    let keys = keys(&server);
    tokio::time::timeout(StdDuration::from_millis(10), find(&keys, "a", 0)).await.unwrap_err();
    assert_eq!((find(&keys, "a", 0).await, server.requests()), ("found", 2));
}
