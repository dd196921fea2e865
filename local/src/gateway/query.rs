//! Decodes query strings like API Gateway.

use percent_encoding::percent_decode_str;
use serde_json::{Map, Value};

/// The decoded pairs of a query string, in order.
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

/// Each name with a list of its values, the format of `multiValueQueryStringParameters`.
pub fn multi_value<'a>(pairs: impl IntoIterator<Item = (&'a str, &'a str)>) -> Map<String, Value> {
    let mut all = Map::new();
    for (name, value) in pairs {
        if let Value::Array(values) = all.entry(name).or_insert_with(|| Value::Array(Vec::new())) {
            values.push(value.into());
        }
    }
    all
}

/// Each name with its last value, the format of `queryStringParameters` in WebSocket events.
pub fn single_value<'a>(pairs: impl IntoIterator<Item = (&'a str, &'a str)>) -> Map<String, Value> {
    pairs.into_iter().map(|(name, value)| (name.to_owned(), value.into())).collect()
}

/// Each name with its values joined by commas, the format of payload format 2.0.
pub fn joined<'a>(pairs: impl IntoIterator<Item = (&'a str, &'a str)>) -> Map<String, Value> {
    let mut all: Map<String, Value> = Map::new();
    for (name, value) in pairs {
        let joined = match all.get(name).and_then(Value::as_str) {
            Some(values) => format!("{values},{value}"),
            None => value.to_owned(),
        };
        all.insert(name.to_owned(), joined.into());
    }
    all
}
