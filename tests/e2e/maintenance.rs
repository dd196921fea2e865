//! The scheduled maintenance that completes pending deletions.

use std::{
    sync::atomic::{AtomicUsize, Ordering},
    time::Duration,
};

use local::{Clock, Options};
use serde_json::{Value, json};
use shared::clock::Timestamp;

use crate::{
    account_deletion::Life,
    harness::{Actor, Proxy, Seen, TestStack, in_seconds},
    names::routes,
};

/// The period of the schedule in the template.
const PERIOD: Duration = Duration::from_mins(15);

/// A schedule event whose time is `seconds` from now.
pub fn event(seconds: i64) -> String {
    let sample = local::project_root().join("events/maintenance/complete-deletions.json");
    let mut event: Value = serde_json::from_str(&std::fs::read_to_string(sample).unwrap()).unwrap();
    event["time"] = Timestamp::from_seconds(in_seconds(seconds)).to_string().into();
    event.to_string()
}

/// Starts the deletion of an account with a call that fails after its first transaction.
pub async fn delete_in_part(proxy: &Proxy, user: &Actor) {
    let transactions = AtomicUsize::new(0);
    let is_later_step = move |call: &Seen| {
        let is_transaction = call.caller == "UsersDeleteMeFunction" && call.operation == "TransactWriteItems";
        is_transaction && transactions.fetch_add(1, Ordering::SeqCst) > 0
    };
    let outage = proxy.fail(is_later_step, "ProvisionedThroughputExceededException");
    user.delete("/users/me").await.problem(503, "busy");
    drop(outage);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_schedule_completes_a_deletion_that_no_client_retries() {
    assert_eq!(routes()["MaintenanceCompleteDeletionsFunction"], "rate(15 minutes)");
    let clock = Clock::default();
    let options = Options { clock: clock.clone(), ..Options::default() };
    let (stack, proxy) = TestStack::with_proxy_and(options).await;
    let life = Life::new(&stack, "zoe", 0).await;
    delete_in_part(&proxy, &life.zoe).await;

    let called = proxy.hold(|call| call.caller == "MaintenanceCompleteDeletionsFunction");
    clock.advance(PERIOD);
    drop(called.caught().await);
    stack.local.settle().await;
    let direct = life.ben.room(&life.pair).await.ok();
    assert_eq!(direct["participants"][0]["username"], "zoe", "the deletion is not overdue yet");

    let answer = stack.local.invoke("maintenance-complete-deletions", event(11 * 60)).await.unwrap();
    assert_eq!(&answer[..], b"null");
    life.is_over().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_group_without_members_does_not_exist_and_the_schedule_deletes_it() {
    let stack = TestStack::new().await;
    let [ana, ben] = stack.actors(["ana", "ben"]).await;
    let gym = ana.group_with(&[&ben]).await;
    ana.send_message(&gym, "words").await;
    ana.remove(&gym, &ana).await.nothing();
    ben.remove(&gym, &ben).await.nothing();
    for user in [&ana, &ben] {
        assert_eq!(user.get("/chat/rooms").await.ok(), json!([]));
        user.room(&gym).await.problem(404, "not_found");
        user.add(&gym, &ana).await.problem(404, "not_found");
    }
    ben.remove(&gym, &ben).await.nothing();
    ana.delete_room(&gym).await.problem(404, "not_found");

    stack.local.invoke("maintenance-complete-deletions", event(11 * 60)).await.unwrap();
    let query = json!({
        "KeyConditionExpression": "pk = :room",
        "ExpressionAttributeValues": {":room": {"S": format!("ROOM#{gym}")}},
    });
    let items = stack.database("Query", query).await;
    let keys: Vec<&Value> = items["Items"].as_array().unwrap().iter().map(|item| &item["sk"]["S"]).collect();
    assert_eq!(keys, ["META"], "this item expires by its TTL");
    ben.delete_room(&gym).await.nothing();
}
