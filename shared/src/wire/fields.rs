//! Validates the fields of a body, a query, a path or a frame's data. All violations are reported at once.

use std::collections::BTreeMap;

use const_format::formatcp;
use percent_encoding::percent_decode_str;
use serde_json::value::RawValue;

use crate::{
    clock::Timestamp,
    config::Config,
    domain::{
        messages::{Payload, reaction::Emoji},
        page::PageRequest,
        text,
    },
    error::{Error, FieldError, Result},
    id::{DeviceId, MessageId, RequestId, RoomId, UserId},
    wire::json::{self, Echo, Given, Object},
};

/// The maximum length of an id that a client chooses, in bytes.
const MAX_CLIENT_ID_BYTES: usize = 64;

/// The maximum size of a body, in bytes. The longest message, escaped, fits with its payload.
pub const MAX_BODY_BYTES: usize = 64 * 1024;

/// The maximum `limit` of a page.
pub const MAX_PAGE: u64 = 100;

/// The maximum length of a cursor, in bytes.
const MAX_CURSOR_BYTES: usize = 256;

/// Input from clients that is read field by field.
pub trait Input: Sized {
    /// Reads all fields and records each violation. `None` if a required field is missing or invalid.
    fn read(fields: &mut Fields) -> Option<Self>;
}

/// The fields of one call and the violations found so far. Unknown fields are ignored.
pub struct Fields<'a> {
    values: BTreeMap<String, Given>,
    config: &'a Config,
    violations: Vec<FieldError>,
}

impl<'a> Fields<'a> {
    /// Creates fields from JSON, where numbers are JSON numbers.
    pub fn of_json(values: Object, config: &'a Config) -> Self {
        let values = values.into_iter().map(|(name, value)| (name, Given::Json(value)));
        Self { values: values.collect(), config, violations: Vec::new() }
    }

    /// Creates fields from a query or a path, where every value is text.
    pub fn of_text(pairs: impl Iterator<Item = (String, String)>, config: &'a Config) -> Self {
        let values = pairs.map(|(name, value)| (name, Given::Text(value))).collect();
        Self { values, config, violations: Vec::new() }
    }

    /// Reads the input, or returns [`Error::Invalid`] with all violations.
    pub fn read<T: Input>(mut self) -> Result<T> {
        let input = T::read(&mut self);
        match input {
            Some(input) if self.violations.is_empty() => Ok(input),
            _ => Err(Error::Invalid(self.violations)),
        }
    }

