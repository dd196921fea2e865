//! Reads JSON from clients without changing or losing a value.
//!
//! Values stay text until a field reads them. So a value that no parser accepts, such as `1e400` or a list that
//! is nested too deeply, is a violation of its field and does not hide the other fields. Every function is
//! linear in the size of the text.

use std::{borrow::Cow, collections::BTreeMap};

use serde::{Serialize, de::DeserializeOwned};
use serde_json::value::RawValue;

/// The members of an object, unparsed. A repeated name has its last value.
pub type Object = BTreeMap<String, Box<RawValue>>;

/// The value of a field.
pub enum Given {
    /// A value in a body or a frame.
    Json(Box<RawValue>),
    /// A value in a query or a path, where every value is text.
    Text(String),
}

impl Given {
    /// Whether the value is the JSON `null`.
    pub fn is_null(&self) -> bool {
        matches!(self, Self::Json(json) if json.get() == "null")
    }

    /// The JSON text; `None` for other text.
    pub fn json(&self) -> Option<&str> {
        match self {
            Self::Json(json) => Some(json.get()),
            Self::Text(_) => None,
        }
    }

    /// Parses JSON. `None` for other JSON, and for text.
    pub fn parse<T: DeserializeOwned>(&self) -> Option<T> {
        serde_json::from_str(self.json()?).ok()
    }

    /// The text, or the JSON string.
    pub fn text(&self) -> Option<String> {
        match self {
            Self::Json(_) => self.parse(),
            Self::Text(text) => Some(text.clone()),
        }
    }
}

/// The members of the object in a text; `None` if the text is not a JSON object.
pub fn object(text: &str) -> Option<Object> {
    serde_json::from_str(&without_lone_surrogates(text)).ok()
}

/// Replaces escapes of lone surrogates by that of U+FFFD, as UTF-8 encoders do. Dart and JavaScript write them
/// for a text that was cut within an emoji.
fn without_lone_surrogates(text: &str) -> Cow<'_, str> {
    let mut replaced = String::new();
    let (mut copied, mut at) = (0, 0);
    while let Some(found) = text.as_bytes()[at..].iter().position(|byte| *byte == b'\\') {
        let escape = at + found;
        let surrogate = |at: usize| escaped_unit(text, at).filter(|unit| (0xD800..0xE000).contains(unit));
        at = match surrogate(escape) {
            // A backslash and the character after it, which may be another backslash.
            None => text.len().min(escape + 2),
            Some(0xD800..0xDC00) if surrogate(escape + 6).is_some_and(|low| low >= 0xDC00) => escape + 12,
            Some(_) => {
                replaced.push_str(&text[copied..escape]);
                replaced.push_str("\\ufffd");
                copied = escape + 6;
                copied
            }
        };
    }
    if copied == 0 {
        return text.into();
    }
    replaced.push_str(&text[copied..]);
    replaced.into()
}

/// The code unit of the escape `\uXXXX` at a position.
fn escaped_unit(text: &str, at: usize) -> Option<u16> {
    let digits = text.get(at..at + 6)?.strip_prefix("\\u")?;
    let is_hex = digits.bytes().all(|byte| byte.is_ascii_hexdigit());
    u16::from_str_radix(digits, 16).ok().filter(|_| is_hex)
}

/// The member of this name of an object that is not valid JSON, such as one with a `NaN`. Names in nested
/// objects and in texts are skipped.
pub fn find_member(text: &str, name: &str) -> Option<Box<RawValue>> {
    let (bytes, quoted) = (text.as_bytes(), format!("\"{name}\""));
    let (mut depth, mut at) = (0_usize, 0);
    while let Some(byte) = bytes.get(at) {
        match byte {
            b'{' | b'[' => depth += 1,
            b'}' | b']' => depth = depth.saturating_sub(1),
            b'"' => {
                let end = end_of_string(bytes, at);
                let value = text[end..].trim_start().strip_prefix(':');
                if let (1, Some(value)) = (depth, value.filter(|_| text[at..end] == *quoted)) {
                    let value = without_lone_surrogates(value);
                    return serde_json::Deserializer::from_str(&value).into_iter().next()?.ok();
                }
                at = end;
                continue;
            }
            _ => {}
        }
        at += 1;
    }
    None
}

/// The position after the string that starts at `at`.
fn end_of_string(bytes: &[u8], at: usize) -> usize {
    let mut end = at + 1;
    while let Some(byte) = bytes.get(end) {
        match byte {
            b'"' => return end + 1,
            b'\\' => end += 2,
            _ => end += 1,
        }
    }
    bytes.len()
}

/// A number without a fraction, however it is written, as JSON Schema defines integers: `7`, `7.0`, `70e-1`.
pub fn integer(number: &str) -> Option<u64> {
    let (mantissa, exponent) = number.split_once(['e', 'E']).unwrap_or((number, "0"));
    let (whole, fraction) = mantissa.split_once('.').unwrap_or((mantissa, ""));
    let unsigned = whole.strip_prefix('-');
    let digits = [unsigned.unwrap_or(whole), fraction].concat();
    if digits.is_empty() || !digits.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    let significant = digits.trim_start_matches('0').trim_end_matches('0');
    if significant.is_empty() {
        return Some(0);
    }
    let trailing = digits.len() - digits.trim_end_matches('0').len();
    let shift = i64::try_from(trailing).ok()? - i64::try_from(fraction.len()).ok()?;
    let zeros = usize::try_from(exponent.parse::<i64>().ok()?.checked_add(shift)?).ok()?;
    if unsigned.is_some() || zeros > MAX_DIGITS {
        return None;
    }
    format!("{significant}{}", "0".repeat(zeros)).parse().ok()
}

