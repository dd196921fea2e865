//! Values of a field, as JSON text, that its schema allows and a service may fail to keep.

use serde_json::{Value, json};

use super::{
    contract::{Contract, Field, Place},
    state::State,
};
use crate::extreme_values::{TEXTS, payloads};

/// Random texts per field.
const RANDOM_TEXTS: usize = 6;

/// Times at the limits of RFC 3339, and in unusual notations.
const TIMES: [&str; 9] = [
    "0000-01-01T00:00:00Z",
    "9999-12-31T23:59:59.999Z",
    "9999-12-31T23:59:59+05:00",
    "9999-12-31T23:59:59-05:00",
    "0000-01-01T00:00:00+00:01",
    "1969-12-31T23:59:59.999999999Z",
    "2016-12-31T23:59:60Z",
    "2030-01-01t00:00:00z",
    "2030-06-15T12:00:00.123456789+23:59",
];

/// Numbers that a parser changes.
const NUMBERS: [&str; 3] = ["117.63331139400017", "18446744073709551616", "-0.0"];

const INTEGERS: [&str; 9] = [
    "0",
    "1",
    "2.0",
    "1E0",
    "100",
    "999999999999",
    "1000000000000",
    "9007199254740993",
    "18446744073709551615",
];

/// The values to try for a field, and `null` if it may be.
pub fn values(contract: &Contract, field: &Field, state: &State) -> Vec<String> {
    let mut values = Vec::new();
    add(contract, field, &field.schema, state, &mut values);
    if field.place == Place::Query || field.place == Place::Path {
        values.retain(|value| value != "null");
    }
    values
}

fn add(contract: &Contract, field: &Field, schema: &Value, state: &State, values: &mut Vec<String>) {
    let schema = contract.resolve(schema);
    for variant in ["oneOf", "anyOf", "allOf"].iter().filter_map(|name| schema[name].as_array()).flatten() {
        add(contract, field, variant, state, values);
    }
    if let Some(choices) = schema["enum"].as_array() {
        return values.extend(choices.iter().map(Value::to_string));
    }
    let ids = state.ids(field.name());
    if !ids.is_empty() {
        return values.extend(
            ids.iter().flat_map(|id| [json!(id.to_uppercase()), json!(id)]).map(|id| id.to_string()),
        );
    }
    let kinds = match &schema["type"] {
        Value::Array(kinds) => kinds.iter().filter_map(Value::as_str).collect(),
        Value::String(kind) => vec![kind.as_str()],
        // Any value: a number or a text that is echoed.
        _ if values.is_empty() => vec!["string", "number"],
        _ => vec![],
    };
    for kind in kinds {
        match kind {
            "null" => values.push("null".to_owned()),
            "boolean" => values.extend(["true", "false"].map(str::to_owned)),
            "integer" => values.extend(INTEGERS.map(str::to_owned)),
            "number" => values.extend(NUMBERS.map(str::to_owned)),
            "array" => values.extend(lists(field, state)),
            "object" => values.extend(objects(schema, state)),
            "string" => values.extend(texts(field, schema, state)),
            other => panic!("{other} is not a type of a field"),
        }
    }
}

fn lists(field: &Field, state: &State) -> Vec<String> {
    let ids = state.ids(field.name().trim_end_matches('s'));
    assert!(!ids.is_empty(), "no elements for {field:?}");
    vec![json!(ids[..1]).to_string(), json!(ids).to_string(), "[]".to_owned()]
}

/// Positions by room, or payloads.
fn objects(schema: &Value, state: &State) -> Vec<String> {
    if schema["additionalProperties"].is_object() {
        let position = |seq: &str| format!("{{\"seq\":{seq},\"rev\":{seq}}}");
        let rooms = state.ids("room_id");
        let of_rooms =
            |seq: &str| rooms.iter().map(|room| format!("\"{room}\":{}", position(seq))).collect::<Vec<_>>();
        let objects = INTEGERS.iter().map(|seq| format!("{{{}}}", of_rooms(seq).join(",")));
        return objects.chain(["{}".to_owned()]).collect();
    }
    payloads()
}

fn texts(field: &Field, schema: &Value, state: &State) -> Vec<String> {
    if schema["format"] == "date-time" {
        return TIMES.iter().map(|time| json!(time).to_string()).collect();
    }
    if field.name().ends_with("_url") {
        let url = |rest: &str| json!(format!("https://media.example/{rest}")).to_string();
        let longest = |max: usize| "a".repeat(max - "https://media.example/".len());
        let max = usize::try_from(schema["maxLength"].as_u64().unwrap_or(512)).unwrap();
        return vec![
            url("a"),
            url("é 😀?q=%00#x"),
            url("../a/./b"),
            url(&longest(max)),
            url(&"😀".repeat(35)),
        ];
    }
    let max = usize::try_from(schema["maxLength"].as_u64().unwrap_or(128)).unwrap();
    let mut texts: Vec<String> = state.texts(field.name());
    texts.extend(TEXTS.map(str::to_owned));
    for unit in ["a", "é", "字", "😀", "ﷺ", "İ"] {
        texts.extend([max, max / 2, max / 3, max / 4].map(|count| unit.repeat(count)));
    }
    for _ in 0..RANDOM_TEXTS {
        let length = fastrand::usize(1..=max.min(60));
        texts.push((0..length).map(|_| fastrand::char(..)).collect());
    }
    texts.into_iter().map(|text| json!(text).to_string()).chain([r#""cut \ud83d""#.to_owned()]).collect()
}
