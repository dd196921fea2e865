//! Expressions: their size, their placeholders, and the keys in key conditions.

use std::collections::BTreeSet;

use serde_json::Value;

use super::{Checked, MAX_TRANSACTION_BYTES, check_key_value, values};

/// The longest expression, in bytes.
const MAX_BYTES: usize = 4096;
/// The most operators and functions in an expression.
const MAX_OPERATORS: usize = 300;
/// The most operands of an `IN`.
const MAX_IN_OPERANDS: usize = 100;
/// The longest placeholder, in bytes.
const MAX_PLACEHOLDER_BYTES: usize = 255;
/// The most bytes of all names and values that placeholders stand for.
const MAX_SUBSTITUTED_BYTES: usize = MAX_TRANSACTION_BYTES / 2;

const EXPRESSIONS: [&str; 5] = [
    "ConditionExpression",
    "FilterExpression",
    "KeyConditionExpression",
    "ProjectionExpression",
    "UpdateExpression",
];
/// Parameters of the interface before expressions.
const LEGACY: [&str; 8] = [
    "AttributeUpdates",
    "AttributesToGet",
    "ConditionalOperator",
    "Conditions",
    "Expected",
    "KeyConditions",
    "QueryFilter",
    "ScanFilter",
];

/// Checks all expressions of an operation, or of one action in a transaction.
pub fn check(operation: &Value) -> Checked {
    if let Some(legacy) = LEGACY.into_iter().find(|name| operation.get(name).is_some()) {
        return Err(format!("{legacy} cannot be combined with expressions"));
    }
    let mut used = BTreeSet::new();
    for name in EXPRESSIONS {
        let Some(expression) = operation.get(name) else { continue };
        let text = expression.as_str().ok_or_else(|| format!("{name} is not text"))?;
        if text.trim().is_empty() || text.len() > MAX_BYTES {
            return Err(format!("{name} has {} bytes, and may have {MAX_BYTES}", text.len()));
        }
        let tokens = tokens(text);
        check_operators(&tokens).map_err(|violation| format!("{name}: {violation}"))?;
        used.extend(
            tokens.iter().filter(|token| token.starts_with(['#', ':'])).map(|token| (*token).to_owned()),
        );
    }
    check_placeholders(operation, &used)?;
    match operation.get("KeyConditionExpression").and_then(Value::as_str) {
        Some(condition) => check_key_condition(operation, condition),
        None => Ok(()),
    }
}

/// All placeholders that are used are declared, and the other way round.
fn check_placeholders(operation: &Value, used: &BTreeSet<String>) -> Checked {
    let mut declared = BTreeSet::new();
    let mut bytes = 0;
    for (parameter, sign) in [("ExpressionAttributeNames", '#'), ("ExpressionAttributeValues", ':')] {
        let Some(substitutes) = operation.get(parameter) else { continue };
        let substitutes = values::object(substitutes)?;
        if substitutes.is_empty() {
            return Err(format!("{parameter} is empty"));
        }
        for (placeholder, substitute) in substitutes {
            if !placeholder.starts_with(sign) || !(2..=MAX_PLACEHOLDER_BYTES).contains(&placeholder.len()) {
                return Err(format!("{placeholder:?} is not a placeholder in {parameter}"));
            }
            match substitute {
                Value::String(name) if sign == '#' => bytes += name.len(),
                value => {
                    values::check_value(value, 0)?;
                    bytes += values::size(&serde_json::json!({ "": value }));
                }
            }
            declared.insert(placeholder.clone());
        }
    }
    let unequal: Vec<_> = declared.symmetric_difference(used).collect();
    if !unequal.is_empty() {
        return Err(format!("placeholders are unused or undeclared: {unequal:?}"));
    }
    if bytes > MAX_SUBSTITUTED_BYTES {
        return Err(format!("the names and values of placeholders have {bytes} bytes"));
    }
    Ok(())
}

fn check_operators(tokens: &[&str]) -> Checked {
    let is_word = |token: &str| token.starts_with(|first: char| first.is_ascii_alphabetic());
    let mut operators = 0;
    for (at, token) in tokens.iter().enumerate() {
        let upper = token.to_ascii_uppercase();
        let is_call = *token == "(" && at > 0 && is_word(tokens[at - 1]);
        let is_operator =
            ["=", "<", ">", "+", "-", "AND", "OR", "NOT", "BETWEEN", "IN"].contains(&upper.as_str());
        operators += usize::from(is_call || is_operator);
        if upper == "IN" {
            let operands =
                tokens[at..].iter().take_while(|token| **token != ")").filter(|token| **token == ",");
            if operands.count() >= MAX_IN_OPERANDS {
                return Err(format!("IN has more than {MAX_IN_OPERANDS} operands"));
            }
        }
    }
    if operators > MAX_OPERATORS {
        return Err(format!("{operators} operators and functions, more than {MAX_OPERATORS}"));
    }
    Ok(())
}

/// The values that keys are compared with are valid keys, and ranges are not reversed.
fn check_key_condition(query: &Value, condition: &str) -> Checked {
    let name = |token: &str| match query["ExpressionAttributeNames"][token].as_str() {
        Some(name) => name.to_owned(),
        None => token.to_owned(),
    };
    let mut key = String::new();
    let mut bounds: Vec<&str> = Vec::new();
    for token in tokens(condition) {
        if token.starts_with(':') {
            let value = &query["ExpressionAttributeValues"][token];
            check_key_value(&key, value)?;
            bounds.push(value["S"].as_str().unwrap_or_default());
        } else if super::KEYS.contains(&name(token).as_str()) {
            key = name(token);
            bounds.clear();
        }
        if let [first, last] = bounds[..]
            && first > last
        {
            return Err(format!("BETWEEN {first:?} AND {last:?} is reversed"));
        }
    }
    Ok(())
}

/// Words, placeholders and other characters, without spaces.
fn tokens(expression: &str) -> Vec<&str> {
    let is_word = |c: char| c.is_alphanumeric() || "_#:".contains(c);
    let mut tokens = Vec::new();
    let mut rest = expression.trim_start();
    while let Some(first) = rest.chars().next() {
        let word = rest.find(|c| !is_word(c)).unwrap_or(rest.len());
        let (token, after) = rest.split_at(word.max(if is_word(first) { 0 } else { first.len_utf8() }));
        tokens.push(token);
        rest = after.trim_start();
    }
    tokens
}
