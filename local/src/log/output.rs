//! Forwards the output of functions to the log of the stack.

use serde::Deserialize;
use serde_json::{Map, Value};
use tracing::Level;

/// A log entry of a function with `AWS_LAMBDA_LOG_FORMAT=JSON`: the JSON layout of `tracing-subscriber`.
#[derive(Debug, Deserialize)]
struct LogEntry {
    level: String,
    fields: Map<String, Value>,
    #[serde(default)]
    span: Map<String, Value>,
}

/// Logs at a level that is known only at run time; `tracing` needs a constant level in each call.
macro_rules! log_at {
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

/// Logs one line of a function's output: a completed call with its fields, any other entry as a message, and
/// a line that is not a JSON entry (a panic message, for example) unchanged.
pub fn forward_line(function: &str, line: &str) {
    let Ok(entry) = serde_json::from_str::<LogEntry>(line) else {
        if !line.trim().is_empty() {
            tracing::info!(target: "function", function, "{}", line.trim_end());
        }
        return;
    };
    let level = entry.level.parse().unwrap_or(Level::INFO);
    let field = |name: &str| entry.fields.get(name).filter(|value| !value.is_null()).map(format_value);
    let request_id = field("request_id").or_else(|| entry.span.get("requestId").map(format_value));
    let request_id = request_id.as_deref();
    match (call_name(&entry.fields), field("status")) {
        (Some(call), Some(status)) => {
            let (duration_ms, error) = (field("duration_ms"), field("error"));
            let (read_units, write_units) = (field("read_units"), field("write_units"));
            log_at!(
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
        _ => log_at!(level, function, request_id, "{}", format_message(&entry.fields)),
    }
}

/// The method and path, for example `GET /api/v1/friends`, or the route of a frame; otherwise `None`.
fn call_name(fields: &Map<String, Value>) -> Option<String> {
    let text = |name: &str| fields.get(name).and_then(Value::as_str);
    match (text("method"), text("path")) {
        (Some(method), Some(path)) => Some(format!("{method} {path}")),
        _ => text("route").map(str::to_owned),
    }
}

/// The message and the other fields; for a failed best-effort operation, its name and its error.
fn format_message(fields: &Map<String, Value>) -> String {
    if let (Some(operation), Some(error)) = (fields.get("what"), fields.get("error")) {
        return format!("{}: {}", format_value(operation), format_value(error));
    }
    let message = fields.get("message").map(format_value);
    let others = fields.iter().filter(|(name, _)| !["message", "request_id"].contains(&name.as_str()));
    let others = others.map(|(name, value)| format!("{name}={}", format_value(value)));
    message.into_iter().chain(others).collect::<Vec<_>>().join(" ")
}

/// A human-readable value: strings without quotes, numbers with at most two decimals.
fn format_value(value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        Value::Number(number) if number.is_f64() => {
            // Capacity units are multiples of 0.5; further digits are rounding errors.
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
    fn values_are_formatted_without_quotes_and_needless_decimals() {
        assert_eq!(format_value(&json!(4.0)), "4");
        assert_eq!(format_value(&json!(2.5)), "2.5");
        assert_eq!(format_value(&json!(12)), "12");
        assert_eq!(format_value(&json!("text")), "text");
    }

    #[test]
    fn the_name_of_a_call_is_its_method_and_path_or_its_route() {
        assert_eq!(call_name(&fields(json!({"method": "GET", "path": "/a"}))).as_deref(), Some("GET /a"));
        assert_eq!(call_name(&fields(json!({"route": "$connect"}))).as_deref(), Some("$connect"));
        assert_eq!(call_name(&fields(json!({"message": "hello"}))), None);
    }

    #[test]
    fn other_entries_are_formatted_as_messages() {
        let failed =
            json!({"message": "best-effort work failed", "what": "new message push", "error": "status 410"});
        assert_eq!(format_message(&fields(failed)), "new message push: status 410");
        assert_eq!(format_message(&fields(json!({"message": "slow", "ms": 7}))), "slow ms=7");
    }
}
