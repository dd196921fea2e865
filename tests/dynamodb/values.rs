//! Attribute values: types, numbers, sets, nesting and size.

use std::collections::BTreeSet;

use serde_json::{Map, Value};

use super::Checked;

/// The deepest nesting of lists and maps.
const MAX_DEPTH: usize = 32;
/// The most significant digits of a number.
const MAX_DIGITS: usize = 38;
/// The exponents of the smallest and the largest number, in scientific notation.
const EXPONENTS: std::ops::RangeInclusive<i64> = -130..=125;
/// The longest name of an attribute, in bytes.
const MAX_NAME_BYTES: usize = 65_535;

/// Checks the attributes of an item, a map or a key.
pub fn check_attributes(attributes: &Value, depth: usize) -> Checked {
    for (name, value) in object(attributes)? {
        if name.is_empty() || name.len() > MAX_NAME_BYTES {
            return Err(format!("an attribute name has {} bytes", name.len()));
        }
        check_value(value, depth).map_err(|violation| format!("{name}: {violation}"))?;
    }
    Ok(())
}

/// Checks a value, such as `{"S": "text"}`.
pub fn check_value(value: &Value, depth: usize) -> Checked {
    if depth > MAX_DEPTH {
        return Err(format!("more than {MAX_DEPTH} levels of lists and maps"));
    }
    let (kind, content) = typed(value)?;
    match (kind, content) {
        ("S" | "B", Value::String(_)) | ("BOOL", Value::Bool(_)) | ("NULL", Value::Bool(true)) => Ok(()),
        ("N", Value::String(number)) => check_number(number),
        ("SS" | "NS" | "BS", Value::Array(elements)) => {
            let distinct: BTreeSet<String> = elements.iter().map(Value::to_string).collect();
            if elements.is_empty() || distinct.len() < elements.len() {
                return Err("a set is empty or has duplicates".to_owned());
            }
            let mut numbers = elements.iter().filter(|_| kind == "NS");
            numbers.try_for_each(|number| check_number(number.as_str().unwrap_or_default()))
        }
        ("L", Value::Array(elements)) => {
            elements.iter().try_for_each(|element| check_value(element, depth + 1))
        }
        ("M", attributes) => check_attributes(attributes, depth + 1),
        _ => Err(format!("{value} is not a value")),
    }
}

/// Checks the notation, the precision and the magnitude of a number.
fn check_number(text: &str) -> Checked {
    let invalid = || format!("{text:?} is not a number of DynamoDB");
    let unsigned = text.strip_prefix(['-', '+']).unwrap_or(text);
    let (mantissa, exponent) = unsigned.split_once(['e', 'E']).unwrap_or((unsigned, "0"));
    let (whole, fraction) = mantissa.split_once('.').unwrap_or((mantissa, ""));
    let exponent: i64 = exponent.parse().map_err(|_| invalid())?;
    let digits = format!("{whole}{fraction}");
    if digits.is_empty() || !digits.bytes().all(|digit| digit.is_ascii_digit()) {
        return Err(invalid());
    }
    let significant = digits.trim_start_matches('0');
    let leading_zeros = digits.len() - significant.len();
    if significant.is_empty() {
        return Ok(());
    }
    let position = i64::try_from(whole.len()).unwrap_or(i64::MAX) - i64::try_from(leading_zeros).unwrap_or(0);
    let is_in_range = EXPONENTS.contains(&exponent.saturating_add(position - 1));
    let is_precise = significant.trim_end_matches('0').len() <= MAX_DIGITS;
    if is_in_range && is_precise { Ok(()) } else { Err(invalid()) }
}

/// The size of an item or a value by DynamoDB's rules, in bytes: names and values, one more for each element of
/// a list or map, and three for each list or map.
pub fn size(item: &Value) -> usize {
    item.as_object().into_iter().flatten().map(|(name, value)| name.len() + value_size(value)).sum()
}

fn value_size(value: &Value) -> usize {
    match typed(value) {
        Ok(("S", Value::String(text))) => text.len(),
        Ok(("B", Value::String(base64))) => base64.len() / 4 * 3,
        Ok(("N", Value::String(digits))) => digits.len().div_ceil(2) + 1,
        Ok(("SS", Value::Array(texts))) => {
            texts.iter().map(|text| text.as_str().unwrap_or_default().len()).sum()
        }
        Ok(("L", Value::Array(values))) => {
            3 + values.iter().map(|value| 1 + value_size(value)).sum::<usize>()
        }
        Ok(("M", Value::Object(fields))) => {
            3 + fields.iter().map(|(name, value)| 1 + name.len() + value_size(value)).sum::<usize>()
        }
        _ => 1,
    }
}

/// The only type of a value, and its content.
pub fn typed(value: &Value) -> Result<(&str, &Value), String> {
    let mut types = value.as_object().into_iter().flatten();
    match (types.next(), types.next()) {
        (Some((kind, content)), None) => Ok((kind, content)),
        _ => Err(format!("{value} has not exactly one type")),
    }
}

/// The object, or a violation.
pub fn object(value: &Value) -> Result<&Map<String, Value>, String> {
    value.as_object().ok_or_else(|| format!("{value} is not an object"))
}
