//! `Schedule` events of functions.

use std::time::Duration;

use anyhow::{Context, Result, bail};

use super::Source;

/// A function that is invoked at an interval.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Schedule {
    /// The rule name: the logical ids of the function and the event, as in SAM.
    pub rule: String,
    /// The logical id of the function.
    pub function: String,
    /// The time between two invocations.
    pub interval: Duration,
}

pub(super) fn read(source: &Source) -> Result<Vec<Schedule>> {
    let mut schedules = Vec::new();
    for resource in source.resources("AWS::Serverless::Function")? {
        for (name, event) in resource.properties["Events"].as_object().into_iter().flatten() {
            if event["Type"] == "Schedule" {
                let location = || format!("event {name} of {}", resource.id);
                let expression = source.required(&event["Properties"], "Schedule").with_context(location)?;
                let interval = parse_rate(&expression).with_context(location)?;
                let (rule, function) = (format!("{}{name}", resource.id), resource.id.to_owned());
                schedules.push(Schedule { rule, function, interval });
            }
        }
    }
    Ok(schedules)
}

/// Parses a rate expression such as `rate(15 minutes)`.
fn parse_rate(expression: &str) -> Result<Duration> {
    let inner = expression.strip_prefix("rate(").and_then(|rest| rest.strip_suffix(')'));
    let parts = inner.and_then(|inner| inner.split_once(' '));
    let (count, unit) =
        parts.with_context(|| format!("the local stack supports only rate(…), not {expression}"))?;
    let count: u64 = count.parse().with_context(|| format!("the value of {expression} is not an integer"))?;
    let minutes = match unit.trim_end_matches('s') {
        "minute" => 1,
        "hour" => 60,
        "day" => 24 * 60,
        _ => bail!("the unit of {expression} is not minutes, hours or days"),
    };
    match count.checked_mul(minutes * 60) {
        None | Some(0) => bail!("the value of {expression} is out of range"),
        Some(seconds) => Ok(Duration::from_secs(seconds)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_rate_is_a_positive_number_of_minutes_hours_or_days() {
        for (expression, minutes) in [("rate(1 minute)", 1), ("rate(15 minutes)", 15), ("rate(2 hours)", 120)]
        {
            assert_eq!(parse_rate(expression).unwrap(), Duration::from_mins(minutes), "{expression}");
        }
        assert_eq!(parse_rate("rate(1 day)").unwrap(), Duration::from_hours(24));
        for invalid in
            ["cron(0 10 * * ? *)", "rate(0 minutes)", "rate(x minutes)", "rate(5)", "rate(5 weeks)"]
        {
            assert!(parse_rate(invalid).is_err(), "{invalid}");
        }
    }
}
