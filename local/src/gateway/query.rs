//! Query strings, decoded as API Gateway decodes them.

use percent_encoding::percent_decode_str;
use serde_json::{Map, Value};

/// The pairs of a query string in their order, decoded.
pub fn pairs(raw: &str) -> Vec<(String, String)> {
    let pairs = raw.split('&').filter(|pair| !pair.is_empty());
    pairs
        .map(|pair| {
            let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
            (decode(name), decode(value))
        })
        .collect()
}

fn decode(text: &str) -> String {
    percent_decode_str(&text.replace('+', " ")).decode_utf8_lossy().into_owned()
}

/// Each name with all of its values, as `multiValueQueryStringParameters` has them.
pub fn multi_value<'a>(pairs: impl IntoIterator<Item = (&'a str, &'a str)>) -> Map<String, Value> {
    let mut all = Map::new();
    for (name, value) in pairs {
        if let Value::Array(values) = all.entry(name).or_insert_with(|| Value::Array(Vec::new())) {
            values.push(value.into());
        }
    }
    all
}

/// Each name with its last value, as `queryStringParameters` of a WebSocket event has them.
pub fn single_value<'a>(pairs: impl IntoIterator<Item = (&'a str, &'a str)>) -> Map<String, Value> {
    pairs.into_iter().map(|(name, value)| (name.to_owned(), value.into())).collect()
}

/// Each name with all of its values joined by commas, as payload format 2.0 has them.
pub fn joined<'a>(pairs: impl IntoIterator<Item = (&'a str, &'a str)>) -> Map<String, Value> {
    let mut all: Map<String, Value> = Map::new();
    for (name, value) in pairs {
        let joined = match all.get(name).and_then(Value::as_str) {
            Some(before) => format!("{before},{value}"),
            None => value.to_owned(),
        };
        all.insert(name.to_owned(), joined.into());
    }
    all
}
