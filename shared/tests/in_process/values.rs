//! Values that a client may send and a service may fail to keep.

use serde_json::json;

/// Texts that are escaped, normalized, reversed, expanded by a change of case, or have a meaning elsewhere.
pub const TEXTS: [&str; 16] = [
    "ab",
    " padded ",
    "\"quoted\\\"",
    "e\u{301}\u{302}\u{303}",
    "ﬁﬃ㎏",
    "İİİ",
    "ßẞ",
    "\u{202e}abc\u{202c}",
    "👨‍👩‍👧‍👦🏳️‍🌈",
    "\u{fffd}\u{fffd}",
    "\u{10ffff}x",
    "null",
    "USER#1",
    "#a :b = if_not_exists",
    "-0",
    "line\nbreak\ttab",
];

/// Payloads of messages, as JSON text: deep, long, wide, and with numbers and texts that a parser changes.
pub fn payloads() -> Vec<String> {
    let nested = |depth: usize| format!("{{\"in\":{}{}}}", "[".repeat(depth - 1), "]".repeat(depth - 1));
    let text = |text: &str| json!({ "": text }).to_string();
    vec![
        "{}".to_owned(),
        nested(33),
        nested(100),
        text(&"😀".repeat(1021)),
        text(&"y".repeat(4086)),
        json!({"k".repeat(4000): 0}).to_string(),
        format!("{{{}}}", (0..500).map(|n| format!("\"{n}\":{{}}")).collect::<Vec<_>>().join(",")),
        r#"{"n":[117.63331139400017,18446744073709551616,1E5,-0.0,1.0,1e-400,1e308]}"#.to_owned(),
        r#"{"t":["\u0000","\u007f","\ud83d\ude00",""," ","\\ud83d"],"":null}"#.to_owned(),
    ]
}
