//! Who may do what: every operation of the contract, called by everyone who may stand to it in some way, is answered as
//! `table.yaml` says.

mod place;

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::LazyLock,
    time::Duration,
};

use futures::StreamExt;
use place::{About, Place, Relation};
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

/// So many cells are looked at at once.
const AT_ONCE: usize = 8;

/// A deletion is noticed everywhere within a minute.
const NOTICED: Duration = Duration::from_secs(61);

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Table {
    calls: BTreeMap<String, Call>,
    frames: BTreeMap<String, Sent>,
}

/// The row of an operation.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Call {
    about: About,
    /// What stands for the parameters of the path, where it is not what they are called.
    #[serde(default)]
    path: BTreeMap<String, String>,
    #[serde(default)]
    query: String,
    body: Option<Value>,
    outcomes: BTreeMap<String, Vec<Relation>>,
}

/// The row of a frame. What comes of it is the frame that answers it or that the target hears, or the code of an error.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Sent {
    about: About,
    data: Value,
    outcomes: BTreeMap<String, Vec<Relation>>,
}

/// The outcome for each relation; every one must be stated, once.
fn cells(name: &str, outcomes: &BTreeMap<String, Vec<Relation>>) -> BTreeMap<Relation, String> {
    let mut cells = BTreeMap::new();
    for (outcome, relations) in outcomes {
        for relation in relations {
            let earlier = cells.insert(*relation, outcome.clone());
            assert!(earlier.is_none(), "{name}: {relation:?} is stated twice");
        }
    }
    let stated: Vec<Relation> = cells.keys().copied().collect();
    assert_eq!(stated, Relation::ALL, "{name}: every relation is stated");
    cells
}

impl Call {
    /// The path and query, with names of what stands at a place.
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

    /// What a call about things that do not exist is answered with.
    async fn about_nothing(&self, operation: &Operation, caller: &Actor) -> Answer {
        let names =
            ["{target}", "{user_id}", "{other}", "{newcomer}", "{room_id}", "{message_id}", "{request_id}"];
        let nowhere = |text: &str| {
            names.iter().fold(text.replace("{caller}", &caller.id), |text, name| {
                text.replace(name, &Uuid::new_v4().to_string())
            })
        };
        self.make(operation, caller, nowhere).await
    }
}

