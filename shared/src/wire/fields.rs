//! Reading the fields of a body, a query, a path or a frame's data: every bad one is found, and said in plain words.

use percent_encoding::percent_decode_str;
use serde_json::{Map, Value};

use crate::{
    clock::Timestamp,
    config::Config,
    domain::{messages::reaction::Emoji, page::PageRequest},
    error::{Error, FieldError, Result},
    id::{DeviceId, MessageId, NotAnId, RequestId, RoomId, UserId},
};

/// The largest page of a list.
pub const MAX_PAGE: u64 = 100;

/// The longest cursor, in bytes.
const MAX_CURSOR_BYTES: usize = 256;

/// Something that clients send, read field by field.
pub trait Input: Sized {
    /// Reads every field, noting each fault; `None` if too little is there to go on.
    fn read(fields: &mut Fields) -> Option<Self>;
}

/// The fields of one call, and what was wrong with those that were read. Fields that nobody reads are ignored.
pub struct Fields<'a> {
    values: Map<String, Value>,
    as_text: bool,
    config: &'a Config,
    faults: Vec<FieldError>,
}

impl<'a> Fields<'a> {
    /// Fields of JSON, where a number is a number.
    pub fn of_json(values: Map<String, Value>, config: &'a Config) -> Self {
        Self { values, as_text: false, config, faults: Vec::new() }
    }

    /// Fields of a query or a path, where everything is text.
    pub fn of_text(pairs: impl Iterator<Item = (String, String)>, config: &'a Config) -> Self {
        let values = pairs.map(|(name, value)| (name, Value::String(value))).collect();
        Self { values, as_text: true, config, faults: Vec::new() }
    }

    /// Reads an input, or answers with every fault that was found.
    pub fn read<T: Input>(mut self) -> Result<T> {
        let input = T::read(&mut self);
        match input {
            Some(input) if self.faults.is_empty() => Ok(input),
            _ => Err(Error::Invalid(self.faults)),
        }
    }

