use std::time::Duration as StdDuration;

use tokio::time::Instant;

use crate::auth::{
    issuer_of_tests::{Answer, Site},
    key_pair::KeyPair,
    keys::*,
};

const NOW: i64 = 1_770_000_000;
const MINUTE: i64 = 60;
const HOUR: i64 = 60 * MINUTE;
const DAY: i64 = 24 * HOUR;

fn keys(site: &Site) -> Arc<Keys> {
    Keys::new("https://issuer.example/keys".to_owned(), site.http())
}

/// What comes of a token with a key of this name, so many seconds after the first.
async fn ask(keys: &Arc<Keys>, id: &str, after: i64) -> &'static str {
    match keys.find(Some(id), Algorithm::ES256, Timestamp::from_seconds(NOW + after)).await {
        Ok(_) => "found",
        Err(Error::InvalidToken(_)) => "refused",
        Err(Error::Busy(_)) => "busy",
        Err(other) => panic!("{other}"),
    }
}

/// Waits until what was begun beside a call is through.
async fn settled() {
    tokio::time::sleep(StdDuration::from_secs(5)).await;
}

#[tokio::test(start_paused = true)]
async fn keys_are_fetched_when_first_needed_and_once_for_all_who_wait() {
    let site = Site::of(&[&KeyPair::es256("a")]);
    let keys = keys(&site);
    assert_eq!(site.asked(), 0);
    let all = futures::future::join_all((0..16).map(|_| ask(&keys, "a", 0))).await;
    assert_eq!((all, site.asked()), (vec!["found"; 16], 1));
    assert_eq!((ask(&keys, "a", HOUR - 1).await, site.asked()), ("found", 1));
}

#[tokio::test(start_paused = true)]
async fn a_new_key_is_found_and_unknown_names_make_us_ask_once_a_minute() {
    let (old, new) = (KeyPair::es256("old"), KeyPair::es256("new"));
    let site = Site::of(&[&old]);
    let keys = keys(&site);
    assert_eq!(ask(&keys, "old", 0).await, "found");
    site.publish(&[&old, &new]);
    assert_eq!(ask(&keys, "new", MINUTE - 1).await, "refused");
    assert_eq!(site.asked(), 1);
    assert_eq!(ask(&keys, "new", MINUTE).await, "found");
    for n in 0..100 {
        assert_eq!(ask(&keys, &format!("made up {n}"), MINUTE + n % MINUTE).await, "refused");
    }
    let all = (0..16).map(|_| ask(&keys, "made up again", 2 * MINUTE));
    assert_eq!(futures::future::join_all(all).await, ["refused"; 16]);
    assert_eq!(site.asked(), 3);
    site.publish(&[&new]);
    assert_eq!(ask(&keys, "else", 3 * MINUTE).await, "refused");
    assert_eq!(ask(&keys, "old", 3 * MINUTE + 1).await, "refused", "what is withdrawn is forgotten");
}

#[tokio::test(start_paused = true)]
async fn keys_are_refreshed_after_an_hour_without_a_call_that_waits() {
    let (old, new) = (KeyPair::es256("old"), KeyPair::es256("new"));
    let site = Site::of(&[&old]);
    let keys = keys(&site);
    assert_eq!(ask(&keys, "old", 0).await, "found");
    site.publish(&[&new]);
    let began = Instant::now();
    assert_eq!(ask(&keys, "old", HOUR).await, "found");
    assert_eq!((began.elapsed(), site.asked()), (StdDuration::ZERO, 1));
    settled().await;
    assert_eq!(site.asked(), 2);
    assert_eq!((ask(&keys, "new", HOUR).await, ask(&keys, "old", HOUR).await), ("found", "refused"));
}

#[tokio::test(start_paused = true)]
async fn an_issuer_that_is_down_is_believed_for_a_day_and_asked_once_a_minute() {
    let site = Site::of(&[&KeyPair::es256("a")]);
    let keys = keys(&site);
    assert_eq!(ask(&keys, "a", 0).await, "found");
    site.answer(Answer::Never);
    for after in [HOUR, HOUR + 1, HOUR + MINUTE, DAY] {
        let began = Instant::now();
        assert_eq!(ask(&keys, "a", after).await, "found");
        assert_eq!(began.elapsed(), StdDuration::ZERO, "nobody waits");
        settled().await;
    }
    assert_eq!(site.asked(), 4);
    // Nobody can say whether this is a new key.
    assert_eq!(ask(&keys, "b", DAY).await, "busy");
    assert_eq!(ask(&keys, "a", DAY + 1).await, "busy");
    site.publish(&[&KeyPair::es256("a")]);
    assert_eq!(ask(&keys, "a", DAY + 6).await, "found");
}

#[tokio::test(start_paused = true)]
async fn without_any_keys_a_call_waits_two_seconds_at_the_most_and_the_next_five_not_at_all() {
    for down in [
        Answer::Never,
        Answer::Refused,
        Answer::Status(302),
        Answer::Status(500),
        Answer::Status(404),
        Answer::Keys(Vec::new()),
        Answer::Bytes(64 * 1024 + 1),
    ] {
        let pair = KeyPair::es256("a");
        let site = Site::of(&[&pair]);
        site.answer(down.clone());
        let keys = keys(&site);
        let began = Instant::now();
        let all = futures::future::join_all((0..16).map(|_| ask(&keys, "a", 0))).await;
        assert_eq!((all, site.asked()), (vec!["busy"; 16], 1), "{down:?}");
        assert!(began.elapsed() <= StdDuration::from_millis(2001), "{down:?}: {:?}", began.elapsed());
        let began = Instant::now();
        assert_eq!((ask(&keys, "a", 4).await, began.elapsed()), ("busy", StdDuration::ZERO));
        assert_eq!(site.asked(), 1);
        site.publish(&[&pair]);
        assert_eq!((ask(&keys, "a", 5).await, site.asked()), ("found", 2), "{down:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_bad_answer_does_not_displace_good_keys() {
    let site = Site::of(&[&KeyPair::es256("a")]);
    let keys = keys(&site);
    assert_eq!(ask(&keys, "a", 0).await, "found");
    site.answer(Answer::Keys(Vec::new()));
    assert_eq!(ask(&keys, "b", HOUR).await, "busy");
    assert_eq!((ask(&keys, "a", HOUR).await, site.asked()), ("found", 2));
}

#[tokio::test(start_paused = true)]
async fn a_caller_who_goes_away_leaves_the_fetch_to_the_next() {
    let site = Site::of(&[&KeyPair::es256("a")]);
    let keys = keys(&site);
    tokio::time::timeout(StdDuration::from_millis(10), ask(&keys, "a", 0)).await.unwrap_err();
    assert_eq!((ask(&keys, "a", 0).await, site.asked()), ("found", 2));
}
