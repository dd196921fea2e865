//! What a schedule does, and that it does it.

use std::{
    sync::atomic::{AtomicUsize, Ordering},
    time::Duration,
};

use local::{Clock, Options};
use serde_json::{Value, json};
use shared::clock::Timestamp;

use crate::{
    departures::Life,
    harness::{Actor, Proxy, Seen, TestStack, in_seconds},
    names::routes,
};

/// The schedule's time in the template.
const EVERY: Duration = Duration::from_mins(15);

/// An event of the schedule, so many seconds from now.
pub fn event(seconds: i64) -> String {
    let sample = local::project_root().join("events/maintenance/complete-deletions.json");
    let mut event: Value = serde_json::from_str(&std::fs::read_to_string(sample).unwrap()).unwrap();
    event["time"] = Timestamp::from_seconds(in_seconds(seconds)).to_string().into();
    event.to_string()
}

/// Somebody deletes their account by a call that comes no further than its first step.
pub async fn delete_in_part(proxy: &Proxy, who: &Actor) {
    let writes = AtomicUsize::new(0);
    let is_later_step = move |call: &Seen| {
        let is_step = call.caller == "UsersDeleteMeFunction" && call.operation == "TransactWriteItems";
        is_step && writes.fetch_add(1, Ordering::SeqCst) > 0
    };
    let outage = proxy.fail(is_later_step, "ProvisionedThroughputExceededException");
    who.delete("/users/me").await.problem(503, "busy");
    drop(outage);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_deletion_that_nobody_repeats_is_finished_by_the_schedule() {
    assert_eq!(routes()["UpkeepFinishDeletionsFunction"], "rate(15 minutes)");
    let clock = Clock::default();
    let options = Options { clock: clock.clone(), ..Options::default() };
    let (stack, proxy) = TestStack::with_proxy_and(options).await;
    let life = Life::new(&stack, "zoe", 0).await;
    delete_in_part(&proxy, &life.zoe).await;

    let called = proxy.hold(|call| call.caller == "UpkeepFinishDeletionsFunction");
    clock.advance(EVERY);
    drop(called.caught().await);
    stack.local.settle().await;
    let direct = life.ben.room(&life.pair).await.ok();
    assert_eq!(direct["participants"][0]["username"], "zoe", "it is not overdue");

    let answer = stack.local.invoke("maintenance-complete-deletions", event(11 * 60)).await.unwrap();
    assert_eq!(&answer[..], b"null");
    life.is_over().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_group_that_its_last_member_has_left_exists_for_nobody_and_is_removed_by_the_schedule() {
    let stack = TestStack::new().await;
    let [ana, ben] = stack.actors(["ana", "ben"]).await;
    let gym = ana.group_with(&[&ben]).await;
    ana.send_message(&gym, "words").await;
    ana.remove(&gym, &ana).await.nothing();
    ben.remove(&gym, &ben).await.nothing();
    for who in [&ana, &ben] {
        assert_eq!(who.get("/chat/rooms").await.ok(), json!([]));
        who.room(&gym).await.problem(404, "not_found");
        who.add(&gym, &ana).await.problem(404, "not_found");
    }
    ben.remove(&gym, &ben).await.nothing();
    ana.delete_room(&gym).await.problem(404, "not_found");

    stack.local.invoke("maintenance-complete-deletions", event(11 * 60)).await.unwrap();
    let whole_room = json!({
        "KeyConditionExpression": "pk = :room",
        "ExpressionAttributeValues": {":room": {"S": format!("ROOM#{gym}")}},
    });
    let left = stack.database("Query", whole_room).await;
    let left: Vec<&Value> = left["Items"].as_array().unwrap().iter().map(|item| &item["sk"]["S"]).collect();
    assert_eq!(left, ["META"], "until the table collects it");
    ben.delete_room(&gym).await.nothing();
}
