//! What a function writes to its output, handed on as events of the stack's own log.

use serde::Deserialize;
use serde_json::{Map, Value};
use tracing::Level;

/// A line as functions write it under `AWS_LAMBDA_LOG_FORMAT=JSON`: the layout of `tracing-subscriber`.
#[derive(Debug, Deserialize)]
struct Entry {
    level: String,
    fields: Map<String, Value>,
    #[serde(default)]
    span: Map<String, Value>,
}

/// An event of one of five levels, which `tracing` wants to know when it is compiled.
macro_rules! at {
    ($level:expr, $($content:tt)*) => {
        match $level {
            Level::ERROR => tracing::error!(target: "function", $($content)*),
            Level::WARN => tracing::warn!(target: "function", $($content)*),
            Level::INFO => tracing::info!(target: "function", $($content)*),
            Level::DEBUG => tracing::debug!(target: "function", $($content)*),
            Level::TRACE => tracing::trace!(target: "function", $($content)*),
        }
    };
}

/// Hands on one line of a function's output: an answered call with its fields, anything else as a sentence, and what
/// is no JSON (a panic, a print) as it is.
pub fn hand_on(function: &str, line: &str) {
    let Ok(entry) = serde_json::from_str::<Entry>(line) else {
        if !line.trim().is_empty() {
            tracing::info!(target: "function", function, "{}", line.trim_end());
        }
        return;
    };
    let level = entry.level.parse().unwrap_or(Level::INFO);
    let field = |name: &str| entry.fields.get(name).filter(|value| !value.is_null()).map(words);
    let request_id = field("request_id").or_else(|| entry.span.get("requestId").map(words));
    let request_id = request_id.as_deref();
    match (call(&entry.fields), field("status")) {
        (Some(call), Some(status)) => {
            let (duration_ms, error) = (field("duration_ms"), field("error"));
            let (read_units, write_units) = (field("read_units"), field("write_units"));
            at!(
                level,
                call,
                function,
                status,
                duration_ms = duration_ms.as_deref(),
                read_units = read_units.as_deref(),
                write_units = write_units.as_deref(),
                request_id,
                error = error.as_deref(),
                "answered"
            );
        }
        _ => at!(level, function, request_id, "{}", sentence(&entry.fields)),
    }
}

/// `GET /api/v1/friends`, or a socket's route; `None` if the entry is about no call.
fn call(fields: &Map<String, Value>) -> Option<String> {
    let text = |name: &str| fields.get(name).and_then(Value::as_str);
    match (text("method"), text("path")) {
        (Some(method), Some(path)) => Some(format!("{method} {path}")),
        _ => text("route").map(str::to_owned),
    }
}

/// What happened, and all that is known of it. Work that may fail says what it was and why it failed.
fn sentence(fields: &Map<String, Value>) -> String {
    if let (Some(what), Some(error)) = (fields.get("what"), fields.get("error")) {
        return format!("{}: {}", words(what), words(error));
    }
    let message = fields.get("message").map(words);
    let others = fields.iter().filter(|(name, _)| !["message", "request_id"].contains(&name.as_str()));
    let others = others.map(|(name, value)| format!("{name}={}", words(value)));
    message.into_iter().chain(others).collect::<Vec<_>>().join(" ")
}

/// A value as people write it: text without quotes, whole numbers without a fraction.
fn words(value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        Value::Number(number) if number.is_f64() => {
            // Units come in halves; what lies beyond two digits is noise.
            number.as_f64().map_or_else(String::new, |number| ((number * 100.0).round() / 100.0).to_string())
        }
        other => other.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn fields(value: Value) -> Map<String, Value> {
        serde_json::from_value(value).unwrap()
    }

    #[test]
    fn numbers_and_text_read_as_people_write_them() {
        assert_eq!(words(&json!(4.0)), "4");
        assert_eq!(words(&json!(2.5)), "2.5");
        assert_eq!(words(&json!(12)), "12");
        assert_eq!(words(&json!("text")), "text");
    }

    #[test]
    fn a_call_is_a_method_and_path_or_a_route() {
        assert_eq!(call(&fields(json!({"method": "GET", "path": "/a"}))).as_deref(), Some("GET /a"));
        assert_eq!(call(&fields(json!({"route": "$connect"}))).as_deref(), Some("$connect"));
        assert_eq!(call(&fields(json!({"message": "hello"}))), None);
    }

    #[test]
    fn other_entries_are_sentences() {
        let failed = json!({"message": "best-effort work failed", "what": "a push", "error": "gone: 410"});
        assert_eq!(sentence(&fields(failed)), "a push: gone: 410");
        assert_eq!(sentence(&fields(json!({"message": "slow", "ms": 7}))), "slow ms=7");
    }
}
