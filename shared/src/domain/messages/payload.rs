//! The payload of a message: JSON that only clients interpret, with every value as it was sent.

use std::{
    collections::{HashMap, hash_map::Entry},
    fmt,
};

use const_format::formatcp;
use serde::{
    Deserialize, Deserializer, Serialize, Serializer,
    de::{DeserializeOwned, Error as _, MapAccess, Visitor},
};
use serde_json::value::{RawValue, to_raw_value};

/// The maximum size of the payload as JSON, in bytes. Together with the longest content it fits into a
/// WebSocket frame of 32 KB, the limit of API Gateway.
pub const MAX_PAYLOAD_BYTES: usize = 4096;

/// The maximum number of objects and lists around a value, the payload included. In the deepest response, it
/// stays below the 128 levels that common parsers accept.
pub const MAX_PAYLOAD_DEPTH: usize = 100;

/// An object as JSON text: without whitespace and repeated names, with the numbers as the client wrote them.
///
/// A parsed number would be rounded to a double or an integer of 64 bits, and could not be compared with what
/// the client sent.
#[derive(Clone, Debug)]
pub struct Payload(Box<RawValue>);

impl Payload {
    /// Reads an object from JSON. The error is the end of a sentence that starts with the field's name.
    pub fn parse(json: &str) -> Result<Self, &'static str> {
        if !json.starts_with('{') {
            return Err("must be an object");
        }
        let mut text = String::with_capacity(json.len());
        write(json, 1, &mut text)?;
        if text.len() > MAX_PAYLOAD_BYTES {
            return Err(formatcp!("must have at most {MAX_PAYLOAD_BYTES} bytes"));
        }
        RawValue::from_string(text).map(Self).map_err(|_| NOT_JSON)
    }

    /// The payload of a value that is serialized as an object.
    pub fn of(value: &impl Serialize) -> Option<Self> {
        to_raw_value(value).ok().map(Self)
    }

    /// Reads a value; `None` if the payload is another one.
    pub fn read<T: DeserializeOwned>(&self) -> Option<T> {
        serde_json::from_str(self.json()).ok()
    }

    /// The JSON text.
    pub fn json(&self) -> &str {
        self.0.get()
    }

    /// The JSON, to embed it.
    pub fn into_raw(self) -> Box<RawValue> {
        self.0
    }
}

const NOT_JSON: &str = "must be JSON";

/// Writes a value without whitespace and repeated names. `depth` counts the containers around it and itself.
fn write(json: &str, depth: usize, out: &mut String) -> Result<(), &'static str> {
    match json.as_bytes().first() {
        Some(b'{' | b'[') if depth > MAX_PAYLOAD_DEPTH => {
            return Err(formatcp!("must be nested at most {MAX_PAYLOAD_DEPTH} levels deep"));
        }
        Some(b'{') => {
            let Members(members) = serde_json::from_str(json).map_err(|_| NOT_JSON)?;
            for (position, (name, value)) in members.iter().enumerate() {
                out.push(if position == 0 { '{' } else { ',' });
                write_string(name, out)?;
                out.push(':');
                write(value.get(), depth + 1, out)?;
            }
            out.push_str(if members.is_empty() { "{}" } else { "}" });
        }
        Some(b'[') => {
            let elements: Vec<&RawValue> = serde_json::from_str(json).map_err(|_| NOT_JSON)?;
            for (position, element) in elements.iter().enumerate() {
                out.push(if position == 0 { '[' } else { ',' });
                write(element.get(), depth + 1, out)?;
            }
            out.push_str(if elements.is_empty() { "[]" } else { "]" });
        }
        Some(b'"') => write_string(&serde_json::from_str::<String>(json).map_err(|_| NOT_JSON)?, out)?,
        Some(b'-' | b'0'..=b'9') if !json.parse().is_ok_and(f64::is_finite) => {
            return Err("must not contain a number that is too large for a double");
        }
        _ => out.push_str(json),
    }
    Ok(())
}

fn write_string(text: &str, out: &mut String) -> Result<(), &'static str> {
    out.push_str(&serde_json::to_string(text).map_err(|_| NOT_JSON)?);
    Ok(())
}

/// The members of an object in their order. A repeated name has its last value.
struct Members<'a>(Vec<(String, &'a RawValue)>);

impl<'de> Deserialize<'de> for Members<'de> {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        struct InOrder;

        impl<'de> Visitor<'de> for InOrder {
            type Value = Members<'de>;

            fn expecting(&self, f: &mut fmt::Formatter) -> fmt::Result {
                f.write_str("an object")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Members<'de>, A::Error> {
                let (mut members, mut positions) = (Vec::new(), HashMap::<String, usize>::new());
                while let Some((name, value)) = map.next_entry::<String, &'de RawValue>()? {
                    match positions.entry(name.clone()) {
                        Entry::Occupied(first) => members[*first.get()] = (name, value),
                        Entry::Vacant(new) => {
                            new.insert(members.len());
                            members.push((name, value));
                        }
                    }
                }
                Ok(Members(members))
            }
        }

        from.deserialize_map(InOrder)
    }
}

