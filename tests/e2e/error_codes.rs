//! The error codes: `docs/clients.md`, the contract and the sources have the same ones.

use std::{collections::BTreeSet, fs, path::Path};

use serde_json::Value;

use crate::harness::contract::schema::{ASYNCAPI, OPENAPI};

/// A code and its status.
type Code = (String, u16);

/// The codes of the sources that the contract does not have: the gateways send no request that cannot be read,
/// and return only the status of a rejected handshake.
const ONLY_IN_SOURCES: [&str; 2] = ["malformed_request", "unsupported_subprotocol"];

/// The rows of the table of error codes.
fn listed() -> Vec<Code> {
    let document = fs::read_to_string(local::project_root().join("docs/clients.md")).unwrap();
    let (_, table) = document.split_once("## Error codes").unwrap();
    let rows = table.lines().filter_map(|line| line.strip_prefix("| `"));
    let codes = rows.map(|row| {
        let (code, rest) = row.split_once("` | ").unwrap();
        (code.to_owned(), rest.split(' ').next().unwrap().parse().unwrap())
    });
    codes.collect()
}

/// The codes in the text of Rust sources: `status: 409, code: "room_full"` and `plain(404, "not_found"`.
fn codes_in(source: &str, codes: &mut BTreeSet<Code>) {
    let (source, _tests) = source.split_once("#[cfg(test)]\nmod tests {").unwrap_or((source, ""));
    for (prefix, separator) in [("status: ", "code: \""), ("plain(", "\"")] {
        for part in source.split(prefix).skip(1) {
            let Some((status, rest)) = part.split_once(',') else { continue };
            let code = rest.trim_start().strip_prefix(separator).and_then(|rest| rest.split('"').next());
            codes.extend(status.parse().ok().zip(code).map(|(status, code)| (code.to_owned(), status)));
        }
    }
}

fn codes_of_sources(folder: &Path, codes: &mut BTreeSet<Code>) {
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            codes_of_sources(&path, codes);
        } else if path.file_name().is_some_and(|name| name != "tests.rs") {
            codes_in(&fs::read_to_string(path).unwrap(), codes);
        }
    }
}

/// The values of a schema with `const` or `enum`.
fn choices(schema: &Value) -> Vec<&str> {
    let one = schema["const"].as_str();
    one.into_iter().chain(schema["enum"].as_array().into_iter().flatten().filter_map(Value::as_str)).collect()
}

/// The codes to which responses narrow a problem, with their statuses.
fn codes_of_responses(value: &Value, codes: &mut BTreeSet<Code>) {
    let narrowed = &value["dependentSchemas"]["code"]["properties"];
    for code in choices(&narrowed["code"]) {
        let status = narrowed["status"]["const"].as_u64().and_then(|status| u16::try_from(status).ok());
        codes.insert((code.to_owned(), status.unwrap_or_else(|| panic!("{code} has no status"))));
    }
    match value {
        Value::Object(fields) => fields.values().for_each(|field| codes_of_responses(field, codes)),
        Value::Array(items) => items.iter().for_each(|item| codes_of_responses(item, codes)),
        _ => {}
    }
}

#[test]
fn the_client_document_lists_every_code_of_the_sources_once() {
    let mut codes = BTreeSet::new();
    for folder in ["shared/src", "functions/src"] {
        codes_of_sources(&local::project_root().join(folder), &mut codes);
    }
    let mut listed = listed();
    listed.sort_unstable();
    assert_eq!(listed, codes.into_iter().collect::<Vec<_>>());
}

#[test]
fn the_client_document_and_the_contract_have_the_same_codes() {
    let mut responses = BTreeSet::new();
    codes_of_responses(&OPENAPI, &mut responses);
    let error = &ASYNCAPI["components"]["messages"]["error"]["payload"]["properties"]["data"]["properties"];
    let frames: BTreeSet<&str> = choices(&error["code"]).into_iter().collect();
    assert!(!frames.is_empty());
    let only_in_frames = listed().into_iter().filter(|(code, _)| frames.contains(code.as_str()));
    let contract: BTreeSet<Code> = only_in_frames.chain(responses).collect();
    let listed: BTreeSet<Code> =
        listed().into_iter().filter(|(code, _)| !ONLY_IN_SOURCES.contains(&code.as_str())).collect();
    assert_eq!(listed, contract);
    let unlisted: Vec<&str> =
        frames.into_iter().filter(|code| !listed.iter().any(|(listed, _)| listed == code)).collect();
    assert!(unlisted.is_empty(), "{unlisted:?}");
}