/// The number of digits of the largest 64-bit integer.
const MAX_DIGITS: usize = 20;

/// A number or a text of a client that is returned exactly as it was sent.
#[derive(Clone, Debug, Serialize)]
#[serde(transparent)]
pub struct Echo(Box<RawValue>);

impl Echo {
    /// `None` if the value is neither a number nor a text.
    pub fn new(value: Box<RawValue>) -> Option<Self> {
        let is_scalar = value.get().starts_with(|c: char| c == '"' || c == '-' || c.is_ascii_digit());
        is_scalar.then_some(Self(value))
    }

    /// The size of the number or the text, in bytes.
    pub fn size(&self) -> usize {
        serde_json::from_str::<String>(self.0.get()).map_or(self.0.get().len(), |text| text.len())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn member(text: &str, name: &str) -> Option<String> {
        object(text)?.get(name).map(|value| value.get().to_owned())
    }

    #[test]
    fn values_keep_their_text_and_the_last_of_a_repeated_name_counts() {
        let deep = "[".repeat(30_000) + &"]".repeat(30_000);
        for value in ["117.63331139400017", "1e400", "-0.0", "18446744073709551616", "\"\\u00e9\"", &deep] {
            assert_eq!(member(&format!("{{\"a\": {value} ,\"b\":1}}"), "a").as_deref(), Some(value));
        }
        assert_eq!(member(r#"{"a":1,"\u0061":2}"#, "a").as_deref(), Some("2"));
        for text in ["", "[]", "1", "null", "{", "{\"a\":1}x", "{\"a\":NaN}", "{'a':1}"] {
            assert!(object(text).is_none(), "{text}");
        }
    }

    #[test]
    fn a_lone_surrogate_is_read_as_the_replacement_character() {
        let read = |escaped: &str| {
            let value = member(&format!("{{\"a\":\"{escaped}\"}}"), "a")?;
            serde_json::from_str::<String>(&value).ok()
        };
        for (escaped, text) in [
            ("\\ud83d", "\u{fffd}"),
            ("\\ude00", "\u{fffd}"),
            ("a\\uD83Db", "a\u{fffd}b"),
            ("\\ud83d\\ude00", "\u{1f600}"),
            ("\\ud83d\\ud83d\\ude00", "\u{fffd}\u{1f600}"),
            ("\\ude00\\ud83d", "\u{fffd}\u{fffd}"),
            ("\\ud83d\\n", "\u{fffd}\n"),
            ("\\\\ud83d", "\\ud83d"),
            ("\\\\\\ud83d", "\\\u{fffd}"),
            ("é\\ud83dé", "é\u{fffd}é"),
            ("\\ufffd\\u00e9", "\u{fffd}é"),
        ] {
            assert_eq!(read(escaped).as_deref(), Some(text), "{escaped}");
        }
        for broken in ["\\", "\\u", "\\ud8", "\\ud83d\\u", "\\u+123", "\\ué123", "\\é"] {
            assert_eq!(read(broken), None, "{broken}");
        }
        assert_eq!(member(r#"{"\ud83d":1}"#, "\u{fffd}").as_deref(), Some("1"));
    }

    #[test]
    fn a_member_of_broken_json_is_found_outside_of_nested_objects_and_texts() {
        for (text, found) in [
            (r#"{"type":"send_message","data":{"pace":NaN},"ref":7}"#, Some("7")),
            (r#"{"ref" : "a\"b","data":{"content":"cut o"#, Some(r#""a\"b""#)),
            (r#"{"data":{"ref":1,"a":[{"ref":2}]},"ref":117.63331139400017,}"#, Some("117.63331139400017")),
            (r#"{"data":"\"ref\":1","ref":"\ud83d","x":'y'}"#, Some(r#""\ufffd""#)),
            (r#"{"data":{"ref":1}"#, None),
            (r#"{"type":"ref","a":NaN}"#, None),
            (r#"{"ref":NaN}"#, None),
            ("\"ref\":1", None),
            ("{\"ref\"", None),
            ("{\"\\", None),
        ] {
            assert_eq!(find_member(text, "ref").as_deref().map(RawValue::get), found, "{text}");
        }
    }

    #[test]
    fn integers_are_numbers_without_a_fraction_in_any_notation() {
        for (number, integer) in [
            ("0", 0),
            ("-0", 0),
            ("-0.0", 0),
            ("0e999999999999999999999", 0),
            ("1.0", 1),
            ("1E5", 100_000),
            ("1.50e+1", 15),
            ("120e-1", 12),
            ("9007199254740993.0", 9_007_199_254_740_993),
            ("18446744073709551615", u64::MAX),
            ("1844674407370955161500e-2", u64::MAX),
        ] {
            assert_eq!(super::integer(number), Some(integer), "{number}");
        }
        for number in [
            "-1",
            "0.5",
            "1e-1",
            "18446744073709551616",
            "1e20",
            "1e999999999999999999999",
            "\"1\"",
            "true",
            "null",
            "",
        ] {
            assert_eq!(super::integer(number), None, "{number}");
        }
    }
}