    /// Origins that media may lie under.
    pub fn media_origins(&self) -> &'a [String] {
        &self.config.media_origins
    }

    /// Notes a fault, unless the field has one already.
    pub fn fault(&mut self, field: &str, message: &str) {
        let base = |name: &str| name.split('[').next() == Some(field);
        if !self.faults.iter().any(|fault| base(&fault.field)) {
            self.faults.push(FieldError { field: field.to_owned(), message: message.to_owned() });
        }
    }

    /// The fields of an object, if it is given: their faults are named by the whole way to them.
    pub fn within_object<T>(&mut self, name: &str, read: impl FnOnce(&mut Fields) -> T) -> Option<T> {
        let values = self.optional(name)?;
        let mut inner = Fields::of_json(values, self.config);
        let object = read(&mut inner);
        let named = |fault: FieldError| FieldError { field: format!("{name}.{}", fault.field), ..fault };
        self.faults.extend(inner.faults.into_iter().map(named));
        Some(object)
    }

    /// Whether a field is given as `null`.
    pub fn is_null(&self, name: &str) -> bool {
        self.values.get(name).is_some_and(Value::is_null)
    }

    /// Whether a field is given and not `null`.
    pub fn has(&self, name: &str) -> bool {
        self.values.get(name).is_some_and(|value| !value.is_null())
    }

    /// A field that may be absent or `null`.
    pub fn optional<T: Field>(&mut self, name: &str) -> Option<T> {
        let value = self.values.get(name).filter(|value| !value.is_null())?;
        match T::parse(value, self.as_text) {
            Ok(parsed) => Some(parsed),
            Err(Violation { place, message }) => {
                self.faults.push(FieldError { field: format!("{name}{place}"), message: message.to_owned() });
                None
            }
        }
    }

    /// A field that may be absent, which changes nothing, or `null`, which takes away what is there.
    pub fn change<T: Field>(&mut self, name: &str) -> Option<Option<T>> {
        self.values.get(name)?;
        Some(self.optional(name))
    }

    /// A field that must be there.
    pub fn required<T: Field>(&mut self, name: &str) -> Option<T> {
        self.required_either(name, name)
    }

    /// A field that must be there under the first or the second name.
    pub fn required_either<T: Field>(&mut self, name: &str, other_name: &str) -> Option<T> {
        let Some(name) = [name, other_name].into_iter().find(|name| self.has(name)) else {
            self.fault(name, "is required");
            return None;
        };
        self.optional(name)
    }

    /// One of some words, if given.
    pub fn choice<T: Copy>(&mut self, name: &str, choices: &[(&'static str, T)]) -> Option<T> {
        let word: String = self.optional(name)?;
        let chosen = choices.iter().find(|(choice, _)| *choice == word).map(|(_, meaning)| *meaning);
        if chosen.is_none() {
            let words: Vec<&str> = choices.iter().map(|(choice, _)| *choice).collect();
            self.fault(name, &format!("must be one of: {}", words.join(", ")));
        }
        chosen
    }

    /// One of some words.
    pub fn required_choice<T: Copy>(&mut self, name: &str, choices: &[(&'static str, T)]) -> Option<T> {
        if !self.has(name) {
            self.fault(name, "is required");
        }
        self.choice(name, choices)
    }

    /// A number within bounds, both included, if given.
    pub fn within(&mut self, name: &str, least: u64, most: u64) -> Option<u64> {
        let value = self.values.get(name).filter(|value| !value.is_null())?;
        let number = u64::parse(value, self.as_text).ok().filter(|number| (least..=most).contains(number));
        if number.is_none() {
            self.fault(name, &format!("must be a whole number from {least} to {most}"));
        }
        number
    }
}

/// Which part of a list a caller wants.
impl Input for PageRequest {
    fn read(fields: &mut Fields) -> Option<Self> {
        let limit = fields.within("limit", 1, MAX_PAGE).and_then(|limit| usize::try_from(limit).ok());
        let cursor: Option<String> = fields.optional("cursor");
        let letter = |byte: u8| byte.is_ascii_alphanumeric() || b"-_.:".contains(&byte);
        if cursor
            .as_ref()
            .is_some_and(|cursor| cursor.len() > MAX_CURSOR_BYTES || !cursor.bytes().all(letter))
        {
            fields.fault("cursor", "must be one that an earlier page gave");
        }
        Some(Self { limit, cursor })
    }
}

/// A type that a field can have.
pub trait Field: Sized {
    /// Takes it from JSON; `as_text` where everything is text.
    fn parse(value: &Value, as_text: bool) -> Result<Self, Violation>;
}

/// What is wrong with a value.
#[derive(Debug)]
pub struct Violation {
    /// Where in the field: empty, or `[3]` for the fourth element.
    place: String,
    /// What it must be.
    message: &'static str,
}

fn fault(message: &'static str) -> Violation {
    Violation { place: String::new(), message }
}

impl Field for Value {
    fn parse(value: &Value, _: bool) -> Result<Self, Violation> {
        Ok(value.clone())
    }
}

impl Field for String {
    fn parse(value: &Value, _: bool) -> Result<Self, Violation> {
        value.as_str().map(str::to_owned).ok_or(fault("must be a string"))
    }
}

/// In a path, some gateways leave it percent-encoded. No emoji has a `%`.
impl Field for Emoji {
    fn parse(value: &Value, _: bool) -> Result<Self, Violation> {
        let text = value.as_str().map(|text| percent_decode_str(text).decode_utf8_lossy());
        text.and_then(|text| text.parse().ok()).ok_or(fault("must be one emoji"))
    }
}

impl Field for bool {
    fn parse(value: &Value, _: bool) -> Result<Self, Violation> {
        value.as_bool().ok_or(fault("must be true or false"))
    }
}

impl Field for u64 {
    fn parse(value: &Value, as_text: bool) -> Result<Self, Violation> {
        let number = match value {
            Value::String(text) if as_text && !text.starts_with('+') => text.parse().ok(),
            other => other.as_u64(),
        };
        number.ok_or(fault("must be a whole number, 0 or more"))
    }
}

impl Field for Timestamp {
    fn parse(value: &Value, _: bool) -> Result<Self, Violation> {
        let time = value.as_str().and_then(|text| text.parse().ok());
        time.ok_or(fault("must be a time as in 2026-01-31T09:15:00Z"))
    }
}

impl Field for Map<String, Value> {
    fn parse(value: &Value, _: bool) -> Result<Self, Violation> {
        value.as_object().cloned().ok_or(fault("must be an object"))
    }
}

/// The most elements that any list in a call may have; what a list means may allow fewer.
const MAX_ELEMENTS: usize = 1000;

impl<T: Field> Field for Vec<T> {
    fn parse(value: &Value, as_text: bool) -> Result<Self, Violation> {
        let elements = value.as_array().ok_or(fault("must be a list"))?;
        if elements.len() > MAX_ELEMENTS {
            return Err(fault("must have at most 1000 elements"));
        }
        let parsed = elements.iter().enumerate().map(|(at, element)| {
            T::parse(element, as_text)
                .map_err(|inner| Violation { place: format!("[{at}]{}", inner.place), ..inner })
        });
        parsed.collect()
    }
}

macro_rules! id_field {
    ($($id:ident named $name:literal),*) => {$(
        impl Field for $id {
            fn parse(value: &Value, _: bool) -> Result<Self, Violation> {
                let id = value.as_str().map(str::parse).unwrap_or(Err(NotAnId));
                id.map_err(|NotAnId| fault("must be a UUID"))
            }
        }

        /// As the one parameter of a path.
        impl Input for $id {
            fn read(fields: &mut Fields) -> Option<Self> {
                fields.required($name)
            }
        }
    )*};
}

id_field!(
    UserId named "user_id",
    DeviceId named "device_id",
    RoomId named "room_id",
    RequestId named "request_id",
    MessageId named "message_id"
);

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    struct Sample {
        ids: Vec<UserId>,
        limit: Option<u64>,
    }

    impl Input for Sample {
        fn read(fields: &mut Fields) -> Option<Self> {
            let (ids, limit) = (fields.required("ids"), fields.within("limit", 1, 100));
            fields.choice("action", &[("go", ()), ("stop", ())]);
            Some(Self { ids: ids?, limit })
        }
    }

    fn read(value: &Value) -> Result<Sample, Vec<String>> {
        let config = Config::from_lookup(|_| None).unwrap();
        let fields = Fields::of_json(value.as_object().unwrap().clone(), &config);
        fields.read().map_err(|error| match error {
            Error::Invalid(faults) => {
                faults.into_iter().map(|fault| format!("{} {}", fault.field, fault.message)).collect()
            }
            other => panic!("{other}"),
        })
    }

    #[test]
    fn every_bad_field_is_found_at_once() {
        let faults =
            read(&json!({"ids": ["9f0e0d0c-0b0a-4908-8706-050403020100", 7], "limit": 0, "action": "run"}));
        let expected = [
            "ids[1] must be a UUID",
            "limit must be a whole number from 1 to 100",
            "action must be one of: go, stop",
        ];
        assert_eq!(faults.err().unwrap(), expected);
        assert_eq!(
            read(&json!({"limit": "5"})).err().unwrap(),
            ["ids is required", "limit must be a whole number from 1 to 100"]
        );
    }

    #[test]
    fn null_is_absent_and_unknown_fields_are_ignored() {
        let sample = read(&json!({"ids": [], "limit": null, "action": null, "else": {}})).unwrap();
        assert!(sample.ids.is_empty() && sample.limit.is_none());
    }

    #[test]
    fn numbers_are_text_in_queries_only() {
        let config = Config::from_lookup(|_| None).unwrap();
        let query = |value: &str| {
            let pairs = [("limit".to_owned(), value.to_owned())];
            Fields::of_text(pairs.into_iter(), &config).optional::<u64>("limit")
        };
        assert_eq!(query("5"), Some(5));
        for text in ["", "-1", "+5", " 5", "5.0", "1e3", "99999999999999999999", "٣"] {
            assert_eq!(query(text), None, "{text}");
        }
    }
}