    /// The origins that a media URL may start with.
    pub fn media_origins(&self) -> &'a [String] {
        &self.config.media_origins
    }

    /// Records a violation, unless the field already has one.
    pub fn violation(&mut self, field: &str, message: &str) {
        let is_field = |name: &str| name.split('[').next() == Some(field);
        if !self.violations.iter().any(|violation| is_field(&violation.field)) {
            self.violations.push(FieldError { field: field.to_owned(), message: message.to_owned() });
        }
    }

    /// Reads an optional object. Its violations are named by their full path, such as
    /// `settings.read_receipts`.
    pub fn within_object<T>(&mut self, name: &str, read: impl FnOnce(&mut Fields) -> T) -> Option<T> {
        let values = self.optional(name)?;
        let mut inner = Fields::of_json(values, self.config);
        let object = read(&mut inner);
        let with_path =
            |violation: FieldError| FieldError { field: format!("{name}.{}", violation.field), ..violation };
        self.violations.extend(inner.violations.into_iter().map(with_path));
        Some(object)
    }

    /// Whether a field is present and `null`.
    pub fn is_null(&self, name: &str) -> bool {
        self.values.get(name).is_some_and(Given::is_null)
    }

    /// Whether a field is present and not `null`.
    pub fn has(&self, name: &str) -> bool {
        self.values.get(name).is_some_and(|value| !value.is_null())
    }

    /// Reads an optional field; absent and `null` are the same.
    pub fn optional<T: Field>(&mut self, name: &str) -> Option<T> {
        let value = self.values.get(name).filter(|value| !value.is_null())?;
        match T::parse(value) {
            Ok(parsed) => Some(parsed),
            Err(Violation { index, message }) => {
                self.violations
                    .push(FieldError { field: format!("{name}{index}"), message: message.to_owned() });
                None
            }
        }
    }

    /// Reads an optional field of an update: absent (`None`) keeps the current value, `null` (`Some(None)`)
    /// clears it.
    pub fn change<T: Field>(&mut self, name: &str) -> Option<Option<T>> {
        self.values.get(name)?;
        Some(self.optional(name))
    }

    /// Reads the client's id of what it creates.
    pub fn client_id(&mut self, name: &str) -> Option<String> {
        let id: Option<String> = self.optional(name);
        if id.as_ref().is_some_and(|id| id.is_empty() || id.len() > MAX_CLIENT_ID_BYTES) {
            self.violation(name, formatcp!("must have 1 to {MAX_CLIENT_ID_BYTES} bytes"));
        }
        if let Some(message) = id.as_deref().and_then(text::id_violation) {
            self.violation(name, message);
        }
        id
    }

    /// Reads a required field.
    pub fn required<T: Field>(&mut self, name: &str) -> Option<T> {
        self.required_either(name, name)
    }

    /// Reads a required field that has two names. The first one takes precedence.
    pub fn required_either<T: Field>(&mut self, name: &str, other_name: &str) -> Option<T> {
        let Some(name) = [name, other_name].into_iter().find(|name| self.has(name)) else {
            self.violation(name, "is required");
            return None;
        };
        self.optional(name)
    }

    /// Reads an optional field with a fixed set of values.
    pub fn choice<T: Copy>(&mut self, name: &str, choices: &[(&'static str, T)]) -> Option<T> {
        let text: String = self.optional(name)?;
        let chosen = choices.iter().find(|(choice, _)| *choice == text).map(|(_, value)| *value);
        if chosen.is_none() {
            let allowed: Vec<&str> = choices.iter().map(|(choice, _)| *choice).collect();
            self.violation(name, &format!("must be one of: {}", allowed.join(", ")));
        }
        chosen
    }

    /// Reads a required field with a fixed set of values.
    pub fn required_choice<T: Copy>(&mut self, name: &str, choices: &[(&'static str, T)]) -> Option<T> {
        if !self.has(name) {
            self.violation(name, "is required");
        }
        self.choice(name, choices)
    }

    /// Reads an optional number from `min` to `max`, inclusive.
    pub fn within(&mut self, name: &str, min: u64, max: u64) -> Option<u64> {
        let value = self.values.get(name).filter(|value| !value.is_null())?;
        let number = u64::parse(value).ok().filter(|number| (min..=max).contains(number));
        if number.is_none() {
            self.violation(name, &format!("must be a whole number from {min} to {max}"));
        }
        number
    }
}

/// The `limit` and `cursor` of a list.
impl Input for PageRequest {
    fn read(fields: &mut Fields) -> Option<Self> {
        let limit = fields.within("limit", 1, MAX_PAGE).and_then(|limit| usize::try_from(limit).ok());
        let cursor: Option<String> = fields.optional("cursor");
        let is_allowed = |byte: u8| byte.is_ascii_alphanumeric() || b"-_.:".contains(&byte);
        if cursor
            .as_ref()
            .is_some_and(|cursor| cursor.len() > MAX_CURSOR_BYTES || !cursor.bytes().all(is_allowed))
        {
            fields.violation("cursor", "must be one that an earlier page gave");
        }
        Some(Self { limit, cursor })
    }
}

/// The type of a field.
pub trait Field: Sized {
    /// Parses the value of the field.
    fn parse(value: &Given) -> Result<Self, Violation>;
}

/// Why a value is not valid for its field.
#[derive(Debug)]
pub struct Violation {
    /// The position in a list, such as `[3]` for the fourth element; empty for the whole value.
    index: String,
    /// The end of a sentence that starts with the field's name, such as `must be a UUID`.
    message: &'static str,
}

fn violation(message: &'static str) -> Violation {
    Violation { index: String::new(), message }
}

impl Field for String {
    fn parse(value: &Given) -> Result<Self, Violation> {
        value.text().ok_or(violation("must be a string"))
    }
}

/// Some gateways leave a path parameter percent-encoded. No emoji contains a `%`.
impl Field for Emoji {
    fn parse(value: &Given) -> Result<Self, Violation> {
        let text = value.text().ok_or(violation("must be one emoji"))?;
        percent_decode_str(&text).decode_utf8_lossy().parse().map_err(|_| violation("must be one emoji"))
    }
}

impl Field for bool {
    fn parse(value: &Given) -> Result<Self, Violation> {
        value.parse().ok_or(violation("must be true or false"))
    }
}

/// In JSON, every notation of an integer; in a query or a path, digits.
impl Field for u64 {
    fn parse(value: &Given) -> Result<Self, Violation> {
        let number = match value {
            Given::Json(number) => json::integer(number.get()),
            Given::Text(text) if text.starts_with('+') => None,
            Given::Text(text) => text.parse().ok(),
        };
        number.ok_or(violation("must be a whole number, 0 or more"))
    }
}

impl Field for Timestamp {
    fn parse(value: &Given) -> Result<Self, Violation> {
        let time = value.text().and_then(|text| text.parse().ok());
        time.ok_or(violation("must be a time as in 2026-01-31T09:15:00Z"))
    }
}

impl Field for Object {
    fn parse(value: &Given) -> Result<Self, Violation> {
        value.parse().ok_or(violation("must be an object"))
    }
}

impl Field for Payload {
    fn parse(value: &Given) -> Result<Self, Violation> {
        Payload::parse(value.json().unwrap_or_default()).map_err(violation)
    }
}

impl Field for Echo {
    fn parse(value: &Given) -> Result<Self, Violation> {
        let echo = value.parse().and_then(Echo::new);
        echo.ok_or(violation("must be a number or a string"))
    }
}

/// The maximum number of elements of any list. Individual fields may allow fewer.
const MAX_ELEMENTS: usize = 1000;

impl<T: Field> Field for Vec<T> {
    fn parse(value: &Given) -> Result<Self, Violation> {
        let elements: Vec<Box<RawValue>> = value.parse().ok_or(violation("must be a list"))?;
        if elements.len() > MAX_ELEMENTS {
            return Err(violation(formatcp!("must have at most {MAX_ELEMENTS} elements")));
        }
        let parsed = elements.into_iter().enumerate().map(|(position, element)| {
            T::parse(&Given::Json(element))
                .map_err(|inner| Violation { index: format!("[{position}]{}", inner.index), ..inner })
        });
        parsed.collect()
    }
}

macro_rules! id_field {
    ($($id:ident named $name:literal),*) => {$(
        impl Field for $id {
            fn parse(value: &Given) -> Result<Self, Violation> {
                let id = value.text().and_then(|text| text.parse().ok());
                id.ok_or(violation("must be a UUID"))
            }
        }

        /// As the only parameter of a path.
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

    fn read(body: &str) -> Result<Sample, Vec<String>> {
        let config = Config::from_lookup(|_| None).unwrap();
        let fields = Fields::of_json(json::object(body).unwrap(), &config);
        fields.read().map_err(|error| match error {
            Error::Invalid(errors) => {
                errors.into_iter().map(|error| format!("{} {}", error.field, error.message)).collect()
            }
            other => panic!("{other}"),
        })
    }

    #[test]
    fn all_invalid_fields_are_reported_at_once() {
        let result =
            read(r#"{"ids": ["9f0e0d0c-0b0a-4908-8706-050403020100", 7], "limit": 0, "action": "run"}"#);
        let expected = [
            "ids[1] must be a UUID",
            "limit must be a whole number from 1 to 100",
            "action must be one of: go, stop",
        ];
        assert_eq!(result.err().unwrap(), expected);
        for unreadable in ["\"5\"", "1e400", "0.5", "-1", &format!("{}1{}", "[".repeat(200), "]".repeat(200))]
        {
            assert_eq!(
                read(&format!("{{\"limit\": {unreadable}}}")).err().unwrap(),
                ["ids is required", "limit must be a whole number from 1 to 100"]
            );
        }
    }

    #[test]
    fn integers_are_accepted_in_every_notation() {
        for five in ["5", "5.0", "5e0", "0.5E1", "500e-2"] {
            assert_eq!(
                read(&format!("{{\"ids\": [], \"limit\": {five}}}")).unwrap().limit,
                Some(5),
                "{five}"
            );
        }
    }

    #[test]
    fn null_counts_as_absent_and_unknown_fields_are_ignored() {
        let sample = read(r#"{"ids": [], "limit": null, "action": null, "else": {"x": 1e400}}"#).unwrap();
        assert!(sample.ids.is_empty() && sample.limit.is_none());
    }

    #[test]
    fn numbers_are_accepted_as_text_only_in_queries() {
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
