//! The permission matrix: each operation and frame of the contract, called with each relation of the caller
//! to its subject, has the outcome that `table.yaml` states.

mod place;

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::LazyLock,
    time::Duration,
};

use futures::StreamExt;
use place::{Relation, Scenario, Subject};
use reqwest::Method;
use serde::Deserialize;
use serde_json::{Value, json};
use uuid::Uuid;

use crate::harness::{
    Actor, Answer, Socket, TestStack,
    contract::{
        frames::FRAMES,
        rest::{OPERATIONS, Operation},
    },
};

static TABLE: LazyLock<Table> =
    LazyLock::new(|| serde_yaml_ng::from_str(include_str!("table.yaml")).unwrap());

/// The number of cells that are tested concurrently.
const CONCURRENCY: usize = 8;

/// Every process rejects a deleted account within 60 seconds.
const DELETION_PROPAGATION: Duration = Duration::from_secs(61);

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Table {
    calls: BTreeMap<String, Call>,
    frames: BTreeMap<String, Frame>,
}

/// The row of an operation.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Call {
    subject: Subject,
    /// The values of path parameters. A parameter that is not listed is a placeholder itself.
    #[serde(default)]
    path: BTreeMap<String, String>,
    #[serde(default)]
    query: String,
    body: Option<Value>,
    outcomes: BTreeMap<String, Vec<Relation>>,
}

/// The row of a frame. An outcome is the type of the answer or of the observer's next frame, or an error
/// code.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Frame {
    subject: Subject,
    data: Value,
    outcomes: BTreeMap<String, Vec<Relation>>,
}

/// The outcome for each relation. Asserts that each relation is stated exactly once.
fn cells(name: &str, outcomes: &BTreeMap<String, Vec<Relation>>) -> BTreeMap<Relation, String> {
    let mut cells = BTreeMap::new();
    for (outcome, relations) in outcomes {
        for relation in relations {
            let earlier = cells.insert(*relation, outcome.clone());
            assert!(earlier.is_none(), "{name}: {relation:?} is stated twice");
        }
    }
    let stated: Vec<Relation> = cells.keys().copied().collect();
    assert_eq!(stated, Relation::ALL, "{name}: each relation is stated");
    cells
}

impl Call {
    /// The path and query, with placeholders.
    fn path_of(&self, operation: &Operation) -> String {
        let path = operation.path.strip_prefix("/api/v1").unwrap();
        let path = self.path.iter().fold(path.to_owned(), |path, (parameter, value)| {
            path.replace(&format!("{{{parameter}}}"), value)
        });
        path + &self.query
    }

    async fn make(&self, operation: &Operation, caller: &Actor, fill: impl Fn(&str) -> String) -> Answer {
        let method = Method::from_bytes(operation.method.as_bytes()).unwrap();
        let body = self.body.as_ref().map(|body| fill(&body.to_string()));
        caller.call(method, &fill(&self.path_of(operation)), body).await
    }

    /// The answer to a call about a subject that does not exist.
    async fn make_for_unknown(&self, operation: &Operation, caller: &Actor) -> Answer {
        let placeholders =
            ["{target}", "{user_id}", "{other}", "{new_member}", "{room_id}", "{message_id}", "{request_id}"];
        let fill = |text: &str| {
            placeholders.iter().fold(text.replace("{caller}", &caller.id), |text, name| {
                text.replace(name, &Uuid::new_v4().to_string())
            })
        };
        self.make(operation, caller, fill).await
    }
}

