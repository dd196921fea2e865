//! The contract files: they have exactly the routes of the template, and their examples match their schemas.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;

use crate::{
    harness::contract::{
        frames::FRAMES,
        rest::OPERATIONS,
        schema::{ASYNCAPI, OPENAPI, resolve, validator, violations},
    },
    names::template,
};

/// `usersGetMe` for `UsersGetMeFunction`.
fn operation_of(logical_id: &str, kind: &str) -> String {
    let name = logical_id.strip_suffix(kind).unwrap();
    name[..1].to_lowercase() + &name[1..]
}

#[test]
fn the_contract_has_exactly_the_routes_of_the_template() {
    let template = template();
    let resources = template["Resources"].as_mapping().unwrap().iter();
    let (mut calls, mut frames) = (BTreeMap::new(), BTreeMap::new());
    for (id, resource) in resources {
        let (id, properties) = (id.as_str().unwrap(), &resource["Properties"]);
        for event in properties["Events"].as_mapping().into_iter().flat_map(|events| events.values()) {
            let route = &event["Properties"];
            if let (Some(method), Some(path)) = (route["Method"].as_str(), route["Path"].as_str()) {
                calls.insert(format!("{method} {path}"), operation_of(id, "Function"));
            }
        }
        if let Some(key) = properties["RouteKey"].as_str().filter(|key| !key.starts_with('$')) {
            frames.insert(key.to_owned(), operation_of(id, "Route"));
        }
    }
    // The only documented path of the default route.
    calls.insert("GET /api/v1/friends/".to_owned(), "friendsListSlashed".to_owned());

    let documented = OPERATIONS.iter();
    let documented: BTreeMap<String, String> = documented
        .map(|operation| (format!("{} {}", operation.method, operation.path), operation.id.clone()))
        .collect();
    assert_eq!(documented, calls);

    let received = ASYNCAPI["operations"].as_object().unwrap().iter();
    let received = received.filter(|(_, operation)| operation["action"] == "receive");
    let documented: BTreeMap<String, String> = received
        .map(|(id, operation)| {
            let message = resolve(&ASYNCAPI, &operation["messages"][0]);
            (message["name"].as_str().unwrap().to_owned(), id.clone())
        })
        .collect();
    assert_eq!(documented, frames);
    let messages: BTreeSet<&String> =
        ASYNCAPI["components"]["messages"].as_object().unwrap().keys().collect();
    assert_eq!(
        FRAMES.sent.union(&FRAMES.received).collect::<BTreeSet<_>>(),
        messages,
        "each message has an operation"
    );
}

/// The cells of the first column of all tables of a Markdown text.
fn first_cells(markdown: &str) -> impl Iterator<Item = &str> {
    markdown.lines().filter_map(|line| line.strip_prefix("| `")).filter_map(|row| row.split('`').next())
}

#[test]
fn the_api_overview_lists_every_call_and_frame_once() {
    let overview = std::fs::read_to_string(local::project_root().join("docs/api.md")).unwrap();
    let (_, pushes) = overview.split_once("### Pushes").unwrap();
    let is_call = |cell: &&str| cell.split_once(" /").is_some_and(|(method, _)| method.len() > 2);
    let mut listed: Vec<&str> =
        first_cells(&overview).filter(is_call).filter_map(|call| call.split('?').next()).collect();
    let operations = OPERATIONS.iter();
    let mut documented: Vec<String> = operations
        .map(|operation| format!("{} {}", operation.method, operation.path.strip_prefix("/api/v1").unwrap()))
        .collect();
    listed.sort_unstable();
    documented.sort_unstable();
    assert_eq!(listed, documented);

    for frame in FRAMES.sent.union(&FRAMES.received) {
        let row =
            overview.lines().filter(|line| line.starts_with('|') && line.contains(&format!("`{frame}")));
        let is_named_in_text = frame == "gateway_error" && overview.contains("`gateway_error`");
        assert!(row.count() > 0 || is_named_in_text, "{frame}");
    }
    let mut pushes: Vec<&str> = first_cells(pushes).collect();
    let replies = ["connection_established", "message_sent", "pong", "error", "gateway_error"];
    let mut received: Vec<&str> = FRAMES.received.iter().map(String::as_str).collect();
    received.retain(|frame| !replies.contains(frame));
    pushes.sort_unstable();
    received.sort_unstable();
    assert_eq!(pushes, received);
}

#[test]
fn every_example_matches_its_schema() {
    let mut problems = Vec::new();
    // Visits every schema with examples. The content of bodies and answers must have an example.
    let mut pending = vec![("openapi.yaml".to_owned(), &*OPENAPI)];
    while let Some((location, value)) = pending.pop() {
        if let Some(schema) = value.get("schema") {
            let named = value["examples"].as_object().into_iter().flat_map(|examples| examples.values());
            let named = named.map(|example| &resolve(&OPENAPI, example)["value"]);
            let examples: Vec<&Value> = named.chain(value.get("example")).collect();
            if examples.is_empty() && location.contains("/content/") {
                problems.push(format!("{location} has no example"));
            }
            let validator = validator(&OPENAPI, schema);
            let violations = examples.iter().filter_map(|example| violations(&validator, example));
            problems.extend(violations.map(|violation| format!("{location}: {violation}")));
        }
        match value {
            Value::Object(fields) => {
                pending.extend(fields.iter().map(|(name, field)| (format!("{location}/{name}"), field)));
            }
            Value::Array(items) => pending.extend(items.iter().map(|item| (format!("{location}/-"), item))),
            _ => {}
        }
    }
    for (name, message) in ASYNCAPI["components"]["messages"].as_object().unwrap() {
        let validator = validator(&ASYNCAPI, &message["payload"]);
        let examples = message["examples"].as_array().cloned().unwrap_or_default();
        if examples.is_empty() {
            problems.push(format!("asyncapi.yaml: {name} has no example"));
        }
        let violations = examples.iter().filter_map(|example| violations(&validator, &example["payload"]));
        problems.extend(violations.map(|violation| format!("asyncapi.yaml: {name}: {violation}")));
    }
    assert!(problems.is_empty(), "{problems:#?}");
}
