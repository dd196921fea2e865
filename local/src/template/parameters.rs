//! Checks the values of parameters as CloudFormation does.

use std::collections::BTreeMap;

use anyhow::{Context, Result, bail};
use regex_lite::Regex;
use serde_json::Value;

use super::intrinsics::{Scope, scalar};
use super::schema::suggestion;

/// Checks that the template has each parameter and accepts its value.
///
/// # Errors
/// If it does not, with the reason.
pub fn check(root: &Value, values: &BTreeMap<String, String>) -> Result<()> {
    let declared = root["Parameters"].as_object();
    for (name, value) in values {
        let Some(parameter) = declared.and_then(|declared| declared.get(name)) else {
            let names = declared.into_iter().flatten().map(|(name, _)| name.as_str());
            bail!("the template has no parameter {name}{}", suggestion(name, names));
        };
        if let Some(reason) = violation(parameter, value).with_context(|| format!("parameter {name}"))? {
            bail!("the parameter {name} {reason}");
        }
    }
    Ok(())
}

/// Checks the assertions of the template about its parameters.
///
/// # Errors
/// The description of an assertion that is false.
pub fn check_rules(root: &Value, scope: &Scope) -> Result<()> {
    for rule in root["Rules"].as_object().into_iter().flatten().map(|(_, rule)| rule) {
        let condition = &rule["RuleCondition"];
        if !condition.is_null() && !scope.evaluate_condition(condition)? {
            continue;
        }
        for assertion in rule["Assertions"].as_array().into_iter().flatten() {
            if !scope.evaluate_condition(&assertion["Assert"])? {
                bail!(
                    "{}",
                    assertion["AssertDescription"].as_str().unwrap_or("a rule of the template is violated")
                );
            }
        }
    }
    Ok(())
}

fn violation(parameter: &Value, value: &str) -> Result<Option<String>> {
    let number = |name: &str| parameter[name].as_f64();
    let length = value.chars().count();
    let is_number = parameter["Type"] == "Number";
    let parsed: Option<f64> = value.parse().ok();
    if is_number && parsed.is_none() {
        return Ok(Some("must be a number".to_owned()));
    }
    if let Some(allowed) = parameter["AllowedValues"].as_array() {
        let allowed: Vec<String> = allowed.iter().filter_map(scalar).collect();
        if !allowed.iter().any(|allowed| allowed == value) {
            return Ok(Some(format!("must be one of {}", allowed.join(", "))));
        }
    }
    if let Some(pattern) = parameter["AllowedPattern"].as_str()
        && !Regex::new(&format!("^(?:{pattern})$"))?.is_match(value)
    {
        let described = parameter["ConstraintDescription"].as_str().map(str::to_owned);
        return Ok(Some(described.unwrap_or_else(|| format!("must match {pattern}"))));
    }
    #[expect(clippy::cast_precision_loss, reason = "a parameter has at most 4,096 bytes")]
    let measured = if is_number { parsed.unwrap_or_default() } else { length as f64 };
    let (least, most) = if is_number { ("MinValue", "MaxValue") } else { ("MinLength", "MaxLength") };
    let unit = if is_number { "" } else { " characters" };
    if let Some(least) = number(least).filter(|least| measured < *least) {
        return Ok(Some(format!("must have at least {least}{unit}")));
    }
    if let Some(most) = number(most).filter(|most| measured > *most) {
        return Ok(Some(format!("must have at most {most}{unit}")));
    }
    Ok(None)
}
