//! Schedules: which functions are called by the clock, and how often.

use std::time::Duration;

use anyhow::{Context, Result, bail};

use super::Source;

/// A function that is called again and again.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Schedule {
    /// The name of its rule: that of the function and the event together, as SAM makes it.
    pub rule: String,
    /// The logical id of the function.
    pub function: String,
    /// The time between two calls.
    pub every: Duration,
}

pub(super) fn read(source: &Source) -> Result<Vec<Schedule>> {
    let mut schedules = Vec::new();
    for resource in source.resources("AWS::Serverless::Function")? {
        for (name, event) in resource.properties["Events"].as_object().into_iter().flatten() {
            if event["Type"] == "Schedule" {
                let place = || format!("event {name} of {}", resource.id);
                let expression = source.needed(&event["Properties"], "Schedule").with_context(place)?;
                let every = rate(&expression).with_context(place)?;
                let (rule, function) = (format!("{}{name}", resource.id), resource.id.to_owned());
                schedules.push(Schedule { rule, function, every });
            }
        }
    }
    Ok(schedules)
}

/// The time in `rate(15 minutes)`.
fn rate(expression: &str) -> Result<Duration> {
    let inner = expression.strip_prefix("rate(").and_then(|rest| rest.strip_suffix(')'));
    let parts = inner.and_then(|inner| inner.split_once(' '));
    let (count, unit) =
        parts.with_context(|| format!("the local stack runs rate(…) only, not {expression}"))?;
    let count: u64 = count.parse().with_context(|| format!("{expression} has no whole number"))?;
    let minutes = match unit.trim_end_matches('s') {
        "minute" => 1,
        "hour" => 60,
        "day" => 24 * 60,
        _ => bail!("{expression} is in neither minutes, hours nor days"),
    };
    match count.checked_mul(minutes * 60) {
        None | Some(0) => bail!("{expression} is no time"),
        Some(seconds) => Ok(Duration::from_secs(seconds)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_rate_is_a_number_of_minutes_hours_or_days() {
        for (expression, minutes) in [("rate(1 minute)", 1), ("rate(15 minutes)", 15), ("rate(2 hours)", 120)]
        {
            assert_eq!(rate(expression).unwrap(), Duration::from_mins(minutes), "{expression}");
        }
        assert_eq!(rate("rate(1 day)").unwrap(), Duration::from_hours(24));
        for wrong in ["cron(0 10 * * ? *)", "rate(0 minutes)", "rate(x minutes)", "rate(5)", "rate(5 weeks)"]
        {
            assert!(rate(wrong).is_err(), "{wrong}");
        }
    }
}