/// The outcome in the syntax of the table: `204`, or `404 not_found`.
fn outcome_of(answer: &Answer) -> String {
    let problem: Value = serde_json::from_str(&answer.text).unwrap_or_default();
    match problem["code"].as_str().filter(|_| answer.status >= 400) {
        Some(code) => format!("{} {code}", answer.status),
        None => answer.status.to_string(),
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn every_operation_has_the_outcomes_of_the_table() {
    let operations: BTreeSet<&String> = OPERATIONS.iter().map(|operation| &operation.id).collect();
    assert_eq!(TABLE.calls.keys().collect::<BTreeSet<_>>(), operations, "one row per operation");
    let stack = TestStack::new().await;
    let cells = OPERATIONS.iter().flat_map(|operation| {
        let call = &TABLE.calls[&operation.id];
        cells(&operation.id, &call.outcomes).into_iter().map(move |cell| (operation, call, cell))
    });
    let mismatches: Vec<String> = futures::stream::iter(cells)
        .map(|(operation, call, (relation, expected))| {
            let stack = &stack;
            async move { mismatch(stack, operation, call, relation, &expected).await }
        })
        .buffer_unordered(CONCURRENCY)
        .filter_map(async |mismatch| mismatch)
        .collect()
        .await;
    assert!(mismatches.is_empty(), "{mismatches:#?}");
}

async fn mismatch(
    stack: &TestStack,
    operation: &Operation,
    call: &Call,
    relation: Relation,
    expected: &str,
) -> Option<String> {
    let scenario = Scenario::new(stack, relation, call.subject).await;
    let before = scenario.observed_state().await;
    let answer = call.make(operation, &scenario.caller, |text| scenario.fill(text)).await;
    let row = format!("{} by {relation:?}", operation.id);
    let outcome = outcome_of(&answer);
    if outcome != expected {
        return Some(format!("{row}: {outcome} instead of {expected}"));
    }
    if answer.status >= 400 && scenario.observed_state().await != before {
        return Some(format!("{row}: rejected, but the room has changed"));
    }
    if answer.status == 404 && answer.text != call.make_for_unknown(operation, &scenario.caller).await.text {
        return Some(format!("{row}: the answer reveals that the subject exists"));
    }
    None
}

#[tokio::test(flavor = "multi_thread")]
async fn every_operation_rejects_a_missing_token_and_a_deleted_account() {
    let stack = TestStack::new().await;
    let [deleted] = stack.actors(["gone"]).await;
    deleted.delete("/users/me").await.nothing();
    let deleted_later = stack.later(&deleted, DELETION_PROPAGATION);
    let anonymous = stack.stranger(None);
    for operation in OPERATIONS.iter() {
        let call = &TABLE.calls[&operation.id];
        call.make_for_unknown(operation, &anonymous).await.problem(401, "invalid_token");
        // A repeated deletion completes an interrupted one, so it is accepted.
        if operation.id != "usersDeleteMe" {
            call.make_for_unknown(operation, &deleted_later).await.problem(401, "invalid_token");
        }
    }
    assert_eq!(anonymous.try_socket().await.err(), Some(401));
    assert!(deleted.try_socket().await.is_err());
}

#[tokio::test(flavor = "multi_thread")]
async fn every_frame_has_the_outcomes_of_the_table() {
    assert_eq!(
        TABLE.frames.keys().collect::<BTreeSet<_>>(),
        FRAMES.sent.iter().collect::<BTreeSet<_>>(),
        "one row per frame"
    );
    let stack = TestStack::new().await;
    let cells = TABLE.frames.iter().flat_map(|(kind, frame)| {
        cells(kind, &frame.outcomes).into_iter().map(move |cell| (kind, frame, cell))
    });
    let mismatches: Vec<String> = futures::stream::iter(cells)
        .map(|(kind, frame, (relation, expected))| {
            let stack = &stack;
            async move {
                let outcome = outcome_of_frame(stack, kind, frame, relation).await;
                (outcome != expected)
                    .then(|| format!("{kind} by {relation:?}: {outcome} instead of {expected}"))
            }
        })
        .buffer_unordered(CONCURRENCY)
        .filter_map(async |mismatch| mismatch)
        .collect()
        .await;
    assert!(mismatches.is_empty(), "{mismatches:#?}");
}

/// The answer to the caller, or the frame that the observer receives if there is no answer.
async fn outcome_of_frame(stack: &TestStack, kind: &str, frame: &Frame, relation: Relation) -> String {
    let scenario = Scenario::new(stack, relation, frame.subject).await;
    let (mut at_caller, mut at_observer) =
        (online(&scenario.caller).await, online(scenario.observer()).await);
    let data: Value = serde_json::from_str(&scenario.fill(&frame.data.to_string())).unwrap();
    at_caller.send_text(&json!({"type": kind, "data": data, "ref": "sent"}).to_string()).await;
    if FRAMES.is_silent(kind) {
        tokio::select! {
            error = answer(&mut at_caller) => error,
            notification = notification(&mut at_observer) => notification,
        }
    } else {
        answer(&mut at_caller).await
    }
}

/// An open socket that has sent `hello`. Presence frames may arrive before the answer.
async fn online(actor: &Actor) -> Socket {
    let mut socket = actor.try_socket().await.unwrap();
    socket.send("hello", json!({})).await;
    while socket.next().await["type"] != "connection_established" {}
    socket
}

/// The type of the next frame about a room.
async fn notification(socket: &mut Socket) -> String {
    loop {
        let frame = socket.next().await;
        if frame["data"]["chat_room_id"].is_string() {
            return frame["type"].as_str().unwrap().to_owned();
        }
    }
}

/// The type of the answer, or its error code.
async fn answer(socket: &mut Socket) -> String {
    loop {
        let frame = socket.next().await;
        if frame["ref"] == "sent" {
            let code = frame["data"]["code"].as_str().filter(|_| frame["type"] == "error");
            return code.or(frame["type"].as_str()).unwrap().to_owned();
        }
    }
}
