//! The log lines of the functions.

use lambda_runtime::tracing::subscriber::{
    EnvFilter, filter::LevelFilter, fmt, fmt::MakeWriter, layer::SubscriberExt, registry,
    util::SubscriberInitExt,
};
use lambda_runtime::tracing::{Subscriber, subscriber};

use crate::config::LogConfig;

/// Starts to log to the standard output, as Lambda's logging configuration says.
pub(super) fn init() {
    let LogConfig { is_json, level } = LogConfig::from_env();
    let level = level.and_then(|level| level.parse().ok()).unwrap_or(LevelFilter::INFO);
    let filter = EnvFilter::builder().with_default_directive(level.into()).from_env_lossy();
    if is_json {
        json(std::io::stdout).with(filter).init();
    } else {
        registry().with(fmt::layer().with_target(false)).with(filter).init();
    }
}

/// A subscriber that writes JSON lines. Lambda takes a line's level only together with an RFC 3339 `timestamp`: it
/// treats any other line as INFO (<https://docs.aws.amazon.com/lambda/latest/dg/monitoring-cloudwatchlogs-log-level.html>).
fn json<W>(writer: W) -> impl Subscriber + for<'a> subscriber::registry::LookupSpan<'a> + Send + Sync
where
    W: for<'a> MakeWriter<'a> + Send + Sync + 'static,
{
    registry().with(fmt::layer().json().with_target(false).with_writer(writer))
}

#[cfg(test)]
mod tests {
    use std::io::Write;
    use std::sync::{Arc, Mutex};

    use super::*;

    #[derive(Clone, Default)]
    struct Lines(Arc<Mutex<Vec<u8>>>);

    impl Write for Lines {
        fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
            self.0.lock().unwrap().write(bytes)
        }

        fn flush(&mut self) -> std::io::Result<()> {
            Ok(())
        }
    }

    #[test]
    fn a_json_line_has_a_level_and_an_rfc_3339_timestamp() {
        let lines = Lines::default();
        let writer = lines.clone();
        tracing::subscriber::with_default(json(move || writer.clone()), || {
            tracing::error!(status = 500, "answered");
        });
        let line = lines.0.lock().unwrap().clone();
        let line: serde_json::Value = serde_json::from_slice(&line).unwrap();
        assert_eq!((&line["level"], &line["fields"]["status"]), (&"ERROR".into(), &500.into()));
        let timestamp = line["timestamp"].as_str().unwrap();
        assert!(chrono::DateTime::parse_from_rfc3339(timestamp).is_ok(), "{timestamp}");
    }
}