/// As the table writes it: `204`, or `404 not_found`.
fn outcome_of(answer: &Answer) -> String {
    let problem: Value = serde_json::from_str(&answer.text).unwrap_or_default();
    match problem["code"].as_str().filter(|_| answer.status >= 400) {
        Some(code) => format!("{} {code}", answer.status),
        None => answer.status.to_string(),
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn every_call_is_answered_as_the_table_says() {
    let operations: BTreeSet<&String> = OPERATIONS.iter().map(|operation| &operation.id).collect();
    assert_eq!(TABLE.calls.keys().collect::<BTreeSet<_>>(), operations, "a row for each operation");
    let stack = TestStack::new().await;
    let cells = OPERATIONS.iter().flat_map(|operation| {
        let call = &TABLE.calls[&operation.id];
        cells(&operation.id, &call.outcomes).into_iter().map(move |cell| (operation, call, cell))
    });
    let wrong: Vec<String> = futures::stream::iter(cells)
        .map(|(operation, call, (relation, expected))| {
            let stack = &stack;
            async move { wrong_in_cell(stack, operation, call, relation, &expected).await }
        })
        .buffer_unordered(AT_ONCE)
        .filter_map(async |wrong| wrong)
        .collect()
        .await;
    assert!(wrong.is_empty(), "{wrong:#?}");
}

async fn wrong_in_cell(
    stack: &TestStack,
    operation: &Operation,
    call: &Call,
    relation: Relation,
    expected: &str,
) -> Option<String> {
    let place = Place::new(stack, relation, call.about).await;
    let before = place.seen_by_others().await;
    let answer = call.make(operation, &place.caller, |text| place.fill(text)).await;
    let asked = format!("{} by {relation:?}", operation.id);
    let outcome = outcome_of(&answer);
    if outcome != expected {
        return Some(format!("{asked}: {outcome} instead of {expected}"));
    }
    if answer.status >= 400 && place.seen_by_others().await != before {
        return Some(format!("{asked}: refused, and yet something has changed"));
    }
    if answer.status == 404 && answer.text != call.about_nothing(operation, &place.caller).await.text {
        return Some(format!("{asked}: tells that there is something"));
    }
    None
}

#[tokio::test(flavor = "multi_thread")]
async fn without_a_token_or_after_one_has_left_every_call_is_refused() {
    let stack = TestStack::new().await;
    let [gone] = stack.actors(["gone"]).await;
    gone.delete("/users/me").await.nothing();
    let gone_later = stack.later(&gone, NOTICED);
    let nobody = stack.stranger(None);
    for operation in OPERATIONS.iter() {
        let call = &TABLE.calls[&operation.id];
        call.about_nothing(operation, &nobody).await.problem(401, "invalid_token");
        // What was not finished may be finished.
        if operation.id != "usersDeleteMe" {
            call.about_nothing(operation, &gone_later).await.problem(401, "invalid_token");
        }
    }
    assert_eq!(nobody.try_socket().await.err(), Some(401));
    assert!(gone.try_socket().await.is_err());
}

#[tokio::test(flavor = "multi_thread")]
async fn every_frame_is_answered_as_the_table_says() {
    assert_eq!(
        TABLE.frames.keys().collect::<BTreeSet<_>>(),
        FRAMES.sent.iter().collect::<BTreeSet<_>>(),
        "a row for each frame"
    );
    let stack = TestStack::new().await;
    let cells = TABLE
        .frames
        .iter()
        .flat_map(|(kind, sent)| cells(kind, &sent.outcomes).into_iter().map(move |cell| (kind, sent, cell)));
    let wrong: Vec<String> = futures::stream::iter(cells)
        .map(|(kind, sent, (relation, expected))| {
            let stack = &stack;
            async move {
                let outcome = outcome_of_frame(stack, kind, sent, relation).await;
                (outcome != expected)
                    .then(|| format!("{kind} by {relation:?}: {outcome} instead of {expected}"))
            }
        })
        .buffer_unordered(AT_ONCE)
        .filter_map(async |wrong| wrong)
        .collect()
        .await;
    assert!(wrong.is_empty(), "{wrong:#?}");
}

/// What the caller is answered, or else the target hears.
async fn outcome_of_frame(stack: &TestStack, kind: &str, sent: &Sent, relation: Relation) -> String {
    let place = Place::new(stack, relation, sent.about).await;
    let (mut here, mut there) = (online(&place.caller).await, online(place.witness()).await);
    let data: Value = serde_json::from_str(&place.fill(&sent.data.to_string())).unwrap();
    here.send_text(&json!({"type": kind, "data": data, "ref": "asked"}).to_string()).await;
    if FRAMES.is_silent(kind) {
        tokio::select! {
            refused = answer(&mut here) => refused,
            heard = heard(&mut there) => heard,
        }
    } else {
        answer(&mut here).await
    }
}

/// A socket of somebody who may hear at any time that a friend is online.
async fn online(actor: &Actor) -> Socket {
    let mut socket = actor.try_socket().await.unwrap();
    socket.send("hello", json!({})).await;
    while socket.next().await["type"] != "connection_established" {}
    socket
}

/// The type of the next frame that is about a room.
async fn heard(socket: &mut Socket) -> String {
    loop {
        let frame = socket.next().await;
        if frame["data"]["chat_room_id"].is_string() {
            return frame["type"].as_str().unwrap().to_owned();
        }
    }
}

/// The type of the frame that answers, or the code of the error.
async fn answer(socket: &mut Socket) -> String {
    loop {
        let frame = socket.next().await;
        if frame["ref"] == "asked" {
            let code = frame["data"]["code"].as_str().filter(|_| frame["type"] == "error");
            return code.or(frame["type"].as_str()).unwrap().to_owned();
        }
    }
}