impl PartialEq for Payload {
    fn eq(&self, other: &Self) -> bool {
        self.json() == other.json()
    }
}

/// As JSON text: DynamoDB limits numbers and nesting more than JSON does and would change the value.
impl Serialize for Payload {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        to.serialize_str(self.json())
    }
}

impl<'de> Deserialize<'de> for Payload {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        let text = String::deserialize(from)?;
        if !text.starts_with('{') {
            return Err(D::Error::custom("not an object"));
        }
        RawValue::from_string(text).map(Self).map_err(D::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn parsed(json: &str) -> Result<String, &'static str> {
        Payload::parse(json).map(|payload| payload.json().to_owned())
    }

    #[test]
    fn numbers_keep_their_text_and_names_their_order() {
        let text =
            r#"{"z":117.63331139400017,"a":[1,1.0,-0.0,-0,1E5,1e-400,0.1e+2,18446744073709551616],"":null}"#;
        assert_eq!(parsed(text).unwrap(), text);
        let spaced = "{ \"a\\u0062\" : [ 1 , \"\\u00e9\\/\" ] ,\n\"b\" : { } , \"c\":[\t] }";
        assert_eq!(parsed(spaced).unwrap(), r#"{"ab":[1,"é/"],"b":{},"c":[]}"#);
    }

    #[test]
    fn a_repeated_name_has_its_last_value() {
        assert_eq!(
            parsed(r#"{"a":1,"b":2,"\u0061":3,"c":{"x":1,"x":2}}"#).unwrap(),
            r#"{"a":3,"b":2,"c":{"x":2}}"#
        );
    }

    #[test]
    fn what_common_parsers_cannot_read_is_rejected() {
        for number in ["1e400", "-1e309", &"9".repeat(400)] {
            assert!(parsed(&format!("{{\"a\":[{number}]}}")).unwrap_err().contains("double"), "{number}");
        }
        let nested = |depth: usize| format!("{{\"a\":{}{}}}", "[".repeat(depth - 1), "]".repeat(depth - 1));
        assert!(parsed(&nested(MAX_PAYLOAD_DEPTH)).is_ok());
        for depth in [MAX_PAYLOAD_DEPTH + 1, 30_000] {
            assert!(parsed(&nested(depth)).unwrap_err().contains("levels"), "{depth}");
        }
        for json in ["[]", "1", "\"{}\"", "null"] {
            assert_eq!(parsed(json), Err("must be an object"), "{json}");
        }
    }

    #[test]
    fn the_size_is_limited_without_whitespace_and_escapes() {
        let note = |text: &str| parsed(&format!("{{{}\"n\":\"{text}\"}}", " ".repeat(9000)));
        assert!(note(&"\\u0061".repeat(MAX_PAYLOAD_BYTES - 8)).is_ok());
        assert!(note(&"a".repeat(MAX_PAYLOAD_BYTES - 7)).unwrap_err().contains("bytes"));
    }

    /// JSON text of a value without whitespace, with names that do not repeat.
    fn json() -> impl Strategy<Value = String> {
        let number = r"-?(0|[1-9][0-9]{0,25})(\.[0-9]{1,25})?([eE][+-]?[0-9]{1,2})?";
        let text = any::<String>().prop_map(|text| serde_json::to_string(&text).unwrap());
        let leaf = prop_oneof![Just("true".to_owned()), Just("null".to_owned()), number, text];
        leaf.prop_recursive(6, 60, 5, |inner| {
            let list =
                prop::collection::vec(inner.clone(), 0..5).prop_map(|list| format!("[{}]", list.join(",")));
            prop_oneof![list, object(inner)]
        })
    }

    fn object(values: impl Strategy<Value = String>) -> impl Strategy<Value = String> {
        prop::collection::hash_map(any::<String>(), values, 0..5).prop_map(|members| {
            let name = |name: &String| serde_json::to_string(name).unwrap();
            let members: Vec<String> =
                members.iter().map(|(key, value)| format!("{}:{value}", name(key))).collect();
            format!("{{{}}}", members.join(","))
        })
    }

    proptest! {
        #[test]
        fn every_accepted_payload_is_read_back_from_its_item_as_it_was_sent(text in object(json())) {
            prop_assume!(text.len() <= MAX_PAYLOAD_BYTES);
            let payload = Payload::parse(&text).unwrap();
            prop_assert_eq!(payload.json(), &text);
            let stored: aws_sdk_dynamodb::types::AttributeValue = serde_dynamo::to_attribute_value(&payload).unwrap();
            let found: Payload = serde_dynamo::from_attribute_value(stored).unwrap();
            prop_assert_eq!(serde_json::to_string(&found.into_raw()).unwrap(), text);
        }
    }
}
